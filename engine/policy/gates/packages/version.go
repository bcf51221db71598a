package packages

import (
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/match"
	"plimsoll/engine/version"
)

// compareVersions tells whether the package is older than, equal to or newer than a version; false when its type does
// not order one of the two. Of an rpm the parts that the version lacks do not count.
func compareVersions(p *catalog.Package, other string) (order int, ok bool) {
	own := p.Version
	if p.Type == catalog.TypeRpm {
		if !strings.Contains(other, ":") {
			own = withoutEpoch(own)
		}
		if !strings.Contains(other, "-") {
			own = withoutRelease(own)
		}
	}
	order, err := version.Compare(match.Order(p.Type), own, other)
	return order, err == nil
}

// fullVersions are the ways to write the version of a package: an rpm's epoch may be left out.
func fullVersions(p *catalog.Package) []string {
	if p.Type != catalog.TypeRpm {
		return []string{p.Version}
	}
	return []string{p.Version, withoutEpoch(p.Version)}
}

// versions are fullVersions and, of an rpm, those without the release.
func versions(p *catalog.Package) []string {
	full := fullVersions(p)
	if p.Type != catalog.TypeRpm {
		return full
	}
	for _, v := range full {
		full = append(full, withoutRelease(v))
	}
	return full
}

func withoutEpoch(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		return rest
	}
	return v
}

func withoutRelease(v string) string {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i]
	}
	return v
}
