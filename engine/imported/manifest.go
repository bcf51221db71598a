package imported

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/sbom"
)

var (
	// ErrInvalid reports documents that contradict each other or are not what they should be.
	ErrInvalid = errors.New("import is not valid")
	// ErrDigest reports a document that does not have the digest it is named by. It is an ErrInvalid.
	ErrDigest = fmt.Errorf("%w: digest differs", ErrInvalid)
	// ErrUnsupported reports a manifest of a kind that describes no image: an index, or Docker's schema 1.
	ErrUnsupported = errors.New("manifest is of an unsupported kind")
	// ErrLimit reports more of something than is taken.
	ErrLimit = errors.New("import exceeds a limit")
)

// maxLayers bounds the layers of a manifest; container runtimes stop at 127.
const maxLayers = 1000

// Media types of manifests that describe an image.
const (
	MediaTypeOCI    = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeDocker = "application/vnd.docker.distribution.manifest.v2+json"
)

// Description is what manifest and configuration say about an image.
type Description struct {
	Digest    string
	ImageID   string // configuration digest, 64 hex
	MediaType string
	OS        string
	Arch      string
	Platform  string // os/arch[/variant]
	Labels    map[string]string
	Layers    []LayerDescription // bottom first
}

// LayerDescription is one line of the manifest with its diff id, which is empty when the configuration has none.
type LayerDescription struct {
	Digest string
	DiffID string
	Size   int64 // bytes as the registry has them
}

// Fields of the manifest (OCI image spec, manifest.md; Docker registry, manifest-v2-2) that are read.
type manifestFields struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Config        descriptor      `json:"config"`
	Layers        []descriptor    `json:"layers"`
	Manifests     json.RawMessage `json:"manifests"`
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// Fields of the configuration (OCI image spec, config.md) that are read.
type configFields struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
	Config       struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// DigestOf is the digest of a document.
func DigestOf(document []byte) string {
	sum := sha256.Sum256(document)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Describe reads manifest and configuration of the image called digest: ErrInvalid, ErrDigest, ErrUnsupported,
// ErrLimit.
func Describe(digest string, manifest, config []byte) (*Description, error) {
	if got := DigestOf(manifest); got != digest {
		return nil, fmt.Errorf("manifest of %s: %w: it has %s", digest, ErrDigest, got)
	}
	var m manifestFields
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("manifest of %s: %w: %w", digest, ErrInvalid, err)
	}
	switch {
	case m.SchemaVersion != 2 || len(m.Manifests) > 0 || m.Config.Digest == "":
		return nil, fmt.Errorf("manifest of %s: %w: schema version %d, media type %q", digest, ErrUnsupported, m.SchemaVersion, m.MediaType)
	case len(m.Layers) > maxLayers:
		return nil, fmt.Errorf("manifest of %s: %w: %d layers, at most %d", digest, ErrLimit, len(m.Layers), maxLayers)
	}
	if got := DigestOf(config); got != m.Config.Digest {
		return nil, fmt.Errorf("configuration of %s: %w: it has %s, the manifest names %s", digest, ErrDigest, got, m.Config.Digest)
	}
	var c configFields
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("configuration of %s: %w: %w", digest, ErrInvalid, err)
	}
	layers, err := layersOf(m.Layers, c.RootFS.DiffIDs)
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", digest, err)
	}
	d := &Description{
		Digest: digest, ImageID: strings.TrimPrefix(m.Config.Digest, "sha256:"), MediaType: m.MediaType,
		OS: c.OS, Arch: c.Architecture, Layers: layers, Labels: c.Config.Labels,
	}
	if d.MediaType == "" { // optional in OCI
		d.MediaType = MediaTypeOCI
	}
	if c.OS != "" && c.Architecture != "" {
		d.Platform = strings.TrimSuffix(c.OS+"/"+c.Architecture+"/"+c.Variant, "/")
	}
	return d, nil
}

func layersOf(listed []descriptor, diffIDs []string) ([]LayerDescription, error) {
	if len(diffIDs) > 0 && len(diffIDs) != len(listed) {
		return nil, fmt.Errorf("%w: %d layers and %d diff ids", ErrInvalid, len(listed), len(diffIDs))
	}
	layers := make([]LayerDescription, len(listed))
	for i, l := range listed {
		if !digestPattern.MatchString(l.Digest) || l.Size < 0 {
			return nil, fmt.Errorf("%w: layer %d has digest %q and size %d", ErrInvalid, i+1, clip(l.Digest), l.Size)
		}
		layers[i] = LayerDescription{Digest: l.Digest, Size: l.Size}
		if len(diffIDs) > 0 {
			if !digestPattern.MatchString(diffIDs[i]) {
				return nil, fmt.Errorf("%w: diff id %d is %q", ErrInvalid, i+1, clip(diffIDs[i]))
			}
			layers[i].DiffID = diffIDs[i]
		}
	}
	return layers, nil
}

// CheckIndex checks that an index has the digest it is named by and lists the image: ErrInvalid, ErrDigest.
func CheckIndex(digest string, index []byte, image string) error {
	if got := DigestOf(index); got != digest {
		return fmt.Errorf("index %s: %w: it has %s", digest, ErrDigest, got)
	}
	var fields struct {
		Manifests []descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(index, &fields); err != nil {
		return fmt.Errorf("index %s: %w: %w", digest, ErrInvalid, err)
	}
	if !slices.ContainsFunc(fields.Manifests, func(d descriptor) bool { return d.Digest == image }) {
		return fmt.Errorf("index %s: %w: it does not list %s", digest, ErrInvalid, image)
	}
	return nil
}

// clip keeps a claimed value short in messages.
func clip(s string) string { return s[:min(len(s), 80)] }

// Embedded takes manifest and configuration out of a native document that holds everything. For any other SBOM it
// makes them: an image without layers whose digest is that of the document alone. ErrInvalid.
func Embedded(document []byte) (manifest, config []byte, err error) {
	format, err := sbom.Detect(document)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if format == sbom.FormatSyft {
		var d struct {
			Source struct {
				Metadata struct {
					Manifest []byte `json:"manifest"`
					Config   []byte `json:"config"`
				} `json:"metadata"`
			} `json:"source"`
		}
		// The metadata of a directory is something else.
		if m := &d.Source.Metadata; json.Unmarshal(document, &d) == nil && len(m.Manifest) > 0 && len(m.Config) > 0 {
			return m.Manifest, m.Config, nil
		}
	}
	manifest, config = made(document)
	return manifest, config, nil
}

// LabelDocument names, in a configuration made for an SBOM, the digest of the document it was made for.
const LabelDocument = "plimsoll.sbom"

// made writes the manifest of an image that is known by an SBOM only.
func made(document []byte) (manifest, config []byte) {
	config = fmt.Appendf(nil, `{"architecture":"","os":"","config":{"Labels":{%q:%q}},"rootfs":{"type":"layers","diff_ids":[]},"history":[]}`,
		LabelDocument, DigestOf(document))
	manifest = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		MediaTypeOCI, DigestOf(config), len(config))
	return manifest, config
}
