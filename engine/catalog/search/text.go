package search

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"plimsoll/engine/catalog"
)

// sniffed is how much of a file tells text from the rest, in bytes; a NUL among them makes it binary, as in git.
const sniffed = 8000

// Plausible reports whether a file that begins like this can be text: control characters that no text has, NUL
// above all, make it something else. UTF-16 counts as something else.
func Plausible(head []byte) bool {
	for _, b := range head {
		if b < '\t' || b > '\r' && b < ' ' && b != 0x1b {
			return false
		}
	}
	return true
}

// buffers are reused because tens of thousands of files come through.
var buffers sync.Pool // of *[]byte

// Text hands the content of a file that is text to look, which must not keep it; other files are passed over.
func Text(f *catalog.File, look func(text []byte) error) error {
	held, ok := buffers.Get().(*[]byte)
	if !ok {
		held = new([]byte)
	}
	defer buffers.Put(held)
	if int64(cap(*held)) < f.Size {
		*held = make([]byte, f.Size)
	}
	text := (*held)[:f.Size]
	if n, err := f.Content.ReadAt(text, 0); err != nil && (err != io.EOF || n < len(text)) {
		return fmt.Errorf("read %s: %w", f.Path, err)
	}
	if bytes.IndexByte(text[:min(len(text), sniffed)], 0) >= 0 {
		return nil
	}
	return look(text)
}

// Lines counts lines up to growing positions of a text.
type Lines struct {
	text     []byte
	at, line int
}

// NewLines starts at the first line.
func NewLines(text []byte) *Lines { return &Lines{text: text, line: 1} }

// At is the number of the line that holds the position, counted from 1. Going back costs a count from the start.
func (l *Lines) At(position int) int {
	if position < l.at {
		l.at, l.line = 0, 1
	}
	l.line += bytes.Count(l.text[l.at:position], newline)
	l.at = position
	return l.line
}

var newline = []byte{'\n'}
