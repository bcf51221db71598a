package registry

import (
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// errArtifact marks the refusal of a manifest that parseManifest took for an artifact.
var errArtifact = errors.New("not a container image")

// kindOfRefusal is the kind of a manifest that parseManifest refuses.
func kindOfRefusal(err error) error {
	if errors.Is(err, errArtifact) {
		return ErrArtifact
	}
	return ErrUnsupported
}

// artifacts names what registries hold besides images, by the beginning of the artifact type, or of the media
// type of config or layer. Longer beginnings stand before shorter ones.
var artifacts = []struct{ prefix, what string }{
	{"application/vnd.cncf.helm.", "a Helm chart"},
	{"application/vnd.dev.cosign.simplesigning.", "a cosign signature"},
	{"application/vnd.dev.cosign.artifact.sig.", "a cosign signature"},
	{"application/vnd.dev.cosign.artifact.sbom.", "an SBOM"},
	{"application/vnd.dev.sigstore.bundle", "a Sigstore bundle (signature or attestation)"},
	{"application/vnd.dev.cosign.", "a cosign artifact"},
	{"application/vnd.dsse.envelope.", "a signed attestation"},
	{"application/vnd.in-toto", "an in-toto attestation"},
	{"application/vnd.cncf.notary.", "a Notary signature"},
	{"application/spdx+json", "an SBOM"}, {"text/spdx", "an SBOM"}, {"application/vnd.spdx", "an SBOM"},
	{"application/vnd.cyclonedx", "an SBOM"}, {"application/vnd.syft+json", "an SBOM"},
	{"application/sarif", "a scan report"},
	{"application/vnd.wasm.", "a WebAssembly module"}, {"application/wasm", "a WebAssembly module"},
	{"application/vnd.module.wasm.", "a WebAssembly module"},
	{"application/vnd.buildkit.cacheconfig.", "a BuildKit build cache"},
	{"application/vnd.docker.plugin.", "a Docker plugin"},
	{"application/vnd.docker.compose.", "a Compose application"},
	{"application/vnd.docker.ai.", "an AI model"}, {"application/vnd.ollama.", "an AI model"},
	{"application/vnd.cncf.model.", "an AI model"},
	{"application/vnd.cncf.flux.", "a Flux artifact"},
	{"application/vnd.cncf.openpolicyagent.", "a policy bundle"},
	{"application/vnd.sylabs.sif.", "a Singularity image"},
	{"application/vnd.cnab.", "a CNAB bundle"},
}

// artifact says what a manifest is when it is no container image, and "" when it may be one. The config decides;
// signatures and models come with the config type of images, so layers are asked as well.
func artifact(m *v1.Manifest) string {
	config := m.Config.MediaType
	image := config.IsConfig() || config == octetConfig && allLayers(m)
	for _, l := range m.Layers {
		if what := known(string(l.MediaType)); what != "" && !layerTypes[l.MediaType] {
			return what
		}
	}
	if image {
		return ""
	}
	for _, mediaType := range []string{m.ArtifactType, string(config)} {
		if what := known(mediaType); what != "" {
			return what
		}
	}
	if m.ArtifactType != "" {
		return fmt.Sprintf("an artifact of type %q", m.ArtifactType)
	}
	return fmt.Sprintf("an artifact with a config of type %q", config)
}

func known(mediaType string) string {
	for _, a := range artifacts {
		if strings.HasPrefix(strings.ToLower(mediaType), a.prefix) {
			return a.what
		}
	}
	return ""
}

func allLayers(m *v1.Manifest) bool {
	for _, l := range m.Layers {
		if !layerTypes[l.MediaType] {
			return false
		}
	}
	return true
}

// ociArtifact is the manifest type that release candidates of OCI 1.1 had for artifacts.
const ociArtifact types.MediaType = "application/vnd.oci.artifact.manifest.v1+json"
