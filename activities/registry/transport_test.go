package registry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

type counting struct{ calls int }

func (c *counting) RoundTrip(*http.Request) (*http.Response, error) {
	c.calls++
	return httptest.NewRecorder().Result(), nil
}

func TestPlainHTTPOnlyWhereItIsAcceptable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url   string
		plain bool
		sent  int
	}{
		{"http://10.0.0.1/v2/", false, 0},
		{"http://10.0.0.1/v2/", true, 1},
		{"https://10.0.0.1/v2/", false, 1},
	} {
		next := &counting{}
		req := httptest.NewRequest(http.MethodGet, tt.url, nil)
		resp, err := (&guard{next: next, plain: tt.plain}).RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		if next.calls != tt.sent || (tt.sent == 0) != errors.Is(err, errPlain) {
			t.Errorf("%s with plain=%t: %d requests sent, error %v", tt.url, tt.plain, next.calls, err)
		}
	}
}

func TestMessagesAboutMissingTLSSayWhatToDo(t *testing.T) {
	t.Parallel()
	repo, err := name.NewRepository("10.0.0.1/app")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{repo: repo}
	refused := &url.Error{Op: "Get", URL: "https://10.0.0.1/v2/", Err: errors.New("connection refused")}
	for what, failed := range map[string]error{
		"https answered in plain":      &url.Error{Op: "Get", URL: "https://10.0.0.1/v2/", Err: http.ErrSchemeMismatch},
		"https failed, then plain too": errors.Join(refused, &url.Error{Op: "Get", URL: "http://10.0.0.1/v2/", Err: errPlain}),
	} {
		err := s.transportError(t.Context(), "sign in", failed)
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "registry entry") {
			t.Errorf("%s: %v", what, err)
		}
		if errors.Is(failed, errPlain) && !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v does not say why TLS failed", what, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "x.localhost:1": true, "127.0.0.1": true, "127.9.9.9:5000": true, "[::1]:5000": true,
		"10.0.0.1:5000": false, "localhost.example": false, "registry:5000": false, "[::2]:1": false,
	} {
		if got := loopback(host); got != want {
			t.Errorf("loopback(%s) = %t, want %t", host, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "0": 0, "-5": 0, "soon": 0, "86400": maxRetryAfter,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", value, got, want)
		}
	}
}
