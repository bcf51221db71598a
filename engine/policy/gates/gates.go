// Package gates lists the gates a policy can use. Adding one is a new package and a line in All.
package gates

import (
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/always"
	"plimsoll/engine/policy/gates/dockerfile"
	"plimsoll/engine/policy/gates/files"
	"plimsoll/engine/policy/gates/vulnerabilities"
)

// All returns the gates; policy.Validate them at start. Their order changes no result.
func All() []policy.Gate {
	return []policy.Gate{
		always.Gate,
		dockerfile.Gate,
		files.Gate,
		vulnerabilities.Gate,
	}
}
