package correction

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/package-url/packageurl-go"
)

// quotable are the names that may stand between braces, and the fields they mean.
var quotable = map[string]string{
	FieldPackage: FieldPackage, "name": FieldPackage, FieldVersion: FieldVersion, FieldType: FieldType,
	"package_name": FieldPackage, "package_version": FieldVersion, "package_type": FieldType,
	FieldSource: FieldSource, FieldSourceVersion: FieldSourceVersion,
}

// piece is a part of a value: text, or a field to be put there.
type piece struct{ text, field string }

// parse reads a value with fields in braces. A backslash keeps its character what it is, and stays: CPE names have it so.
func parse(value string) ([]piece, error) {
	var out []piece
	for rest := value; rest != ""; {
		text, name, after, err := cut(rest)
		if err != nil {
			return nil, fmt.Errorf("%w in %.200q", err, value)
		}
		if text != "" {
			out = append(out, piece{text: text})
		}
		if name != "" {
			out = append(out, piece{field: name})
		}
		rest = after
	}
	return out, nil
}

// cut splits at the first field in braces.
func cut(s string) (text, field, after string, err error) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '}':
			return "", "", "", errors.New("a } without its {")
		case '{':
			name, after, closed := strings.Cut(s[i+1:], "}")
			if !closed {
				return "", "", "", errors.New("a { without its }")
			}
			field, known := quotable[name]
			if !known {
				return "", "", "", fmt.Errorf("no field {%.64s}: there are {package}, {version}, {type}, {source} and {source_version}", name)
			}
			return s[:i], field, after, nil
		}
	}
	return s, "", "", nil
}

// fill puts the fields of a package into a value of a field. It is not ok where what comes out could not be used.
func fill(field string, pieces []piece, of func(string) string) (string, bool) {
	var b strings.Builder
	for _, p := range pieces {
		if p.field == "" {
			b.WriteString(p.text)
			continue
		}
		value := of(p.field)
		if value == "" {
			return "", false
		}
		switch field {
		case FieldCPEs:
			value = escape(value)
		case FieldPURL:
			value = url.PathEscape(value)
		}
		b.WriteString(value)
	}
	out := b.String()
	if out == "" || len(out) > longest[field] || !utf8.ValidString(out) || strings.IndexByte(out, 0) >= 0 {
		return "", false
	}
	switch field {
	case FieldCPEs:
		return out, useful(out)
	case FieldPURL:
		u, err := packageurl.FromString(out)
		return out, err == nil && u.Name != ""
	}
	return out, true
}

// escape writes a value as CPE 2.3 names have it (NIST IR 7695 section 6.2): all but letters, digits and ._- behind a
// backslash. A lone hyphen would mean "none".
func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' && len(value) > 1
		if !plain {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
