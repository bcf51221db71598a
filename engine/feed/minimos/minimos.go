// Package minimos reads the security database of MinimOS. It has the form of Wolfi's.
package minimos

import "plimsoll/engine/feed/secdb"

// Name is the source name of everything this driver emits, and its one group and namespace.
const Name = "minimos"

// Driver reads the database as package secdb describes it.
var Driver = secdb.Rolling(Name, "packages.mini.dev", "advisories/secdb/security.json", "")
