package source_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"plimsoll/internal/sample"
	"plimsoll/internal/source"
)

var sampleImage = sync.OnceValues(func() (v1.Image, error) { return sample.Image(context.Background()) })

func theSample(t testing.TB) v1.Image {
	t.Helper()
	img, err := sampleImage()
	must(t, err)
	return img
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dockerArchive is what `docker save` makes of an image.
func dockerArchive(t testing.TB, img v1.Image, tags ...string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "image.tar")
	images := map[name.Tag]v1.Image{}
	for _, tag := range tags {
		ref, err := name.NewTag(tag)
		must(t, err)
		images[ref] = img
	}
	must(t, tarball.MultiWriteToFile(to, images))
	return to
}

func ociLayout(t testing.TB, index v1.ImageIndex) string {
	t.Helper()
	dir := t.TempDir()
	_, err := layout.Write(dir, index)
	must(t, err)
	return dir
}

func indexOf(img v1.Image) v1.ImageIndex {
	return mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
}

// members are files of an archive, in order.
type members []struct{ name, content, link string }

func archive(t testing.TB, all members) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range all {
		h := &tar.Header{Name: m.name, Size: int64(len(m.content)), Mode: 0o644}
		if m.link != "" {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, m.link, 0
		}
		must(t, w.WriteHeader(h))
		_, err := io.WriteString(w, m.content)
		must(t, err)
	}
	must(t, w.Close())
	to := filepath.Join(t.TempDir(), "made.tar")
	must(t, os.WriteFile(to, out.Bytes(), 0o600))
	return to
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func open(t testing.TB, from string, o source.Options) *source.Image {
	t.Helper()
	o.Scratch = t.TempDir()
	img, err := source.Open(t.Context(), from, o)
	must(t, err)
	t.Cleanup(func() { must(t, img.Close()) })
	return img
}

// wantTrue checks that every document and layer is what its digest says.
func wantTrue(t testing.TB, img *source.Image) {
	t.Helper()
	if img.Digest != digestOf(string(img.Manifest)) {
		t.Errorf("the manifest has %s and is called %s", digestOf(string(img.Manifest)), img.Digest)
	}
	for i, l := range img.Layers {
		r, err := l.Open(t.Context())
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		must(t, r.Close())
		if got := digestOf(string(data)); got != l.Digest || int64(len(data)) != l.Size {
			t.Errorf("layer %d: %d bytes have %s, want %d of %s", i, len(data), got, l.Size, l.Digest)
		}
	}
}

func TestALayoutHasTheDigestTheRegistryHas(t *testing.T) {
	t.Parallel()
	want, err := theSample(t).Digest()
	must(t, err)
	dir := ociLayout(t, indexOf(theSample(t)))
	packed := filepath.Join(t.TempDir(), "layout.tar")
	pack(t, dir, packed)
	for _, from := range []string{"oci-layout:" + dir, "oci-archive:" + packed} {
		img := open(t, from, source.Options{})
		wantTrue(t, img)
		if img.Digest != want.String() || len(img.Layers) != 3 {
			t.Errorf("%s: %s with %d layers, want %s with 3", from, img.Digest, len(img.Layers), want)
		}
	}
}

func pack(t testing.TB, dir, to string) {
	t.Helper()
	f, err := os.Create(to)
	must(t, err)
	w := tar.NewWriter(f)
	must(t, w.AddFS(os.DirFS(dir)))
	must(t, w.Close())
	must(t, f.Close())
}

func TestADockerArchiveHasOneDigestHoweverItIsPacked(t *testing.T) {
	t.Parallel()
	plain := rewrite(t, dockerArchive(t, theSample(t), "example.org/team/app:1"), func(b []byte) []byte {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return b
		}
		out, err := io.ReadAll(r)
		must(t, err)
		return out
	})
	whole := filepath.Join(t.TempDir(), "whole.tar.gz")
	data, err := os.ReadFile(plain)
	must(t, err)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(data)
	must(t, err)
	must(t, z.Close())
	must(t, os.WriteFile(whole, packed.Bytes(), 0o600))
	digests := map[string]bool{}
	for _, file := range []string{dockerArchive(t, theSample(t), "example.org/team/app:1"), plain, whole} {
		img := open(t, "docker-archive:"+file, source.Options{})
		wantTrue(t, img)
		digests[img.Digest] = true
		if img.Name != "example.org/team/app:1" || len(img.Layers) != 3 {
			t.Errorf("%s with %d layers", img.Name, len(img.Layers))
		}
	}
	if len(digests) != 1 {
		t.Errorf("one image, digests %v", digests)
	}
}

