package match

import (
	"plimsoll/engine/catalog"
	"plimsoll/engine/version"
)

var orders = map[string]version.Scheme{
	catalog.TypeDpkg: version.Dpkg, catalog.TypeApk: version.Apk, catalog.TypeRpm: version.Rpm, catalog.TypeAlpm: version.Rpm,
	catalog.TypePython: version.PEP440, catalog.TypeJava: version.Maven, catalog.TypeGo: version.Go, catalog.TypeGem: version.RubyGems,
	catalog.TypeNuget: version.NuGet, catalog.TypeComposer: version.Composer, catalog.TypeCran: version.CRAN,
	catalog.TypeHackage: version.Hackage,
}

// Order is how versions of a package type are ordered. Types without an order of their own are read as semantic versions,
// which is to say by their dotted numbers.
func Order(packageType string) version.Scheme {
	if s, ok := orders[packageType]; ok {
		return s
	}
	return version.Semver
}
