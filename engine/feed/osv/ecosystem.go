package osv

import (
	"regexp"
	"strings"
)

// releases tells how an ecosystem's suffix names a release.
type releases int

const (
	unreleased releases = iota // no suffix: npm, Wolfi
	byMajor                    // Debian:12, AlmaLinux:8
	byMinor                    // Alpine:v3.18
	byUbuntu                   // Ubuntu:22.04:LTS, Ubuntu:Pro:20.04:LTS
)

// ecosystem is one that can be read: its name in our namespaces and how its releases are written.
type ecosystem struct {
	namespace string
	releases  releases
}

// ecosystems lists what can be read, by OSV name (OSV schema, "Defined ecosystems"). Advisories of AlmaLinux and
// Rocky Linux do not say which module stream they mean.
var ecosystems = map[string]ecosystem{
	"Alpine":      {"alpine", byMinor},
	"AlmaLinux":   {"almalinux", byMajor},
	"Bitnami":     {"bitnami", unreleased},
	"CRAN":        {"cran", unreleased},
	"Chainguard":  {"chainguard", unreleased},
	"Debian":      {"debian", byMajor},
	"Go":          {"go", unreleased},
	"Hackage":     {"hackage", unreleased},
	"Hex":         {"hex", unreleased},
	"Maven":       {"maven", unreleased},
	"MinimOS":     {"minimos", unreleased},
	"NuGet":       {"nuget", unreleased},
	"Packagist":   {"packagist", unreleased},
	"Pub":         {"pub", unreleased},
	"PyPI":        {"pypi", unreleased},
	"Rocky Linux": {"rocky", byMajor},
	"RubyGems":    {"rubygems", unreleased},
	"SwiftURL":    {"swifturl", unreleased},
	"Ubuntu":      {"ubuntu", byUbuntu},
	"Wolfi":       {"wolfi", unreleased},
	"crates.io":   {"crates.io", unreleased},
	"npm":         {"npm", unreleased},
}

// scope is where an affected entry applies. pro marks a channel that only subscribers get.
type scope struct {
	namespace string
	pro       bool
}

var (
	majorRelease  = regexp.MustCompile(`^([0-9]+)(\.[0-9]+)*$`)
	alpineRelease = regexp.MustCompile(`^(?:v([0-9]+\.[0-9]+)|(edge))$`)
	ubuntuRelease = regexp.MustCompile(`^(Pro:)?([0-9]+\.[0-9]+)(?::LTS)?$`)
)

// scopeOf translates a package.ecosystem text within the group of ecosystem own. It is false for other
// ecosystems, for a distribution without a release, and for separate builds no plain image carries (FIPS,
// Realtime and hardware channels of Ubuntu Pro).
func scopeOf(own, text string) (scope, bool) {
	name, suffix, _ := strings.Cut(text, ":")
	e, ok := ecosystems[own]
	if !ok || name != own {
		return scope{}, false
	}
	switch e.releases {
	case byMajor:
		if m := majorRelease.FindStringSubmatch(suffix); m != nil {
			return scope{namespace: e.namespace + ":" + m[1]}, true
		}
	case byMinor:
		if m := alpineRelease.FindStringSubmatch(suffix); m != nil {
			return scope{namespace: e.namespace + ":" + m[1] + m[2]}, true
		}
	case byUbuntu:
		if m := ubuntuRelease.FindStringSubmatch(suffix); m != nil {
			return scope{namespace: e.namespace + ":" + m[2], pro: m[1] != ""}, true
		}
	default:
		return scope{namespace: e.namespace}, true
	}
	return scope{}, false
}
