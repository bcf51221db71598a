// Package sources lists the vulnerability sources that exist. The list is explicit and in the order in which
// sources are shown; names are unique.
package sources

import (
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/osv"
)

// All returns every driver.
func All() []feed.Driver {
	return []feed.Driver{osv.Driver}
}
