// Package cpe proposes CPE 2.3 names under which a package may be listed in the NVD.
//
// A package manager knows no vendor, so these are candidates and not facts: every combination of the
// vendors and products an analyzer can justify, in a fixed order, without repeats.
package cpe

import "strings"

// MaxCandidates bounds the names made for one package.
const MaxCandidates = 8

// Software is the value of the target software component for packages of an ecosystem.
const (
	AnySoftware = "*"
	NodeJS      = "node.js"
	Ruby        = "ruby"
	Rust        = "rust"
)

// Candidates returns the application names of all vendor and product pairs, best first, at most
// MaxCandidates. Parts a CPE cannot express (empty, not printable ASCII) are left out.
func Candidates(vendors, products []string, version, software string) []string {
	version = quote(version)
	if version == "" {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	for _, vendor := range vendors {
		for _, product := range products {
			v, p := quote(strings.ToLower(vendor)), quote(strings.ToLower(product))
			if v == "" || p == "" || len(names) == MaxCandidates {
				continue
			}
			name := "cpe:2.3:a:" + v + ":" + p + ":" + version + ":*:*:*:*:" + software + ":*:*"
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// quote escapes a component for the formatted string binding (NIST IR 7695 section 6.2.2.2): letters,
// digits, underscore, hyphen and full stop stand for themselves, blanks become underscores.
func quote(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-' && len(s) > 1:
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('_')
		case c > ' ' && c < 0x7f:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			return ""
		}
	}
	return b.String()
}
