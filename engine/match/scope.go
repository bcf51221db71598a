package match

import (
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

// hearing is what a statement's scope means for a subject.
type hearing int

const (
	deaf    hearing = iota // it speaks about something else
	hears                  // it speaks about this package
	clears                 // of another update stream this build may come from: it can only tell that it is fixed
	hearsWe                // it speaks about the stream this build is known to be of
)

// listen tells what a statement's scope means for the subject under a reading.
func (n reading) listen(s Subject, a feed.Advisory) hearing {
	if a.Kind != feed.Convention && n.kind != feed.Convention && a.Kind != n.kind {
		return deaf
	}
	if len(a.Arches) > 0 && s.Arch != "" && s.Arch != "noarch" && s.Arch != "all" && !slices.Contains(a.Arches, s.Arch) {
		return deaf
	}
	if s.Type == catalog.TypeRpm && !sameModule(s, a) {
		return deaf
	}
	if n.tier == tierNVD && !n.speaksAbout(s, a.CPE) {
		return deaf
	}
	if n.tier == tierNVD || a.Channel == "" {
		if n.tier == tierVendor && a.Channel == "" && exclusive(s) != "" {
			return deaf // a build of its own, that common fixes are not made for
		}
		return hears
	}
	return channel(s, a.Channel)
}

// moduleRelease marks builds of rpm modules in their release ("…module+el8…", "…module_el8…").
const moduleRelease = ".module"

// sameModule reports whether the statement is about the module stream of the package, or neither is of a module. A
// package whose label is lost shows by its release that it is of some module; then the fix has to be of one, too.
func sameModule(s Subject, a feed.Advisory) bool {
	modular := strings.Contains(s.Version, moduleRelease)
	if s.Module != "" || !modular {
		return a.Module == s.Module && (a.Module != "" || sameBuild(a, false))
	}
	return a.Module != "" || sameBuild(a, true)
}

// sameBuild reports whether the fixes, if there are any, are of module builds or of others.
func sameBuild(a feed.Advisory, modular bool) bool {
	fixes := false
	for _, r := range a.Ranges {
		if r.Fixed == "" {
			continue
		}
		if fixes = true; strings.Contains(r.Fixed, moduleRelease) == modular {
			return true
		}
	}
	return !fixes && !modular
}

// Streams of builds that are made for themselves: their versions say nothing about the common ones, nor the other way
// round. "fips" also covers the previews and updates Ubuntu has.
const (
	streamKsplice = "ksplice"
	streamFIPS    = "fips"
)

// exclusive is the stream of its own that a build is of; empty for common builds.
func exclusive(s Subject) string {
	v := strings.ToLower(s.Version)
	switch {
	case strings.Contains(v, "ksplice"):
		return streamKsplice
	case strings.Contains(v, "fips"):
		return streamFIPS
	}
	return ""
}

// release finds the minor release an rpm was built for: openssl-3.0.7-27.el9_4, nodejs-18.1.0-1.module+el8.6.0+1.
var release = regexp.MustCompile(`\.(?:module[+_])?el([0-9]+)[._]([0-9]+)`)

// channel tells what a statement about an update stream means for a package. Builds for extended support carry the
// minor release they were made for; Ubuntu Pro's say esm.
func channel(s Subject, name string) hearing {
	stream, of, _ := strings.Cut(name, ":")
	if own := exclusive(s); own != "" || stream == streamKsplice || strings.HasPrefix(stream, streamFIPS) {
		if own != "" && strings.HasPrefix(stream, own) {
			return hearsWe
		}
		return deaf
	}
	switch stream {
	case "eus", "aus", "e4s", "tus", "els", "sap":
		if m := release.FindStringSubmatch(s.Version); m != nil && (of == "" || of == m[1]+"."+m[2]) {
			return clears
		}
		return deaf
	case "pro":
		if strings.Contains(s.Version, "esm") {
			return hearsWe
		}
		return deaf
	}
	return deaf
}
