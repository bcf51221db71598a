package policy

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// Expressions of former policies may hold look-around, which RE2 lacks: (?=x) and (?!x) ask what follows, (?<=x)
// and (?<!x) what precedes. As a policy only asks whether an expression matches from the start of a text, the
// common ones can be said without: what precedes is the end of what was matched so far, and what follows is the
// start of what is matched next, or of the text where the expression ends. Nothing is translated that would not
// match exactly the same texts.

// look is one look-around of an expression, or a plain piece of it.
type look struct {
	text   string // of a look-around what it asks for
	plain  bool
	behind bool // asks for what precedes
	not    bool
	at     int // byte offset in the expression
}

// written is the look-around as the expression has it.
func (l look) written() string {
	sign := "="
	if l.not {
		sign = "!"
	}
	if l.behind {
		sign = "<" + sign
	}
	return "(?" + sign + l.text + ")"
}

func (l look) refuse(reason string) error {
	hint := "write what it matches directly"
	if l.not {
		hint = "use a character class like [^x] for what may stand there, or a rule with the opposite check"
	}
	return fmt.Errorf("%s at byte %d is look-around, which RE2 syntax lacks, and %s; %s", l.written(), l.at, reason, hint)
}

// opensLook finds the opening of a look-around at the start of text.
func opensLook(text string) (l look, rest string, ok bool) {
	for _, form := range []struct {
		open        string
		behind, not bool
	}{{"(?=", false, false}, {"(?!", false, true}, {"(?<=", true, false}, {"(?<!", true, true}} {
		if rest, ok := strings.CutPrefix(text, form.open); ok {
			return look{behind: form.behind, not: form.not}, rest, true
		}
	}
	return look{}, "", false
}

// skip returns the length of the unit at the start of text: an escape, a quotation, a class or one byte.
func skip(text string) int {
	switch {
	case strings.HasPrefix(text, `\Q`):
		if end := strings.Index(text, `\E`); end >= 0 {
			return end + 2
		}
		return len(text)
	case text[0] == '\\':
		return min(2, len(text))
	case text[0] == '[':
		return skipClass(text)
	}
	return 1
}

func skipClass(text string) int {
	i := 1
	if strings.HasPrefix(text[i:], "^") {
		i++
	}
	if strings.HasPrefix(text[i:], "]") {
		i++
	}
	for i < len(text) {
		switch {
		case text[i] == ']':
			return i + 1
		case text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], "[:"):
			if end := strings.Index(text[i:], ":]"); end > 0 {
				i += end + 1
			}
		}
		i++
	}
	return len(text)
}

// closing returns the index of the parenthesis that closes what was opened before text.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth == 0 {
				return i
			}
			depth--
		}
		i += skip(text[i:])
	}
	return -1
}

// split takes an expression apart: alternatives, each plain pieces and look-arounds in turn, beginning and ending
// with a plain piece. found tells whether there is any look-around.
func split(expression string) (alternatives [][]look, found bool, err error) {
	var current []look
	depth, start := 0, 0
	piece := func(end int) { current = append(current, look{text: expression[start:end], plain: true}) }
	for i := 0; i < len(expression); {
		if l, rest, ok := opensLook(expression[i:]); ok {
			found = true
			end := closing(rest)
			if end < 0 {
				return nil, true, errors.New("missing closing )")
			}
			l.text, l.at = rest[:end], i
			if _, nested, err := split(l.text); nested || err != nil {
				return nil, true, l.refuse("there is more of it inside")
			}
			if depth > 0 {
				return nil, true, l.refuse("it stands inside a group")
			}
			piece(i)
			current = append(current, l)
			i = len(expression) - len(rest) + end + 1
			start = i
			continue
		}
		switch expression[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				piece(i)
				alternatives, current, start = append(alternatives, current), nil, i+1
			}
		}
		i += skip(expression[i:])
	}
	piece(len(expression))
	return append(alternatives, current), found, nil
}

// leadingFlags cuts flags like (?i) off the start of an expression; they hold for all of it.
func leadingFlags(expression string) (flags, rest string) {
	if open, ok := strings.CutPrefix(expression, "(?"); ok {
		if n := strings.IndexFunc(open, func(r rune) bool { return !strings.ContainsRune("imsU", r) }); n > 0 && open[n] == ')' {
			return open[:n], open[n+1:]
		}
	}
	return "", expression
}

