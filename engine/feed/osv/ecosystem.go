package osv

import (
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
)

// ecosystem is one that can be read.
type ecosystem struct {
	namespace string    // where it has no releases
	release   release   // how its releases are written
	kind      feed.Kind // what its package names mean, where that is not the convention of the namespace
	language  bool
}

// release reads what an entry says behind the ecosystem's name. It is false for what no plain image carries.
type release func(suffix string) (place, bool)

// place is where an affected entry applies.
type place struct {
	namespace string
	channel   string
	pro       bool // what only subscribers of Ubuntu Pro get
}

func language(namespace string) ecosystem { return ecosystem{namespace: namespace, language: true} }

// ecosystems lists what can be read, by OSV name (OSV schema, "Defined Ecosystems").
var ecosystems = map[string]ecosystem{
	"CRAN":      language("cran"),
	"Go":        language("go"),
	"Hackage":   language("hackage"),
	"Hex":       language("hex"),
	"Maven":     language("maven"),
	"NuGet":     language("nuget"),
	"Packagist": language("packagist"),
	"Pub":       language("pub"),
	"PyPI":      language("pypi"),
	"RubyGems":  language("rubygems"),
	"SwiftURL":  language("swifturl"),
	"crates.io": language("crates.io"),
	"npm":       language("npm"),

	Bitnami: {namespace: "bitnami"},

	"Chainguard": {namespace: "chainguard"},
	"Echo":       {namespace: "echo"},
	"MinimOS":    {namespace: "minimos"},
	"Wolfi":      {namespace: "wolfi"},

	"Alpine":      {release: shape("alpine:", `^(?:v([0-9]+\.[0-9]+)|(edge))$`)},
	"AlmaLinux":   {release: shape("almalinux:", majorShape)},
	"Azure Linux": {release: azure, kind: feed.Source},
	"Debian":      {release: shape("debian:", majorShape)},
	"Photon OS":   {release: shape("photon:", `^([0-9]+\.[0-9]+)$`)},
	"Red Hat":     {release: redHat, kind: feed.Binary},
	"Rocky Linux": {release: shape("rocky:", majorShape)},
	"SUSE":        {release: suse, kind: feed.Source},
	"Ubuntu":      {release: ubuntu},
	"openSUSE":    {release: openSUSE, kind: feed.Source},
}

// Bitnami is the ecosystem of the packages in Bitnami's images.
const Bitnami = "Bitnami"

// Languages are the ecosystems of programming languages, sorted, in the schema's spelling.
func Languages() []string {
	var out []string
	for name, e := range ecosystems {
		if e.language {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// DefaultEcosystems are synced when the settings name none: the languages, and Bitnami.
func DefaultEcosystems() []string {
	out := append(Languages(), Bitnami)
	slices.Sort(out)
	return out
}

// placeOf translates a package.ecosystem text. It is false for an ecosystem the dialect does not read, for a
// distribution without a release, and for separate builds no plain image carries.
func (d Dialect) placeOf(text string) (place, ecosystem, bool) {
	name, suffix, _ := strings.Cut(text, ":")
	e, ok := ecosystems[name]
	if !ok || !slices.Contains(d.Ecosystems, name) {
		return place{}, e, false
	}
	if e.release == nil {
		return place{namespace: e.namespace}, e, true
	}
	p, ok := e.release(suffix)
	return p, e, ok
}

// majorShape reads Debian:12 and Debian:6.0.
const majorShape = `^([0-9]+)(?:\.[0-9]+)*$`

// shape reads a release by the group of a pattern that matches.
func shape(prefix, pattern string) release {
	p := regexp.MustCompile(pattern)
	return func(suffix string) (place, bool) {
		m := p.FindStringSubmatch(suffix)
		if m == nil {
			return place{}, false
		}
		return place{namespace: prefix + strings.Join(m[1:], "")}, true
	}
}

var (
	ubuntuShape   = regexp.MustCompile(`^(Pro:)?([0-9]+\.[0-9]+)(?::LTS)?$`)
	redHatShape   = regexp.MustCompile(`^(enterprise_linux|rhel_(?:eus|aus|e4s|tus|els)):([0-9]+)(\.[0-9]+)?(?::.*)?$`)
	suseShape     = regexp.MustCompile(`^Linux Enterprise (?:Server|Module for .+) ([0-9]+)(?: SP([0-9]+))?$`)
	openSUSEShape = regexp.MustCompile(`^Leap ([0-9]+\.[0-9]+)$`)
)

// ubuntu reads "22.04:LTS" and "Pro:20.04:LTS". The FIPS, Realtime and hardware channels of Pro are builds of
// their own.
func ubuntu(suffix string) (place, bool) {
	m := ubuntuShape.FindStringSubmatch(suffix)
	if m == nil {
		return place{}, false
	}
	return place{namespace: "ubuntu:" + m[2], pro: m[1] != ""}, true
}

// redHat reads what is left of a CPE name: "enterprise_linux:9::appstream", "rhel_eus:9.2::baseos", "rhel_els:7".
// Layered products are left out.
func redHat(suffix string) (place, bool) {
	m := redHatShape.FindStringSubmatch(suffix)
	if m == nil {
		return place{}, false
	}
	p := place{namespace: "rhel:" + m[2]}
	if stream, ok := strings.CutPrefix(m[1], "rhel_"); ok {
		if p.channel = stream; m[3] != "" {
			p.channel += ":" + m[2] + m[3]
		}
	}
	return p, true
}

// suse reads the server and the modules it is made of: "Linux Enterprise Module for Basesystem 15 SP5".
func suse(suffix string) (place, bool) {
	m := suseShape.FindStringSubmatch(suffix)
	switch {
	case m == nil:
		return place{}, false
	case m[2] == "":
		return place{namespace: "sles:" + m[1]}, true
	}
	return place{namespace: "sles:" + m[1] + "." + m[2]}, true
}

func openSUSE(suffix string) (place, bool) {
	if m := openSUSEShape.FindStringSubmatch(suffix); m != nil {
		return place{namespace: "opensuse-leap:" + m[1]}, true
	}
	return place{namespace: "opensuse-tumbleweed"}, suffix == "Tumbleweed"
}

// azure reads the one number a release is called by; CBL-Mariner 2.0 is Azure Linux 2.
func azure(suffix string) (place, bool) {
	switch suffix {
	case "2":
		return place{namespace: "mariner:2.0"}, true
	case "3":
		return place{namespace: "azurelinux:3.0"}, true
	}
	return place{}, false
}
