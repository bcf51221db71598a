package fetch

import (
	"net/http"
	"testing"
	"time"
)

// FuzzRetryAfter gives any text as what a publisher says about the next try.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "0", "-5", "1e300", "NaN", "Fri, 02 Jan 2026 03:04:35 GMT", "Fri, 02 Jan 9999 03:04:35 GMT", "soon"} {
		f.Add(seed)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if wait := retryAfter(http.Header{"Retry-After": {text}}, now); wait < 0 || wait > maxRetryAfter {
			t.Errorf("%q asks to wait %s", text, wait)
		}
	})
}
