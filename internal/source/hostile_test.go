package source_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"plimsoll/internal/source"
)

func TestHostileArchivesAreRefused(t *testing.T) {
	t.Parallel()
	layer := strings.Repeat("\x00", 1024)
	config := `{"rootfs":{"type":"layers","diff_ids":["` + digestOf(layer) + `"]}}`
	configName := strings.TrimPrefix(digestOf(config), "sha256:") + ".json"
	list := func(config, layer string) string {
		out, err := json.Marshal([]map[string]any{{"Config": config, "RepoTags": []string{"a:1"}, "Layers": []string{layer}}})
		must(t, err)
		return string(out)
	}
	good := members{{"manifest.json", list(configName, "l/layer.tar"), ""}, {configName, config, ""}, {"l/layer.tar", layer, ""}}
	if img := open(t, "docker-archive:"+archive(t, good), source.Options{}); len(img.Layers) != 1 {
		t.Fatalf("the honest archive has %d layers", len(img.Layers))
	}
	linked := members{good[0], good[1], {"l/layer.tar", "", "../x/layer.tar"}, {"x/layer.tar", layer, ""}}
	wantTrue(t, open(t, "docker-archive:"+archive(t, linked), source.Options{}))
	zeros, long := rewriteGzip(t, 4<<20), strings.Repeat("l", 5000)
	for _, tt := range []struct {
		name string
		all  members
		want error
	}{
		{"nothing in it", members{}, source.ErrFormat},
		{"no JSON", members{{"manifest.json", "x", ""}}, source.ErrFormat},
		{"several images", members{{"manifest.json", `[{"RepoTags":["a:1"]},{"RepoTags":["b:1"]}]`, ""}}, source.ErrChoice},
		{"a path out of the archive", members{{"manifest.json", list("../../etc/passwd", "l"), ""}}, source.ErrFormat},
		{"an absolute path", members{{"manifest.json", list("/etc/passwd", "l"), ""}}, source.ErrFormat},
		{"another configuration under the name", members{good[0], {configName, config + " ", ""}, good[2]}, source.ErrDigest},
		{"more layers than diff ids", members{{"manifest.json", `[{"Config":"` + configName + `","Layers":["a","b"]}]`, ""}, good[1]}, source.ErrFormat},
		{"a missing layer", members{good[0], good[1]}, source.ErrFormat},
		{"a member twice", members{good[0], good[1], good[2], good[2]}, source.ErrFormat},
		{"a link out of the archive", members{good[0], good[1], {"l/layer.tar", "", "/etc/passwd"}}, source.ErrFormat},
		{"links in circles", members{good[0], good[1], {"l/layer.tar", "", "../m"}, {"m", "", "l/layer.tar"}}, source.ErrFormat},
		{"a huge document", members{{"manifest.json", strings.Repeat(" ", 9<<20), ""}}, source.ErrLimit},
		{"a name of kilobytes", members{{"manifest.json", list(configName, long), ""}, good[1], {long, layer, ""}}, source.ErrFormat},
		{"a layer that unpacks to more than is taken", members{good[0], good[1], {"l/layer.tar", zeros, ""}}, source.ErrLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := source.Open(t.Context(), "docker-archive:"+archive(t, tt.all), source.Options{Scratch: t.TempDir(), MaxBytes: 1 << 20})
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	t.Run("a layer with another content is noticed by its reader", func(t *testing.T) {
		t.Parallel()
		img := open(t, "docker-archive:"+archive(t, members{good[0], good[1], {"l/layer.tar", "other", ""}}), source.Options{})
		r, err := img.Layers[0].Open(t.Context())
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		if digestOf(string(data)) == img.Layers[0].Digest {
			t.Error("the layer has the digest of another")
		}
	})
}

func rewriteGzip(t testing.TB, n int) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(make([]byte, n))
	must(t, err)
	must(t, z.Close())
	return out.String()
}

func TestHostileLayoutsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string, img v1.Image)
		want   error
	}{
		{"no index", func(t *testing.T, dir string, _ v1.Image) { must(t, os.Remove(filepath.Join(dir, "index.json"))) }, source.ErrFormat},
		{"another configuration under the digest", func(t *testing.T, dir string, img v1.Image) {
			digest, err := img.ConfigName()
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "blobs", "sha256", digest.Hex), []byte(`{}`), 0o600))
		}, source.ErrDigest},
		{"an index that names no digest", func(t *testing.T, dir string, _ v1.Image) {
			must(t, os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"manifests":[{"digest":"sha256:../../../etc/passwd"}]}`), 0o600))
		}, source.ErrFormat},
		{"an index within itself", func(t *testing.T, dir string, _ v1.Image) {
			nested := `{"manifests":[]}`
			for range 5 {
				must(t, os.WriteFile(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digestOf(nested), "sha256:")), []byte(nested), 0o600))
				nested = `{"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"` + digestOf(nested) + `"}]}`
			}
			must(t, os.WriteFile(filepath.Join(dir, "index.json"), []byte(nested), 0o600))
		}, source.ErrLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := ociLayout(t, indexOf(theSample(t)))
			tt.change(t, dir, theSample(t))
			if _, err := source.Open(t.Context(), "oci-layout:"+dir, source.Options{}); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	t.Run("a blob that is a link out of the layout", func(t *testing.T) {
		t.Parallel()
		dir := ociLayout(t, indexOf(theSample(t)))
		digest, err := theSample(t).ConfigName()
		must(t, err)
		blob, moved := filepath.Join(dir, "blobs", "sha256", digest.Hex), filepath.Join(t.TempDir(), "config")
		must(t, os.Rename(blob, moved))
		must(t, os.Symlink(moved, blob))
		if _, err := source.Open(t.Context(), "oci-layout:"+dir, source.Options{}); err == nil {
			t.Error("the link was followed")
		}
	})
}

// FuzzArchive feeds any bytes as an archive: whatever comes of it, nothing panics and nothing untrue is called true.
func FuzzArchive(f *testing.F) {
	layer := "layer"
	config := `{"rootfs":{"diff_ids":["` + digestOf(layer) + `"]}}`
	made := archive(f, members{{"manifest.json", `[{"Config":"c","Layers":["l"]}]`, ""}, {"c", config, ""}, {"l", layer, ""}})
	data, err := os.ReadFile(made)
	must(f, err)
	f.Add(data)
	f.Add([]byte("\x1f\x8b"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "a.tar")
		must(t, os.WriteFile(file, data, 0o600))
		for _, scheme := range []string{"docker-archive:", "oci-archive:"} {
			img, err := source.Open(t.Context(), scheme+file, source.Options{Scratch: dir, MaxBytes: 1 << 20})
			if err != nil {
				continue
			}
			if digestOf(string(img.Manifest)) != img.Digest {
				t.Errorf("%s: the manifest is not what it is called", scheme)
			}
			must(t, img.Close())
		}
	})
}
