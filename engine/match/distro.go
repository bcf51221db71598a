package match

import (
	"strings"

	"plimsoll/engine/catalog"
)

// codenames gives the release of a Debian whose os-release has no VERSION_ID: testing and unstable carry the
// name of the release they will become.
var codenames = map[string]string{
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15",
}

// distros maps os-release IDs to the distribution whose advisories apply, where that is another name.
var distros = map[string]string{
	"centos": "rhel",
	"redhat": "rhel",
	"alma":   "almalinux",
	"amazon": "amzn",
	"oracle": "ol",
}

// DistroNamespace is the namespace of a distribution's advisories: "debian:12", "ubuntu:22.04", "alpine:3.18",
// "rhel:9", "wolfi". It is "" when the distribution is not known. A distribution without a feed has a namespace
// as well; nothing will be found in it.
func DistroNamespace(d *catalog.Distro) string {
	if d == nil {
		return ""
	}
	id := strings.ToLower(strings.TrimSpace(d.ID))
	release := strings.ToLower(strings.TrimSpace(d.VersionID))
	if to, ok := distros[id]; ok {
		id = to
	}
	switch id {
	case "":
		return ""
	case "wolfi", "chainguard", "minimos", "arch", "opensuse-tumbleweed":
		return id // rolling: one namespace
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
	case "rhel", "almalinux", "rocky", "ol":
		release = segments(release, 1)
	}
	if release == "" {
		return id
	}
	return id + ":" + release
}

// debianRelease is the number of a code name, or the name itself.
func debianRelease(codename string) string {
	name := strings.ToLower(strings.TrimSpace(codename))
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
}

// FeedGroup is the feed group the API shows for a namespace: the namespace itself for distributions,
// "github:language:python" and its like for languages.
func FeedGroup(namespace string) string {
	if g, ok := groups[namespace]; ok {
		return g
	}
	return namespace
}
