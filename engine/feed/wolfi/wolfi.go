// Package wolfi reads the security database of Wolfi. Its ids are CVE, GHSA and GO ids.
package wolfi

import "plimsoll/engine/feed/secdb"

// Name is the source name of everything this driver emits, and its one group and namespace.
const Name = "wolfi"

// Driver reads the database as package secdb describes it.
var Driver = secdb.Rolling(Name, "packages.wolfi.dev", "os/security.json", "")
