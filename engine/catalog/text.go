package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a package may carry, in bytes. Real names and versions stay far below; the bounds keep a
// hostile image from filling the dictionary with novels.
const (
	MaxIdentifier = 512
	MaxText       = 1024
	MaxLicenses   = 64
)

// ErrInvalidPackage reports a package whose identity cannot be stored or compared.
var ErrInvalidPackage = errors.New("invalid package")

// Check reports whether the package's identity is usable: name and version present, every part valid UTF-8
// within MaxIdentifier and without control characters.
func (p *Package) Check() error {
	if p.Name == "" || p.Version == "" {
		return fmt.Errorf("%w: %s package %q version %q: name or version missing", ErrInvalidPackage, p.Type, Text(p.Name), Text(p.Version))
	}
	for _, part := range []string{p.Namespace, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion} {
		if len(part) > MaxIdentifier || !utf8.ValidString(part) || strings.ContainsFunc(part, unicode.IsControl) {
			return fmt.Errorf("%w: %s package %q: %q is too long or not text", ErrInvalidPackage, p.Type, Text(p.Name), Text(part))
		}
	}
	return nil
}

// Text makes a descriptive value storable: valid UTF-8 on one line, without control characters, cut at
// MaxText bytes.
func Text(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if strings.ContainsFunc(s, unicode.IsControl) {
		s = strings.Join(strings.FieldsFunc(s, unicode.IsControl), " ")
	}
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "")
	}
	return strings.TrimSpace(s)
}

// Licenses sorts licence names, removes repeats and empty ones, and keeps at most MaxLicenses.
func Licenses(names ...string) []string {
	var kept []string
	for _, name := range names {
		if name = Text(name); name != "" {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	kept = slices.Compact(kept)
	return kept[:min(len(kept), MaxLicenses)]
}
