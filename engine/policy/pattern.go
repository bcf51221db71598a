package policy

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// regexpPrefix marks a pattern that is a regular expression.
const regexpPrefix = "regexp:"

// pattern is compiled selector or trigger id syntax: literal text in which * stands for any run of characters,
// slashes included, matched over the whole value and case-sensitive; or "regexp:" and a regular expression
// matched from the start of the value, not necessarily to its end.
type pattern struct {
	parts  []string // what lies between the stars; one part: a literal
	regexp *regexp.Regexp
}

func compilePattern(value string) (pattern, error) {
	if expression, ok := strings.CutPrefix(value, regexpPrefix); ok {
		re, err := CompileRegexp(expression)
		return pattern{regexp: re}, err
	}
	return pattern{parts: strings.Split(value, "*")}, nil
}

// literal returns the only value the pattern matches, if there is just one.
func (p pattern) literal() (string, bool) {
	if p.regexp == nil && len(p.parts) == 1 {
		return p.parts[0], true
	}
	return "", false
}

func (p pattern) match(value string) bool {
	if p.regexp != nil {
		return p.regexp.MatchString(value)
	}
	last := len(p.parts) - 1
	if last == 0 {
		return value == p.parts[0]
	}
	rest, ok := strings.CutPrefix(value, p.parts[0])
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, p.parts[last]); !ok {
		return false
	}
	for _, part := range p.parts[1:last] { // leftmost is always right: what follows a star may be anything
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// CompileRegexp compiles a regular expression of a policy: RE2 syntax, matched from the start of the text but
// not to its end. Errors tell the author what to do.
func CompileRegexp(expression string) (*regexp.Regexp, error) {
	if len(expression) > MaxPatternBytes {
		return nil, fmt.Errorf("regular expression has %d bytes, at most %d are allowed", len(expression), MaxPatternBytes)
	}
	// Alone first: "a)(b" would be balanced by the group added below.
	if _, err := syntax.Parse(expression, syntax.Perl); err != nil {
		if fault, ok := errors.AsType[*syntax.Error](err); ok && strings.HasPrefix(fault.Expr, "(?") {
			return nil, fmt.Errorf("%w (look-around and back-references are not supported)", err)
		}
		return nil, err
	}
	return regexp.Compile(`\A(?:` + expression + `)`)
}

// Matcher compiles a pattern in the syntax of selectors and of trigger ids in allowlists.
func Matcher(value string) (func(string) bool, error) {
	p, err := compilePattern(value)
	if err != nil {
		return nil, err
	}
	return p.match, nil
}
