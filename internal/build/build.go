// Package build says which build of the system is running.
//
// Release builds set the version with
// -ldflags "-X plimsoll/internal/build.version=v1.2.3"; every other build
// falls back on what the Go tool recorded.
package build

import (
	"runtime"
	"runtime/debug"
)

var version = ""

// Info describes a build.
type Info struct {
	// Version is a release tag, or "devel".
	Version string `json:"version"`
	// Commit is the full revision, with "+dirty" appended when the tree had
	// changes; empty when unknown.
	Commit string `json:"commit,omitempty"`
	// Time is the commit time in RFC 3339; empty when unknown.
	Time string `json:"time,omitempty"`
	// Go is the version of the Go tool chain.
	Go string `json:"go"`
}

// Current returns the description of the running binary.
func Current() Info {
	info := Info{Version: version, Go: runtime.Version()}
	if info.Version == "" {
		info.Version = "devel"
	}
	recorded, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	dirty := false
	for _, s := range recorded.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Commit = s.Value
		case "vcs.time":
			info.Time = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && info.Commit != "" {
		info.Commit += "+dirty"
	}
	return info
}

// String is one line for people.
func (i Info) String() string {
	line := "plimsoll " + i.Version
	if i.Commit != "" {
		line += " (" + i.Commit + ")"
	}
	return line + " " + i.Go
}
