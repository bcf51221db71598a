package fetch_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plimsoll/activities/fetch"
	"plimsoll/engine/feed"
)

var document = feed.Document{Name: "Rocky", Host: "feeds.example", Path: "Rocky Linux/all.zip"}

func fetcher(t *testing.T, mirror string) (*fetch.Fetcher, string) {
	t.Helper()
	cfg := fetch.Config{MirrorURL: mirror, MaxBytes: 1000, Connect: time.Second, Answer: 10 * time.Second, Stall: 200 * time.Millisecond, Scratch: t.TempDir()}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return started(t, cfg), cfg.Scratch
}

func started(t *testing.T, cfg fetch.Config) *fetch.Fetcher {
	t.Helper()
	f, err := fetch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func get(t *testing.T, f *fetch.Fetcher, known fetch.Known, force bool) (*fetch.Document, error) {
	t.Helper()
	if force {
		known = fetch.Known{}
	}
	doc, err := f.Fetch(t.Context(), "src", document, known, func(int64, int64) {})
	if err == nil {
		t.Cleanup(func() { doc.Close() })
	}
	return doc, err
}

func textOf(t *testing.T, d *fetch.Document) string {
	t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// upstream is a server whose next answer tests set.
type upstream struct {
	*httptest.Server
	answer  http.HandlerFunc
	request *http.Request
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.request = r
		u.answer(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

func send(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		if etag := w.Header().Get("ETag"); etag != "" && r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, body)
	}
}

func TestConditionalFetchOverHTTP(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	f, scratch := fetcher(t, u.URL+"/mirror/")
	u.answer = send("one", "ETag", `"1"`, "Last-Modified", "Fri, 02 Jan 2026 03:04:35 GMT")
	first, err := get(t, f, fetch.Known{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := u.request.URL.EscapedPath(), "/mirror/src/feeds.example/Rocky%20Linux/all.zip"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	if textOf(t, first) != "one" || first.Unchanged || first.ETag != `"1"` {
		t.Errorf("first fetch: %+v", first)
	}

	second, err := get(t, f, first.Known, false)
	if err != nil || !second.Unchanged || second.Known != first.Known {
		t.Errorf("with a matching ETag: %+v, %v; want unchanged with the same validators", second, err)
	}
	if u.request.Header.Get("If-Modified-Since") == "" {
		t.Error("no If-Modified-Since was sent")
	}

	u.answer = send("one", "ETag", `"2"`)
	same, err := get(t, f, first.Known, false)
	if err != nil || !same.Unchanged || same.ETag != `"2"` {
		t.Errorf("same bytes under another ETag: %+v, %v; want unchanged with the new ETag", same, err)
	}

	u.answer = send("two", "ETag", `"3"`)
	news, err := get(t, f, first.Known, false)
	if err != nil || news.Unchanged || textOf(t, news) != "two" || news.SHA256 == first.SHA256 {
		t.Errorf("other bytes: %+v, %v", news, err)
	}

	u.answer = send("one", "ETag", `"1"`)
	forced, err := get(t, f, first.Known, true)
	if err != nil || forced.Unchanged || textOf(t, forced) != "one" {
		t.Errorf("forced: %+v, %v; want the document", forced, err)
	}

	elsewhere := first.Known
	elsewhere.URL = "https://other.example/all.zip"
	if moved, err := get(t, f, elsewhere, false); err != nil || u.request.Header.Get("If-None-Match") != "" || !moved.Unchanged {
		t.Errorf("after the mirror moved: %+v, %v, sent ETag %q; want none sent and unchanged by hash", moved, err, u.request.Header.Get("If-None-Match"))
	}
	if left, _ := os.ReadDir(scratch); len(left) != 0 {
		t.Errorf("files left in scratch: %v", left)
	}
}

func TestConditionalFetchFromFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	path := filepath.Join(root, "src", "feeds.example", "Rocky Linux", "all.zip")
	write := func(text string, at time.Time) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	f, _ := fetcher(t, "file://"+filepath.ToSlash(root))
	if _, err := get(t, f, fetch.Known{}, false); !errors.Is(err, fetch.ErrMissing) {
		t.Errorf("missing file: %v, want %v", err, fetch.ErrMissing)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	write("one", at)
	first, err := get(t, f, fetch.Known{}, false)
	if err != nil || textOf(t, first) != "one" {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := get(t, f, first.Known, false); err != nil || !again.Unchanged {
		t.Errorf("untouched: %+v, %v", again, err)
	}
	write("one", at.Add(time.Hour))
	if touched, err := get(t, f, first.Known, false); err != nil || !touched.Unchanged || touched.ETag == first.ETag {
		t.Errorf("touched without change: %+v, %v", touched, err)
	}
	write("two", at.Add(time.Hour))
	if news, err := get(t, f, first.Known, false); err != nil || news.Unchanged || textOf(t, news) != "two" {
		t.Errorf("changed: %+v, %v", news, err)
	}
}

func TestFailuresHaveTheirKind(t *testing.T) {
	t.Parallel()
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   error
		after  time.Duration
	}{
		{"503 with Retry-After", status(503, "Retry-After", "20"), fetch.ErrUnreachable, 20 * time.Second},
		{"429", status(429), fetch.ErrUnreachable, 0},
		{"404", status(404), fetch.ErrMissing, 0},
		{"400", status(400), fetch.ErrResponse, 0},
		{"304 nobody asked for", status(304), fetch.ErrResponse, 0},
		{"truncated", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "900")
			io.WriteString(w, "short")
		}, fetch.ErrUnreachable, 0},
		{"announced too large", send(strings.Repeat("x", 1001)), fetch.ErrTooLarge, 0},
		{"too large without saying", func(w http.ResponseWriter, _ *http.Request) {
			for range 50 {
				io.WriteString(w, strings.Repeat("x", 100))
				w.(http.Flusher).Flush()
			}
		}, fetch.ErrTooLarge, 0},
		{"silent", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "900")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, fetch.ErrUnreachable, 0},
		{"endless redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, fetch.ErrResponse, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			u.answer = tt.answer
			f, scratch := fetcher(t, strings.Replace(u.URL, "http://", "http://bob:hunter2@", 1))
			_, err := get(t, f, fetch.Known{}, false)
			var typed *fetch.Error
			if !errors.As(err, &typed) || !errors.Is(err, tt.want) || typed.RetryAfter != tt.after {
				t.Errorf("error %v (%+v), want %v after %s", err, typed, tt.want, tt.after)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("error shows the mirror's password: %v", err)
			}
			if left, _ := os.ReadDir(scratch); len(left) != 0 {
				t.Errorf("files left in scratch: %v", left)
			}
		})
	}
}

func TestNobodyListening(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.Close()
	f, _ := fetcher(t, u.URL)
	if _, err := get(t, f, fetch.Known{}, false); !errors.Is(err, fetch.ErrUnreachable) {
		t.Errorf("error %v, want %v", err, fetch.ErrUnreachable)
	}
}

func TestMirrorAddressIsChecked(t *testing.T) {
	t.Parallel()
	for _, mirror := range []string{"ftp://x/", "relative/path", "https://x/?token=1", "http://[::1"} {
		cfg := fetch.Config{MirrorURL: mirror, MaxBytes: 1, Connect: 1, Answer: 1, Stall: 1}
		if cfg.Validate() == nil {
			t.Errorf("%q was accepted", mirror)
		}
	}
}
