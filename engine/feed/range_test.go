package feed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/version"
)

func TestContainsKnowsItsEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    Range
		v    string
		want bool
	}{
		{Range{Introduced: "0", Fixed: "1.2"}, "1.1", true},
		{Range{Introduced: "0", Fixed: "1.2"}, "1.2", false},
		{Range{Fixed: "1.2"}, "0.0.0-0", true},
		{Range{Introduced: "1.0", LastAffected: "1.2"}, "1.2", true},
		{Range{Introduced: "1.0", LastAffected: "1.2"}, "1.2.1", false},
		{Range{Introduced: "1.0", Before: "1.2"}, "1.2", false},
		{Range{Introduced: "1.0"}, "0.9", false},
		{Range{Introduced: "1.0"}, "9", true},
		{Range{Introduced: "0"}, "no version at all", true},
	} {
		got, err := c.r.Contains(version.Semver, c.v)
		if err != nil || got != c.want {
			t.Errorf("%+v contains %q: %v, %v; want %v", c.r, c.v, got, err, c.want)
		}
	}
}

func TestContainsTellsWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := Range{Introduced: "1.0", Fixed: "soon"}.Contains(version.Semver, "1.1")
	if !errors.Is(err, ErrBound) || !errors.Is(err, version.ErrInvalid) {
		t.Errorf("broken bound: %v; want ErrBound", err)
	}
	_, err = Range{Introduced: "1.0"}.Contains(version.Semver, "latest")
	if errors.Is(err, ErrBound) || !errors.Is(err, version.ErrInvalid) {
		t.Errorf("broken version: %v; want ErrInvalid alone", err)
	}
}

func TestUnionOfCertainRanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want []Range }{
		"a fix inside another range fixes nothing": {
			[]Range{{Introduced: "0", Fixed: "1.2"}, {Introduced: "1.1"}}, []Range{{Introduced: "0"}},
		},
		"the later fix wins": {
			[]Range{{Introduced: "1.0", Fixed: "2.0"}, {Fixed: "1.5"}}, []Range{{Introduced: "0", Fixed: "2.0"}},
		},
		"an inclusive end is later than an exclusive one": {
			[]Range{{Fixed: "1.5"}, {LastAffected: "1.5"}}, []Range{{Introduced: "0", LastAffected: "1.5"}},
		},
		"a fix is better than a bound": {
			[]Range{{Before: "1.5"}, {Fixed: "1.5"}}, []Range{{Introduced: "0", Fixed: "1.5"}},
		},
		"nothing from nothing": {nil, nil},
	} {
		got, err := Union(version.Semver, c.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := Union(version.Semver, []Range{{Introduced: "soon"}}); !errors.Is(err, version.ErrInvalid) {
		t.Errorf("broken bound: %v; want ErrInvalid", err)
	}
}

// The union holds a version exactly when one of its parts does, and its ranges are apart and in order.
func TestUnionHoldsWhatItsPartsHold(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	const top = 12
	at := func(n int) string { return fmt.Sprintf("1.%d", n) }
	for range 600 {
		var parts []Range
		for range rnd.IntN(5) {
			r := Range{Introduced: at(rnd.IntN(top))}
			if rnd.IntN(4) == 0 {
				r.Introduced = "0"
			}
			switch end := at(rnd.IntN(top)); rnd.IntN(4) {
			case 0:
				r.Fixed = end
			case 1:
				r.LastAffected = end
			case 2:
				r.Before = end
			}
			parts = append(parts, r)
		}
		union, err := Union(version.Semver, parts)
		if err != nil {
			t.Fatal(err)
		}
		for n := range top {
			for _, v := range []string{at(n), at(n) + ".5"} {
				if want, got := holds(t, parts, v), holds(t, union, v); (want > 0) != (got == 1) || got > 1 {
					t.Fatalf("%s is in %d of %+v and in %d of their union %+v", v, want, parts, got, union)
				}
			}
		}
	}
}

func holds(t *testing.T, ranges []Range, v string) int {
	t.Helper()
	n := 0
	for _, r := range ranges {
		in, err := r.Contains(version.Semver, v)
		if err != nil {
			t.Fatal(err)
		}
		if in {
			n++
		}
	}
	return n
}
