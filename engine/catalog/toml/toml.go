// Package toml reads the tables of a lock file in TOML (toml.io, v1.0.0): Cargo.lock, poetry.lock, uv.lock.
//
// It is not a general decoder: it returns the elements of one array of tables ([[package]]) with the tables
// below them, and checks no more of the rest than it takes to skip it. Such files lie in images and are not to
// be trusted: work and memory are linear in the input and nesting is bounded, which decoders of the whole
// language do not promise (deep arrays overflow the stack, long dotted keys take quadratic time).
package toml

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth bounds nested arrays and inline tables. Lock files use three.
const MaxDepth = 16

// ErrSyntax reports a document that is no TOML.
var ErrSyntax = errors.New("invalid TOML")

// Table is a table; its values are string, Bare, []any or Table. A dotted key stays one key.
type Table map[string]any

// Bare is a value that is no string: a number, a date, true or false, as written.
type Bare string

// Text returns the string of that key, "" if it is none.
func (t Table) Text(key string) string {
	s, _ := t[key].(string)
	return s
}

// Table returns the table of that key, nil if it is none.
func (t Table) Table(key string) Table {
	sub, _ := t[key].(Table)
	return sub
}

// List returns the elements of the array of that key that are of type T.
func List[T any](t Table, key string) []T {
	array, _ := t[key].([]any)
	var all []T
	for _, v := range array {
		if v, ok := v.(T); ok {
			all = append(all, v)
		}
	}
	return all
}

// Tables returns the elements of the array of tables called name, each with the tables [name.KEY] that follow
// it. With an error it returns those before the fault.
func Tables(content []byte, name string) ([]Table, error) {
	p := &parser{in: string(content)}
	var all []Table
	current := Table{} // where the next keys go
	for {
		p.skip(true)
		if p.at == len(p.in) {
			return all, nil
		}
		if p.in[p.at] != '[' {
			if err := p.pair(current, 0); err != nil {
				return all, err
			}
			if err := p.lineEnd(); err != nil {
				return all, err
			}
			continue
		}
		header, array, err := p.header()
		if err != nil {
			return all, err
		}
		switch below, found := strings.CutPrefix(header, name+"."); {
		case array && header == name:
			current = Table{}
			all = append(all, current)
		case found && !array && len(all) > 0:
			current = Table{}
			all[len(all)-1][below] = current
		default:
			current = Table{} // of no interest
		}
	}
}

type parser struct {
	in string
	at int
}

func (p *parser) fail(what string) error {
	return fmt.Errorf("%w: line %d: %s", ErrSyntax, 1+strings.Count(p.in[:p.at], "\n"), what)
}

// skip passes blanks and, with lines, line ends and comments.
func (p *parser) skip(lines bool) {
	for p.at < len(p.in) {
		switch c := p.in[p.at]; {
		case c == ' ', c == '\t', lines && (c == '\n' || c == '\r'):
			p.at++
		case lines && c == '#':
			p.comment()
		default:
			return
		}
	}
}

func (p *parser) comment() {
	if end := strings.IndexByte(p.in[p.at:], '\n'); end >= 0 {
		p.at += end
	} else {
		p.at = len(p.in)
	}
}

// lineEnd passes what may follow a header or a pair.
func (p *parser) lineEnd() error {
	p.skip(false)
	if p.at < len(p.in) && p.in[p.at] == '#' {
		p.comment()
	}
	if p.at == len(p.in) || p.take("\n") || p.take("\r\n") {
		return nil
	}
	return p.fail("more on the line than expected")
}

