package suse

import (
	"regexp"
	"strings"
)

// product is what a release of a product means: the namespace of its packages, and whether it is heard only where the
// namespace's own products say nothing.
type product struct {
	namespace string
	aside     bool
}

// installed is how a criterion asks for a product; it asks for a package of some version in the same words.
var installed = regexp.MustCompile(`^(.*\S) is installed$`)

var (
	enterprise = regexp.MustCompile(`^SUSE Linux Enterprise (.+?) ([0-9]+)(?:\.([0-9]+))?(?: SP([0-9]+))?(-\S+| LTSS)?$`)
	micro      = regexp.MustCompile(`^SUSE Linux Enterprise Micro(?: for Rancher)? ([0-9]+\.[0-9]+)$`)
	newMicro   = regexp.MustCompile(`^SUSE Linux Micro(?: Extras)? ([0-9]+\.[0-9]+)$`)
	leap       = regexp.MustCompile(`^openSUSE Leap ([0-9]+\.[0-9]+)(?: NonFree)?$`)
	leapMicro  = regexp.MustCompile(`^openSUSE Leap Micro ([0-9]+\.[0-9]+)$`)
)

// products tells what a product's name means. It is false for one whose packages are of no distribution here.
func products(name string) (product, bool) {
	if strings.TrimSuffix(name, " NonFree") == "openSUSE Tumbleweed" {
		return product{namespace: "opensuse-tumbleweed"}, true
	}
	for _, known := range []struct {
		shape     *regexp.Regexp
		namespace string
	}{{leap, "opensuse-leap:"}, {leapMicro, "opensuse-leap-micro:"}, {micro, "sle-micro:"}, {newMicro, "sl-micro:"}} {
		if m := known.shape.FindStringSubmatch(name); m != nil {
			return product{namespace: known.namespace + m[1]}, true
		}
	}
	m := enterprise.FindStringSubmatch(name)
	if m == nil {
		return product{}, false
	}
	release := m[2]
	for _, minor := range []string{m[3], m[4]} {
		if minor != "" {
			release += "." + minor
		}
	}
	own := m[1] == "Server" || m[1] == "Software Development Kit" || strings.HasPrefix(m[1], "Module for ")
	return product{namespace: "sles:" + release, aside: !own || m[5] != ""}, true
}
