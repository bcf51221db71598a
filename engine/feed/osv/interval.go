package osv

import (
	"errors"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

// intervals turns the events of one range into ranges. Events that are written as pairs, each introduced followed by its
// end, are ranges of their own: databases join theirs so, and where these overlap or touch (14.0.0 to 14.14.1, 14.14.0 to
// 14.20.0) the schema's evaluation in version order would end at the first fix, and go on for ever from a pair written the
// wrong way round. Other lists are evaluated as the OSV schema says ("Evaluation"): in version order, introduced opens,
// fixed and last_affected close; events of the same version keep their written order.
func intervals(s version.Scheme, events []event) ([]feed.Range, error) {
	if out, ok := pairs(events); ok {
		return out, bounded(s, out)
	}
	type point struct {
		version string
		event
	}
	points := make([]point, 0, len(events))
	for _, e := range events {
		if v := e.Introduced + e.Fixed + e.LastAffected; v != "" {
			points = append(points, point{v, e})
		}
	}
	var failed error
	slices.SortStableFunc(points, func(a, b point) int {
		switch {
		case a.version == b.version:
			return 0
		case a.version == "0":
			return -1
		case b.version == "0":
			return 1
		}
		c, err := version.Compare(s, a.version, b.version)
		failed = errors.Join(failed, err)
		return c
	})
	if failed != nil {
		return nil, failed
	}
	var out []feed.Range
	open := false
	for _, p := range points {
		switch {
		case p.Introduced != "" && !open:
			out = append(out, feed.Range{Introduced: p.Introduced})
			open = true
		case p.Introduced == "" && open:
			last := &out[len(out)-1]
			last.Fixed, last.LastAffected = p.Fixed, p.LastAffected
			open = false
		}
	}
	return out, nil
}

// pairs reads events that take turns: introduced, its end, introduced, … The last may have no end.
func pairs(events []event) ([]feed.Range, bool) {
	var out []feed.Range
	open := false
	for _, e := range events {
		switch {
		case e.Introduced+e.Fixed+e.LastAffected == "":
		case (e.Introduced != "") == open:
			return nil, false
		case e.Introduced != "":
			out, open = append(out, feed.Range{Introduced: e.Introduced}), true
		default:
			last := &out[len(out)-1]
			last.Fixed, last.LastAffected, open = e.Fixed, e.LastAffected, false
		}
	}
	return out, true
}

// bounded is the error of a bound that is no version.
func bounded(s version.Scheme, ranges []feed.Range) error {
	_, err := feed.Union(s, ranges)
	return err
}

// entryRanges joins the ranges of one affected entry. narrowed reports that an upper end came from elsewhere
// than the ranges themselves, so that an enumeration computed from them says too much.
func entryRanges(s version.Scheme, a *affected) (ranges []feed.Range, narrowed bool, err error) {
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		in, err := intervals(s, r.Events)
		if err != nil {
			return nil, false, err
		}
		ranges = append(ranges, in...)
	}
	if !slices.ContainsFunc(ranges, feed.Range.ToEnd) {
		return ranges, false, nil
	}
	if custom, err := customRanges(s, a); err != nil || len(custom) > 0 {
		return custom, true, err
	}
	if bound, inclusive, ok := lastKnown(string(a.Database.value.LastKnown)); ok && version.Valid(s, bound) {
		for i := range ranges {
			if !ranges[i].ToEnd() {
				continue
			}
			if inclusive {
				ranges[i].LastAffected = bound
			} else {
				ranges[i].Before = bound
			}
		}
		return ranges, true, nil
	}
	return ranges, false, nil
}

// customRanges reads the bounds the Go database keeps outside its SEMVER ranges, which it leaves open where the
// fix is in a version that is none of the module's own (golang/vulndb, doc/format.md).
func customRanges(s version.Scheme, a *affected) ([]feed.Range, error) {
	var out []feed.Range
	for _, r := range a.Ecosystem.value.CustomRanges.value {
		in, err := intervals(s, r.Events)
		if err != nil {
			return nil, err
		}
		out = append(out, in...)
	}
	return out, nil
}

// lastKnown reads GitHub's note on a range without a fix: "<= 1.2" or "< 1.2".
func lastKnown(note string) (bound string, inclusive, ok bool) {
	if v, ok := strings.CutPrefix(note, "<="); ok {
		return strings.TrimSpace(v), true, true
	}
	if v, ok := strings.CutPrefix(note, "<"); ok {
		return strings.TrimSpace(v), false, true
	}
	return "", false, false
}

// uncovered returns the enumerated versions that no range holds, sorted and without duplicates. A version that
// cannot be ordered is kept: it can still be equal to an installed one.
func uncovered(s version.Scheme, ranges []feed.Range, versions []string) []string {
	if slices.ContainsFunc(ranges, func(r feed.Range) bool { return r.FromStart() && r.ToEnd() }) {
		return nil
	}
	var out []string
	for _, v := range versions {
		if v == "" || len(v) > maxVersion || strings.ContainsRune(v, 0) {
			continue
		}
		covered := slices.ContainsFunc(ranges, func(r feed.Range) bool {
			in, err := r.Contains(s, v)
			return err == nil && in
		})
		if !covered {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
