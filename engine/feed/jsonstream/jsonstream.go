// Package jsonstream walks through a JSON document that is too large to be held, value by value.
//
// A value of another kind than asked for is passed over and told apart (ErrKind) from a document that is damaged
// (ErrSyntax), so that a reader can skip the one and must give up at the other. Memory is bounded by the largest single
// value that is read whole.
package jsonstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrSyntax means that the document is no JSON, or ends early.
	ErrSyntax = errors.New("malformed JSON")
	// ErrKind means that a value is of another kind than expected. It has been passed over.
	ErrKind = errors.New("JSON value of another kind")
	// ErrTooLarge means that one value is larger than allowed, or nested too deeply.
	ErrTooLarge = errors.New("JSON value exceeds a limit")
)

// maxDepth bounds what is passed over; encoding/json bounds what is read whole.
const maxDepth = 1000

// Reader is at one place of a document.
type Reader struct {
	in  *meter
	dec *json.Decoder
}

// New reads from r. A value read whole and a string of any kind has at most limit bytes.
func New(r io.Reader, limit int) *Reader {
	in := &meter{in: r, limit: limit, left: limit}
	dec := json.NewDecoder(in)
	dec.UseNumber() // what no float can hold is passed over like any other value
	return &Reader{in: in, dec: dec}
}

// meter ends in ErrTooLarge when the decoder asks for too much at once.
type meter struct {
	in          io.Reader
	limit, left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, m.limit)
	}
	n, err := m.in.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

func (r *Reader) token() (json.Token, error) {
	r.in.left = r.in.limit
	t, err := r.dec.Token()
	return t, syntax(err)
}

// syntax tells a damaged document from an error of the reader below.
func syntax(err error) error {
	var wrong *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return err
}

// Object calls visit with the key of every member, in the document's order; visit must read the value with one of
// the methods. An error of visit ends the walk and is returned as it is.
func (r *Reader) Object(visit func(key string) error) error {
	if err := r.open('{'); err != nil {
		return err
	}
	for r.more() {
		t, err := r.token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("%w: member without a key", ErrSyntax)
		}
		if err := visit(key); err != nil {
			return err
		}
	}
	return r.leave(1)
}

// Array calls visit before every element, which visit must read.
func (r *Reader) Array(visit func() error) error {
	if err := r.open('['); err != nil {
		return err
	}
	for r.more() {
		if err := visit(); err != nil {
			return err
		}
	}
	return r.leave(1)
}

// more reports whether the object or array goes on.
func (r *Reader) more() bool {
	r.in.left = r.in.limit
	return r.dec.More()
}

// open enters a value, or passes over it when it is of another kind.
func (r *Reader) open(kind json.Delim) error {
	t, err := r.token()
	if err != nil {
		return err
	}
	if t == kind {
		return nil
	}
	if d, ok := t.(json.Delim); ok {
		if d == '}' || d == ']' {
			return fmt.Errorf("%w: %s without a value", ErrSyntax, d)
		}
		if err := r.leave(1); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: expected %s", ErrKind, kind)
}

// Value reads a whole value into v.
func (r *Reader) Value(v any) error {
	r.in.left = r.in.limit
	err := r.dec.Decode(v)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%w: %w", ErrKind, err)
	}
	return syntax(err)
}

// Skip passes over a value of any size.
func (r *Reader) Skip() error { return r.leave(0) }

// leave reads tokens until depth levels have been left.
func (r *Reader) leave(depth int) error {
	for {
		t, err := r.token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return fmt.Errorf("%w: nested more than %d levels", ErrTooLarge, maxDepth)
		}
		if depth <= 0 {
			return nil
		}
	}
}

// End checks that nothing follows.
func (r *Reader) End() error {
	_, err := r.token()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: more after the end", ErrSyntax)
	}
	return err
}
