package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
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
	Size         int64  // compressed bytes of all layers
	Platform     string // os/arch[/variant] by the index, else by the config; empty when neither says

	says platform // by the config
}

// MaxLayers bounds an image's layers. Container runtimes stop at 127.
const MaxLayers = 500

// Resolve asks what ref names for a platform ("os/arch[/variant]"). An empty platform is linux/amd64, or else
// the only one there is.
func (c *Client) Resolve(ctx context.Context, list []Credential, ref, platform string) (*Resolved, error) {
	wanted, err := parsePlatform(platform)
	if err != nil {
		return nil, err
	}
	s, doc, err := c.named(ctx, list, ref)
	if err != nil {
		return nil, err
	}
	if doc.mediaType.IsIndex() {
		out, err := s.choose(ctx, doc, wanted)
		if err != nil {
			return nil, err
		}
		out.ParentDigest = doc.digest
		return out, nil
	}
	out, err := s.alone(ctx, doc)
	if err != nil {
		return nil, err
	}
	if wanted.asked() && wanted.contradicts(out.says) {
		return nil, s.fail(ErrUnsupported, "the image is for %s, not for %s", out.says, wanted)
	}
	return out, nil
}

// ResolveAll asks what ref names for every platform it has. The first image is the one Resolve gives for an
// empty platform, or where that has no answer the first of the index.
func (c *Client) ResolveAll(ctx context.Context, list []Credential, ref string) ([]*Resolved, error) {
	s, doc, err := c.named(ctx, list, ref)
	if err != nil {
		return nil, err
	}
	if !doc.mediaType.IsIndex() {
		out, err := s.alone(ctx, doc)
		return []*Resolved{out}, err
	}
	all, err := s.every(ctx, doc)
	for _, image := range all {
		image.ParentDigest = doc.digest
	}
	return all, err
}

// named signs in and fetches what a reference names.
func (c *Client) named(ctx context.Context, list []Credential, ref string) (*session, document, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, document{}, &Error{Kind: ErrReference, Message: clean(fmt.Sprintf("image reference %q: %v", ref, err))}
	}
	s, err := c.open(ctx, list, parsed.Context())
	if err != nil {
		return nil, document{}, err
	}
	doc, err := s.manifest(ctx, parsed.Identifier())
	return s, doc, err
}

// alone reads an image that no index led to.
func (s *session) alone(ctx context.Context, doc document) (*Resolved, error) {
	out, err := s.image(ctx, doc)
	if err != nil {
		return nil, err
	}
	out.Platform = out.says.named()
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

var digestForm = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// image reads an image manifest and its config.
func (s *session) image(ctx context.Context, doc document) (*Resolved, error) {
	m, err := parseManifest(doc.body)
	if err != nil {
		return nil, s.fail(kindOfRefusal(err), "manifest %s: %v", doc.digest, err)
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
	if out.Config, err = s.config(ctx, m.Config, what); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(out.Config); hex.EncodeToString(sum[:]) != id {
		return nil, s.fail(ErrDigestMismatch, "%s: the registry sent other bytes", what)
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(out.Config, &config); err != nil {
		return nil, s.fail(ErrUnsupported, "%s is not readable: %v", what, err)
	}
	out.says = platform{config.OS, config.Architecture, config.Variant}
	return out, nil
}

// config is what the descriptor embeds (OCI image specification, descriptor.md, "data"), else the blob.
func (s *session) config(ctx context.Context, d v1.Descriptor, what string) ([]byte, error) {
	if len(d.Data) > 0 {
		return d.Data, nil
	}
	resp, err := s.do(ctx, http.MethodGet, "/blobs/"+d.Digest.String(), what, nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	return s.document(ctx, resp, what, s.client.cfg.ConfigBytes)
}
