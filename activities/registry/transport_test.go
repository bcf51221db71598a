package registry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"plimsoll/internal/registryhttp"

	"github.com/google/go-containerregistry/pkg/name"
)

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
		"https failed, then plain too": errors.Join(refused, &url.Error{Op: "Get", URL: "http://10.0.0.1/v2/", Err: registryhttp.ErrPlain}),
	} {
		err := s.transportError(t.Context(), "sign in", failed)
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "registry entry") {
			t.Errorf("%s: %v", what, err)
		}
		if errors.Is(failed, registryhttp.ErrPlain) && !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v does not say why TLS failed", what, err)
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
