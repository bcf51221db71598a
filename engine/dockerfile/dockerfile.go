// Package dockerfile reads Dockerfiles the way a builder would, as far as policy rules need it, and guesses one
// from an image's history when nobody sent it.
//
// The syntax follows the Dockerfile reference (docs.docker.com/reference/dockerfile): parser directives, comments,
// line continuation with the escape character, here-documents of ADD, COPY and RUN, stages. Variables are not
// expanded. Anything that looks like a line is an instruction: judging instructions is the rules' work.
//
// Invariants: Parse takes time linear in the text, apart from looking up here-document terminators; nothing is
// ever executed or fetched.
package dockerfile

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Limits of a text.
const (
	MaxBytes = 1 << 20
	MaxLines = 20000
)

// ErrTooLarge says that a text exceeds MaxBytes or MaxLines.
var ErrTooLarge = errors.New("text of the Dockerfile is too large")

// Instruction is one instruction with its continuation lines joined.
type Instruction struct {
	Name string // upper case: RUN
	Args string // what follows the name, trimmed; continuation joined without a separator, as builders do
	Line int    // of its first line, from 1
	// Stage is the index of the build stage, from 0; -1 before the first FROM.
	Stage int
}

// File is a parsed Dockerfile.
type File struct {
	Instructions []Instruction
}

// directive is a parser directive; only escape changes how the text is read.
var directive = regexp.MustCompile(`^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$`)

// heredoc finds the start of a here-document: <<EOF, <<-EOF, <<"EOF", 3<<EOF.
var heredoc = regexp.MustCompile(`(?:^|[^<])<<(-?)(?:"([^"<>\s]+)"|'([^'<>\s]+)'|([a-zA-Z0-9_.]+))`)

// Parse reads a text. It fails only on one that is too large.
func Parse(text string) (*File, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, len(text), MaxBytes)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if len(lines) > MaxLines {
		return nil, fmt.Errorf("%w: %d lines, at most %d are read", ErrTooLarge, len(lines), MaxLines)
	}
	p := parser{lines: lines, escape: '\\', stage: -1}
	p.directives()
	for p.next < len(p.lines) {
		p.instruction()
	}
	return &File{Instructions: p.out}, nil
}

type parser struct {
	lines  []string
	next   int // index of the first line not read yet
	escape byte
	stage  int
	out    []Instruction
	// index maps a line, without leading tabs, to where it occurs; built when the first here-document begins.
	index map[string][]int
}

// directives reads the parser directives at the very top.
func (p *parser) directives() {
	for ; p.next < len(p.lines); p.next++ {
		m := directive.FindStringSubmatch(p.lines[p.next])
		if m == nil {
			return
		}
		if strings.EqualFold(m[1], "escape") && (m[2] == "`" || m[2] == `\`) {
			p.escape = m[2][0]
		}
	}
}

// instruction reads one logical line, or skips a blank line or a comment.
func (p *parser) instruction() {
	first := p.next
	var joined strings.Builder
	started := false
	for p.next < len(p.lines) {
		line := p.lines[p.next]
		p.next++
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' { // dropped inside a continued line too
			if !started {
				return
			}
			continue
		}
		body, continued := p.cutEscape(line)
		joined.WriteString(body)
		started = true
		if !continued {
			break
		}
	}
	name, args := cutBlank(strings.TrimSpace(joined.String()))
	if name == "" {
		return
	}
	in := Instruction{Name: strings.ToUpper(name), Args: strings.TrimSpace(args), Line: first + 1}
	if in.Name == "FROM" {
		p.stage++
	}
	in.Stage = p.stage
	p.skipHeredocs(&in)
	p.out = append(p.out, in)
}

// cutEscape removes the escape character at the end of a line; blanks behind it are allowed.
func (p *parser) cutEscape(line string) (string, bool) {
	end := strings.TrimRight(line, " \t\r")
	if end != "" && end[len(end)-1] == p.escape {
		return end[:len(end)-1], true
	}
	return line, false
}

// skipHeredocs moves behind the here-documents an instruction starts. One that never ends is not taken for
// one: "<<" has other meanings in a shell.
func (p *parser) skipHeredocs(in *Instruction) {
	if in.Name != "RUN" && in.Name != "COPY" && in.Name != "ADD" || !strings.Contains(in.Args, "<<") {
		return
	}
	for _, m := range heredoc.FindAllStringSubmatch(in.Args, 16) {
		if end := p.terminator(m[2]+m[3]+m[4], m[1] == "-"); end >= 0 {
			p.next = end + 1
		}
	}
}

// terminator finds the first line from here on that is the word, after leading tabs if they are stripped.
func (p *parser) terminator(word string, stripTabs bool) int {
	if p.index == nil {
		p.index = map[string][]int{}
		for i, line := range p.lines {
			key := strings.TrimLeft(line, "\t")
			p.index[key] = append(p.index[key], i)
		}
	}
	at := p.index[word]
	for _, i := range at[sort.SearchInts(at, p.next):] {
		if stripTabs || p.lines[i] == word {
			return i
		}
	}
	return -1
}

func cutBlank(s string) (before, after string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// Final returns the instructions that shape the final image: those of the last stage, after those of the stages
// it is built on by FROM, in order. A text without FROM is one stage.
func (f *File) Final() []Instruction {
	last := -1
	starts := map[int]Instruction{} // the FROM of each stage
	for _, in := range f.Instructions {
		if in.Name == "FROM" {
			starts[in.Stage] = in
		}
		last = in.Stage
	}
	chain := map[int]bool{last: true}
	for stage := last; stage > 0; {
		base := baseStage(starts, stage)
		if base < 0 {
			break
		}
		chain[base], stage = true, base
	}
	var final []Instruction
	for _, in := range f.Instructions {
		if chain[in.Stage] {
			final = append(final, in)
		}
	}
	return final
}

// baseStage returns the earlier stage that a stage starts from, or -1.
func baseStage(starts map[int]Instruction, stage int) int {
	base, _ := fromNames(starts[stage].Args)
	for earlier := stage - 1; earlier >= 0; earlier-- {
		if _, name := fromNames(starts[earlier].Args); name != "" && strings.EqualFold(name, base) {
			return earlier
		}
	}
	return -1
}

// fromNames takes the arguments of FROM apart: [--platform=…] base [AS name].
func fromNames(args string) (base, name string) {
	words := strings.Fields(args)
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	if len(words) > 0 {
		base = words[0]
	}
	if len(words) > 2 && strings.EqualFold(words[1], "AS") {
		name = words[2]
	}
	return base, name
}
