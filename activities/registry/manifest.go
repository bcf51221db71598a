package registry

import (
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// emptyDigest is the digest of no bytes, the blob of a layer that some builders write for a step without files.
const emptyDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// maxURLs bounds the addresses of one foreign layer that are looked at.
const maxURLs = 8

// octetConfig is the media type clients of 2016 gave to image configs.
const octetConfig types.MediaType = "application/octet-stream"

// parseManifest decodes an image manifest and refuses what is no image; an artifact with ErrArtifact.
func parseManifest(body []byte) (*v1.Manifest, error) {
	var m v1.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("not readable: %w", err)
	}
	if what := artifact(&m); what != "" {
		return nil, fmt.Errorf("%s, %w", what, errArtifact)
	}
	if len(m.Layers) == 0 {
		return nil, errors.New("no layers")
	}
	if len(m.Layers) > MaxLayers {
		return nil, fmt.Errorf("%d layers, the limit is %d", len(m.Layers), MaxLayers)
	}
	for i, l := range m.Layers {
		if !layerTypes[l.MediaType] {
			return nil, fmt.Errorf("layer %d has the media type %q, which is no file system layer", i+1, l.MediaType)
		}
		if !digestForm.MatchString(l.Digest.String()) {
			return nil, fmt.Errorf("layer %d has the digest %q", i+1, l.Digest)
		}
		if l.Size < 0 || l.Size > 1<<50 || l.Size == 0 && l.Digest.String() != emptyDigest {
			return nil, fmt.Errorf("layer %d claims a size of %d bytes", i+1, l.Size)
		}
	}
	return &m, nil
}

// layerTypes are the media types of file system layers; compression is told from the bytes.
var layerTypes = map[types.MediaType]bool{
	types.DockerLayer: true, types.DockerUncompressedLayer: true, dockerZstdLayer: true,
	types.OCILayer: true, types.OCIUncompressedLayer: true, types.OCILayerZStd: true,
	types.DockerForeignLayer: true, dockerForeignPlain: true, dockerForeignZstd: true,
	types.OCIRestrictedLayer: true, types.OCIUncompressedRestrictedLayer: true, ociRestrictedZstd: true,
}

// Media types that the library does not name.
const (
	dockerZstdLayer    types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"
	dockerForeignPlain types.MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar"
	dockerForeignZstd  types.MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.zstd"
	ociRestrictedZstd  types.MediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
)

// foreignTypes are those of layers whose licence forbids, or once forbade, to keep them in other registries.
var foreignTypes = map[types.MediaType]bool{
	types.DockerForeignLayer: true, dockerForeignPlain: true, dockerForeignZstd: true,
	types.OCIRestrictedLayer: true, types.OCIUncompressedRestrictedLayer: true, ociRestrictedZstd: true,
}

// Layer is one layer of a manifest.
type Layer struct {
	Digest  string
	Size    int64    // compressed bytes
	Foreign bool     // may be kept outside the registry
	URLs    []string // where else a foreign layer is, by its manifest
}

func (l Layer) empty() bool { return l.Size == 0 && l.Digest == emptyDigest }

// Layers lists the layers of a stored image manifest, bottom first.
func Layers(manifest []byte) ([]Layer, error) {
	m, err := parseManifest(manifest)
	if err != nil {
		return nil, &Error{Kind: kindOfRefusal(err), Message: clean("stored manifest: " + err.Error())}
	}
	layers := make([]Layer, len(m.Layers))
	for i, l := range m.Layers {
		layers[i] = Layer{Digest: l.Digest.String(), Size: l.Size, Foreign: foreignTypes[l.MediaType]}
		if layers[i].Foreign {
			layers[i].URLs = l.URLs[:min(len(l.URLs), maxURLs)]
		}
	}
	return layers, nil
}
