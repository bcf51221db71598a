package policy

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// nullable tells whether a tree matches the empty text: anywhere, or only at the end of the text. A tree that
// cannot be judged counts as neither.
func nullable(re *syntax.Regexp) (free, atEnd bool) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true, false
	case syntax.OpEndText:
		return false, true
	case syntax.OpCapture, syntax.OpPlus:
		return nullable(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min == 0 {
			return true, false
		}
		return nullable(re.Sub[0])
	case syntax.OpConcat:
		free = true
		for _, sub := range re.Sub {
			f, e := nullable(sub)
			if !f && !e {
				return false, false
			}
			free, atEnd = free && f, atEnd || e
		}
		return free, atEnd && !free
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			f, e := nullable(sub)
			free, atEnd = free || f, atEnd || e
		}
		return free, atEnd && !free
	}
	return false, false
}

// nothing is an expression that matches nothing.
var nothing = runeSet{}.String()

// edge limits a tree to the texts whose first, or last, character is in the set. lost says that it could not.
type edge struct {
	set  runeSet
	last bool
	lost bool
	// written counts the bytes of the answer.
	written int
}

// maxRestricted bounds the answer of an edge in bytes.
const maxRestricted = 8 << 10

func (e *edge) restrict(re *syntax.Regexp) string {
	if set, ok := oneOf(re); ok {
		return e.set.intersect(set).String()
	}
	switch re.Op {
	case syntax.OpNoMatch, syntax.OpEmptyMatch, syntax.OpEndText:
		return nothing
	case syntax.OpLiteral:
		return e.literal(re)
	case syntax.OpCapture, syntax.OpQuest:
		return e.restrict(re.Sub[0])
	case syntax.OpStar:
		return e.join(e.restrict(re.Sub[0]), grouped(re.Sub[0])+"*")
	case syntax.OpPlus:
		return e.join(e.restrict(re.Sub[0]), grouped(re.Sub[0])+"*")
	case syntax.OpRepeat:
		return e.repeat(re)
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			all = append(all, e.restrict(sub))
		}
		return strings.Join(all, "|")
	case syntax.OpConcat:
		return e.concat(re.Sub)
	}
	e.lost = true
	return nothing
}

// join puts the limited part on its side of the rest.
func (e *edge) join(limited, rest string) string {
	if e.written += len(limited) + len(rest); e.written > maxRestricted {
		e.lost = true
	}
	if e.lost {
		return nothing
	}
	if e.last {
		return rest + "(?:" + limited + ")"
	}
	return "(?:" + limited + ")" + rest
}

func (e *edge) literal(re *syntax.Regexp) string {
	at := 0
	rest := &syntax.Regexp{Op: syntax.OpLiteral, Flags: re.Flags, Rune: re.Rune[1:]}
	if e.last {
		at = len(re.Rune) - 1
		rest.Rune = re.Rune[:at]
	}
	return e.join(e.set.intersect(spellings(re.Rune[at], re.Flags)).String(), grouped(rest))
}

// repeat limits one of the repetitions, which is the outermost one that matches anything.
func (e *edge) repeat(re *syntax.Regexp) string {
	rest := *re
	rest.Min = max(re.Min-1, 0)
	if rest.Max > 0 {
		rest.Max--
	} else if rest.Max == 0 {
		return nothing
	}
	if free, atEnd := nullable(re.Sub[0]); free || atEnd {
		rest.Min = 0
	}
	return e.join(e.restrict(re.Sub[0]), grouped(&rest))
}

// concat limits the outermost part, or the one next to it where the outermost may be empty, and so on.
func (e *edge) concat(parts []*syntax.Regexp) string {
	var all []string
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	if e.last {
		slices.Reverse(order)
	}
	for _, i := range order {
		rest := parts[i+1:]
		if e.last {
			rest = parts[:i]
		}
		var others strings.Builder
		for _, other := range rest {
			others.WriteString(grouped(other))
		}
		all = append(all, e.join(e.restrict(parts[i]), others.String()))
		free, atEnd := nullable(parts[i])
		if e.last && atEnd {
			e.lost = true // the end of the text is not where more is matched
		}
		if !free {
			break
		}
	}
	return strings.Join(all, "|")
}

func grouped(re *syntax.Regexp) string { return "(?:" + re.String() + ")" }

// Bounds of what a negated look-ahead may spell out.
const (
	maxSpelled      = 64
	maxSpelledRunes = 512
)

// theEnd stands in a row for the end of the text.
var theEnd runeSet

// spelled lists the texts a tree matches, each as the sets its characters come from; ok when they are few and of
// fixed length.
func spelled(re *syntax.Regexp) (rows [][]runeSet, ok bool) {
	if set, ok := oneOf(re); ok {
		return [][]runeSet{{set}}, true
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return [][]runeSet{{}}, true
	case syntax.OpEndText:
		return [][]runeSet{{theEnd}}, true
	case syntax.OpLiteral:
		var row []runeSet
		for _, r := range re.Rune {
			row = append(row, spellings(r, re.Flags))
		}
		return [][]runeSet{row}, true
	case syntax.OpCapture:
		return spelled(re.Sub[0])
	case syntax.OpQuest:
		rows, ok = spelled(re.Sub[0])
		return append(rows, []runeSet{}), ok
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			more, ok := spelled(sub)
			if rows = append(rows, more...); !ok || len(rows) > maxSpelled {
				return nil, false
			}
		}
		return rows, true
	case syntax.OpConcat:
		return spelledConcat(re.Sub)
	}
	return nil, false
}

func spelledConcat(parts []*syntax.Regexp) ([][]runeSet, bool) {
	rows := [][]runeSet{{}}
	for _, part := range parts {
		tails, ok := spelled(part)
		if !ok || len(tails)*len(rows) > maxSpelled {
			return nil, false
		}
		var longer [][]runeSet
		for _, row := range rows {
			for _, tail := range tails {
				if len(row)+len(tail) > maxSpelledRunes {
					return nil, false
				}
				if len(row) > 0 && row[len(row)-1] == nil && len(tail) > 0 {
					return nil, false
				}
				longer = append(longer, slices.Concat(row, tail))
			}
		}
		rows = longer
	}
	return rows, true
}

// unlike matches a text that begins with none of the rows; ok when of any two rows the first characters that
// are not from the same set are from disjoint ones.
func unlike(rows [][]runeSet) (string, bool) {
	var firsts []runeSet
	tails := map[string][][]runeSet{}
	var taken runeSet
	atEnd := false
	for _, row := range rows {
		if len(row) == 0 {
			return nothing, true
		}
		if row[0] == nil {
			atEnd = true
			continue
		}
		name := row[0].String()
		if _, seen := tails[name]; !seen {
			if len(taken.intersect(row[0])) > 0 {
				return "", false
			}
			taken = taken.union(row[0])
			firsts = append(firsts, row[0])
		}
		tails[name] = append(tails[name], row[1:])
	}
	all := []string{taken.complement().String()}
	if !atEnd {
		all = append(all, `\z`)
	}
	for _, first := range firsts {
		rest, ok := unlike(tails[first.String()])
		if !ok {
			return "", false
		}
		if rest != nothing {
			all = append(all, first.String()+"(?:"+rest+")")
		}
	}
	return strings.Join(all, "|"), true
}