// withoutLookaround returns an expression in RE2 syntax that matches the same texts from their start, or an error
// that shows the construct in the way. before matches what may precede it; an expression that has no look-around
// is returned as it is, without before.
func withoutLookaround(expression, before string) (string, error) {
	flags, rest := leadingFlags(expression)
	alternatives, found, err := split(rest)
	if err != nil {
		return "", err
	}
	if !found {
		return expression, nil
	}
	var all []string
	for _, parts := range alternatives {
		text, err := sequence(flags, before, parts)
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	return strings.Join(all, "|"), nil
}

// maxLooks bounds the look-arounds of one alternative: each makes the expression longer.
const maxLooks = 8

// sequence says one alternative without look-around: everything that asks for what precedes goes into what
// stands left of it, everything that asks for what follows into what stands right of it.
func sequence(flags, before string, parts []look) (string, error) {
	if len(parts) > 2*maxLooks+1 {
		return "", parts[2*maxLooks+1].refuse("there is too much of it")
	}
	group := func(text string) string { return "(?" + flags + ":" + text + ")" }
	left, i := before+group(parts[0].text), 1
	for ; i < len(parts) && parts[i].behind; i += 2 {
		ending, err := endingAs(left, group(parts[i].text), parts[i])
		if err != nil {
			return "", err
		}
		left = ending + group(parts[i+1].text)
	}
	if i == len(parts) {
		return left, nil
	}
	last := len(parts) - 1
	right := group(parts[last].text)
	for j := last - 1; j >= i; j -= 2 {
		if parts[j].behind {
			return "", parts[j].refuse("it stands behind a look-ahead")
		}
		beginning, err := beginningAs(group(parts[j].text), right, parts[j])
		if err != nil {
			return "", err
		}
		right = beginning
		if j > i {
			right = group(parts[j-1].text) + beginning
		}
	}
	return left + right, nil
}

// endingAs limits what stands at the start of the text, up to the look-behind, to what ends as it asks.
func endingAs(before, asked string, l look) (string, error) {
	set, err := asksForOne(asked, l)
	if err != nil {
		return "", err
	}
	tree, err := syntax.Parse(before, syntax.Perl)
	if err != nil {
		return "", err
	}
	if tree.Op == syntax.OpConcat && tree.Sub[0].Op == syntax.OpBeginText { // true of every start
		tree.Sub = tree.Sub[1:]
	}
	e := edge{set: set, last: true}
	if l.not {
		e.set = set.complement()
	}
	text := e.restrict(tree)
	if e.lost {
		return "", l.refuse("what precedes it is too involved to be limited")
	}
	if free, _ := nullable(tree); free && l.not { // nothing precedes at the start of the text
		text += "|"
	}
	return "(?:" + text + ")", nil
}

// beginningAs limits what follows the look-ahead to what begins as it asks. What an expression does not match
// to its end may be anything.
func beginningAs(asked, after string, l look) (string, error) {
	tree, err := syntax.Parse(after, syntax.Perl)
	if err != nil {
		return "", err
	}
	free, atEnd := nullable(tree)
	if free && !l.not {
		if _, err := syntax.Parse(asked, syntax.Perl); err != nil {
			return "", err
		}
		return asked, nil
	}
	if free {
		return notBeginning(asked, l)
	}
	set, err := asksForOne(asked, l)
	if err != nil {
		return "", err
	}
	e := edge{set: set}
	if l.not {
		e.set = set.complement()
	}
	text := e.restrict(tree)
	if e.lost {
		return "", l.refuse("what follows it is too involved to be limited")
	}
	if atEnd && l.not {
		text += `|\z`
	}
	return "(?:" + text + ")", nil
}

// notBeginning matches whatever does not begin with what is asked for.
func notBeginning(asked string, l look) (string, error) {
	tree, err := syntax.Parse(asked, syntax.Perl)
	if err != nil {
		return "", err
	}
	rows, ok := spelled(tree)
	if !ok {
		return "", l.refuse("it asks for more than a few texts of fixed length")
	}
	text, ok := unlike(rows)
	if !ok {
		return "", l.refuse("its alternatives overlap")
	}
	return "(?:" + text + ")", nil
}

// asksForOne is the set of characters a look-around asks for.
func asksForOne(asked string, l look) (runeSet, error) {
	tree, err := syntax.Parse(asked, syntax.Perl)
	if err != nil {
		return nil, err
	}
	set, ok := oneOf(tree)
	if !ok {
		return nil, l.refuse("it asks for more than one character")
	}
	return set, nil
}

// runeSet is a sorted list of ranges, as syntax.Regexp has them.
type runeSet []rune

func (s runeSet) complement() runeSet {
	var out runeSet
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

func (s runeSet) intersect(t runeSet) runeSet {
	var out runeSet
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if lo, hi := max(s[i], t[j]), min(s[i+1], t[j+1]); lo <= hi {
			out = append(out, lo, hi)
		}
		if s[i+1] < t[j+1] {
			i += 2
		} else {
			j += 2
		}
	}
	return out
}

func (s runeSet) union(t runeSet) runeSet {
	return s.complement().intersect(t.complement()).complement()
}

func (s runeSet) String() string {
	return (&syntax.Regexp{Op: syntax.OpCharClass, Rune: s}).String()
}

// oneOf returns the characters a tree matches, if it matches exactly one.
func oneOf(re *syntax.Regexp) (runeSet, bool) {
	switch re.Op {
	case syntax.OpCharClass:
		return slices.Clone(re.Rune), true
	case syntax.OpAnyChar:
		return runeSet{0, unicode.MaxRune}, true
	case syntax.OpAnyCharNotNL:
		return runeSet{0, '\n' - 1, '\n' + 1, unicode.MaxRune}, true
	case syntax.OpCapture:
		return oneOf(re.Sub[0])
	case syntax.OpLiteral:
		if len(re.Rune) == 1 {
			return spellings(re.Rune[0], re.Flags), true
		}
	case syntax.OpAlternate:
		var all runeSet
		for _, sub := range re.Sub {
			set, ok := oneOf(sub)
			if !ok {
				return nil, false
			}
			all = all.union(set)
		}
		return all, true
	}
	return nil, false
}

// spellings are the cases of a literal character.
func spellings(r rune, flags syntax.Flags) runeSet {
	all := []rune{r}
	if flags&syntax.FoldCase != 0 {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			all = append(all, f)
		}
	}
	slices.Sort(all)
	var set runeSet
	for _, r := range all {
		set = append(set, r, r)
	}
	return set
}
