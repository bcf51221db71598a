package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"plimsoll/engine/catalog"
)

// item is one entry of a test archive: a header and, of a regular file, its content.
type item struct {
	tar.Header
	body string
}

func file(name, body string) item {
	return item{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, body}
}
func dir(name string) item {
	return item{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
}
func symlink(name, target string) item {
	return item{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, ""}
}
func hardlink(name, target string) item {
	return item{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}, ""}
}

func archive(t testing.TB, items ...item) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, it := range items {
		h := it.Header
		h.Size = int64(len(it.body))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("header of %q: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, it.body); err != nil {
			t.Fatalf("body of %q: %v", h.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstded(t testing.TB, plain []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(plain, nil)
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func hexOf(s string) string { return strings.TrimPrefix(digestOf([]byte(s)), "sha256:") }

// nameList turns each line of a file ending in .list into a package, and records what it was given.
func nameList() catalog.Analyzer {
	return catalog.Analyzer{
		Name: "name-list", Version: 1, MaxSize: 1 << 20,
		Wants: func(c catalog.Candidate) bool { return strings.HasSuffix(c.Path, ".list") },
		Analyze: func(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
			b, err := io.ReadAll(f.Reader())
			var e catalog.Evidence
			for _, name := range strings.Fields(string(b)) {
				e.Packages = append(e.Packages, catalog.Package{Type: catalog.TypeNpm, Name: name, Version: "1", Location: f.Path})
			}
			return e, err
		},
	}
}

// read runs a pass without further limits over a blob.
func read(t testing.TB, blob []byte, analyzers ...catalog.Analyzer) (*Layer, error) {
	t.Helper()
	return NewPass(analyzers, Limits{}, t.TempDir()).Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
}

func mustRead(t testing.TB, blob []byte, analyzers ...catalog.Analyzer) *Layer {
	t.Helper()
	l, err := read(t, blob, analyzers...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func paths(entries []catalog.Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, string(e.Type)+" "+e.Path)
	}
	return all
}
