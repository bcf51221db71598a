package license

import (
	"regexp"
	"strings"
)

// Listed returns the id of a single licence of the SPDX list as the list spells it, "" for anything else.
func Listed(expression string) string { return listedLicenses[strings.ToLower(expression)] }

// Normalize returns the SPDX expression a licence text of package metadata stands for, and whether there is one.
func Normalize(text string) (expression string, known bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxExpression {
		return "", false
	}
	if id, ok := family(text); ok {
		return id, true
	}
	if e, ok := Parse(text); ok {
		return e, true
	}
	if id, ok := title(text); ok {
		return id, true
	}
	return combined(text)
}

// gnu matches the GNU licences as Debian (GPL-2+), RPM (GPLv2+) and people (GPL 2.0) write them.
var gnu = regexp.MustCompile(`(?i)^(?:gnu )?(A?GPL|LGPL|GFDL)(-NIV)?[- ]?v?\.?([1-3](?:\.[0-3])?)(?:\.0)*(\+|[- ]or[- ]later| or newer)?(?:[- ]only)?$`)

// versions are the releases there are of each GNU licence.
var versions = map[string]string{
	"GPL 1": "1.0", "GPL 2": "2.0", "GPL 3": "3.0", "LGPL 2": "2.0", "LGPL 2.1": "2.1", "LGPL 3": "3.0",
	"AGPL 1": "1.0", "AGPL 3": "3.0", "GFDL 1.1": "1.1", "GFDL 1.2": "1.2", "GFDL 1.3": "1.3",
}

// family reads the name of a GNU licence.
func family(text string) (string, bool) {
	m := gnu.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	name := strings.ToUpper(m[1])
	version, ok := versions[name+" "+strings.TrimSuffix(m[3], ".0")]
	if !ok || m[2] != "" && name != "GFDL" {
		return "", false
	}
	id := name + "-" + version
	if m[2] != "" {
		id += "-no-invariants"
	}
	if m[4] != "" {
		id += "-or-later"
	} else {
		id += "-only"
	}
	if Listed(id) == "" { // the first Affero licence
		return "", false
	}
	return id, true
}

// classifier precedes a licence among Python's trove classifiers.
const classifier = "License :: "

// title looks a text up among the titles and addresses of licences.
func title(text string) (string, bool) {
	if rest, ok := strings.CutPrefix(text, classifier); ok {
		text = rest[strings.LastIndex(rest, ":")+1:]
	}
	key := strings.ToLower(strings.TrimSpace(text))
	if rest, ok := strings.CutPrefix(key, "https://"); ok {
		return address(rest)
	}
	if rest, ok := strings.CutPrefix(key, "http://"); ok {
		return address(rest)
	}
	key = strings.TrimPrefix(strings.Join(strings.FieldsFunc(key, between), " "), "the ")
	id, ok := titles[key]
	if !ok {
		id, ok = titles[strings.TrimSuffix(key, " license")]
	}
	return id, ok
}

// between separates words of a title; versions keep their dots.
func between(r rune) bool { return strings.ContainsRune(" ,;()\"'-_", r) }

// address reads where a licence can be found.
func address(rest string) (string, bool) {
	rest = strings.TrimPrefix(rest, "www.")
	rest = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(rest, "/"), ".txt"), ".html"), ".php")
	if id, ok := addresses[rest]; ok {
		return id, true
	}
	for _, lists := range []string{"opensource.org/licenses/", "opensource.org/license/", "spdx.org/licenses/"} {
		if name, ok := strings.CutPrefix(rest, lists); ok {
			id := Listed(name)
			return id, id != ""
		}
	}
	return "", false
}

var words = regexp.MustCompile(`(?i) +(and|or|with) +| *[|/] *`)

// combined reads licences joined by words in any case, or by the signs that mean a choice. Parentheses have to be
// where an expression may have them: they are read by Parse once the parts are normal.
func combined(text string) (string, bool) {
	marks := words.FindAllStringSubmatchIndex(text, -1)
	if len(marks) == 0 || strings.Contains(text, "://") {
		return "", false
	}
	var b strings.Builder
	part := func(s string) bool {
		inner := strings.Trim(s, "() ")
		id, ok := family(inner)
		if !ok {
			if id, ok = Parse(inner); !ok {
				id, ok = title(inner)
			}
		}
		if !ok { // an exception follows WITH
			id = inner
		}
		b.WriteString(s[:len(s)-len(strings.TrimLeft(s, "( "))] + id + s[len(strings.TrimRight(s, ") ")):])
		return inner != ""
	}
	at := 0
	for _, m := range marks {
		operator := "OR"
		if m[2] >= 0 {
			operator = strings.ToUpper(text[m[2]:m[3]])
		}
		if !part(text[at:m[0]]) {
			return "", false
		}
		b.WriteString(" " + operator + " ")
		at = m[1]
	}
	if !part(text[at:]) {
		return "", false
	}
	return Parse(b.String())
}