// rewrite changes the content of the members of an archive that are not JSON.
func rewrite(t testing.TB, from string, change func([]byte) []byte) string {
	t.Helper()
	f, err := os.Open(from)
	must(t, err)
	defer f.Close()
	var all members
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return archive(t, all)
		}
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		if !strings.HasSuffix(h.Name, ".json") {
			data = change(data)
		}
		all = append(all, struct{ name, content, link string }{h.Name, string(data), ""})
	}
}

func TestAPlatformIsChosenFromAnIndex(t *testing.T) {
	t.Parallel()
	one, other := theSample(t), empty.Image
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}},
		mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}})
	dir := ociLayout(t, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index}))
	for platform, want := range map[string]int{"": 3, "linux/amd64": 3, "linux/arm64": 0, "linux/arm64/v8": 0} {
		if img := open(t, "oci-layout:"+dir, source.Options{Platform: platform}); len(img.Layers) != want {
			t.Errorf("platform %q: %d layers, want %d", platform, len(img.Layers), want)
		}
	}
	if _, err := source.Open(t.Context(), "oci-layout:"+dir, source.Options{Platform: "windows/amd64"}); !errors.Is(err, source.ErrChoice) {
		t.Errorf("a platform that is not there: %v", err)
	}
}

func TestADaemonIsAskedForTheImage(t *testing.T) {
	t.Parallel()
	saved := dockerArchive(t, theSample(t), "example.org/team/app:1")
	socket := filepath.Join(t.TempDir(), "d.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	must(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/images/example.org/team/app:1/get" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"No such image"}`)
			return
		}
		http.ServeFile(w, r, saved)
	}))
	server.Listener = listener
	server.Start()
	defer server.Close()
	img := open(t, "docker", source.Options{DaemonSocket: socket, Tag: "example.org/team/app:1"})
	wantTrue(t, img)
	if len(img.Layers) != 3 {
		t.Errorf("%d layers", len(img.Layers))
	}
	_, err = source.Open(t.Context(), "docker:nothing:1", source.Options{DaemonSocket: socket})
	if !errors.Is(err, source.ErrSource) || !strings.Contains(err.Error(), "No such image") {
		t.Errorf("an unknown image: %v", err)
	}
}

func TestADirectoryIsOneLayerAndNothingOutsideIsFollowed(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("not to be seen"), 0o600))
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "etc", "os-release"), []byte("ID=debian\n"), 0o644))
	must(t, os.Symlink(outside, filepath.Join(dir, "leak")))
	must(t, os.Symlink("etc", filepath.Join(dir, "conf")))
	first := open(t, "dir:"+dir, source.Options{})
	wantTrue(t, first)
	r, err := first.Layers[0].Open(t.Context())
	must(t, err)
	defer r.Close()
	got := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		data, err := io.ReadAll(tr)
		must(t, err)
		got[h.Name] = h.Linkname + string(data)
	}
	if got["etc/os-release"] != "ID=debian\n" || got["leak"] != outside || got["conf"] != "etc" || len(got) != 4 {
		t.Errorf("%v", got)
	}
	if again := open(t, "dir:"+dir, source.Options{}); again.Digest != first.Digest {
		t.Error("the same directory has two digests")
	}
	if _, err := source.Open(t.Context(), "dir:"+dir, source.Options{MaxBytes: 100}); !errors.Is(err, source.ErrLimit) {
		t.Errorf("a directory beyond the limit: %v", err)
	}
}

func TestUnknownSourcesAreNamed(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"", "x", "ftp:host", "dir:", "docker-archive:"} {
		if _, err := source.Open(t.Context(), from, source.Options{}); !errors.Is(err, source.ErrSource) {
			t.Errorf("%q: %v", from, err)
		}
	}
}
