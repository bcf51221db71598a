package registry

import (
	"encoding/json"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// platform is os/arch[/variant].
type platform struct{ os, arch, variant string }

var defaultPlatform = platform{os: "linux", arch: "amd64"}

func (p platform) asked() bool { return p != platform{} }

func (p platform) String() string {
	if p.os == "" && p.arch == "" {
		return "an unnamed platform"
	}
	s := p.os + "/" + p.arch
	if p.variant != "" {
		s += "/" + p.variant
	}
	return s
}

// matches reports whether an image for got serves: a variant counts only when one is asked for.
func (p platform) matches(got platform) bool {
	return p.os == got.os && p.arch == got.arch && (p.variant == "" || p.variant == got.variant)
}

func parsePlatform(s string) (platform, error) {
	if s == "" {
		return platform{}, nil
	}
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return platform{}, &Error{Kind: ErrReference, Message: clean("platform " + s + " is not of the form os/arch or os/arch/variant")}
	}
	p := platform{os: parts[0], arch: parts[1]}
	if len(parts) == 3 {
		p.variant = parts[2]
	}
	return p, nil
}

// choose returns the digest of the index's entry for the wanted platform.
func (s *session) choose(index document, wanted platform) (string, error) {
	var list v1.IndexManifest
	if err := json.Unmarshal(index.body, &list); err != nil {
		return "", s.fail(ErrBadResponse, "index %s: %v", index.digest, err)
	}
	var names []string
	var usable []v1.Descriptor
	for _, d := range list.Manifests {
		if !d.MediaType.IsImage() && !d.MediaType.IsIndex() || attestation(d) {
			continue
		}
		usable = append(usable, d)
		names = append(names, platformOf(d).String())
	}
	target := wanted
	if !target.asked() {
		target = defaultPlatform
	}
	for _, d := range usable {
		if target.matches(platformOf(d)) || d.MediaType.IsIndex() && d.Platform == nil {
			return s.digestOf(d)
		}
	}
	if !wanted.asked() && len(usable) == 1 {
		return s.digestOf(usable[0])
	}
	if len(usable) == 0 {
		return "", s.fail(ErrUnsupported, "index %s holds no image", index.digest)
	}
	return "", s.fail(ErrUnsupported, "no image for %s; there are: %s", target, strings.Join(names, ", "))
}

func (s *session) digestOf(d v1.Descriptor) (string, error) {
	digest := d.Digest.String()
	if !strings.HasPrefix(digest, "sha256:") || !digestForm.MatchString(digest) {
		return "", s.fail(ErrUnsupported, "the index names an image by the digest %q", digest)
	}
	return digest, nil
}

func platformOf(d v1.Descriptor) platform {
	if d.Platform == nil {
		return platform{}
	}
	return platform{d.Platform.OS, d.Platform.Architecture, d.Platform.Variant}
}

// attestation tells build records from images: BuildKit puts them beside the images of an index.
func attestation(d v1.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" || d.Platform != nil && d.Platform.OS == "unknown"
}
