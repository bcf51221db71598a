package registry_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	own "plimsoll/activities/registry"
)

func TestForeignLayersComeFromHostsTheOperatorAllows(t *testing.T) {
	t.Parallel()
	content := "a layer of somebody else"
	var asked []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.Host) }))
	t.Cleanup(other.Close)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "":
			t.Error("credentials were sent")
		case r.URL.Path == "/away":
			http.Redirect(w, r, other.URL+"/x", http.StatusFound)
		case r.URL.Path == "/here":
			http.Redirect(w, r, "/layer", http.StatusFound)
		case r.URL.Path == "/layer":
			_, _ = io.WriteString(w, content)
		case r.URL.Path == "/down":
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(store.Close)
	allowed, err := url.Parse(store.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := own.New(own.Config{ForeignHosts: []string{allowed.Host, "layers.example"}})
	tests := []struct {
		name string
		urls []string
		want error
	}{
		{"allowed", []string{store.URL + "/layer"}, nil},
		{"redirect within", []string{store.URL + "/here"}, nil},
		{"the second one has it", []string{store.URL + "/gone", store.URL + "/layer"}, nil},
		{"redirect to another host", []string{store.URL + "/away"}, own.ErrForeign},
		{"not allowed", []string{other.URL + "/x"}, own.ErrForeign},
		{"gone", []string{store.URL + "/gone"}, own.ErrForeign},
		{"down", []string{store.URL + "/down"}, own.ErrUnreachable},
		{"plain HTTP elsewhere", []string{"http://layers.example/x"}, own.ErrForeign},
		{"credentials in the address", []string{strings.Replace(store.URL, "//", "//user:secret@", 1) + "/layer"}, own.ErrForeign},
		{"a file", []string{"file:///etc/passwd"}, own.ErrForeign},
		{"no address", nil, own.ErrForeign},
	}
	for _, tt := range tests {
		layer := own.Layer{Digest: digestOf([]byte(content)), Size: int64(len(content)), Foreign: true, URLs: tt.urls}
		body, host, err := c.Foreign(t.Context(), layer)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
			continue
		}
		if err != nil {
			continue
		}
		got, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil || string(got) != content || host != "anybody/"+allowed.Host {
			t.Errorf("%s: %q from %s, %v", tt.name, got, host, err)
		}
		if !c.Public(layer, []string{host}) || c.Public(layer, []string{"anybody/registry.example", allowed.Host}) {
			t.Errorf("%s: the place it came from does not count", tt.name)
		}
		layer.Foreign = false
		if _, _, err := c.Foreign(t.Context(), layer); !errors.Is(err, own.ErrForeign) || c.Public(layer, []string{host}) {
			t.Errorf("%s: an ordinary layer was fetched from elsewhere: %v", tt.name, err)
		}
	}
	if len(asked) > 0 {
		t.Errorf("requests reached a host that is not allowed: %v", asked)
	}
}
