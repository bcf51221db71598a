// Package gates lists the gates a policy can use. Adding one is a new package and a line in All.
package gates

import (
	"slices"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/always"
	"plimsoll/engine/policy/gates/ancestry"
	"plimsoll/engine/policy/gates/custom"
	"plimsoll/engine/policy/gates/distro"
	"plimsoll/engine/policy/gates/dockerfile"
	"plimsoll/engine/policy/gates/files"
	"plimsoll/engine/policy/gates/licenses"
	"plimsoll/engine/policy/gates/malware"
	"plimsoll/engine/policy/gates/metadata"
	"plimsoll/engine/policy/gates/packages"
	"plimsoll/engine/policy/gates/passwdfile"
	"plimsoll/engine/policy/gates/published"
	"plimsoll/engine/policy/gates/retired"
	"plimsoll/engine/policy/gates/retrievedfiles"
	"plimsoll/engine/policy/gates/secretscans"
	"plimsoll/engine/policy/gates/sourcedrift"
	"plimsoll/engine/policy/gates/stig"
	"plimsoll/engine/policy/gates/tagdrift"
	"plimsoll/engine/policy/gates/vulnerabilities"
)

// Version is to be raised whenever a gate, or the way policies are evaluated, answers otherwise for the same facts: verdicts of
// another version are not believed to hold.
const Version = 2

// All returns the gates; policy.Validate them at start. Their order changes no result.
func All() []policy.Gate {
	return slices.Concat([]policy.Gate{
		always.Gate,
		ancestry.Gate,
		custom.Gate,
		distro.Gate,
		dockerfile.Gate,
		files.Gate,
		licenses.Gate,
		malware.Gate,
		metadata.Gate,
		published.Npms,
		packages.Gate,
		passwdfile.Gate,
		published.RubyGems,
		retrievedfiles.Gate,
		secretscans.Gate,
		sourcedrift.Gate,
		stig.Gate,
		tagdrift.Gate,
		vulnerabilities.Gate,
	}, retired.Gates)
}
