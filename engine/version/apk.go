package version

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// apkVersion is a version as apk-tools 2 takes it apart (apk-tools, src/version.c); a commit hash does not count. The
// order is our own because the library's differs in what real packages have: a letter may be followed by a number
// ("1.9.5p2"), and a part that is missing is not a zero (1.2 is older than 1.2.0).
type apkVersion []apkPart

type apkPart struct {
	kind   apkKind
	number string // without leading zeros
	rank   int    // zeros that a number begins with, counted down; a letter; the place of a suffix around none at all
}

// apkKind is ordered by which part goes on: where one version has a number and the other ends, the first is newer.
type apkKind int

const (
	apkNumber apkKind = iota // after a dot; zeros at its beginning make it older
	apkDigits                // elsewhere
	apkLetter
	apkSuffix
	apkSuffixNumber
	apkRevision
	apkEnd
)

// apkSuffixes gives the ranks of suffixes; those below zero are previews.
var apkSuffixes = map[string]int{"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "cvs": 0, "svn": 1, "git": 2, "hg": 3, "p": 4}

var (
	apkShape = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+|[a-z][0-9]+)*\.?[a-z]?(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*(?:~[0-9a-f]+)?(?:-r[0-9]+)?$`)
	apkParts = regexp.MustCompile(`\.[0-9]*|[0-9]+|~[0-9a-f]+|-r[0-9]+|_[a-z]+|[a-z]`)
)

// parseApk takes a version of the right shape apart.
func parseApk(v string) apkVersion {
	var out apkVersion
	for _, text := range apkParts.FindAllString(v, -1) {
		switch text[0] {
		case '.':
			digits := strings.TrimLeft(text[1:], "0")
			if zeros := len(text) - 1 - len(digits); zeros > 0 {
				out = append(out, apkPart{kind: apkNumber, rank: -zeros}, apkPart{kind: apkDigits, number: digits})
			} else {
				out = append(out, apkPart{kind: apkNumber, number: digits})
			}
		case '~':
		case '-':
			out = append(out, apkPart{kind: apkRevision, number: strings.TrimLeft(text[len("-r"):], "0")})
		case '_':
			out = append(out, apkPart{kind: apkSuffix, rank: apkSuffixes[text[1:]]})
		default:
			p := apkPart{kind: apkLetter, rank: int(text[0])}
			if text[0] <= '9' {
				p = apkPart{kind: apkDigits, number: strings.TrimLeft(text, "0")}
				if n := len(out); n > 0 && out[n-1].kind == apkSuffix {
					p.kind = apkSuffixNumber
				}
			}
			out = append(out, p)
		}
	}
	return out
}

func (v apkVersion) at(i int) apkPart {
	if i < len(v) {
		return v[i]
	}
	return apkPart{kind: apkEnd}
}

// Compare orders as apk does, except that a suffix after a release is newer than the release, with or without a number.
func (v apkVersion) Compare(other semantic.Version) (int, error) {
	w, ok := other.(apkVersion)
	if !ok {
		return 0, fmt.Errorf("%w: of another scheme", ErrInvalid)
	}
	for i := range max(len(v), len(w)) {
		a, b := v.at(i), w.at(i)
		switch {
		case a.kind == b.kind:
			if c := a.compare(b); c != 0 {
				return c, nil
			}
		case a.kind == apkSuffix && a.rank < 0:
			return -1, nil
		case b.kind == apkSuffix && b.rank < 0:
			return 1, nil
		default:
			return cmp.Compare(b.kind, a.kind), nil
		}
	}
	return 0, nil
}

func (p apkPart) compare(q apkPart) int {
	return cmp.Or(cmp.Compare(p.rank, q.rank), cmp.Compare(len(p.number), len(q.number)), strings.Compare(p.number, q.number))
}

// CompareStr compares with a text.
func (v apkVersion) CompareStr(text string) (int, error) {
	if !apkShape.MatchString(text) {
		return 0, fmt.Errorf("%w: %.80q", ErrInvalid, text)
	}
	return v.Compare(parseApk(text))
}
