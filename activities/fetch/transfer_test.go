package fetch_test

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"plimsoll/activities/fetch"
	"plimsoll/engine/feed"
)

// flaky breaks every transfer off after some bytes.
func flaky(content, etag string, at int, honest bool) (http.HandlerFunc, *[]string) {
	asked := new([]string)
	return func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Header.Get("Range"))
		w.Header().Set("ETag", etag)
		rest, status := content, http.StatusOK
		if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && honest && r.Header.Get("If-Range") == etag {
			n, _ := strconv.Atoi(strings.TrimSuffix(from, "-"))
			rest, status = content[n:], http.StatusPartialContent
			w.Header().Set("Content-Range", "bytes "+from+strconv.Itoa(len(content)-1)+"/"+strconv.Itoa(len(content)))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
		w.WriteHeader(status)
		io.WriteString(w, rest[:min(at, len(rest))])
	}, asked
}

func TestABrokenTransferGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 30)
	u := newUpstream(t)
	var asked *[]string
	u.answer, asked = flaky(content, `"v1"`, 100, true)
	f, _ := fetcher(t, u.URL)
	doc, err := get(t, f, fetch.Known{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := textOf(t, doc); got != content {
		t.Errorf("%d bytes, want %d in order", len(got), len(content))
	}
	if got := strings.Join(*asked, " "); got != " bytes=100- bytes=200-" {
		t.Errorf("asked for %q", got)
	}
}

func TestABrokenTransferIsNotPatchedTogether(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 30)
	for name, server := range map[string]struct {
		etag   string
		at     int
		honest bool
	}{
		"the validator is weak":        {`W/"v1"`, 100, true},
		"there is no validator":        {"", 100, true},
		"the server ignores the range": {`"v1"`, 100, false},
		"nothing comes":                {`"v1"`, 0, true},
		"it never gets further":        {`"v1"`, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			var asked *[]string
			u.answer, asked = flaky(content, server.etag, server.at, server.honest)
			f, scratch := fetcher(t, u.URL)
			if _, err := get(t, f, fetch.Known{}, false); !errors.Is(err, fetch.ErrUnreachable) {
				t.Errorf("error %v", err)
			}
			if len(*asked) > 10 {
				t.Errorf("asked %d times", len(*asked))
			}
			if left, _ := os.ReadDir(scratch); len(left) != 0 {
				t.Errorf("files left in scratch: %v", left)
			}
		})
	}
}

func TestAHostHasAStandIn(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.answer = send("hello")
	f := started(t, fetch.Config{
		MirrorURL: "file:///nowhere", Hosts: map[string]string{document.Host: u.URL + "/copy"}, MaxBytes: 1000, Connect: time.Second, Answer: 10 * time.Second, Stall: time.Second, Scratch: t.TempDir(),
	})
	what := document
	what.Query, what.Header = "a=1&b=%2B", map[string]string{"Accept": "text/x"}
	body, err := f.Get(t.Context(), "src", what)
	if err != nil || string(body) != "hello" {
		t.Fatalf("%q, %v", body, err)
	}
	if got := u.request.URL.String() + " " + u.request.Header.Get("Accept"); got != "/copy/Rocky%20Linux/all.zip?a=1&b=%2B text/x" {
		t.Errorf("asked for %s", got)
	}
	what.Path = "dir/"
	if _, err := f.Get(t.Context(), "src", what); err != nil || u.request.URL.Path != "/copy/dir/" {
		t.Errorf("a listing: %s, %v", u.request.URL.Path, err)
	}
	for _, path := range []string{"", "a//b", "../b", "a/./b"} {
		what.Path = path
		if _, err := f.Get(t.Context(), "src", what); !errors.Is(err, fetch.ErrResponse) {
			t.Errorf("path %q: %v", path, err)
		}
	}
}

