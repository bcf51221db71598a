package match

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

var (
	// ErrVersion means that the installed version is no version of its ecosystem.
	ErrVersion = errors.New("installed version cannot be compared")
	// ErrAdvisory means that part of the advisory cannot be read.
	ErrAdvisory = errors.New("advisory cannot be compared")
)

// Finding is what the advisory says about the affected package.
type Finding struct {
	// FixVersion is the nearest fix: where the affected range around the installed version ends. "" when there
	// is none.
	FixVersion string
	State      feed.FixState
}

// Affected decides whether the advisory applies to the target: its version is listed or inside a range. The
// error is ErrVersion or ErrAdvisory and comes without a match.
func Affected(t Target, a feed.Advisory) (Finding, bool, error) {
	if t.Namespace != a.Namespace || t.Name != a.Package || a.State == feed.StateNotAffected {
		return Finding{}, false, nil
	}
	scheme, ok := version.SchemeFor(t.Namespace)
	if !ok {
		return Finding{}, false, fmt.Errorf("%w: namespace %q has no version order", ErrAdvisory, t.Namespace)
	}
	var unread error
	for _, r := range a.Ranges {
		in, err := contains(scheme, r, t)
		if err != nil {
			unread = errors.Join(unread, err)
		} else if in {
			return found(a, r.Fixed), true, nil
		}
	}
	if listed(scheme, a.Versions, t.Version) {
		return found(a, nextFix(scheme, a.Ranges, t.Version)), true, nil
	}
	if unread == nil {
		return Finding{}, false, nil
	}
	if errors.Is(unread, feed.ErrBound) {
		return Finding{}, false, fmt.Errorf("%w: %s: %w", ErrAdvisory, a.ID, unread)
	}
	return Finding{}, false, fmt.Errorf("%w: %s %s: %w", ErrVersion, t.Namespace, t.Name, unread)
}

// moduleRelease marks builds of RPM modules in their release ("…module+el8…", "…module_el8…").
const moduleRelease = ".module"

// contains reports whether the range holds the target's version. A fix built for a module says nothing about a
// package that is not of a module, and the other way round.
func contains(s version.Scheme, r feed.Range, t Target) (bool, error) {
	if s == version.Rpm && r.Fixed != "" && strings.Contains(r.Fixed, moduleRelease) != strings.Contains(t.Version, moduleRelease) {
		return false, nil
	}
	return r.Contains(s, t.Version)
}

func listed(s version.Scheme, versions []string, installed string) bool {
	return slices.ContainsFunc(versions, func(v string) bool {
		if v == installed {
			return true
		}
		c, err := version.Compare(s, v, installed)
		return err == nil && c == 0
	})
}

// nextFix is the lowest fix above a version that lies in no range.
func nextFix(s version.Scheme, ranges []feed.Range, installed string) string {
	best := ""
	for _, r := range ranges {
		if r.Fixed == "" {
			continue
		}
		if c, err := version.Compare(s, r.Fixed, installed); err != nil || c <= 0 {
			continue
		}
		if best != "" {
			if c, err := version.Compare(s, r.Fixed, best); err != nil || c >= 0 {
				continue
			}
		}
		best = r.Fixed
	}
	return best
}

// found states the finding. Without a fix for this version an advisory that has fixes for others says no more
// than that it is affected.
func found(a feed.Advisory, fix string) Finding {
	state := a.State
	switch {
	case fix != "":
		state = feed.StateFixed
	case state == feed.StateFixed:
		state = feed.StateAffected
	}
	return Finding{FixVersion: fix, State: state}
}
