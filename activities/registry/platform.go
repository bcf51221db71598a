package registry

import (
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// platform is os/arch[/variant] in the words of the OCI image specification (image-index.md, "platform object").
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

// platformPart is what operating systems, architectures and variants are made of.
var platformPart = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

func parsePlatform(s string) (platform, error) {
	if s == "" {
		return platform{}, nil
	}
	parts := strings.Split(strings.ToLower(s), "/")
	if len(parts) < 2 || len(parts) > 3 {
		return platform{}, &Error{Kind: ErrReference, Message: clean("platform " + s + " is not of the form os/arch or os/arch/variant, such as linux/arm64 or linux/arm/v7")}
	}
	for i, part := range parts {
		if !platformPart.MatchString(part) {
			which := []string{"operating system", "architecture", "variant"}[i]
			return platform{}, &Error{Kind: ErrReference, Message: clean("platform " + s + " has no usable " + which + "; write os/arch or os/arch/variant, such as linux/arm64 or linux/arm/v7")}
		}
	}
	p := platform{os: parts[0], arch: parts[1]}
	if len(parts) == 3 {
		p.variant = parts[2]
	}
	return p.plain(), nil
}

// architectures are other names of architectures, as uname and distributions use them.
var architectures = map[string]platform{
	"x86_64": {arch: "amd64"}, "x86-64": {arch: "amd64"}, "i386": {arch: "386"}, "i686": {arch: "386"},
	"aarch64": {arch: "arm64"}, "armhf": {arch: "arm", variant: "v7"}, "armel": {arch: "arm", variant: "v6"},
}

// plain gives each platform one spelling: a variant that says no more than the architecture is left out, as
// arm64/v8 and amd64/v1 are the baselines of theirs.
func (p platform) plain() platform {
	p.os, p.arch, p.variant = strings.ToLower(p.os), strings.ToLower(p.arch), strings.ToLower(p.variant)
	if p.os == "macos" {
		p.os = "darwin"
	}
	if a, ok := architectures[p.arch]; ok {
		p.arch = a.arch
		if p.variant == "" {
			p.variant = a.variant
		}
	}
	if p.arch == "arm" && len(p.variant) == 1 {
		p.variant = "v" + p.variant
	}
	if p.arch == "arm64" && (p.variant == "8" || p.variant == "v8") || p.arch == "amd64" && p.variant == "v1" {
		p.variant = ""
	}
	return p
}

// usual is the variant meant where none is named: of 32-bit ARM the one distributions are built for.
func (p platform) usual() string {
	if p.arch == "arm" {
		return "v7"
	}
	return ""
}

// fit says how well an image for got serves a request for p: 0 not at all. A variant that was asked for has to
// be met; without one the usual variant comes first, then an image that names none, then any other.
func (p platform) fit(got platform) int {
	p, got = p.plain(), got.plain()
	switch {
	case p.os != got.os || p.arch != got.arch:
		return 0
	case p.variant == got.variant && p.variant != "":
		return 4
	case p.variant != "":
		return 0
	case got.variant == p.usual():
		return 3
	case got.variant == "":
		return 2
	}
	return 1
}

// contradicts reports that a config which says got is not for p. What a config leaves out contradicts nothing:
// small builders write neither platform nor variant.
func (p platform) contradicts(got platform) bool {
	p, got = p.plain(), got.plain()
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return differ(p.os, got.os) || differ(p.arch, got.arch) || differ(p.variant, got.variant)
}

func platformOf(d v1.Descriptor) platform {
	if d.Platform == nil {
		return platform{}
	}
	return platform{d.Platform.OS, d.Platform.Architecture, d.Platform.Variant}
}
