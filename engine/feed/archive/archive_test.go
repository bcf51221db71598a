package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/feedtest"
)

func write(t *testing.T, w io.WriteCloser, content []byte) {
	t.Helper()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// packed gives a document in every compression that can be written here.
func packed(t *testing.T, content []byte) map[string]feed.Fetched {
	t.Helper()
	var gz, x, zst bytes.Buffer
	write(t, gzip.NewWriter(&gz), content)
	xw, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	write(t, xw, content)
	zw, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	write(t, zw, content)
	return map[string]feed.Fetched{
		"plain": feedtest.Doc("d", content), "gzip": feedtest.Doc("d", gz.Bytes()),
		"xz": feedtest.Doc("d", x.Bytes()), "zstd": feedtest.Doc("d", zst.Bytes()),
	}
}

func tarball(t *testing.T, members ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: "dir/", Typeflag: tar.TypeDir}); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{Name: m, Size: int64(len(m)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func names(t *testing.T, doc feed.Fetched, l archive.Limits) (string, error) {
	t.Helper()
	var got []string
	err := archive.Walk(t.Context(), doc, l, func(m archive.Member) error {
		content, err := m.Bytes()
		if err != nil {
			return err
		}
		if string(content) != m.Name {
			t.Errorf("%s holds %q", m.Name, content)
		}
		got = append(got, m.Name)
		return nil
	})
	return strings.Join(got, " "), err
}

func TestEveryCompressionIsReadByItsFirstBytes(t *testing.T) {
	t.Parallel()
	for kind, doc := range packed(t, []byte("hello")) {
		r, err := archive.Open(doc, archive.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != "hello" || r.Close() != nil {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
	for kind, doc := range packed(t, tarball(t, "a", "b/c")) {
		if got, err := names(t, doc, archive.Limits{}); got != "a b/c" || err != nil {
			t.Errorf("tar in %s: %q, %v", kind, got, err)
		}
	}
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for _, name := range []string{"x", "y/z"} {
		m, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(m, name)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := names(t, feedtest.Doc("d", z.Bytes()), archive.Limits{}); got != "x y/z" || err != nil {
		t.Errorf("zip: %q, %v", got, err)
	}
	if _, err := names(t, feedtest.Doc("d", z.Bytes()), archive.Limits{Bytes: 2}); !errors.Is(err, archive.ErrTooLarge) {
		t.Errorf("zip beyond the limit: %v", err)
	}
}

func TestBombsAndDamageEndClearly(t *testing.T) {
	t.Parallel()
	for kind, doc := range packed(t, make([]byte, 1<<20)) {
		r, err := archive.Open(doc, archive.Limits{Bytes: 1 << 19})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); !errors.Is(err, archive.ErrTooLarge) || n > 1<<19+1 {
			t.Errorf("%s: %d bytes, %v", kind, n, err)
		}
		if kind == "plain" {
			continue
		}
		cut := make([]byte, doc.Size/2)
		if _, err := doc.ReadAt(cut, 0); err != nil {
			t.Fatal(err)
		}
		r, err = archive.Open(feedtest.Doc("d", cut), archive.Limits{})
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if !errors.Is(err, archive.ErrFormat) {
			t.Errorf("half of a %s document: %v", kind, err)
		}
	}
	for kind, doc := range packed(t, tarball(t, "a", "b", "long-name")) {
		for limit, l := range map[string]archive.Limits{"members": {Members: 2}, "member": {Member: 1}, "bytes": {Bytes: 600}} {
			if _, err := names(t, doc, l); !errors.Is(err, archive.ErrTooLarge) {
				t.Errorf("tar in %s beyond the limit of %s: %v", kind, limit, err)
			}
		}
	}
	for _, broken := range []string{"", "<html>403 Forbidden</html>", "PK\x03\x04", "\x1f\x8b"} {
		if got, err := names(t, feedtest.Doc("d", []byte(broken)), archive.Limits{}); !errors.Is(err, archive.ErrFormat) {
			t.Errorf("%q: %q, %v", broken, got, err)
		}
	}
}
