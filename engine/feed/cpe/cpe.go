// Package cpe reads and writes names of products in the formatted string binding of CPE 2.3 (NIST IR 7695 section 6.2),
// as the NVD uses them in its match criteria.
//
// A Name holds plain values: escapes are undone, upper case is folded except in versions and updates. The empty value
// is any, "-" is none ("not applicable"). Every name that is read can be written, and reads the same again. Names with
// wildcards inside a value are refused: nothing here matches patterns.
package cpe

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrName means that a text is no name in the formatted string binding.
	ErrName = errors.New("not a CPE 2.3 name")
	// ErrWildcard means that a value of a name is a pattern.
	ErrWildcard = errors.New("CPE value with a wildcard")
)

// None is the value of an attribute that makes no sense for the product.
const None = "-"

const (
	prefix     = "cpe:2.3:"
	attributes = 11
	// maxLength bounds a name in bytes; the longest of the NVD's dictionary has about 300.
	maxLength = 2048
)

// Name is a product, or a set of them.
type Name struct {
	Part                      string // "a" application, "o" operating system, "h" hardware
	Vendor, Product           string
	Version, Update           string // as they are written
	Edition, Language         string
	SoftwareEdition, TargetSW string
	TargetHW, Other           string
}

// values lists the attributes in the order of the binding.
func (n *Name) values() [attributes]*string {
	return [attributes]*string{
		&n.Part, &n.Vendor, &n.Product, &n.Version, &n.Update, &n.Edition, &n.Language, &n.SoftwareEdition, &n.TargetSW,
		&n.TargetHW, &n.Other,
	}
}

// Parse reads a name: ErrName, ErrWildcard.
func Parse(text string) (Name, error) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(text) > maxLength {
		return Name{}, fmt.Errorf("%w: %.80q", ErrName, text)
	}
	var n Name
	values := n.values()
	for i, into := range values {
		raw, after, more := cutValue(rest)
		if more != (i < attributes-1) {
			return Name{}, fmt.Errorf("%w: %.80q has not %d attributes", ErrName, text, attributes)
		}
		value, err := unquote(raw)
		if err != nil {
			return Name{}, fmt.Errorf("%w: %.80q", err, text)
		}
		*into, rest = value, after
		if into != &n.Version && into != &n.Update {
			*into = strings.ToLower(value)
		}
	}
	switch n.Part {
	case "a", "o", "h", "":
		return n, nil
	}
	return Name{}, fmt.Errorf("%w: part of %.80q", ErrName, text)
}

// cutValue cuts at the next colon that is not escaped.
func cutValue(s string) (value, after string, more bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ':':
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// unquote reads one value.
func unquote(raw string) (string, error) {
	switch raw {
	case "*":
		return "", nil
	case None:
		return None, nil
	case "", `\-`: // a lone hyphen would read as none
		return "", ErrName
	}
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '*' || c == '?':
			return "", ErrWildcard
		case c == '\\':
			if i++; i == len(raw) {
				return "", ErrName
			}
			c = raw[i]
		}
		if c <= ' ' || c >= 0x7f {
			return "", ErrName
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// String writes the name. Values that are not printable ASCII cannot come from Parse and are written as they are.
func (n Name) String() string {
	var b strings.Builder
	b.WriteString(prefix)
	for i, value := range n.values() {
		if i > 0 {
			b.WriteByte(':')
		}
		quote(&b, *value)
	}
	return b.String()
}

func quote(b *strings.Builder, value string) {
	switch value {
	case "":
		b.WriteByte('*')
		return
	case None:
		b.WriteString(None)
		return
	}
	for i := range len(value) {
		c := value[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c >= 0x80
		if !plain {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
}

// Releases are the ways in which the name's version and update are written as one version, best first: "1.0-rc1" and
// "1.0rc1". There is none without a version.
func (n Name) Releases() []string {
	switch {
	case n.Version == "" || n.Version == None:
		return nil
	case n.Update == "" || n.Update == None:
		return []string{n.Version}
	}
	out := []string{n.Version + "-" + n.Update}
	if digit(n.Version[len(n.Version)-1]) && !digit(n.Update[0]) {
		out = append(out, n.Version+n.Update)
	}
	return out
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
