package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Resolved is what a reference names now.
type Resolved struct {
	Digest       string // of the manifest
	ParentDigest string // of the index it was chosen from, the outermost; empty without one
	MediaType    string // of the manifest
	Manifest     []byte
	Config       []byte
	ImageID      string // config digest without its algorithm
	Layers       int
	Size         int64 // compressed bytes of all layers
}

// MaxLayers bounds an image's layers. Container runtimes stop at 127.
const MaxLayers = 500

// maxDepth bounds indexes within indexes.
const maxDepth = 3

// Resolve asks what ref names for a platform ("os/arch[/variant]"). An empty platform is linux/amd64, or else
// the only one there is.
func (c *Client) Resolve(ctx context.Context, list []Credential, ref, platform string) (*Resolved, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, &Error{Kind: ErrReference, Message: clean(fmt.Sprintf("image reference %q: %v", ref, err))}
	}
	wanted, err := parsePlatform(platform)
	if err != nil {
		return nil, err
	}
	s, err := c.open(ctx, list, parsed.Context())
	if err != nil {
		return nil, err
	}
	doc, err := s.manifest(ctx, parsed.Identifier())
	if err != nil {
		return nil, err
	}
	parent := ""
	for depth := 0; doc.mediaType.IsIndex(); depth++ {
		if depth == maxDepth {
			return nil, s.fail(ErrUnsupported, "%s is an index of indexes more than %d deep", parsed.Identifier(), maxDepth)
		}
		if parent == "" {
			parent = doc.digest
		}
		child, err := s.choose(doc, wanted)
		if err != nil {
			return nil, err
		}
		if doc, err = s.manifest(ctx, child); err != nil {
			return nil, err
		}
	}
	out, err := s.image(ctx, doc, wanted)
	if err != nil {
		return nil, err
	}
	out.ParentDigest = parent
	return out, nil
}

// document is a manifest or index as the registry sent it.
type document struct {
	digest    string
	mediaType types.MediaType
	body      []byte
}

var acceptManifests = http.Header{"Accept": {strings.Join([]string{
	string(types.DockerManifestSchema2), string(types.DockerManifestList),
	string(types.OCIManifestSchema1), string(types.OCIImageIndex),
}, ", ")}}

// manifest fetches a manifest by tag or digest and checks that the bytes are the ones meant.
func (s *session) manifest(ctx context.Context, identifier string) (document, error) {
	what := "manifest " + identifier
	resp, err := s.do(ctx, http.MethodGet, "/manifests/"+identifier, what, acceptManifests, http.StatusOK)
	if err != nil {
		return document{}, err
	}
	body, err := s.document(ctx, resp, what, s.client.cfg.ManifestBytes)
	if err != nil {
		return document{}, err
	}
	sum := sha256.Sum256(body)
	doc := document{digest: "sha256:" + hex.EncodeToString(sum[:]), body: body}
	promised := resp.Header.Get("Docker-Content-Digest")
	if strings.Contains(identifier, ":") {
		promised = identifier
	}
	if strings.HasPrefix(promised, "sha256:") && promised != doc.digest {
		return document{}, s.fail(ErrDigestMismatch, "%s: the registry sent %s instead of %s", what, doc.digest, promised)
	}
	doc.mediaType, err = s.kindOf(what, resp.Header.Get("Content-Type"), body)
	return doc, err
}

