// Package sources lists the vulnerability sources that exist. The list is explicit and in the order in which
// sources are shown; names are unique.
package sources

import (
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/almalinux"
	"plimsoll/engine/feed/alpine"
	"plimsoll/engine/feed/amazon"
	"plimsoll/engine/feed/arch"
	"plimsoll/engine/feed/azurelinux"
	"plimsoll/engine/feed/bitnami"
	"plimsoll/engine/feed/chainguard"
	"plimsoll/engine/feed/clamav"
	"plimsoll/engine/feed/debian"
	"plimsoll/engine/feed/echo"
	"plimsoll/engine/feed/endoflife"
	"plimsoll/engine/feed/epss"
	"plimsoll/engine/feed/exclusion"
	"plimsoll/engine/feed/fedora"
	"plimsoll/engine/feed/gems"
	"plimsoll/engine/feed/ghsa"
	"plimsoll/engine/feed/govulndb"
	"plimsoll/engine/feed/kev"
	"plimsoll/engine/feed/minimos"
	"plimsoll/engine/feed/msrc"
	"plimsoll/engine/feed/npm"
	"plimsoll/engine/feed/nvd"
	"plimsoll/engine/feed/oracle"
	"plimsoll/engine/feed/osv"
	"plimsoll/engine/feed/photon"
	"plimsoll/engine/feed/redhat"
	"plimsoll/engine/feed/rocky"
	"plimsoll/engine/feed/rubysec"
	"plimsoll/engine/feed/suse"
	"plimsoll/engine/feed/ubuntu"
	"plimsoll/engine/feed/wolfi"
)

// All returns every driver.
func All() []feed.Driver {
	return []feed.Driver{
		almalinux.Driver, alpine.Driver, amazon.Driver, arch.Driver, azurelinux.Driver, chainguard.Driver, debian.Driver, echo.Driver,
		fedora.Driver, minimos.Driver, oracle.Driver, photon.Driver, redhat.Driver, rocky.Driver, suse.Driver, ubuntu.Driver, wolfi.Driver,
		ghsa.Driver, osv.Driver, bitnami.Driver, govulndb.Driver, rubysec.Driver,
		nvd.Driver, kev.Driver, epss.Driver, endoflife.Driver, msrc.Driver, exclusion.Driver,
		gems.Driver, npm.Driver, clamav.Driver,
	}
}
