package version

import "strings"

// Scheme is a way to order versions.
type Scheme string

// The schemes, each with the document that defines its order.
const (
	Dpkg     Scheme = "dpkg"     // deb-version(7)
	Apk      Scheme = "apk"      // apk-package(5)
	Rpm      Scheme = "rpm"      // rpmvercmp, with epoch and release
	Semver   Scheme = "semver"   // semver.org 2.0.0, read leniently: a leading v, fewer or more than three numbers
	Go       Scheme = "go"       // Go modules reference, "Versions"; toolchain names such as go1.22rc1
	PEP440   Scheme = "pep440"   // PEP 440, with the older free-form versions below all others
	Maven    Scheme = "maven"    // Maven POM reference, "Version Order Specification"
	RubyGems Scheme = "rubygems" // Gem::Version
	NuGet    Scheme = "nuget"    // NuGet package versioning, four numbers
	Composer Scheme = "composer" // PHP version_compare as Composer applies it
	Pub      Scheme = "pub"      // pub.dev: semver with ordered build metadata
	CRAN     Scheme = "cran"     // R package_version
	Hackage  Scheme = "hackage"  // Haskell PVP
)

// schemes maps the part of a namespace before the colon to its scheme.
var schemes = map[string]Scheme{
	"debian": Dpkg, "ubuntu": Dpkg, "echo": Dpkg,
	"alpine": Apk, "wolfi": Apk, "chainguard": Apk, "minimos": Apk,
	"almalinux": Rpm, "rocky": Rpm, "rhel": Rpm, "ol": Rpm, "amzn": Rpm, "fedora": Rpm, "sles": Rpm,
	"sle-micro": Rpm, "sl-micro": Rpm, "opensuse-leap-micro": Rpm, "opensuse-leap": Rpm, "opensuse-tumbleweed": Rpm, "azurelinux": Rpm, "mariner": Rpm, "photon": Rpm,
	"arch": Rpm, // alpm compares as rpm does
	"npm":  Semver, "crates.io": Semver, "hex": Semver, "swifturl": Semver, "bitnami": Semver,
	"go": Go, "pypi": PEP440, "maven": Maven, "rubygems": RubyGems, "nuget": NuGet, "packagist": Composer,
	"pub": Pub, "cran": CRAN, "hackage": Hackage,
}

// SchemeFor returns the scheme of an advisory namespace such as "debian:12" or "npm"; false when versions of
// that namespace cannot be ordered here.
func SchemeFor(namespace string) (Scheme, bool) {
	base, _, _ := strings.Cut(namespace, ":")
	s, ok := schemes[base]
	return s, ok
}
