package catalog

import (
	"path"
	"strings"

	"github.com/package-url/packageurl-go"
)

// DistroRank orders the files that name a distro: the lowest rank found in an image decides, equal ranks by
// path. /etc/os-release beats /usr/lib/os-release (os-release(5)); both beat the files of the time before.
// debian_version comes after all of them because Debian's descendants ship it unchanged, and a program that is the
// whole system (BusyBox) counts where nothing else speaks.
func DistroRank(file string) int {
	switch {
	case file == "/etc/os-release":
		return 0
	case file == "/usr/lib/os-release":
		return 1
	case strings.HasPrefix(path.Base(file), "os-release"):
		return 2
	case file == "/etc/lsb-release":
		return 3
	case file == "/etc/debian_version":
		return 5
	case !strings.HasPrefix(file, "/etc/"):
		return 6
	}
	return 4
}

// SetDistro completes an OS package once the distro of its image is known: namespace, as advisories name
// the distro, and purl. Distro may be nil (a package database without an os-release): the purl then carries
// no vendor. Packages that are not the operating system's stay as they are.
func SetDistro(p *Package, d *Distro, namespace string) {
	kind, ok := osPURLTypes[p.Type]
	if !ok {
		return
	}
	p.Namespace = namespace
	qualifiers := map[string]string{}
	if p.Arch != "" {
		qualifiers["arch"] = p.Arch
	}
	vendor := ""
	if d != nil {
		vendor = d.ID
		if v, ok := rpmVendors[d.ID]; ok && p.Type == TypeRpm {
			vendor = v
		}
		if release := distroRelease(d); release != "" {
			qualifiers["distro"] = d.ID + "-" + release
		}
	}
	version := p.Version
	if p.Type == TypeRpm {
		if epoch, rest, found := strings.Cut(version, ":"); found {
			version = rest
			if epoch != "0" {
				qualifiers["epoch"] = epoch
			}
		}
	}
	p.PURL = PURL(kind, vendor, p.Name, version, qualifiers)
}

var osPURLTypes = map[string]string{
	TypeDpkg:    packageurl.TypeDebian,
	TypeApk:     packageurl.TypeApk,
	TypeRpm:     packageurl.TypeRPM,
	TypeAlpm:    packageurl.TypeAlpm,
	TypePortage: "portage",
}

// rpmVendors are the distros whose vendor in purls is not their os-release ID.
var rpmVendors = map[string]string{"rhel": "redhat", "amzn": "amazon", "ol": "oracle", "sles": "suse", "opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse"}

// distroRelease is the release as the distro qualifier of a purl gives it: VERSION_ID, or the code name for
// releases that have no number yet (Debian testing and sid).
func distroRelease(d *Distro) string {
	if d.VersionID != "" {
		return d.VersionID
	}
	return d.Codename
}

// PURL renders a package URL, normalised by the rules of its type; empty when the parts make no valid one.
func PURL(kind, namespace, name, version string, qualifiers map[string]string) string {
	u := packageurl.NewPackageURL(kind, namespace, name, version, packageurl.QualifiersFromMap(qualifiers), "")
	if name == "" || u.Normalize() != nil {
		return ""
	}
	return u.ToString()
}
