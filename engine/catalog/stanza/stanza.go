// Package stanza reads files made of "Name: value" fields with folded lines, in stanzas separated by empty
// lines: dpkg's databases (deb822(5)), Debian copyright files and Python core metadata.
//
// Only the fields asked for are kept; everything else is skipped without being stored, so memory depends on
// what is wanted and not on the input. Names compare without regard to case. An empty line alone separates:
// a line of blanks continues its field.
package stanza

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxStanza bounds the bytes kept of one stanza. The wanted fields of real files take a few kilobytes; whole
// licence texts in Python metadata some dozens.
const MaxStanza = 1 << 20

// ErrTooLarge reports a stanza whose wanted fields exceed MaxStanza.
var ErrTooLarge = errors.New("stanza too large")

// Field is one field; Value has its folded lines joined by newlines, each trimmed.
type Field struct{ Name, Value string }

// Stanza is the wanted fields in the order of the file. Names are as in the list of wanted ones.
type Stanza []Field

// Get returns the value of the first field of that name, or "".
func (s Stanza) Get(name string) string {
	for _, f := range s {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// All returns the values of all fields of that name.
func (s Stanza) All(name string) []string {
	var values []string
	for _, f := range s {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}

// Scanner reads stanzas one after the other.
type Scanner struct {
	in        *bufio.Reader
	wanted    []string
	fields    []open
	kept      int
	malformed int
	lines     int
	err       error
}

// open is a field being read.
type open struct {
	name  string
	value []byte
}

// New returns a Scanner that keeps the wanted fields.
func New(r io.Reader, wanted ...string) *Scanner {
	return &Scanner{in: bufio.NewReaderSize(r, 32<<10), wanted: wanted}
}

// Malformed returns how many lines so far were neither field nor continuation; they are skipped.
func (s *Scanner) Malformed() int { return s.malformed }

// Next returns the next stanza, which may lack every wanted field. It ends with io.EOF; after ErrTooLarge
// or a read error nothing more can be read.
func (s *Scanner) Next() (Stanza, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.fields, s.kept = s.fields[:0], 0
	begun := false
	keep := -1 // index of the field continued by folded lines
	for {
		line, more, err := s.line()
		if err != nil {
			s.err = err
			if err == io.EOF && begun {
				return s.stanza(), nil
			}
			return nil, err
		}
		if len(line) == 0 {
			if begun {
				return s.stanza(), nil
			}
			continue
		}
		begun = true
		if keep, err = s.take(line, keep); err == nil && more {
			to := keep
			if line[0] == '#' {
				to = -1
			}
			err = s.rest(to)
		}
		if err != nil {
			s.err = err
			return nil, err
		}
	}
}

// line returns the next line without its end. With more, the line is longer than the buffer and only its
// beginning was returned. The slice is valid until the next read.
func (s *Scanner) line() (line []byte, more bool, err error) {
	line, err = s.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		more, err = true, nil
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	if err != nil {
		return nil, false, err
	}
	if s.lines == 0 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	s.lines++
	if !more {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	}
	return line, more, nil
}

// take handles one line and returns which field a continuation belongs to.
func (s *Scanner) take(line []byte, keep int) (int, error) {
	if line[0] == ' ' || line[0] == '\t' {
		if keep < 0 {
			return keep, nil
		}
		return keep, s.add(keep, "\n", line)
	}
	if line[0] == '#' {
		return keep, nil
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(bytes.TrimSpace(name)) != len(name) || len(name) == 0 {
		s.malformed++
		return -1, nil
	}
	for _, w := range s.wanted {
		if len(w) == len(name) && strings.EqualFold(w, string(name)) {
			keep = len(s.fields)
			if cap(s.fields) > keep { // reuse the buffer of an earlier stanza
				s.fields = s.fields[:keep+1]
				s.fields[keep].name, s.fields[keep].value = w, s.fields[keep].value[:0]
			} else {
				s.fields = append(s.fields, open{name: w})
			}
			return keep, s.add(keep, "", value)
		}
	}
	return -1, nil
}

// rest reads to the end of a line longer than the buffer.
func (s *Scanner) rest(keep int) error {
	for {
		part, err := s.in.ReadSlice('\n')
		if keep >= 0 {
			if err := s.append(keep, part); err != nil {
				return err
			}
		}
		switch err {
		case bufio.ErrBufferFull:
		case nil, io.EOF:
			return nil
		default:
			return err
		}
	}
}

func (s *Scanner) add(field int, separator string, value []byte) error {
	s.fields[field].value = append(s.fields[field].value, separator...)
	return s.append(field, bytes.TrimSpace(value))
}

func (s *Scanner) append(field int, value []byte) error {
	if s.kept += len(value) + 1; s.kept > MaxStanza {
		return fmt.Errorf("%w: %d bytes at line %d", ErrTooLarge, s.kept, s.lines)
	}
	s.fields[field].value = append(s.fields[field].value, value...)
	return nil
}

func (s *Scanner) stanza() Stanza {
	out := make(Stanza, len(s.fields))
	for i, f := range s.fields {
		out[i] = Field{f.name, strings.TrimSpace(string(f.value))}
	}
	return out
}
