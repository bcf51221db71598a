package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/version"
)

// ErrBound means that an end of a range is no version under the scheme.
var ErrBound = errors.New("range bound is not a version")

// FromStart reports whether the range has no lower end.
func (r Range) FromStart() bool { return r.After == "" && (r.Introduced == "" || r.Introduced == "0") }

// start is the lower end; exclusive for After.
func (r Range) start() (bound string, exclusive bool) {
	if r.After != "" {
		return r.After, true
	}
	return r.Introduced, false
}

// String shows the range as people write one: ">= 1.0, < 2.0".
func (r Range) String() string {
	var parts []string
	if bound, exclusive := r.start(); !r.FromStart() {
		parts = append(parts, map[bool]string{true: "> ", false: ">= "}[exclusive]+bound)
	}
	if bound, inclusive := r.end(); !r.ToEnd() {
		parts = append(parts, map[bool]string{true: "<= ", false: "< "}[inclusive]+bound)
	}
	if len(parts) == 0 {
		return "every version"
	}
	return strings.Join(parts, ", ")
}

// ToEnd reports whether the range has no upper end.
func (r Range) ToEnd() bool { return r.Fixed == "" && r.Before == "" && r.LastAffected == "" }

// end is the upper end; inclusive only for LastAffected.
func (r Range) end() (bound string, inclusive bool) {
	switch {
	case r.Fixed != "":
		return r.Fixed, false
	case r.Before != "":
		return r.Before, false
	}
	return r.LastAffected, true
}

// Contains reports whether the range holds v. A range without ends holds every string; otherwise the error is
// version.ErrInvalid when v is no version, together with ErrBound when it is the range that cannot be read.
func (r Range) Contains(s version.Scheme, v string) (bool, error) {
	if !r.FromStart() {
		bound, exclusive := r.start()
		c, err := compareBound(s, v, bound)
		if err != nil || c < 0 || exclusive && c == 0 {
			return false, err
		}
	}
	if r.ToEnd() {
		return true, nil
	}
	bound, inclusive := r.end()
	c, err := compareBound(s, v, bound)
	return err == nil && (c < 0 || inclusive && c == 0), err
}

func compareBound(s version.Scheme, v, bound string) (int, error) {
	c, err := version.Compare(s, v, bound)
	if err != nil && version.Valid(s, v) {
		err = fmt.Errorf("%w: %w", ErrBound, err)
	}
	return c, err
}

// Union returns the disjoint ranges, oldest first, that together hold what any of the given ones holds. Ranges
// that overlap or touch become one whose upper end is the later of the two: a fix inside another affected range
// fixes nothing. Empty ranges vanish. The error is version.ErrInvalid for a bound that is no version.
func Union(s version.Scheme, ranges []Range) ([]Range, error) {
	var sorted []Range
	for _, r := range ranges {
		empty, err := r.empty(s)
		if err != nil {
			return nil, err
		}
		if !empty {
			sorted = append(sorted, r)
		}
	}
	if err := sortByStart(s, sorted); err != nil {
		return nil, err
	}
	var out []Range
	for _, r := range sorted {
		if len(out) > 0 {
			last := &out[len(out)-1]
			touches, err := last.reaches(s, r)
			if err != nil {
				return nil, err
			}
			if touches {
				if err := last.extend(s, r); err != nil {
					return nil, err
				}
				continue
			}
		}
		if r.FromStart() {
			r.Introduced = "0"
		}
		out = append(out, r)
	}
	return out, nil
}

// empty reports whether nothing can be inside. A fix at "0" means that no version was ever affected.
func (r Range) empty(s version.Scheme) (bool, error) {
	if r.ToEnd() {
		from, _ := r.start()
		return false, validBound(s, from, r.FromStart())
	}
	bound, inclusive := r.end()
	if !inclusive && bound == "0" {
		return true, nil
	}
	if r.FromStart() {
		return false, validBound(s, bound, false)
	}
	from, exclusive := r.start()
	c, err := version.Compare(s, from, bound)
	return c > 0 || c == 0 && (exclusive || !inclusive), err
}

func validBound(s version.Scheme, bound string, start bool) error {
	if start || version.Valid(s, bound) {
		return nil
	}
	return fmt.Errorf("%w: %q", version.ErrInvalid, bound)
}

func sortByStart(s version.Scheme, ranges []Range) error {
	var failed error
	slices.SortStableFunc(ranges, func(a, b Range) int {
		if a.FromStart() || b.FromStart() {
			return boolOrder(!a.FromStart(), !b.FromStart())
		}
		from, fromOpen := a.start()
		other, otherOpen := b.start()
		c, err := version.Compare(s, from, other)
		failed = errors.Join(failed, err)
		if c == 0 {
			return boolOrder(fromOpen, otherOpen)
		}
		return c
	})
	return failed
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// reaches reports whether next, which starts no earlier, starts before r is over or right where it ends.
func (r Range) reaches(s version.Scheme, next Range) (bool, error) {
	if r.ToEnd() || next.FromStart() {
		return true, nil
	}
	bound, inclusive := r.end()
	from, exclusive := next.start()
	c, err := version.Compare(s, from, bound)
	return c < 0 || c == 0 && (inclusive || !exclusive), err
}

// extend moves the upper end of r to that of next when next ends later.
func (r *Range) extend(s version.Scheme, next Range) error {
	if r.ToEnd() {
		return nil
	}
	if !next.ToEnd() {
		mine, mineIn := r.end()
		theirs, theirsIn := next.end()
		c, err := version.Compare(s, mine, theirs)
		if err != nil {
			return err
		}
		later := c < 0 || c == 0 && (theirsIn && !mineIn || next.Fixed != "" && r.Before != "")
		if !later {
			return nil
		}
	}
	r.Fixed, r.Before, r.LastAffected = next.Fixed, next.Before, next.LastAffected
	return nil
}
