package activities_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"plimsoll/activities"
	"plimsoll/workflows"
)

// A layer that the registry leaves to another place is read from there once, if the operator says so, and is then
// known for every account.
func TestForeignLayersNeedTheOperatorsWord(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	body, err := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status}).Compressed()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = w.Write(content)
	}))
	t.Cleanup(store.Close)
	host := strings.TrimPrefix(store.URL, "http://")
	for _, tt := range []struct {
		name    string
		allowed []string
		code    string
		served  int64
	}{
		{"not allowed", nil, workflows.FailUnsupported, 0},
		{"another host", []string{"layers.example"}, workflows.FailUnsupported, 0},
		{"allowed", []string{host}, "", 1},
	} {
		served.Store(0)
		s := newSystem(t, func(a *activities.Analysis) { a.Foreign = tt.allowed })
		img, err := mutate.Append(empty.Image, mutate.Addendum{
			Layer: static.NewLayer(content, types.DockerForeignLayer), MediaType: types.DockerForeignLayer, URLs: []string{store.URL + "/layer"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.upload("team/app:1", img)
		for _, account := range []string{"acme", "globex"} {
			in := s.add(account, "team/app", "1")
			err := s.run(workflows.AnalyzeImageName, in, nil)
			if code, _ := workflows.Failure(err); err != nil && code != tt.code || err == nil && tt.code != "" {
				t.Errorf("%s: %s ended with %v, want %q", tt.name, account, err, tt.code)
			}
			if r := s.status(in); tt.code != "" && !strings.Contains(r.ErrorMessage, "foreign_layer_hosts") {
				t.Errorf("%s: the message does not help: %q", tt.name, r.ErrorMessage)
			}
		}
		if n := served.Load(); n != tt.served {
			t.Errorf("%s: fetched %d times, want %d", tt.name, n, tt.served)
		}
	}
}

// A host of the operator's list may be a registry as well. What it gave an account that signed in is not anybody's, even
// if a manifest calls it a foreign layer.
func TestALayerDeliveredToAnAccountIsNoForeignLayer(t *testing.T) {
	t.Parallel()
	var proxy atomic.Pointer[httputil.ReverseProxy]
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { proxy.Load().ServeHTTP(w, r) }))
	t.Cleanup(front.Close)
	host := strings.TrimPrefix(front.URL, "http://")
	s := newSystem(t, func(a *activities.Analysis) { a.Foreign = []string{host} })
	proxy.Store(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.host}))
	s.host = host
	private := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status})
	s.push("team/app:1", private)
	s.analyze(s.add("acme", "team/app", "1"))

	digest := digestOfLayer(t, private)
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: private, MediaType: types.DockerForeignLayer, URLs: []string{front.URL + "/v2/team/app/blobs/" + digest},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.upload("theirs/app:1", img)
	in := s.add("globex", "theirs/app", "1")
	s.deny.Store(true)
	if err := s.run(workflows.AnalyzeImageName, in, nil); err == nil {
		t.Errorf("the other account sees %v", s.found(in))
	}
}

func TestForeignHostsAreHosts(t *testing.T) {
	t.Parallel()
	for entry, ok := range map[string]bool{"mcr.microsoft.com": true, "layers.example:8443": true, "https://layers.example": false, "a/b": false, "": false, "*": false} {
		a := activities.DefaultAnalysis()
		a.Foreign = []string{entry}
		if err := a.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", entry, err)
		}
	}
}
