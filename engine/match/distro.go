package match

import (
	"strings"

	"plimsoll/engine/catalog"
)

// codenames gives the release of a Debian whose os-release has no VERSION_ID: testing and unstable carry the
// name of the release they will become.
var codenames = map[string]string{
	"wheezy": "7", "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15",
}

// ubuntus gives the release of a code name, by which Ubuntu's descendants name the packages they hold.
var ubuntus = map[string]string{
	"trusty": "14.04", "xenial": "16.04", "bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04", "resolute": "26.04",
}

// distros maps os-release IDs to what the distribution is called here. Whose advisories speak about another
// distribution's packages is a matter of Rules.
var distros = map[string]string{
	"redhat": "rhel",
	"alma":   "almalinux", "amazon": "amzn", "oracle": "ol",
	"sles_sap": "sles", "sled": "sles",
	"archarm": "arch", "archlinux": "arch",
}

// rolling distributions have one namespace, whatever their os-release calls a version.
var rolling = map[string]bool{
	"wolfi": true, "chainguard": true, "minimos": true, "arch": true, "gentoo": true, "void": true,
	"opensuse-tumbleweed": true, "opensuse-slowroll": true,
}

// DistroNamespace is the namespace of a distribution's advisories: "debian:12", "ubuntu:22.04", "alpine:3.18",
// "rhel:9", "wolfi". It is "" when the distribution is not known. A distribution without a feed has a namespace
// as well; nothing will be found in it.
//
// A descendant is named after the distribution it is like (os-release(5), ID_LIKE) only where it says which release
// that is: rebuilds of RHEL by their own major version, descendants of Debian and Ubuntu by the code name of those.
func DistroNamespace(d *catalog.Distro) string {
	if d == nil {
		return ""
	}
	id, release := plain(d.ID), plain(d.VersionID)
	if to, ok := distros[id]; ok {
		id = to
	}
	if !own[id] {
		if like, of := parent(d, release); like != "" {
			id, release = like, of
		}
	}
	switch id {
	case "":
		return ""
	case "debian":
		if release == "" {
			release = debianRelease(d.Codename)
		}
		release = segments(release, 1)
	case "alpine":
		if strings.Contains(release, "_alpha") {
			release = "edge"
		}
		release = segments(release, 2)
	case "ubuntu":
		release = segments(release, 2)
	case "rhel", "centos", "scientific", "almalinux", "rocky", "ol":
		release = segments(release, 1)
	}
	if release == "" || rolling[id] {
		return id
	}
	return id + ":" + release
}

// own are the distributions that publish advisories themselves although they are like another one.
var own = map[string]bool{
	"debian": true, "ubuntu": true, "alpine": true, "rhel": true, "centos": true, "scientific": true, "almalinux": true, "rocky": true, "ol": true, "amzn": true,
	"fedora": true, "sles": true, "photon": true, "mariner": true, "azurelinux": true, "wolfi": true, "chainguard": true, "arch": true,
}

// parent is the distribution and release whose packages a descendant holds; empty when it does not say.
func parent(d *catalog.Distro, release string) (id, of string) {
	for _, like := range d.Like {
		switch plain(like) {
		case "ubuntu":
			if of, ok := ubuntus[plain(d.Codename)]; ok {
				return "ubuntu", of
			}
		case "debian":
			if of, ok := codenames[plain(d.Codename)]; ok {
				return "debian", of
			}
		case "rhel":
			if of := segments(release, 1); rebuilds[plain(d.ID)] && of != "" {
				return "rhel", of
			}
		case "arch":
			return "arch", ""
		}
	}
	return "", ""
}

// rebuilds are built from the sources of RHEL, version by version.
var rebuilds = map[string]bool{"cloudlinux": true, "eurolinux": true, "circle": true, "navylinux": true, "miraclelinux": true, "springdale": true}

func plain(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// debianRelease is the number of a code name, or the name itself.
func debianRelease(codename string) string {
	name := plain(codename)
	if number, ok := codenames[name]; ok {
		return number
	}
	return name
}

// segments keeps the first n dotted parts.
func segments(release string, n int) string {
	parts := strings.Split(release, ".")
	return strings.Join(parts[:min(n, len(parts))], ".")
}

// groups names the namespaces whose feed group the API shows under another name.
var groups = map[string]string{
	"npm":       "github:language:javascript",
	"pypi":      "github:language:python",
	"maven":     "github:language:java",
	"go":        "github:language:go",
	"rubygems":  "github:language:ruby",
	"crates.io": "github:language:rust",
	"nuget":     "github:language:dotnet",
	"packagist": "github:language:php",
	"pub":       "github:language:dart",
	"swifturl":  "github:language:swift",
	"hex":       "github:language:elixir",
	NVD:         "nvdv2:cves",
}

// FeedGroup is the feed group the API shows for a namespace: the namespace itself for distributions,
// "github:language:python" and its like for languages.
func FeedGroup(namespace string) string {
	if g, ok := groups[namespace]; ok {
		return g
	}
	return namespace
}

// Namespace is the namespace of a feed group, the other way round.
func Namespace(group string) string {
	for namespace, shown := range groups {
		if shown == group {
			return namespace
		}
	}
	return group
}
