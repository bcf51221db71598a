package match

import (
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

// Target is how advisories name a package.
type Target struct{ Namespace, Name, Version string }

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

// TargetOf returns the name under which advisories speak about a package. purl decides for package types that
// have no rule here and fills in a missing Maven group. The zero Target means that no feed speaks about it.
func TargetOf(p catalog.Identity, purl string) Target {
	var t Target
	switch {
	case catalog.IsOS(p.Type):
		t = osTarget(p)
	case p.Type == catalog.TypeNpm:
		t = Target{"npm", p.Name, p.Version}
	case p.Type == catalog.TypePython:
		t = Target{"pypi", p.Name, p.Version}
	case p.Type == catalog.TypeGo:
		t = Target{"go", p.Name, p.Version}
	case p.Type == catalog.TypeGem:
		t = Target{"rubygems", p.Name, p.Version}
	case p.Type == catalog.TypeJava && p.Namespace != "":
		t = Target{"maven", p.Namespace + ":" + p.Name, p.Version}
	default:
		t = purlTarget(p, purl)
	}
	if _, ok := version.SchemeFor(t.Namespace); !ok || t.Name == "" {
		return Target{}
	}
	t.Name = feed.PackageName(t.Namespace, t.Name)
	if t.Namespace == "pypi" {
		// A local label ("2.1.0+cu118") is a build of the public version (PEP 440, "Local version identifiers").
		t.Version, _, _ = strings.Cut(t.Version, "+")
	}
	return t
}

// osTarget names the source package where the distribution's advisories do (Debian, Ubuntu, Alpine and its
// kin, Azure Linux), with the source version: a rebuilt binary counts differently. Those of the other rpm
// distributions name binaries.
func osTarget(p catalog.Identity) Target {
	t := Target{p.Namespace, p.Name, p.Version}
	distro, _, _ := strings.Cut(p.Namespace, ":")
	if p.Source == "" || p.Type == catalog.TypeRpm && distro != "azurelinux" && distro != "mariner" {
		return t
	}
	t.Name = p.Source
	if p.SourceVersion != "" {
		t.Version = p.SourceVersion
	}
	return t
}

func purlTarget(p catalog.Identity, purl string) Target {
	u, err := packageurl.FromString(purl)
	if err != nil || u.Name == "" {
		return Target{}
	}
	t := Target{purlNamespaces[u.Type], u.Name, p.Version}
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
