package apk

import (
	"bufio"
	"errors"
	"io"
	"path"
)

// maxPath is PATH_MAX.
const maxPath = 4096

// maxLine bounds a line, in bytes; the lists of what a meta-package provides or depends on are the longest,
// with some ten thousand.
const maxLine = 1 << 20

// scanner reads lines "X:value", where case matters, and the empty ones that end a record.
type scanner struct {
	in        *bufio.Reader
	line      []byte
	malformed int
}

func newScanner(r io.Reader) *scanner { return &scanner{in: bufio.NewReaderSize(r, 32<<10)} }

// next returns the next field, or name 0 for the end of a record.
func (s *scanner) next() (name byte, value string, err error) {
	for {
		fits, err := s.read()
		if err != nil {
			return 0, "", err
		}
		switch {
		case len(s.line) == 0:
			return 0, "", nil
		case !fits || len(s.line) < 2 || s.line[1] != ':':
			s.malformed++
		default:
			return s.line[0], string(s.line[2:]), nil
		}
	}
}

// read puts the next line without its end into s.line; one longer than maxLine is cut and does not fit.
func (s *scanner) read() (fits bool, err error) {
	s.line, fits = s.line[:0], true
	for {
		part, err := s.in.ReadSlice('\n')
		if fits = fits && len(s.line)+len(part) <= maxLine; fits {
			s.line = append(s.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(part) == 0 && len(s.line) == 0:
			return false, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		}
		if n := len(s.line); n > 0 && s.line[n-1] == '\n' {
			s.line = s.line[:n-1]
		}
		return fits, nil
	}
}

func absolute(file string) string { return path.Clean("/" + file) }
