package registry

import (
	"encoding/json"
	"mime"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

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
	if head.SchemaVersion == 1 || head.FSLayers != nil || types.MediaType(sent).IsSchema1() || head.MediaType.IsSchema1() {
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
	if kind == ociArtifact {
		return "", s.fail(ErrArtifact, "%s is an artifact, not a container image", what)
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
