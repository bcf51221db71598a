// Package xmlstream walks through an XML document that is too large to be held, element by element.
//
// A document that is damaged (ErrSyntax) is told apart from one that asks for too much (ErrTooLarge). Memory is bounded
// by the largest single element that is read whole. Only the five entities of XML itself are known; what a document
// type declares is not looked at.
package xmlstream

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrSyntax means that the document is no XML, or ends early.
	ErrSyntax = errors.New("malformed XML")
	// ErrTooLarge means that one element is larger than allowed, or nested too deeply.
	ErrTooLarge = errors.New("XML element exceeds a limit")
)

// maxDepth bounds how deep elements may lie in each other.
const maxDepth = 200

// Reader is at one place of a document.
type Reader struct {
	in  *meter
	dec *xml.Decoder
}

// New reads from r. An element read whole has at most limit bytes.
func New(r io.Reader, limit int) *Reader {
	in := &meter{in: bufio.NewReaderSize(r, 1<<16), limit: limit, left: limit}
	return &Reader{in: in, dec: xml.NewTokenDecoder(&nested{dec: xml.NewDecoder(in)})}
}

// meter ends in ErrTooLarge when the decoder asks for too much at once.
type meter struct {
	in          *bufio.Reader
	limit, left int
	failed      error // of the reader below
}

// ReadByte is what the decoder calls.
func (m *meter) ReadByte() (byte, error) {
	if m.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, m.limit)
	}
	m.left--
	b, err := m.in.ReadByte()
	if err != nil && !errors.Is(err, io.EOF) {
		m.failed = err
	}
	return b, err
}

// Read is there because the decoder wants an io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := m.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// nested hands on tokens as long as they do not lie too deep.
type nested struct {
	dec   *xml.Decoder
	depth int
}

// Token implements xml.TokenReader. Name spaces stay as they are written; nothing here asks for them.
func (n *nested) Token() (xml.Token, error) {
	t, err := n.dec.RawToken()
	switch t := t.(type) {
	case xml.StartElement:
		if n.depth++; n.depth > maxDepth {
			return nil, fmt.Errorf("%w: nested more than %d levels", ErrTooLarge, maxDepth)
		}
		return t, err
	case xml.EndElement:
		n.depth--
	}
	return t, err
}

func (r *Reader) token() (xml.Token, error) {
	t, err := r.dec.Token()
	return t, r.told(err)
}

// told tells what is wrong with the document from an error of the reader below.
func (r *Reader) told(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrTooLarge):
		return err
	case r.in.failed != nil:
		return r.in.failed
	}
	return fmt.Errorf("%w: %w", ErrSyntax, err)
}

// Root enters the document's one element.
func (r *Reader) Root() (xml.StartElement, error) {
	for {
		r.in.left = r.in.limit
		t, err := r.token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			return start, nil
		}
	}
}

// Children calls visit with every child of the element that has been entered, in the document's order; visit must read
// it with one of the methods. An error of visit ends the walk and is returned as it is.
func (r *Reader) Children(visit func(start xml.StartElement) error) error {
	for {
		r.in.left = r.in.limit
		t, err := r.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := visit(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// Decode reads the rest of an element into v, as encoding/xml does.
func (r *Reader) Decode(start xml.StartElement, v any) error {
	r.in.left = r.in.limit
	return r.told(r.dec.DecodeElement(v, &start))
}

// Skip passes over the rest of an element of any size.
func (r *Reader) Skip() error {
	for depth := 1; depth > 0; {
		r.in.left = r.in.limit
		t, err := r.token()
		if err != nil {
			return err
		}
		switch t.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// End checks that nothing but comments and blanks follows.
func (r *Reader) End() error {
	for {
		r.in.left = r.in.limit
		t, err := r.dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.told(err)
		}
		switch t := t.(type) {
		case xml.Comment, xml.ProcInst, xml.Directive:
		case xml.CharData:
			for _, b := range t {
				if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
					return fmt.Errorf("%w: text after the end", ErrSyntax)
				}
			}
		default:
			return fmt.Errorf("%w: more after the end", ErrSyntax)
		}
	}
}

// Attribute is the value of an attribute, "" when there is none.
func Attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
