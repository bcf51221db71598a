package version

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// semver is a version by semver.org 2.0.0, read leniently: any count of numbers, where those that are missing are zeros,
// and a preview without the dash before it ("1.2.3rc1"). The order is our own because the library's takes the fourth
// number for a preview: 1.21.1.1 would be older than 1.21.1.
type semver struct {
	numbers []string // without leading zeros
	preview []string // the identifiers; none: a release
}

var semverParts = regexp.MustCompile(`^v?([0-9]+(?:\.[0-9]+)*)([^+]*)`)

// parseSemver takes a version of the right shape apart. Build metadata does not count.
func parseSemver(v string) semver {
	m := semverParts.FindStringSubmatch(v)
	if m == nil {
		return semver{}
	}
	var out semver
	for number := range strings.SplitSeq(m[1], ".") {
		out.numbers = append(out.numbers, strings.TrimLeft(number, "0"))
	}
	if preview := strings.TrimLeft(m[2], "-._~"); preview != "" {
		out.preview = strings.Split(preview, ".")
	}
	return out
}

// Compare orders by semver.org 2.0.0, section 11.
func (v semver) Compare(other semantic.Version) (int, error) {
	w, ok := other.(semver)
	if !ok {
		return 0, fmt.Errorf("%w: of another scheme", ErrInvalid)
	}
	for i := range max(len(v.numbers), len(w.numbers)) {
		if c := compareNumbers(part(v.numbers, i), part(w.numbers, i)); c != 0 {
			return c, nil
		}
	}
	switch {
	case len(v.preview) == 0 || len(w.preview) == 0:
		return cmp.Compare(len(w.preview), len(v.preview)), nil
	default:
		return comparePreviews(v.preview, w.preview), nil
	}
}

// CompareStr compares with a text.
func (v semver) CompareStr(text string) (int, error) { return v.Compare(parseSemver(text)) }

func part(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// compareNumbers compares digits without leading zeros.
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func comparePreviews(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if c := compareIdentifiers(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareIdentifiers orders numbers by their value and before words.
func compareIdentifiers(a, b string) int {
	switch numeric, other := digits(a), digits(b); {
	case numeric && other:
		return compareNumbers(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
	case numeric:
		return -1
	case other:
		return 1
	}
	return strings.Compare(a, b)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
