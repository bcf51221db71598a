package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// What of a repository a request is about.
const (
	askedManifest = "manifest"
	askedConfig   = "config"
	askedLayer    = "layer"
)

// lie answers the nth request (from 1) for a thing in place of the honest registry.
type lie func(w http.ResponseWriter, r *http.Request, nth int, honest http.Handler)

// liar is a registry that answers wrongly where a repository is told to, and may want a password for all of it.
type liar struct {
	server             *httptest.Server
	honest             http.Handler
	username, password string // empty: open to everybody

	mu     sync.Mutex
	lies   map[string]map[string]lie // by repository and thing asked for
	config map[string]string         // digest by repository
	asked  map[string]int            // requests by repository and thing
}

func newLiar(t testing.TB, username, password string) *liar {
	t.Helper()
	l := &liar{
		honest: registry.New(registry.Logger(log.New(io.Discard, "", 0))), username: username, password: password,
		lies: map[string]map[string]lie{}, config: map[string]string{}, asked: map[string]int{},
	}
	l.server = httptest.NewServer(l)
	t.Cleanup(l.server.Close)
	return l
}

func (l *liar) host() string { return strings.TrimPrefix(l.server.URL, "http://") }

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if username, password, _ := r.BasicAuth(); username != l.username || password != l.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		refuse(http.StatusUnauthorized, "UNAUTHORIZED", "")(w, r, 0, nil)
		return
	}
	repository, thing, digest := strings.TrimPrefix(r.URL.Path, "/v2/"), "", path.Base(r.URL.Path)
	if before, _, ok := strings.Cut(repository, "/manifests/"); ok {
		repository, thing = before, askedManifest
	} else if before, _, ok := strings.Cut(repository, "/blobs/"); ok {
		repository, thing = before, askedLayer
	}
	l.mu.Lock()
	if thing == askedLayer && l.config[repository] == digest {
		thing = askedConfig
	}
	told := l.lies[repository][thing]
	if told != nil {
		l.asked[repository+" "+thing]++
	}
	nth := l.asked[repository+" "+thing]
	l.mu.Unlock()
	if told == nil {
		l.honest.ServeHTTP(w, r)
		return
	}
	told(w, r, nth, l.honest)
}

// push stores an image in a repository, which lies from then on. It returns the repository's reference.
func (l *liar) push(t testing.TB, img v1.Image, repository string, lies map[string]lie) string {
	t.Helper()
	ref, err := name.ParseReference(l.host()+"/"+repository+":1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	direct := httptest.NewServer(l.honest) // no password, and this repository does not lie yet
	defer direct.Close()
	target, err := name.ParseReference(strings.TrimPrefix(direct.URL, "http://")+"/"+repository+":1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(target, img, remote.WithContext(t.Context())); err != nil {
		t.Fatalf("push %s: %v", repository, err)
	}
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lies[repository], l.config[repository] = lies, config.String()
	return ref.Context().Name()
}

// refuse answers with a status and the registry's own error code, and asks to come back later if after says so.
func refuse(status int, code, after string) lie {
	return func(w http.ResponseWriter, _ *http.Request, _ int, _ http.Handler) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"said the registry"}]}`, code)
	}
}

// sends answers every request with the same document.
func sends(contentType, body string) lie {
	return func(w http.ResponseWriter, r *http.Request, _ int, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, body)
		}
	}
}

// once lies to the first request only.
func once(l lie) lie {
	return func(w http.ResponseWriter, r *http.Request, nth int, honest http.Handler) {
		if nth > 1 {
			honest.ServeHTTP(w, r)
			return
		}
		l(w, r, nth, honest)
	}
}

// breaksOff ends the connection in the middle of the body.
func breaksOff(w http.ResponseWriter, r *http.Request, _ int, honest http.Handler) {
	rec := httptest.NewRecorder()
	honest.ServeHTTP(rec, r)
	for key, values := range rec.Header() {
		w.Header()[key] = values
	}
	body := rec.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body[:len(body)/2])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// breaksOffAlways takes no transfer up again either, and asks for a second of patience so that tests need no more.
func breaksOffAlways(w http.ResponseWriter, r *http.Request, nth int, honest http.Handler) {
	if r.Header.Get("Range") != "" {
		refuse(http.StatusServiceUnavailable, "UNAVAILABLE", "1")(w, r, nth, honest)
		return
	}
	breaksOff(w, r, nth, honest)
}

// breaksOffWithoutRanges sends the whole when asked for the rest.
func breaksOffWithoutRanges(w http.ResponseWriter, r *http.Request, nth int, honest http.Handler) {
	r.Header.Del("Range")
	once(breaksOff)(w, r, nth, honest)
}

// alters passes the honest body through change; the length may differ.
func alters(change func([]byte) []byte) lie {
	return func(w http.ResponseWriter, r *http.Request, _ int, honest http.Handler) {
		rec := httptest.NewRecorder()
		honest.ServeHTTP(rec, r)
		body := change(slices.Clone(rec.Body.Bytes()))
		for key, values := range rec.Header() {
			w.Header()[key] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	}
}

func flipByte(body []byte) []byte {
	if len(body) > 0 {
		body[len(body)/2] ^= 0xff
	}
	return body
}

func appendBytes(body []byte) []byte { return append(body, "and more"...) }

// hangs takes the request and never answers.
func hangs(_ http.ResponseWriter, r *http.Request, _ int, _ http.Handler) { <-r.Context().Done() }

const debianRelease = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"

// smallImage has one layer, which no other image has as long as label differs.
func smallImage(t testing.TB, label string, files map[string]string) v1.Image {
	t.Helper()
	all := map[string]string{
		"etc/os-release": debianRelease, "label": label,
		"var/lib/dpkg/status": "Package: tool\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\n\n",
	}
	for name, content := range files {
		all[name] = content
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tarOf(t, all))), nil })
	if err != nil {
		t.Fatal(err)
	}
	img := must(t)(mutate.AppendLayers(empty.Image, layer))
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture, cfg.Config.Env = "linux", "amd64", []string{"LABEL=" + label}
	return must(t)(mutate.ConfigFile(img, cfg))
}

func tarOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
