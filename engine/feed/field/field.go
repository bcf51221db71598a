// Package field checks the texts of feed records before they go further: ids, package names, versions, prose, dates.
//
// What passes is valid UTF-8 without NUL, which a database text cannot hold, and of bounded length, far above what
// real records have.
package field

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"plimsoll/engine/version"
)

// ErrText means that a text cannot be what it stands for.
var ErrText = errors.New("unusable text")

// Bounds in bytes.
const (
	MaxID          = 128
	MaxName        = 512
	MaxReason      = 1 << 10
	MaxDescription = 256 << 10
)

var (
	idShape   = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.:_-]*$`)
	cveShape  = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)
	nameShape = regexp.MustCompile(`^[^\s\x00-\x1f\x7f]+$`)
)

// IsCVE reports whether id is a CVE id.
func IsCVE(id string) bool { return cveShape.MatchString(id) }

// ID returns the id of a vulnerability or notice: ErrText.
func ID(s string) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > MaxID || !idShape.MatchString(s) {
		return "", fmt.Errorf("%w: id %.40q", ErrText, s)
	}
	return s, nil
}

// Name returns the name of a package: ErrText.
func Name(s string) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > MaxName || !utf8.ValidString(s) || !nameShape.MatchString(s) {
		return "", fmt.Errorf("%w: package name %.40q", ErrText, s)
	}
	return s, nil
}

// Version returns a version of the scheme: ErrText.
func Version(scheme version.Scheme, s string) (string, error) {
	s = strings.TrimSpace(s)
	if !version.Valid(scheme, s) {
		return "", fmt.Errorf("%w: version %.40q", ErrText, s)
	}
	return s, nil
}

// Prose returns s without what a database text cannot hold, cut to at most limit bytes between two characters.
func Prose(s string, limit int) string {
	s = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.TrimSpace(s[:limit])
}
