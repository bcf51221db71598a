package ui_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"plimsoll/ui"
)

func serve(t *testing.T, cfg ui.Config, method, path string) (*http.Response, string) {
	t.Helper()
	handler, err := ui.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	res := rec.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestPageShowsWhereThingsAre(t *testing.T) {
	t.Parallel()
	cfg := ui.Config{APIURL: "http://127.0.0.1:8228", TemporalURL: "http://127.0.0.1:8233", Version: `v1 <b>`}
	res, body := serve(t, cfg, http.MethodGet, "/")
	for _, want := range []string{`href="http://127.0.0.1:8228/v2/console/"`, `href="http://127.0.0.1:8233"`, "v1 &lt;b&gt;"} {
		if !strings.Contains(body, want) {
			t.Errorf("page lacks %s", want)
		}
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("page caching %q", got)
	}
	if _, body := serve(t, ui.Config{}, http.MethodGet, "/"); strings.Contains(body, "Workflows") {
		t.Error("a card without an address is shown")
	}
}

func TestPageLoadsOnlyItsOwnAssets(t *testing.T) {
	t.Parallel()
	res, body := serve(t, ui.Config{}, http.MethodGet, "/")
	if policy := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "style=") {
		t.Error("the page has inline code, which its policy forbids")
	}
	loaded := regexp.MustCompile(`(?:src|href)="(/[^"]*)"`).FindAllStringSubmatch(body, -1)
	if len(loaded) < 2 {
		t.Fatalf("assets found: %v", loaded)
	}
	for _, match := range loaded {
		asset, _ := serve(t, ui.Config{}, http.MethodGet, match[1])
		if asset.StatusCode != http.StatusOK || !strings.Contains(asset.Header.Get("Cache-Control"), "immutable") || asset.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", match[1], asset.StatusCode, asset.Header)
		}
	}
}

func TestOtherRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{http.MethodHead, "/", http.StatusOK},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodGet, "/assets/style.css", http.StatusNotFound},
		{http.MethodGet, "/assets/../handler.go", http.StatusNotFound},
	} {
		if res, _ := serve(t, ui.Config{}, tc.method, tc.path); res.StatusCode != tc.want {
			t.Errorf("%s %s = %d, want %d", tc.method, tc.path, res.StatusCode, tc.want)
		}
	}
}

func TestAddressMustBeAPlainURL(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"javascript:alert(1)", "//host", "http://user:pw@host", "ftp://host", "http://"} {
		if _, err := ui.New(ui.Config{APIURL: address}); err == nil {
			t.Errorf("%s is accepted", address)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("the error shows credentials: %v", err)
		}
	}
}
