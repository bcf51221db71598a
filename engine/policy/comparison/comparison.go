// Package comparison holds the checks for which a rule chooses the operator, so that an operator means the same in
// every gate.
package comparison

import (
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/policy"
)

// Operators of rules.
const (
	Equal          = "="
	NotEqual       = "!="
	Less           = "<"
	Greater        = ">"
	LessOrEqual    = "<="
	GreaterOrEqual = ">="
	Like           = "like"
	NotLike        = "not_like"
	In             = "in"
	NotIn          = "not_in"
)

// Ordering is the parameter type of the operators Holds knows.
var Ordering = policy.Enum(Equal, NotEqual, Less, Greater, LessOrEqual, GreaterOrEqual)

// Orders reports whether the operator asks which of two values is the greater.
func Orders(operator string) bool {
	return slices.Contains([]string{Less, Greater, LessOrEqual, GreaterOrEqual}, operator)
}

// Holds applies an operator of Ordering to values of which order tells, negative, zero or positive, whether the first
// is less, equal or greater.
func Holds(operator string, order int) bool {
	switch operator {
	case Equal:
		return order == 0
	case NotEqual:
		return order != 0
	case Less:
		return order < 0
	case Greater:
		return order > 0
	case LessOrEqual:
		return order <= 0
	}
	return order >= 0
}

// Text is a prepared comparison with a text.
type Text struct {
	negated bool
	matches func(string) bool
}

// New prepares a comparison with what a rule gives: one text, a regular expression matched from the start for like and
// not_like, a comma separated list for in and not_in. order decides < > <= >=; nil orders as strings.Compare.
func New(operator, value string, order func(a, b string) int) (Text, error) {
	if order == nil {
		order = strings.Compare
	}
	switch operator {
	case Equal, NotEqual:
		return Text{operator == NotEqual, func(text string) bool { return text == value }}, nil
	case Like, NotLike:
		re, err := policy.CompileRegexp(value)
		if err != nil {
			return Text{}, err
		}
		return Text{operator == NotLike, re.MatchString}, nil
	case In, NotIn:
		listed := List(value)
		return Text{operator == NotIn, func(text string) bool { return slices.Contains(listed, text) }}, nil
	}
	return Text{false, func(text string) bool { return Holds(operator, order(text, value)) }}, nil
}

// Holds reports whether the comparison holds for a thing that goes by several names: that one of them matches or, for
// the operators that deny, that none does. Of a thing without a name only a denial holds.
func (t Text) Holds(names ...string) bool { return slices.ContainsFunc(names, t.matches) != t.negated }

// List splits a comma separated list; blanks around its items do not count.
func List(value string) []string {
	items := strings.Split(value, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

var dotted = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

// Dotted reports whether a text is numbers with dots between, as releases of distributions are.
func Dotted(text string) bool { return dotted.MatchString(text) }

// Releases compares two dotted numbers, number by number; missing ones count as 0, so 12 equals 12.0 and 9 is less than
// 10. ok is false when one of them is no such number.
func Releases(a, b string) (order int, ok bool) {
	if !Dotted(a) || !Dotted(b) {
		return 0, false
	}
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if order := numbers(x, y); order != 0 {
			return order, true
		}
	}
	return 0, true
}

// numbers compares digits of any length.
func numbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
