package matching

import (
	"cmp"
	"crypto/sha256"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Subject is a package both sides are asked about. Ecosystem is OSV's name with its release: "npm", "Debian:12".
type Subject struct{ Ecosystem, Name, Version string }

// listedVersions is how many of the versions an entry lists are taken.
const listedVersions = 3

// Draw picks n packages of an ecosystem from its records. The choice depends on nothing but the records' packages and
// versions: it is the same whenever these are.
func Draw(all []Record, ecosystem string, n int) []Subject {
	seen := map[Subject]bool{}
	for i := range all {
		for _, a := range all[i].Affected {
			if !a.About(ecosystem) || a.Package.Name == "" {
				continue
			}
			if _, ok := releaseOf(a.Package.Ecosystem); !ok {
				continue
			}
			for _, v := range interesting(ecosystem, a) {
				seen[Subject{a.Package.Ecosystem, a.Package.Name, v}] = true
			}
		}
	}
	type weighed struct {
		Subject
		weight string
	}
	var list []weighed
	for s := range seen {
		sum := sha256.Sum256([]byte(s.Ecosystem + "\x00" + s.Name + "\x00" + s.Version))
		list = append(list, weighed{s, string(sum[:])})
	}
	slices.SortFunc(list, func(a, b weighed) int { return strings.Compare(a.weight, b.weight) })
	var out []Subject
	for _, s := range list[:min(n, len(list))] {
		out = append(out, s.Subject)
	}
	slices.SortFunc(out, compareSubjects)
	return out
}

func compareSubjects(a, b Subject) int {
	return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
}

// interesting are the versions at which an entry's answer may turn; of one about all versions or none, any.
func interesting(ecosystem string, a Affected) []string {
	var out []string
	if release, ok := strings.CutPrefix(a.Package.Ecosystem, "Red Hat:"); ok && !a.anyFix(func(string) bool { return true }) {
		out = append(out, "1.0-1.el"+release)
	}
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		for _, e := range r.Events {
			for _, v := range e {
				if v != "0" && v != "" {
					out = append(out, v, step(v, -1), step(v, 1), before(ecosystem, v), after(ecosystem, v))
				}
			}
		}
	}
	if n := len(a.Versions); n > 0 {
		for i := range min(n, listedVersions) {
			out = append(out, a.Versions[i*(n-1)/max(1, min(n, listedVersions)-1)])
		}
	}
	return slices.DeleteFunc(out, func(v string) bool { return v == "" })
}

var numbers = regexp.MustCompile(`[0-9]+`)

// step adds to the last number of a version that it can be added to; a hexadecimal commit is no place for it.
func step(v string, by int) string {
	all := numbers.FindAllStringIndex(v, -1)
	for _, at := range slices.Backward(all) {
		n, err := strconv.Atoi(v[at[0]:at[1]])
		if err != nil || n+by < 0 {
			continue
		}
		return v[:at[0]] + strconv.Itoa(n+by) + v[at[1]:]
	}
	return ""
}

// before is a version that its ecosystem orders right below v: a preview of it. None where there are no previews.
func before(ecosystem, v string) string {
	switch ecosystem {
	case "PyPI":
		if strings.Trim(v, "0123456789.") != "" {
			return "" // a preview of its own
		}
		return v + "rc1"
	case "Maven":
		return v + "-SNAPSHOT"
	case "RubyGems":
		return v + ".rc1"
	case "Debian", "Ubuntu", "AlmaLinux", "Red Hat", "Rocky Linux":
		return v + "~1"
	case "Alpine":
		return withSuffix(v, "_rc1")
	case "Bitnami", "CRAN":
		return ""
	}
	release, build, ok := strings.Cut(v, "+")
	if ok {
		build = "+" + build
	}
	return release + "-rc.1" + build
}

// after is a version right above v: a further part, or a rebuild. None where versions have no more than three numbers.
func after(ecosystem, v string) string {
	switch ecosystem {
	case "PyPI":
		return v + ".post1"
	case "Debian", "Ubuntu":
		return v + "+b1"
	case "Alpine":
		return withSuffix(v, "_p1")
	case "Bitnami":
		if strings.Contains(v, "-") {
			return ""
		}
		return v + "-1"
	case "NuGet", "Packagist":
		if strings.Count(v, ".") > 2 {
			return ""
		}
	case "crates.io", "Go", "Hex", "npm", "Pub", "SwiftURL":
		return ""
	}
	return v + ".1"
}

// withSuffix puts a suffix before apk's revision.
func withSuffix(v, suffix string) string {
	stem, revision, ok := strings.Cut(v, "-r")
	if !ok {
		return v + suffix
	}
	return stem + suffix + "-r" + revision
}

// Union joins two lists of subjects, each once, in a fixed order.
func Union(a, b []Subject) []Subject {
	all := slices.Concat(a, b)
	slices.SortFunc(all, compareSubjects)
	return slices.Compact(all)
}
