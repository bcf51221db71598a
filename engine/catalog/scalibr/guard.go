package scalibr

import (
	"bytes"
	"debug/elf"
	"fmt"
	"regexp"
	"strings"

	"plimsoll/engine/catalog/executable"
)

// Bounds of what is shown to libraries that descend by recursion, expand aliases, or complain about every pair of
// equal keys. Real files of these ecosystems nest a handful deep, use no aliases and few brackets.
const (
	maxNesting = 100
	maxAliases = 20
	maxInline  = 2000 // commas in brackets
)

// plainYAML refuses YAML that nests deep, by indentation or in brackets, that uses aliases more than in passing (each
// may stand for all that was written before), or that repeats a key.
func plainYAML(content []byte) error {
	y := outline{levels: []level{{}}}
	block := -1 // indentation of the key whose text the lines are (YAML 1.2.2 section 8.1)
	for line := range bytes.Lines(content) {
		text := bytes.TrimLeft(line, " ")
		indent := len(line) - len(text)
		if block >= 0 && (indent > block || len(bytes.TrimSpace(text)) == 0) {
			continue
		}
		block = -1
		if y.depth == 0 && blockText.Match(text) {
			block = indent
		}
		for bytes.HasPrefix(text, []byte("- ")) || bytes.HasPrefix(text, []byte("? ")) { // "- - - a" nests in one line
			rest := bytes.TrimLeft(text[1:], " ")
			y.step(indent)
			indent += len(text) - len(rest)
			y.leave(indent)
			text = rest
			if len(y.levels) > maxNesting {
				break
			}
		}
		if len(bytes.TrimSpace(text)) > 0 && text[0] != '#' {
			y.step(indent)
			y.key(text)
		}
		y.brackets(text)
		switch {
		case len(y.levels) > maxNesting || y.depth > maxNesting:
			return fmt.Errorf("%w: nested more than %d deep", errGuard, maxNesting)
		case y.aliases > maxAliases:
			return fmt.Errorf("%w: more than %d aliases", errGuard, maxAliases)
		case y.commas > maxInline:
			return fmt.Errorf("%w: more than %d entries in brackets", errGuard, maxInline)
		case y.repeated:
			return fmt.Errorf("%w: a key occurs twice", errGuard)
		}
	}
	return nil
}

// blockText matches a line whose value is the text below it.
var blockText = regexp.MustCompile(`(?:^|: |- )[|>][-+0-9]*\s*$`)

// outline follows the indentation of YAML.
type outline struct {
	levels                 []level
	depth, aliases, commas int
	repeated               bool
}

type level struct {
	indent int
	keys   map[string]bool
}

// step brings the open levels to the indentation of a line.
func (y *outline) step(indent int) {
	y.leave(indent + 1)
	if y.levels[len(y.levels)-1].indent < indent {
		y.levels = append(y.levels, level{indent: indent})
	}
}

// leave closes the levels that begin at an indentation or behind it.
func (y *outline) leave(indent int) {
	for len(y.levels) > 1 && y.levels[len(y.levels)-1].indent >= indent {
		y.levels = y.levels[:len(y.levels)-1]
	}
}

// key notes what a line names, unless it stands inside brackets.
func (y *outline) key(text []byte) {
	name, _, ok := bytes.Cut(text, []byte(":"))
	if !ok || y.depth > 0 {
		return
	}
	l := &y.levels[len(y.levels)-1]
	if l.keys == nil {
		l.keys = map[string]bool{}
	}
	y.repeated = y.repeated || l.keys[string(name)]
	l.keys[string(name)] = true
}

func (y *outline) brackets(text []byte) {
	for i, c := range text {
		switch c {
		case '[', '{':
			y.depth++
		case ']', '}':
			y.depth = max(y.depth-1, 0)
		case ',':
			if y.depth > 0 {
				y.commas++
			}
		case '*':
			if i == 0 || strings.IndexByte(" [,:", text[i-1]) >= 0 {
				y.aliases++
			}
		}
	}
}

// plainXML refuses XML that nests deep.
func plainXML(content []byte) error {
	depth := 0
	for i := 0; i+1 < len(content); i++ {
		if content[i] != '<' {
			continue
		}
		switch content[i+1] {
		case '/':
			depth = max(depth-1, 0)
		case '?', '!':
		default:
			if end := bytes.IndexByte(content[i:], '>'); end < 1 || content[i+end-1] != '/' {
				depth++
			}
		}
		if depth > maxNesting {
			return fmt.Errorf("%w: nested more than %d deep", errGuard, maxNesting)
		}
	}
	return nil
}

// maxModuleInfo bounds the description of a kernel module, in bytes.
const maxModuleInfo = 1 << 20

// plainModule refuses kernel modules whose description is compressed or large: it is read whole.
func plainModule(content []byte) error {
	r := bytes.NewReader(content)
	if err := executable.Check(r); err != nil {
		return fmt.Errorf("%w: %w", errGuard, err)
	}
	file, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("%w: %w", errGuard, err)
	}
	if s := file.Section(".modinfo"); s != nil && (s.Flags&elf.SHF_COMPRESSED != 0 || s.Size > maxModuleInfo) {
		return fmt.Errorf("%w: the module's description is compressed or larger than %d bytes", errGuard, maxModuleInfo)
	}
	return nil
}
