package vulnerabilities

import (
	"path"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

// triggerID is the id people write into allowlists.
func triggerID(v *policy.Vulnerability) string {
	p := &v.Package
	name := p.Name
	if !catalog.IsOS(p.Type) {
		name = p.Name + "-" + p.Version
		if fromLocation := locationName(p); fromLocation != "" {
			name = fromLocation
		}
	}
	return v.ID + "+" + name
}

// locationName is the part of the location that names the package, empty when it does not tell.
func locationName(p *policy.AffectedPackage) string {
	location := p.Location[strings.LastIndexByte(p.Location, ':')+1:] // inside a nested archive
	if !strings.Contains(p.Location, "/") {
		return ""
	}
	last := path.Base(location)
	switch p.Type {
	case catalog.TypeJava, catalog.TypeGem:
	case catalog.TypeNpm:
		if last != "package.json" {
			return ""
		}
		last = path.Base(path.Dir(location))
	default:
		return ""
	}
	if last == "." || last == "/" {
		return ""
	}
	return last
}
