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
// not to its end. Look-around is understood where it can be said in that syntax too. Errors tell the author what
// to do.
func CompileRegexp(expression string) (*regexp.Regexp, error) {
	plain, _, err := checkRegexp(expression, "")
	if err != nil {
		return nil, err
	}
	return regexp.Compile(fromStart(plain))
}

// CompileSearch is CompileRegexp for an expression that may match anywhere in the text.
func CompileSearch(expression string) (*regexp.Regexp, error) {
	plain, _, err := checkRegexp(expression, `(?s:.*?)`)
	if err != nil {
		return nil, err
	}
	if plain != expression {
		plain = fromStart(plain)
	}
	return regexp.Compile(plain)
}

func fromStart(expression string) string { return `\A(?:` + expression + `)` }

// checkRegexp returns an expression without look-around, and the size of its program.
// before matches what may precede it.
func checkRegexp(expression, before string) (plain string, size int, err error) {
	if len(expression) > MaxPatternBytes {
		return "", 0, fmt.Errorf("regular expression has %d bytes, at most %d are allowed", len(expression), MaxPatternBytes)
	}
	if plain, err = withoutLookaround(expression, before); err != nil {
		return "", 0, err
	}
	// Alone first: "a)(b" would be balanced by the group that anchors it.
	tree, err := syntax.Parse(plain, syntax.Perl)
	if fault, ok := errors.AsType[*syntax.Error](err); ok && fault.Code == syntax.ErrInvalidEscape && backReference.MatchString(fault.Expr) {
		return "", 0, fmt.Errorf("%w: back-references are not supported, write the text out", err)
	}
	if err != nil {
		return "", 0, err
	}
	if size = programSize(tree); size > MaxRegexpSize {
		return "", 0, fmt.Errorf("regular expression compiles to more than %d steps, repeat less or match shorter pieces", MaxRegexpSize)
	}
	return plain, size, nil
}

var backReference = regexp.MustCompile(`^\\[1-9k]`)

// programSize estimates what an expression compiles to, in steps and in the bounds of their character classes,
// without building it. It is capped above MaxRegexpSize.
func programSize(re *syntax.Regexp) int {
	size := 1
	if re.Op == syntax.OpLiteral || re.Op == syntax.OpCharClass {
		size = max(1, len(re.Rune))
	}
	for _, sub := range re.Sub {
		size = min(size+programSize(sub), MaxRegexpSize+1)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, MaxRegexpSize+1)
}

// Matcher compiles a pattern in the syntax of selectors and of trigger ids in allowlists.
func Matcher(value string) (func(string) bool, error) {
	p, err := compilePattern(value)
	if err != nil {
		return nil, err
	}
	return p.match, nil
}
