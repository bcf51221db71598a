package imported

import (
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/match"
)

// languages are the package types whose purl follows from name and version alone.
var languages = map[string]string{
	catalog.TypeNpm: packageurl.TypeNPM, catalog.TypePython: packageurl.TypePyPi, catalog.TypeGem: packageurl.TypeGem,
	catalog.TypeRust: packageurl.TypeCargo, catalog.TypeNuget: packageurl.TypeNuget, catalog.TypeComposer: packageurl.TypeComposer,
	catalog.TypeGo: packageurl.TypeGolang, catalog.TypeJava: packageurl.TypeMaven,
}

// Evident reports whether everything the dictionary keeps of a package, its purl and the name advisories have for
// it, follows from its identity. Only such a package may share its entry with what other accounts have: of any
// other, the entry would hold what somebody merely says.
func Evident(p *catalog.Package) bool {
	if catalog.IsOS(p.Type) {
		return p.PURL == osPURL(p)
	}
	kind, known := languages[p.Type]
	if !known || p.Type == catalog.TypeJava && p.Namespace == "" {
		return false
	}
	return p.PURL != "" && p.PURL == languagePURL(kind, p)
}

func languagePURL(kind string, p *catalog.Package) string {
	namespace, name, version := p.Namespace, p.Name, p.Version
	switch p.Type {
	case catalog.TypeNpm, catalog.TypeComposer, catalog.TypeGo:
		if i := strings.LastIndexByte(name, '/'); i > 0 {
			namespace, name = name[:i], name[i+1:]
		}
	}
	if p.Type == catalog.TypeGo && name == "stdlib" {
		version = strings.TrimPrefix(version, "go")
	}
	return catalog.PURL(kind, namespace, name, version, nil)
}

// SharedPURL is the purl the dictionary shows everybody: of an OS package no more than follows from its identity, as the
// release an image calls its own is anybody's text.
func SharedPURL(p *catalog.Package) string {
	if !catalog.IsOS(p.Type) {
		return p.PURL
	}
	return osPURL(p)
}

// osPURL is the purl the package has in the release its namespace names, no more exactly than that.
func osPURL(p *catalog.Package) string {
	id, release, _ := strings.Cut(p.Namespace, ":")
	distro := &catalog.Distro{ID: id, VersionID: release}
	evident := *p
	catalog.SetDistro(&evident, distro, match.DistroNamespace(distro))
	if evident.Namespace != p.Namespace {
		return "" // not the name of a release
	}
	return evident.PURL
}