// kindOf decides what a document is. What it says about itself counts first: some registries send every
// manifest as application/json.
func (s *session) kindOf(what, contentType string, body []byte) (types.MediaType, error) {
	sent, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		sent = contentType
	}
	var head struct {
		SchemaVersion int                        `json:"schemaVersion"`
		MediaType     types.MediaType            `json:"mediaType"`
		Manifests     []json.RawMessage          `json:"manifests"`
		Layers        []json.RawMessage          `json:"layers"`
		Config        map[string]json.RawMessage `json:"config"`
		FSLayers      []json.RawMessage          `json:"fsLayers"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return "", s.fail(ErrBadResponse, "%s: the answer (%s) is no manifest", what, sent)
	}
	if head.SchemaVersion == 1 || head.FSLayers != nil {
		return "", s.fail(ErrUnsupported, "%s has the schema 1 format, which is obsolete and without verifiable layers; push the image again with a current client", what)
	}
	isIndex, isImage := head.Manifests != nil, head.Layers != nil || head.Config != nil
	if isIndex && isImage {
		// Which one is meant would depend on the reader (CVE-2021-41190).
		return "", s.fail(ErrUnsupported, "%s claims to be an index and an image at once", what)
	}
	kind := head.MediaType
	if kind == "" {
		kind = types.MediaType(sent)
	}
	switch kind {
	case types.DockerManifestSchema2, types.OCIManifestSchema1:
		if isIndex {
			return "", s.fail(ErrUnsupported, "%s is an index that calls itself %s", what, kind)
		}
		return kind, nil
	case types.DockerManifestList, types.OCIImageIndex:
		if isImage {
			return "", s.fail(ErrUnsupported, "%s is an image that calls itself %s", what, kind)
		}
		return kind, nil
	}
	switch { // OCI documents may leave their type to a header that the registry did not send
	case head.SchemaVersion == 2 && isIndex && generic(kind):
		return types.OCIImageIndex, nil
	case head.SchemaVersion == 2 && isImage && generic(kind):
		return types.OCIManifestSchema1, nil
	}
	if head.SchemaVersion == 0 {
		return "", s.fail(ErrBadResponse, "%s: the answer (%s) is no manifest", what, sent)
	}
	return "", s.fail(ErrUnsupported, "%s has the media type %s, which is no container image", what, kind)
}

func generic(kind types.MediaType) bool {
	switch kind {
	case "", "application/json", "text/plain", "application/octet-stream":
		return true
	}
	return false
}

var digestForm = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// image reads an image manifest and its config.
func (s *session) image(ctx context.Context, doc document, wanted platform) (*Resolved, error) {
	m, err := parseManifest(doc.body)
	if err != nil {
		return nil, s.fail(ErrUnsupported, "manifest %s: %v", doc.digest, err)
	}
	out := &Resolved{Digest: doc.digest, MediaType: string(doc.mediaType), Manifest: doc.body, Layers: len(m.Layers)}
	for _, l := range m.Layers {
		out.Size += l.Size
	}
	id, ok := strings.CutPrefix(m.Config.Digest.String(), "sha256:")
	if !ok {
		return nil, s.fail(ErrUnsupported, "manifest %s: config digest %s is not sha256", doc.digest, m.Config.Digest)
	}
	out.ImageID = id
	what := "config " + m.Config.Digest.String()
	resp, err := s.do(ctx, http.MethodGet, "/blobs/"+m.Config.Digest.String(), what, nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	if out.Config, err = s.document(ctx, resp, what, s.client.cfg.ConfigBytes); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(out.Config); hex.EncodeToString(sum[:]) != id {
		return nil, s.fail(ErrDigestMismatch, "%s: the registry sent other bytes", what)
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(out.Config, &config); err != nil {
		return nil, s.fail(ErrUnsupported, "%s is not readable: %v", what, err)
	}
	if got := (platform{config.OS, config.Architecture, config.Variant}); wanted.asked() && !wanted.matches(got) {
		return nil, s.fail(ErrUnsupported, "the image is for %s, not for %s", got, wanted)
	}
	return out, nil
}

// parseManifest decodes an image manifest and refuses what is no image.
func parseManifest(body []byte) (*v1.Manifest, error) {
	var m v1.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("not readable: %w", err)
	}
	if t := m.Config.MediaType; t != types.DockerConfigJSON && t != types.OCIConfigJSON {
		return nil, fmt.Errorf("an artifact of type %q, not a container image", t)
	}
	if len(m.Layers) == 0 {
		return nil, fmt.Errorf("no layers")
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
		if l.Size <= 0 || l.Size > 1<<50 {
			return nil, fmt.Errorf("layer %d claims a size of %d bytes", i+1, l.Size)
		}
	}
	return &m, nil
}

// layerTypes are the media types of file system layers; compression is told from the bytes.
var layerTypes = map[types.MediaType]bool{
	types.DockerLayer: true, types.DockerUncompressedLayer: true, types.DockerForeignLayer: true,
	"application/vnd.docker.image.rootfs.diff.tar.zstd": true,
	types.OCILayer: true, types.OCIUncompressedLayer: true, types.OCILayerZStd: true,
	types.OCIRestrictedLayer: true, types.OCIUncompressedRestrictedLayer: true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": true,
}

// Layer is one layer of a manifest.
type Layer struct {
	Digest  string
	Size    int64 // compressed bytes
	Foreign bool  // may be kept outside the registry
}

// Layers lists the layers of a stored image manifest, bottom first.
func Layers(manifest []byte) ([]Layer, error) {
	m, err := parseManifest(manifest)
	if err != nil {
		return nil, &Error{Kind: ErrUnsupported, Message: clean("stored manifest: " + err.Error())}
	}
	return slices.Collect(func(yield func(Layer) bool) {
		for _, l := range m.Layers {
			if !yield(Layer{Digest: l.Digest.String(), Size: l.Size, Foreign: !l.MediaType.IsDistributable()}) {
				return
			}
		}
	}), nil
}
