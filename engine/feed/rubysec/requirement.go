package rubysec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

// errRequirement means that a text is no version requirement of RubyGems (Gem::Requirement).
var errRequirement = errors.New("not a gem requirement")

// maxRequirements bounds the requirements of one advisory; real ones have up to thirty.
const maxRequirements = 200

// bound is an end of an interval. An empty version is no end.
type bound struct {
	version string
	open    bool // the version itself is outside
}

// interval is a stretch of versions a requirement accepts.
type interval struct {
	from, to bound
	patched  bool // those who update arrive here
}

var (
	clause  = regexp.MustCompile(`^(=|!=|>|<|>=|<=|~>)?\s*([0-9A-Za-z.-]+)$`)
	numbers = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`)
)

// parseRequirement reads "~> 1.2.3, >= 1.2.3.4": all of the clauses hold.
func parseRequirement(text string) (interval, error) {
	var out interval
	for part := range strings.SplitSeq(text, ",") {
		m := clause.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil || !version.Valid(version.RubyGems, m[2]) {
			return out, fmt.Errorf("%w: %.80q", errRequirement, text)
		}
		next, err := accepted(m[1], m[2])
		if err != nil {
			return out, err
		}
		if out, err = out.and(next); err != nil {
			return out, err
		}
	}
	return out, nil
}

// accepted is what one clause accepts.
func accepted(operator, v string) (interval, error) {
	switch operator {
	case "", "=":
		return interval{from: bound{version: v}, to: bound{version: v}}, nil
	case ">":
		return interval{from: bound{v, true}}, nil
	case ">=":
		return interval{from: bound{version: v}}, nil
	case "<":
		return interval{to: bound{v, true}}, nil
	case "<=":
		return interval{to: bound{version: v}}, nil
	case "~>":
		top, err := bump(v)
		return interval{from: bound{version: v}, to: bound{top, true}}, err
	}
	return interval{}, fmt.Errorf("%w: operator %s", errRequirement, operator)
}

// bump is where "~> v" ends (Gem::Version#bump): the last number is dropped, the one before it raised. A pre-release of
// what it ends before is no longer accepted; "a" sorts before every word pre-releases are called by.
func bump(v string) (string, error) {
	parts := strings.Split(numbers.FindString(v), ".")
	if len(parts) > 1 {
		parts = parts[:len(parts)-1]
	}
	last, err := strconv.ParseUint(parts[len(parts)-1], 10, 32)
	if err != nil {
		return "", fmt.Errorf("%w: %.80q: %w", errRequirement, v, err)
	}
	parts[len(parts)-1] = strconv.FormatUint(last+1, 10)
	return strings.Join(parts, ".") + ".a", nil
}

// and is what both accept.
func (i interval) and(o interval) (interval, error) {
	c, err := compareFrom(i.from, o.from)
	if err != nil {
		return i, err
	}
	if c < 0 {
		i.from = o.from
	}
	if c, err = compareTo(i.to, o.to); err != nil {
		return i, err
	}
	if c > 0 {
		i.to = o.to
	}
	return i, nil
}

func compareFrom(a, b bound) (int, error) {
	switch {
	case a.version == "" && b.version == "":
		return 0, nil
	case a.version == "":
		return -1, nil
	case b.version == "":
		return 1, nil
	}
	c, err := version.Compare(version.RubyGems, a.version, b.version)
	if c == 0 && a.open != b.open {
		if a.open {
			return 1, err
		}
		return -1, err
	}
	return c, err
}

func compareTo(a, b bound) (int, error) {
	switch {
	case a.version == "" && b.version == "":
		return 0, nil
	case a.version == "":
		return 1, nil
	case b.version == "":
		return -1, nil
	}
	c, err := version.Compare(version.RubyGems, a.version, b.version)
	if c == 0 && a.open != b.open {
		if a.open {
			return -1, err
		}
		return 1, err
	}
	return c, err
}

// gaps returns the versions between safe stretches: those that are affected.
func gaps(safe []interval) ([]feed.Range, error) {
	sorted, err := sortIntervals(safe)
	if err != nil {
		return nil, err
	}
	var out []feed.Range
	reached := bound{} // everything below is told; the zero bound is the beginning
	for _, i := range sorted {
		if i.from.version != "" {
			gap, some, err := between(reached, i)
			if err != nil {
				return nil, err
			}
			if some {
				out = append(out, gap)
			}
		}
		if i.to.version == "" {
			return feed.Union(version.RubyGems, out)
		}
		if c, err := compareTo(i.to, reached); err != nil {
			return nil, err
		} else if reached.version == "" || c > 0 {
			reached = i.to
		}
	}
	return feed.Union(version.RubyGems, append(out, rangeFrom(reached)))
}

func sortIntervals(in []interval) ([]interval, error) {
	var out []interval
	for _, i := range in {
		if i.from.version != "" && i.to.version != "" {
			c, err := version.Compare(version.RubyGems, i.from.version, i.to.version)
			if err != nil {
				return nil, err
			}
			if c > 0 || c == 0 && (i.from.open || i.to.open) {
				continue // accepts nothing
			}
		}
		out = append(out, i)
	}
	var failed error
	slices.SortStableFunc(out, func(a, b interval) int {
		c, err := compareFrom(a.from, b.from)
		failed = errors.Join(failed, err)
		if c == 0 && a.patched != b.patched {
			if a.patched {
				return -1
			}
			return 1
		}
		return c
	})
	return out, failed
}

// rangeFrom begins right behind what is told.
func rangeFrom(reached bound) feed.Range {
	switch {
	case reached.version == "":
		return feed.Range{Introduced: "0"}
	case reached.open:
		return feed.Range{Introduced: reached.version}
	}
	return feed.Range{After: reached.version}
}

// between is what lies between what is told and a safe stretch; false for nothing.
func between(reached bound, next interval) (feed.Range, bool, error) {
	out := rangeFrom(reached)
	if reached.version != "" {
		c, err := version.Compare(version.RubyGems, reached.version, next.from.version)
		if err != nil {
			return out, false, err
		}
		if c > 0 || c == 0 && !(reached.open && next.from.open) {
			return out, false, nil
		}
	}
	switch {
	case next.from.open:
		out.LastAffected = next.from.version
	case next.patched:
		out.Fixed = next.from.version
	default:
		out.Before = next.from.version
	}
	return out, true, nil
}
