package match

import (
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/cpe"
	"plimsoll/engine/version"
)

// NVD is the namespace of the National Vulnerability Database, in which packages are called "vendor:product".
const NVD = "nvd"

// Subject is what matching knows of a package.
type Subject struct{ catalog.Identity }

// Target is a name under which advisories may speak about a package.
type Target struct{ Namespace, Name string }

// reading is one way to look at a subject: a name advisories use, with the version they mean by it.
type reading struct {
	Target
	kind    feed.Kind
	version string
	tier    tier
	scheme  version.Scheme
	cpe     *cpe.Name // in the namespace of the NVD
}

// tier says how well a source knows what it speaks about; lower goes first.
type tier int

const (
	tierVendor    tier = iota // the distribution about its own package
	tierEcosystem             // the ecosystem's advisories about a package by its own name
	tierNVD                   // by a CPE name somebody guessed
)

func (t tier) confidence() Confidence {
	if t == tierNVD {
		return Low
	}
	return High
}

// Targets lists the names under which advisories may speak about the subject, sorted.
func (r Rules) Targets(s Subject) []Target {
	var out []Target
	for _, n := range r.readings(s) {
		if !slices.Contains(out, n.Target) {
			out = append(out, n.Target)
		}
	}
	slices.SortFunc(out, func(a, b Target) int {
		return strings.Compare(a.Namespace+"\x00"+a.Name, b.Namespace+"\x00"+b.Name)
	})
	return out
}

// readings lists the ways to look at the subject, best first.
func (r Rules) readings(s Subject) []reading {
	if r.WithoutTypes[s.Type] {
		return nil
	}
	var out []reading
	if catalog.IsOS(s.Type) {
		out = r.osReadings(s)
	} else if named, ok := ecosystemReading(s); ok {
		out = append(out, named)
	}
	if r.NVD[s.Type] || s.givenCPEs() {
		out = append(out, nvdReadings(s)...)
	}
	return out
}

// Claims of packages that an account has corrected; cpes when the CPE names are what somebody gave, and no guesses.
const (
	claimCorrected = "corrected:"
	claimCPEs      = "corrected-cpes:"
)

// ClaimOfCorrection is the claim of a corrected package; mark tells it from others of the same fields. CPE names that
// somebody gave are looked up whatever the type of the package is.
func ClaimOfCorrection(mark string, cpes bool) string {
	if cpes {
		return claimCPEs + mark
	}
	return claimCorrected + mark
}

func (s Subject) givenCPEs() bool { return strings.HasPrefix(s.Claim, claimCPEs) }

// sourceNamed are the distributions whose advisories name source packages where they say nothing else: deb, apk, and
// the rpm distributions of Microsoft. Those of other rpm distributions name binaries.
func sourceNamed(s Subject, distro string) bool {
	return s.Type != catalog.TypeRpm && s.Type != catalog.TypeAlpm || distro == "azurelinux" || distro == "mariner"
}

// osReadings looks at an OS package by its own name and by that of its source, each with its version: a rebuilt binary
// counts differently. The one the distribution's advisories mean by convention comes first.
func (r Rules) osReadings(s Subject) []reading {
	namespace := r.Namespace(s.Identity.Namespace)
	scheme, ok := version.SchemeFor(namespace)
	if !ok || s.Name == "" {
		return nil
	}
	binary := reading{Target: Target{namespace, s.Name}, kind: feed.Binary, version: s.Version, scheme: scheme}
	if s.Source == "" {
		// A package without a source of another name is its own source.
		source := binary
		source.kind = feed.Source
		return []reading{binary, source}
	}
	source := reading{Target: Target{namespace, s.Source}, kind: feed.Source, version: s.Version, scheme: scheme}
	if s.SourceVersion != "" {
		source.version = s.SourceVersion
	}
	distro, _, _ := strings.Cut(namespace, ":")
	if sourceNamed(s, distro) {
		return []reading{source, binary}
	}
	return []reading{binary, source}
}

// purlNamespaces maps purl types to the namespaces of language ecosystems.
var purlNamespaces = map[string]string{
	packageurl.TypeNPM:      "npm",
	packageurl.TypePyPi:     "pypi",
	packageurl.TypeMaven:    "maven",
	packageurl.TypeGolang:   "go",
	packageurl.TypeGem:      "rubygems",
	packageurl.TypeCargo:    "crates.io",
	packageurl.TypeNuget:    "nuget",
	packageurl.TypeComposer: "packagist",
	packageurl.TypeHex:      "hex",
	packageurl.TypePub:      "pub",
	packageurl.TypeCran:     "cran",
	packageurl.TypeHackage:  "hackage",
	packageurl.TypeSwift:    "swifturl",
	packageurl.TypeBitnami:  "bitnami",
}

// ecosystemName is the name of a language package, as far as its type tells.
func ecosystemName(s catalog.Identity) Target {
	switch {
	case s.Type == catalog.TypeNpm:
		return Target{"npm", s.Name}
	case s.Type == catalog.TypePython:
		return Target{"pypi", s.Name}
	case s.Type == catalog.TypeGo:
		return Target{"go", s.Name}
	case s.Type == catalog.TypeGem:
		return Target{"rubygems", s.Name}
	case s.Type == catalog.TypeJava && s.Namespace != "":
		return Target{"maven", s.Namespace + ":" + s.Name}
	}
	return Target{}
}

// Known is what to note in an identity of a package whose type does not tell its ecosystem's name: the name in its purl.
// It also fills in a missing Maven group.
func Known(s catalog.Identity, purl string) string {
	if catalog.IsOS(s.Type) || ecosystemName(s) != (Target{}) {
		return ""
	}
	t := purlTarget(purl)
	if t.Namespace == "" {
		return ""
	}
	return t.Namespace + "/" + t.Name
}

// KnownByPURL is what to note in an identity whose purl somebody gave: it decides, also where it names an ecosystem that
// nobody speaks about.
func KnownByPURL(purl string) string {
	if t := purlTarget(purl); t.Namespace != "" {
		return t.Namespace + "/" + t.Name
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(purl, "pkg:"), "/")
	return "purl:" + kind + "/"
}

func ecosystemReading(s Subject) (reading, bool) {
	n := reading{Target: ecosystemName(s.Identity), kind: feed.Convention, version: s.Version, tier: tierEcosystem}
	if s.Known != "" {
		n.Namespace, n.Name, _ = strings.Cut(s.Known, "/")
	}
	scheme, ok := version.SchemeFor(n.Namespace)
	if !ok || n.Name == "" {
		return reading{}, false
	}
	n.scheme = scheme
	n.Name = feed.PackageName(n.Namespace, n.Name)
	switch n.Namespace {
	case "pypi":
		// A local label ("2.1.0+cu118") is a build of the public version (PEP 440, "Local version identifiers").
		n.version, _, _ = strings.Cut(n.version, "+")
	case "bitnami":
		// Documents of others keep the number of the build ("7.2.4-3"); the advisories speak of what was built.
		n.version = rebuild.ReplaceAllString(n.version, "")
	}
	return n, true
}

var rebuild = regexp.MustCompile(`-[0-9]{1,4}$`)

func purlTarget(purl string) Target {
	u, err := packageurl.FromString(purl)
	if err != nil || u.Name == "" {
		return Target{}
	}
	t := Target{purlNamespaces[u.Type], u.Name}
	if u.Namespace != "" {
		separator := "/"
		if u.Type == packageurl.TypeMaven {
			separator = ":"
		}
		t.Name = u.Namespace + separator + u.Name
	} else if u.Type == packageurl.TypeMaven {
		return Target{} // an artifact id alone names nothing
	}
	return t
}
