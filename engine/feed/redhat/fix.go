package redhat

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

// minor finds the minor release a build was made for: "7.76.1-23.el9_2.4", "6.2.17-1.module+el8.10.0+22680+748527fd".
var minor = regexp.MustCompile(`\.(?:module[+_])?el([0-9]+[._][0-9]+)`)

// moduleMark is in the release of builds that belong to a module.
const moduleMark = ".module"

// ranges says which builds a stream's fixes leave affected. Everything before the oldest fix is. A later one is for a
// later minor release, whose affected builds are those from where they differ from the earlier release's on:
//
//	7.76.1-23.el9_2.4, 7.76.1-26.el9_3.2   [0, 7.76.1-23.el9_2.4) [7.76.1-26, 7.76.1-26.el9_3.2)
//	3.7.6-23.el9_3.4, 3.8.3-4.el9_4        [0, 3.7.6-23.el9_3.4) [3.8.3-0, 3.8.3-4.el9_4)
//
// A later one of the same minor release is a rebuild of what was fixed already. The fixes must be valid versions.
// labelled is false where it is not known which stream of a module a build is of: then only builds of the
// same version can be rebuilds of each other.
func ranges(fixes []string, labelled bool) ([]feed.Range, error) {
	fixes = slices.Clone(fixes)
	slices.SortFunc(fixes, func(a, b string) int {
		order, _ := version.Compare(version.Rpm, a, b)
		return cmp.Or(order, strings.Compare(a, b))
	})
	var out []feed.Range
	made := map[string]bool{}
	earlier := ""
	for _, fix := range slices.Compact(fixes) {
		if m := minor.FindStringSubmatch(fix); m != nil {
			release := m[1]
			if !labelled && strings.Contains(fix, moduleMark) {
				upstream, _ := split(fix)
				release += " " + upstream
			}
			if made[release] {
				continue
			}
			made[release] = true
		}
		r := feed.Range{Introduced: "0", Fixed: fix}
		if earlier != "" {
			r.Introduced = begin(earlier, fix)
		}
		out = append(out, r)
		earlier = fix
	}
	return feed.Union(version.Rpm, out)
}

// begin is where the builds of the release a fix is for begin, given the fix for an earlier release: at another version,
// or at the first part of the release that differs.
func begin(earlier, fix string) string {
	was, wasRelease := split(earlier)
	is, isRelease := split(fix)
	if was != is {
		return is + "-0"
	}
	before, now := strings.Split(wasRelease, "."), strings.Split(isRelease, ".")
	same := 0
	for same < min(len(before), len(now)) && before[same] == now[same] {
		same++
	}
	return is + "-" + strings.Join(now[:min(same+1, len(now))], ".")
}

// split separates epoch and version from the release.
func split(evr string) (upstream, release string) {
	i := strings.LastIndexByte(evr, '-')
	return evr[:i], evr[i+1:]
}