func TestATokenStaysWithItsHost(t *testing.T) {
	t.Parallel()
	other := newUpstream(t)
	other.answer = send("hello")
	u := newUpstream(t)
	u.answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/blob", http.StatusFound) }
	f := started(t, fetch.Config{Hosts: map[string]string{document.Host: u.URL}, MaxBytes: 1000, Connect: time.Second, Answer: 10 * time.Second, Stall: time.Second, Scratch: t.TempDir()})
	what := document
	what.Header = map[string]string{"Authorization": "Bearer s3cret", "apiKey": "s3cret"}
	if _, err := f.Get(t.Context(), "src", what); err != nil {
		t.Fatal(err)
	}
	if u.request.Header.Get("Authorization") == "" || u.request.Header.Get("apiKey") == "" {
		t.Error("the host itself does not get the token")
	}
	if got := other.request.Header.Get("Authorization") + other.request.Header.Get("apiKey"); got != "" {
		t.Errorf("another host gets %q", got)
	}
	mirror := newUpstream(t)
	mirror.answer = send("hello")
	f, _ = fetcher(t, mirror.URL)
	if _, err := f.Get(t.Context(), "src", what); err != nil || mirror.request.Header.Get("Authorization")+mirror.request.Header.Get("apiKey") != "" {
		t.Errorf("a mirror gets the token, or %v", err)
	}
}

func TestAPrivateCertificateIsTrustedWhenTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(send("hello"))
	t.Cleanup(server.Close)
	cfg := fetch.Config{MirrorURL: server.URL, MaxBytes: 1000, Connect: time.Second, Answer: 10 * time.Second, Stall: time.Second, Scratch: t.TempDir()}
	if _, err := started(t, cfg).Get(t.Context(), "src", document); !errors.Is(err, fetch.ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	cfg.Insecure = true
	if body, err := started(t, cfg).Get(t.Context(), "src", document); err != nil || string(body) != "hello" {
		t.Errorf("not to be verified: %q, %v", body, err)
	}
	cfg.Insecure = false
	cfg.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(cfg.CAFile, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if body, err := started(t, cfg).Get(t.Context(), "src", document); err != nil || string(body) != "hello" {
		t.Errorf("%q, %v", body, err)
	}
	if err := os.WriteFile(cfg.CAFile, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("a file without certificates: %v", err)
	}
}

func TestAHostThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	f := started(t, fetch.Config{MirrorURL: u.URL, MaxBytes: 1000, Connect: time.Minute, Answer: 50 * time.Millisecond, Stall: time.Minute, Scratch: t.TempDir()})
	if _, err := f.Get(t.Context(), "src", document); !errors.Is(err, fetch.ErrUnreachable) {
		t.Errorf("error %v, want %v", err, fetch.ErrUnreachable)
	}
}

func TestAProxyIsUsedWhenTold(t *testing.T) {
	t.Parallel()
	proxy := newUpstream(t)
	proxy.answer = send("by proxy")
	f := started(t, fetch.Config{
		Hosts: map[string]string{document.Host: "http://feeds.invalid"}, ProxyURL: proxy.URL, MaxBytes: 1000, Connect: time.Second, Answer: 10 * time.Second, Stall: time.Second, Scratch: t.TempDir(),
	})
	body, err := f.Get(t.Context(), "src", document)
	if err != nil || string(body) != "by proxy" || proxy.request.Host != "feeds.invalid" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestAFolderOfAFileMirrorIsListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "src", "h", "oval", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "src", "h", "oval", "a&b.xml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := started(t, fetch.Config{MirrorURL: "file://" + dir, MaxBytes: 1000, Connect: time.Second, Answer: 10 * time.Second, Stall: time.Second, Scratch: t.TempDir()})
	page, err := f.Get(t.Context(), "src", feed.Document{Host: "h", Path: "oval/"})
	if want := "<a href=\"a&amp;b.xml\">a&amp;b.xml</a>\n<a href=\"sub\">sub</a>\n"; err != nil || string(page) != want {
		t.Errorf("%q, %v", page, err)
	}
	if _, err := f.Get(t.Context(), "src", feed.Document{Host: "h", Path: "oval"}); !errors.Is(err, fetch.ErrResponse) {
		t.Errorf("a folder as a document: %v", err)
	}
}

func TestAListingIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "src", "h"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "src", "h", "big"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(feed.MaxListing+1), file.Close()); err != nil {
		t.Fatal(err)
	}
	f := started(t, fetch.Config{MirrorURL: "file://" + dir, MaxBytes: 1 << 30, Connect: time.Second, Answer: 10 * time.Second, Stall: time.Second, Scratch: t.TempDir()})
	if _, err := f.Get(t.Context(), "src", feed.Document{Host: "h", Path: "big"}); !errors.Is(err, fetch.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
}
