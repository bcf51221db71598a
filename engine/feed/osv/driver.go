package osv

import (
	"slices"

	"plimsoll/engine/feed"
)

// Name is the source name of everything this driver emits.
const Name = "osv"

const host = "osv-vulnerabilities.storage.googleapis.com"

// DefaultEcosystems are synced when the settings name none: those whose packages the analyzers read.
func DefaultEcosystems() []string {
	return []string{"Debian", "Go", "Maven", "PyPI", "Ubuntu", "npm"}
}

// Driver reads the OSV.dev exports.
var Driver = feed.Driver{Name: Name, Groups: groups, Parse: parse}

func groups(s feed.Settings) []feed.Group {
	ecosystems := slices.Clone(s.Ecosystems)
	if len(ecosystems) == 0 {
		ecosystems = DefaultEcosystems()
	}
	slices.Sort(ecosystems)
	var out []feed.Group
	for _, e := range slices.Compact(ecosystems) {
		out = append(out, feed.Group{Name: e, Host: host, Path: e + "/all.zip"})
	}
	return out
}
