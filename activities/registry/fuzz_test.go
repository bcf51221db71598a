package registry_test

import (
	"errors"
	"testing"

	own "plimsoll/activities/registry"
)

// FuzzLayers checks that what is taken for an image has layers that can be asked for, and that all else is refused
// with a kind.
func FuzzLayers(f *testing.F) {
	const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	for _, seed := range []string{
		`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"` + digest + `"},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","size":1,"digest":"` + digest + `"}]}`,
		`{"schemaVersion":2,"config":{"mediaType":"application/octet-stream","size":2,"digest":"` + digest + `"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","size":1,"digest":"` + digest + `","urls":["https://x/y"]}]}`,
		`{"schemaVersion":2,"artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"` + digest + `"},"layers":[]}`,
		`{}`, `[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		layers, err := own.Layers(manifest)
		if err != nil {
			if !errors.Is(err, own.ErrUnsupported) {
				t.Fatalf("refused without a kind: %v", err)
			}
			return
		}
		if len(layers) == 0 || len(layers) > own.MaxLayers {
			t.Fatalf("%d layers", len(layers))
		}
		for _, l := range layers {
			if l.Size < 0 || len(l.Digest) < 71 || !l.Foreign && len(l.URLs) > 0 {
				t.Fatalf("layer %+v", l)
			}
		}
	})
}
