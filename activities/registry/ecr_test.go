package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"plimsoll/internal/ecr"
	"plimsoll/internal/registryhttp"
)

const ecrHost = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"

// An entry of type awsecr pulls with a token bought with its keys, and with another when the registry no longer takes
// the first.
func TestRegistriesOfAWSArePulledFromWithTokens(t *testing.T) {
	t.Parallel()
	var bought atomic.Int64
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]any{"authorizationData": []map[string]any{{
			"authorizationToken": base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "AWS:token-%d", bought.Add(1))),
			"expiresAt":          float64(time.Now().Add(12 * time.Hour).Unix()),
		}}})
	}))
	t.Cleanup(aws.Close)
	handler := served.New(served.Logger(log.New(io.Discard, "", 0)))
	open := httptest.NewServer(handler)
	t.Cleanup(open.Close)
	tag, err := name.NewTag(strings.TrimPrefix(open.URL, "http://") + "/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	var valid atomic.Int64 // number of the token the registry takes
	valid.Store(1)
	guarded := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="ecr"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if user != "AWS" || password != fmt.Sprint("token-", valid.Load()) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}`)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(guarded.Close)

	access, err := registryhttp.Open(registryhttp.Config{AWS: ecr.Config{ECREndpoint: aws.URL}})
	if err != nil {
		t.Fatal(err)
	}
	client := New(Config{Access: access})
	wire, ok := client.trusting.(*http.Transport)
	if !ok {
		t.Fatal("another transport")
	}
	wire.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { // the name leads nowhere here
		return (&net.Dialer{}).DialContext(ctx, "tcp", guarded.Listener.Addr().String())
	}
	credentials := []Credential{{Registry: ecrHost, Type: TypeECR, Username: "KEY", Password: "s3cret"}}
	for step, want := range []int64{1, 1} {
		if _, err := client.Resolve(t.Context(), credentials, ecrHost+"/team/app:1", ""); err != nil || bought.Load() != want {
			t.Fatalf("pull %d: %v after %d tokens", step+1, err, bought.Load())
		}
	}
	valid.Store(2) // as after twelve hours
	if _, err := client.Resolve(t.Context(), credentials, ecrHost+"/team/app:1", ""); err != nil || bought.Load() != 2 {
		t.Fatalf("with an expired token: %v after %d tokens", err, bought.Load())
	}
	valid.Store(100) // no right to this registry
	if _, err := client.Resolve(t.Context(), credentials, ecrHost+"/team/app:1", ""); !errors.Is(err, ErrUnauthorized) || bought.Load() != 3 {
		t.Fatalf("without a right: %v after %d tokens", err, bought.Load())
	}
	_, err = client.Resolve(t.Context(), []Credential{{Registry: ecrHost, Type: TypeECR, Username: ecr.UserAmbient, Password: "x"}}, ecrHost+"/team/app:1", "")
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "ambient_credentials") {
		t.Errorf("ambient credentials: %v", err)
	}
}
