package comparison

import (
	"slices"
	"strings"
	"testing"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	for operator, want := range map[string][3]bool{ // for less, equal, greater
		Equal: {false, true, false}, NotEqual: {true, false, true}, Less: {true, false, false},
		Greater: {false, false, true}, LessOrEqual: {true, true, false}, GreaterOrEqual: {false, true, true},
	} {
		if got := [3]bool{Holds(operator, -1), Holds(operator, 0), Holds(operator, 1)}; got != want {
			t.Errorf("%s: %v, want %v", operator, got, want)
		}
		if got, want := Orders(operator), operator != Equal && operator != NotEqual; got != want {
			t.Errorf("Orders(%s) = %v", operator, got)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operator, value string
		names           []string
		want            bool
	}{
		"equal":                        {Equal, "a", []string{"a"}, true},
		"equal to one of the names":    {Equal, "a", []string{"b", "a"}, true},
		"nothing is not equal":         {Equal, "a", nil, false},
		"not equal":                    {NotEqual, "a", []string{"b"}, true},
		"one of the names is equal":    {NotEqual, "a", []string{"b", "a"}, false},
		"nothing is something else":    {NotEqual, "a", nil, true},
		"like from the start":          {Like, "ab", []string{"abc"}, true},
		"like is not found inside":     {Like, "b", []string{"abc"}, false},
		"not like":                     {NotLike, "b", []string{"abc"}, true},
		"nothing is not like anything": {NotLike, ".*", nil, true},
		"in":                           {In, "a , b", []string{"b"}, true},
		"not in":                       {NotIn, "a, b", []string{"c"}, true},
		"in, all denied":               {NotIn, "a, b", []string{"c", "b"}, false},
		"texts are ordered as texts":   {Less, "9", []string{"10"}, true},
	} {
		check, err := New(test.operator, test.value, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := check.Holds(test.names...); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if _, err := New(Like, "(?<!ab)c", nil); err == nil || !strings.Contains(err.Error(), "look-around") {
		t.Errorf("a look-behind: %v", err)
	}
	numeric, err := New(Less, "9", func(a, b string) int { order, _ := Releases(a, b); return order })
	if err != nil || numeric.Holds("10") || !numeric.Holds("8.9") {
		t.Errorf("an order of its own is not used, %v", err)
	}
}

func TestReleases(t *testing.T) {
	t.Parallel()
	order := []string{"0", "2", "9", "9.4", "9.10", "12.0.1", "22.04", "22.4.1", "99999999999999999999999"}
	for i, a := range order {
		for j, b := range order {
			if got, ok := Releases(a, b); !ok || Holds(Less, got) != (i < j) || Holds(Equal, got) != (i == j) {
				t.Errorf("Releases(%s, %s) = %d, %v", a, b, got, ok)
			}
		}
	}
	for _, pair := range [][2]string{{"12", "12.0"}, {"22.04", "22.4"}, {"007", "7"}, {"0.0", "0"}} {
		if got, ok := Releases(pair[0], pair[1]); !ok || got != 0 {
			t.Errorf("%v: %d, %v", pair, got, ok)
		}
	}
	for _, text := range []string{"", "sid", "1.", ".1", "1..2", "3.21_alpha", "-1", "1 "} {
		if _, ok := Releases("1", text); ok {
			t.Errorf("%q is taken for a release", text)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	if got := List(" a,b c ,d"); !slices.Equal(got, []string{"a", "b c", "d"}) {
		t.Errorf("got %q", got)
	}
}
