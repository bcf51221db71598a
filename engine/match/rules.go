package match

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// Rules are what an operator may decide about matching. They are part of every decision: other rules, other answers.
type Rules struct {
	// Distros maps a distribution to the one whose advisories speak about its packages, by the name before the colon
	// of a namespace: {"centos": "rhel"}. The release stays.
	Distros map[string]string
	// NVD lists the package types that are looked up in the National Vulnerability Database by their CPE names. A
	// better source that speaks about a vulnerability goes before it all the same.
	NVD map[string]bool
	// Sources that are left out, by the names of their drivers.
	WithoutSources map[string]bool
	// Types of packages that are not matched at all.
	WithoutTypes map[string]bool
	// Priorities order sources that speak about the same packages; higher goes before. Those without one have that of
	// Priority.
	Priorities map[string]int
}

// DefaultRules maps the rebuilds that publish no advisories of their own, and asks the NVD about what no other source
// knows: programs found by their content, and Alpine packages, of which Alpine publishes fixes only.
func DefaultRules() Rules {
	return Rules{
		Distros: map[string]string{"centos": "rhel", "scientific": "rhel", "fedora-coreos": "fedora"},
		NVD:     map[string]bool{catalog.TypeBinary: true, catalog.TypeApk: true},
	}
}

// Lines writes the rules in a fixed order, so that two can be compared and hashed.
func (r Rules) Lines() []string {
	var out []string
	for from, to := range r.Distros {
		out = append(out, "distro "+from+"="+to)
	}
	for name, set := range map[string]map[string]bool{"nvd": r.NVD, "without source": r.WithoutSources, "without type": r.WithoutTypes} {
		for key, on := range set {
			if on {
				out = append(out, name+" "+key)
			}
		}
	}
	for source, priority := range r.Priorities {
		if priority != Priority(source) {
			out = append(out, fmt.Sprintf("priority %s=%d", source, priority))
		}
	}
	slices.Sort(out)
	return out
}

// Priority is what a source has by itself: publishers go before those that pass data on.
func Priority(source string) int {
	switch source {
	case "osv":
		return -1
	case NVD:
		return -2
	}
	return 0
}

// priority is what counts for a source.
func (r Rules) priority(source string) int {
	if own, ok := r.Priorities[source]; ok {
		return own
	}
	return Priority(source)
}

// Equal reports whether both decide the same.
func (r Rules) Equal(to Rules) bool { return slices.Equal(r.Lines(), to.Lines()) }

// Clone returns rules that can be changed.
func (r Rules) Clone() Rules {
	return Rules{maps.Clone(r.Distros), maps.Clone(r.NVD), maps.Clone(r.WithoutSources), maps.Clone(r.WithoutTypes), maps.Clone(r.Priorities)}
}

// Namespace is where advisories about packages of a distribution are: the mapped distribution, same release.
func (r Rules) Namespace(own string) string {
	distro, release, _ := strings.Cut(own, ":")
	to, ok := r.Distros[distro]
	if !ok {
		return own
	}
	if release == "" {
		return to
	}
	return to + ":" + release
}

// Comprehensive reports whether a distribution's advisories also list what is not fixed, so that their silence means
// that a package is not known to be affected. Elsewhere a language package that an OS package brought along
// is judged by the ecosystem's advisories as well.
func Comprehensive(namespace string) bool {
	switch distro, _, _ := strings.Cut(namespace, ":"); distro {
	case "debian", "ubuntu", "rhel", "sles", "opensuse-leap", "echo":
		return true
	}
	return false
}
