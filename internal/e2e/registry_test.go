package e2e

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"plimsoll/internal/sample"
)

// source is a registry in this process which can hold back a blob half way and counts what is read.
type source struct {
	server *httptest.Server
	inner  http.Handler

	mu   sync.Mutex
	held string        // digest of the blob that is held back
	half chan struct{} // closed when somebody has read half of it
	free chan struct{} // closed to let go on

	blobReads atomic.Int64
	byBlob    map[string]int
}

func newSource(t testing.TB) *source {
	t.Helper()
	s := &source{inner: registry.New(registry.Logger(log.New(io.Discard, "", 0))), byBlob: map[string]int{}}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") {
		s.blobReads.Add(1)
		s.mu.Lock()
		s.byBlob[path.Base(r.URL.Path)]++
		held, half, free := s.held, s.half, s.free
		s.mu.Unlock()
		if held != "" && strings.HasSuffix(r.URL.Path, held) {
			s.serveHalf(w, r, half, free)
			return
		}
	}
	s.inner.ServeHTTP(w, r)
}

// serveHalf sends half the blob, says so, and sends the rest when it may or when the reader has gone.
func (s *source) serveHalf(w http.ResponseWriter, r *http.Request, half, free chan struct{}) {
	rec := httptest.NewRecorder()
	s.inner.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body[:len(body)/2])
	w.(http.Flusher).Flush()
	s.mu.Lock()
	select {
	case <-half:
	default:
		close(half)
	}
	s.mu.Unlock()
	select {
	case <-free:
		_, _ = w.Write(body[len(body)/2:])
	case <-r.Context().Done():
	}
}

// hold makes readers of the blob wait half way. The first channel tells that one does, release lets all go on.
func (s *source) hold(digest v1.Hash) (waiting <-chan struct{}, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.half, s.free = digest.String(), make(chan struct{}), make(chan struct{})
	free := s.free
	return s.half, sync.OnceFunc(func() {
		s.mu.Lock()
		s.held = ""
		s.mu.Unlock()
		close(free)
	})
}

// reads counts how often a blob was asked for.
func (s *source) reads(digest v1.Hash) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byBlob[digest.String()]
}

func (s *source) host() string { return strings.TrimPrefix(s.server.URL, "http://") }

// push stores the image and returns its reference.
func (s *source) push(t testing.TB, img v1.Image, repositoryTag string) string {
	t.Helper()
	image := s.host() + "/" + repositoryTag
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithContext(t.Context())); err != nil {
		t.Fatalf("push %s: %v", image, err)
	}
	return image
}

func sampleImage(t testing.TB) v1.Image {
	t.Helper()
	img, err := sample.Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// applicationLayer is the sample's second layer, the largest.
func applicationLayer(t testing.TB, img v1.Image) v1.Hash {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[1].Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}
