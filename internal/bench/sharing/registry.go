package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	served "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// registry counts the bytes it sends of each blob.
type registry struct {
	address string
	pushed  int

	mu    sync.Mutex
	sizes map[string]int64 // of layers
	count map[string]int64
}

func serveRegistry(ctx context.Context, dir string) (*registry, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the registry's folder: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the registry: %w", err)
	}
	r := &registry{address: listener.Addr().String(), sizes: map[string]int64{}, count: map[string]int64{}}
	handler := served.New(served.Logger(log.New(io.Discard, "", 0)), served.WithBlobHandler(served.NewDiskBlobHandler(dir)))
	server := &http.Server{Handler: r.counting(handler), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return r, nil
}

func (r *registry) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/blobs/sha256:") {
			w = &counter{ResponseWriter: w, count: func(n int) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.count[path.Base(req.URL.Path)] += int64(n)
			}}
		}
		next.ServeHTTP(w, req)
	})
}

type counter struct {
	http.ResponseWriter
	count func(int)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.count(n)
	return n, err
}

// push stores an image under a new name and returns that with the size of its layers in bytes.
func (r *registry) push(layers []v1.Layer) (reference string, size int64, err error) {
	img, err := imageOf(layers)
	if err != nil {
		return "", 0, err
	}
	r.pushed++
	tag, err := name.NewTag(fmt.Sprintf("%s/bench/app:%d", r.address, r.pushed), name.Insecure)
	if err != nil {
		return "", 0, err
	}
	if err := remote.Write(tag, img); err != nil {
		return "", 0, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return "", 0, err
	}
	for _, l := range manifest.Layers {
		r.sizes[l.Digest.String()] = l.Size
		size += l.Size
	}
	return tag.String(), size, nil
}

func (r *registry) sent() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.count)
}

// since tells the bytes of layers sent after an earlier state, how many layers they belong to, and of how many
// layers more than all was sent.
func (r *registry) since(before map[string]int64) (read int64, layers, twice int) {
	for digest, n := range r.sent() {
		size, isLayer := r.sizes[digest]
		if n -= before[digest]; !isLayer || n == 0 {
			continue
		}
		read += n
		layers++
		if n > size {
			twice++
		}
	}
	return read, layers, twice
}

// archived is a compressed tar of one file.
func archived(file string, content []byte) ([]byte, error) {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	w := tar.NewWriter(compressed)
	err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write(content)
	}
	err = errors.Join(err, w.Close(), compressed.Close())
	return out.Bytes(), err
}