func (p *parser) take(s string) bool {
	if !strings.HasPrefix(p.in[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// header reads [name] or [[name]].
func (p *parser) header() (name string, array bool, err error) {
	end := "]"
	p.at++
	if p.take("[") {
		array, end = true, "]]"
	}
	if name, err = p.key(); err != nil {
		return "", false, err
	}
	if !p.take(end) {
		return "", false, p.fail("table header without end")
	}
	return name, array, p.lineEnd()
}

// key reads a key, its dotted parts joined by full stops.
func (p *parser) key() (string, error) {
	start := p.at
	var parts []string
	for {
		p.skip(false)
		part, err := p.keyPart()
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
		p.skip(false)
		if p.at-start > maxKey {
			return "", p.fail("key too long")
		}
		if !p.take(".") {
			return strings.Join(parts, "."), nil
		}
	}
}

// maxKey bounds a key with its dots, in bytes.
const maxKey = 4096

func (p *parser) keyPart() (string, error) {
	if p.at < len(p.in) && (p.in[p.at] == '"' || p.in[p.at] == '\'') {
		return p.text()
	}
	start := p.at
	for p.at < len(p.in) && isBareKey(p.in[p.at]) {
		p.at++
	}
	if p.at == start {
		return "", p.fail("key expected")
	}
	return p.in[start:p.at], nil
}

func isBareKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

func (p *parser) pair(into Table, depth int) error {
	key, err := p.key()
	if err != nil {
		return err
	}
	if !p.take("=") {
		return p.fail("no value for " + strconv.Quote(key))
	}
	value, err := p.value(depth)
	if err != nil {
		return err
	}
	into[key] = value
	return nil
}

func (p *parser) value(depth int) (any, error) {
	p.skip(false)
	if p.at == len(p.in) {
		return nil, p.fail("value expected")
	}
	switch p.in[p.at] {
	case '"', '\'':
		return p.text()
	case '[', '{':
		if depth == MaxDepth {
			return nil, p.fail("nested too deep")
		}
		if p.in[p.at] == '[' {
			return p.array(depth + 1)
		}
		return p.inline(depth + 1)
	}
	start := p.at
	for p.at < len(p.in) && !strings.ContainsRune(",]}#\r\n\"'=[{", rune(p.in[p.at])) {
		p.at++
	}
	bare := strings.TrimSpace(p.in[start:p.at])
	if bare == "" {
		return nil, p.fail("value expected")
	}
	return Bare(bare), nil
}

func (p *parser) array(depth int) (any, error) {
	all := []any{}
	err := p.elements(']', func() error {
		v, err := p.value(depth)
		all = append(all, v)
		return err
	})
	return all, err
}

func (p *parser) inline(depth int) (any, error) {
	table := Table{}
	return table, p.elements('}', func() error { return p.pair(table, depth) })
}

// elements reads what stands between brackets, separated by commas.
func (p *parser) elements(end byte, one func() error) error {
	for p.at++; ; {
		p.skip(true)
		if p.at < len(p.in) && p.in[p.at] == end {
			p.at++
			return nil
		}
		if err := one(); err != nil {
			return err
		}
		p.skip(true)
		if !p.take(",") && (p.at == len(p.in) || p.in[p.at] != end) {
			return p.fail("list without end")
		}
	}
}

// text reads any of the four kinds of strings.
func (p *parser) text() (string, error) {
	quote := p.in[p.at : p.at+1]
	if triple := strings.Repeat(quote, 3); p.take(triple) {
		_ = p.take("\r\n") || p.take("\n")
		return p.quoted(triple)
	}
	p.at++
	return p.quoted(quote)
}

// quoted reads up to the end mark; escapes count in strings of double quotes.
func (p *parser) quoted(end string) (string, error) {
	var b strings.Builder
	for p.at < len(p.in) {
		c := p.in[p.at]
		switch {
		case p.take(end):
			for extra := 0; len(end) == 3 && extra < 2 && p.take(end[:1]); extra++ {
				b.WriteString(end[:1]) // up to two quotes may stand before the end
			}
			return b.String(), nil
		case c == '\n' && len(end) == 1:
			return "", p.fail("string without end")
		case c == '\\' && end[0] == '"':
			if err := p.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	return "", p.fail("string without end")
}

var escapes = map[byte]byte{'b': '\b', 't': '\t', 'n': '\n', 'f': '\f', 'r': '\r', 'e': 0x1b, '"': '"', '\\': '\\'}

var codeDigits = map[byte]int{'x': 2, 'u': 4, 'U': 8}

func (p *parser) escape(b *strings.Builder) error {
	p.at++
	if p.at == len(p.in) {
		return p.fail("string without end")
	}
	c := p.in[p.at]
	p.at++
	if plain, ok := escapes[c]; ok {
		b.WriteByte(plain)
		return nil
	}
	if digits, ok := codeDigits[c]; ok {
		rest := p.in[p.at:]
		code, err := strconv.ParseUint(rest[:min(digits, len(rest))], 16, 32)
		if len(rest) < digits || err != nil || !utf8.ValidRune(rune(code)) {
			return p.fail("invalid code point")
		}
		p.at += digits
		b.WriteRune(rune(code))
		return nil
	}
	if strings.IndexByte(" \t\r\n", c) >= 0 { // a line ending backslash takes all blanks after it
		for p.at < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.at]) >= 0 {
			p.at++
		}
		return nil
	}
	return p.fail("unknown escape")
}
