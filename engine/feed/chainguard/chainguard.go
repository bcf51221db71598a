// Package chainguard reads the security database of Chainguard OS. Its ids are CVE, GHSA, GO and CGA ids.
package chainguard

import "plimsoll/engine/feed/secdb"

// Name is the source name of everything this driver emits, and its one group and namespace.
const Name = "chainguard"

// Driver reads the database as package secdb describes it.
var Driver = secdb.Rolling(Name, "packages.cgr.dev", "chainguard/security.json", "")
