package match

import (
	"slices"

	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

// compare finds out whether the statement affects the version of its reading. A version or a range that cannot be read
// is no opinion: guessing would be as wrong in the other direction.
func (o *opinion) compare() {
	a := &o.Advisory
	switch a.State {
	case feed.StateNotAffected:
		o.verdict = clean
		return
	case feed.StateInvestigate:
		return // nobody knows yet
	}
	readable := true
	for i := range a.Ranges {
		in, err := a.Ranges[i].Contains(o.as.scheme, o.as.version)
		if err != nil {
			readable = false
		} else if in {
			o.found(&a.Ranges[i], a.Ranges[i].Fixed)
			return
		}
	}
	if listed(o.as.scheme, a.Versions, o.as.version) {
		o.found(nil, nextFix(o.as.scheme, a.Ranges, o.as.version))
		return
	}
	if readable {
		o.verdict = clean
	}
}

// found notes the match. Without a fix for this version an advisory that has fixes for others says no more than that
// it is affected.
func (o *opinion) found(within *feed.Range, fix string) {
	o.verdict, o.within, o.fix, o.state = affected, within, fix, o.Advisory.State
	switch {
	case fix != "":
		o.state = feed.StateFixed
	case o.state == feed.StateFixed:
		o.state = feed.StateAffected
	}
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
