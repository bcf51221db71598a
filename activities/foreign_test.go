package activities_test

import (
	"io"
	"net/http"
	"net/http/httptest"
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
