package license

import (
	"strings"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
)

// maxExpression bounds what is read as a licence expression, in bytes. Longer texts are texts.
const maxExpression = 512

// The SPDX lists, by lower-case id: ids compare without case (SPDX 2.3 annex D.2), documents spell them as listed.
// Only the lists come from go-spdx: its parser panics on unbalanced parentheses.
var (
	listedLicenses   = byLowerCase(spdxlicenses.GetLicenses(), spdxlicenses.GetDeprecated())
	listedExceptions = byLowerCase(spdxlicenses.GetExceptions())
)

func byLowerCase(lists ...[]string) map[string]string {
	out := map[string]string{}
	for _, list := range lists {
		for _, id := range list {
			out[strings.ToLower(id)] = id
		}
	}
	return out
}

// Parse reads a licence expression of listed licences and exceptions (SPDX 2.3 annex D). References to
// licences defined elsewhere are none: the definition is not at hand.
func Parse(text string) (string, bool) {
	if len(text) > maxExpression {
		return "", false
	}
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
	r := expressionReader{next: operand}
	for _, word := range words {
		if !r.take(word) {
			return "", false
		}
	}
	if r.depth != 0 || r.next == operand || r.next == exception {
		return "", false
	}
	spelled := strings.Join(r.out, " ")
	return strings.NewReplacer("( ", "(", " )", ")").Replace(spelled), true
}

// Names lists the licences an expression speaks of, as Parse returns it: ids and, for one with an exception, the id both
// with it and alone. Who offers a choice names each choice.
func Names(expression string) []string {
	words := strings.Fields(strings.NewReplacer("(", " ", ")", " ").Replace(expression))
	var names []string
	for i, word := range words {
		switch {
		case word == "AND" || word == "OR" || word == "WITH" || i > 0 && words[i-1] == "WITH":
		case i+2 < len(words) && words[i+1] == "WITH":
			names = append(names, strings.Join(words[i:i+3], " "), word)
		default:
			names = append(names, word)
		}
	}
	return names
}

// What may come next in an expression.
type expectation int

const (
	operand   expectation = iota // a licence or an opening parenthesis
	operator                     // AND, OR or a closing parenthesis
	suffix                       // the same, or WITH: a licence has just been read
	exception                    // WITH has just been read
)

type expressionReader struct {
	next  expectation
	depth int
	out   []string
}

func (r *expressionReader) take(word string) bool {
	switch r.next {
	case operand:
		if word == "(" {
			r.depth++
			break
		}
		id, ok := spellLicense(word)
		if !ok {
			return false
		}
		word, r.next = id, suffix
	case exception:
		id, ok := listedExceptions[strings.ToLower(word)]
		if !ok {
			return false
		}
		word, r.next = id, operator
	default:
		switch {
		case word == "AND" || word == "OR":
			r.next = operand
		case word == ")" && r.depth > 0:
			r.depth--
			r.next = operator
		case word == "WITH" && r.next == suffix:
			r.next = exception
		default:
			return false
		}
	}
	r.out = append(r.out, word)
	return true
}

// spellLicense looks an id up, also with the plus sign that means "or any later version".
func spellLicense(word string) (string, bool) {
	lower := strings.ToLower(word)
	if id, ok := listedLicenses[lower]; ok {
		return id, true
	}
	if base, ok := strings.CutSuffix(lower, "+"); ok {
		id, ok := listedLicenses[base]
		return id + "+", ok
	}
	return "", false
}
