package image

import (
	"slices"

	"plimsoll/engine/catalog"
)

// unhinted drops packages that a hints file claims and that were found as well: those of the same type, name and
// version, those at the place of a found package, and, of OS packages, those of the same name, because a package
// database has one version of each. Of a package claimed twice the first remains. A hint only adds, it never
// replaces.
func unhinted(all []located) []located {
	if !slices.ContainsFunc(all, func(p located) bool { return p.Hinted() }) {
		return all
	}
	type named struct {
		typed
		version string // empty for OS packages
	}
	name := func(p *catalog.Package) named {
		if catalog.IsOS(p.Type) {
			return named{typed: typeAndName(p)}
		}
		return named{typeAndName(p), p.Version}
	}
	taken, places := map[named]bool{}, map[string]bool{}
	for i := range all {
		if p := &all[i]; !p.Hinted() {
			taken[name(&p.Package)] = true
			if !catalog.IsOS(p.Type) {
				places[p.Location] = true
			}
		}
	}
	return slices.DeleteFunc(all, func(p located) bool {
		if !p.Hinted() {
			return false
		}
		known := taken[name(&p.Package)] || places[p.Location]
		taken[name(&p.Package)] = true
		return known
	})
}
