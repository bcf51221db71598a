// Package lifecycle tells whether a distribution's release is still supported, by the lifecycles endoflife.date publishes.
//
// Everything is a pure function of its arguments; a distribution nobody publishes a lifecycle of is unknown, which is not the
// same as supported.
package lifecycle

import (
	"strings"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
)

// Support is how a release is maintained.
type Support string

// The states.
const (
	// Supported: everyone gets security fixes.
	Supported Support = "supported"
	// Extended: only those get them who pay or ask for it.
	Extended Support = "extended"
	// Ended: nobody does.
	Ended Support = "ended"
)

// products are the names of distributions at endoflife.date, by the name before the colon of a namespace, in the order in which
// they are tried.
var products = map[string][]string{
	"debian": {"debian"}, "ubuntu": {"ubuntu"}, "alpine": {"alpine-linux"}, "rhel": {"rhel"}, "centos": {"centos", "centos-stream"},
	"almalinux": {"almalinux"}, "rocky": {"rocky-linux"}, "ol": {"oracle-linux"}, "amzn": {"amazon-linux"}, "fedora": {"fedora"},
	"sles": {"sles"}, "opensuse-leap": {"opensuse"}, "photon": {"vmware-photon"},
}

// Keys are the lifecycles that speak about a distribution's release, best first; none for what has no releases or is not known.
func Keys(d *catalog.Distro) (out []string) {
	name, release, _ := strings.Cut(match.DistroNamespace(d), ":")
	if release == "" {
		return nil
	}
	for _, product := range products[name] {
		out = append(out, product+" "+release)
	}
	return out
}

// At tells how a release is maintained at a moment. The days are those from which support is over.
func At(l feed.Lifecycle, now time.Time) Support {
	over := l.Ended
	if l.EndOfLife != nil {
		over = !now.Before(*l.EndOfLife)
	}
	switch {
	case !over:
		return Supported
	case l.EndOfExtended != nil && now.Before(*l.EndOfExtended):
		return Extended
	}
	return Ended
}

// Changes is when At answers differently next; zero when it does not.
func Changes(l feed.Lifecycle, now time.Time) time.Time {
	for _, day := range []*time.Time{l.EndOfLife, l.EndOfExtended} {
		if day != nil && day.After(now) {
			return *day
		}
	}
	return time.Time{}
}
