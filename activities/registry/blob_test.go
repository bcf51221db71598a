package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	own "plimsoll/activities/registry"
)

func layersOf(t *testing.T, h *host, repository string) []own.Layer {
	t.Helper()
	got, err := client().Resolve(t.Context(), nil, h.addr+"/"+repository, "")
	if err != nil {
		t.Fatal(err)
	}
	layers, err := own.Layers(got.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

func readBlob(t *testing.T, h *host, l own.Layer) ([]byte, error) {
	t.Helper()
	blob, err := client().Blob(t.Context(), nil, h.addr+"/app", l)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return io.ReadAll(blob)
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func TestBlobGoesOnWhereTheTransferBrokeOff(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	layer := own.Layer{Digest: digestOf(content), Size: int64(len(content))}
	tests := []struct {
		name   string
		breaks int  // transfers that break off after a third of what is left
		ranges bool // whether the registry honours Range
		stalls bool // break off by silence
		want   error
	}{
		{"whole", 0, true, false, nil},
		{"broken twice", 2, true, false, nil},
		{"silent once", 1, true, true, nil},
		{"broken for ever", 100, true, false, own.ErrBadResponse},
		{"broken, no ranges", 1, false, false, own.ErrBadResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			requests := 0
			h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.Contains(r.URL.Path, "/blobs/") {
					next.ServeHTTP(w, r)
					return
				}
				from, status := 0, 200
				if at, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && tt.ranges {
					from, _ = strconv.Atoi(strings.TrimSuffix(at, "-"))
					status = 206
				}
				rest := content[from:]
				w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
				w.WriteHeader(status)
				if requests++; requests <= tt.breaks {
					w.Write(rest[:len(rest)/3])
					w.(http.Flusher).Flush()
					if tt.stalls {
						<-r.Context().Done()
					}
					return
				}
				w.Write(rest)
			}
			got, err := readBlob(t, h, layer)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil && !bytes.Equal(got, content) {
				t.Error("content differs")
			}
		})
	}
}

func TestBlobLongerThanItsManifestSays(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.push(t, "app:1", imageFor(t, "linux", "amd64"))
	layer := layersOf(t, h, "app:1")[0]
	layer.Size--
	if _, err := readBlob(t, h, layer); !errors.Is(err, own.ErrDigestMismatch) {
		t.Errorf("error %v, want %v", err, own.ErrDigestMismatch)
	}
}

// A registry that is down for a while says when to come back, at the first request or at taking a transfer up again.
func TestUnavailableRegistrySaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		half bool // the transfer breaks off before
		want error
	}{
		{"at once", false, own.ErrUnreachable},
		{"in the middle", true, own.ErrBadResponse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.push(t, "app:1", imageFor(t, "linux", "amd64"))
			layer := layersOf(t, h, "app:1")[0]
			h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				switch {
				case !strings.Contains(r.URL.Path, "/blobs/"):
					next.ServeHTTP(w, r)
				case tt.half && r.Header.Get("Range") == "":
					w.Header().Set("Content-Length", strconv.FormatInt(layer.Size, 10))
					io.WriteString(w, "x")
				default:
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}
			_, err := readBlob(t, h, layer)
			var failed *own.Error
			if !errors.As(err, &failed) || !errors.Is(err, tt.want) || failed.RetryAfter != 7*time.Second {
				t.Errorf("error %v (%+v), want %v and to come back in 7s", err, failed, tt.want)
			}
		})
	}
}

func TestBlobEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.Header().Set("Content-Length", "1000")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	blob, err := own.New(own.Config{}).Blob(ctx, nil, h.addr+"/app", own.Layer{Digest: digestOf(nil), Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	cancel()
	if _, err := io.ReadAll(blob); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestHasBlobs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.push(t, "app:1", imageFor(t, "linux", "amd64"))
	layers := layersOf(t, h, "app:1")
	check := func(layers []own.Layer) error {
		return client().HasBlobs(t.Context(), nil, h.addr+"/app", layers)
	}
	if err := check(layers); err != nil {
		t.Error(err)
	}
	gone := own.Layer{Digest: digestOf([]byte("gone")), Size: 4}
	if err := check(append(layers, gone)); !errors.Is(err, own.ErrNotFound) {
		t.Errorf("error %v, want %v", err, own.ErrNotFound)
	}
	gone.Foreign = true
	if err := check([]own.Layer{gone}); !errors.Is(err, own.ErrUnsupported) || !strings.Contains(err.Error(), "foreign") {
		t.Errorf("error %v, want %v", err, own.ErrUnsupported)
	}
	h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	}
	if err := check(layers); err != nil {
		t.Errorf("without HEAD: %v", err)
	}
}

func TestForeignLayersAreNotFetchedFromTheirAddresses(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	called := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.URL.Path }))
	t.Cleanup(elsewhere.Close)
	img, err := mutate.Append(imageFor(t, "linux", "amd64"), mutate.Addendum{
		Layer: static.NewLayer([]byte("elsewhere"), types.DockerForeignLayer),
		URLs:  []string{elsewhere.URL + "/layer"}, MediaType: types.DockerForeignLayer,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.push(t, "app:1", img)
	layers := layersOf(t, h, "app:1")
	last := layers[len(layers)-1]
	if !last.Foreign {
		t.Fatalf("layer %+v is not foreign", last)
	}
	if _, err := readBlob(t, h, last); !errors.Is(err, own.ErrUnsupported) {
		t.Errorf("error %v, want %v", err, own.ErrUnsupported)
	}
	if len(called) > 0 {
		t.Errorf("%s was fetched", <-called)
	}
}
