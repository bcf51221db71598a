package oval

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/xmlstream"
)

var (
	// ErrDocument means that a document holds no OVAL definitions.
	ErrDocument = errors.New("not a document of OVAL definitions")
	// ErrTooLarge means that a document says more than any real one.
	ErrTooLarge = errors.New("OVAL document exceeds a limit")
)

// Bounds on a document. The largest are SUSE's, of several hundred MB and some hundred thousand tests.
const (
	maxDocument = 8 << 30
	maxElement  = 32 << 20
	maxTests    = 5_000_000 // with objects and states
	maxWords    = 128 << 20 // bytes of names and versions together
)

// Read hands out the definitions of a document, compressed or not, in its order. An error of visit ends the reading and
// is returned as it is; otherwise the errors are ErrDocument, ErrTooLarge and those of package archive. A document
// without a definition is none.
func Read(ctx context.Context, doc feed.Fetched, visit func(*Definition) error) error {
	t := newTable()
	if err := walk(ctx, doc, func(r *xmlstream.Reader, part xml.StartElement) error { return t.readPart(ctx, r, part) }); err != nil {
		return err
	}
	read := 0
	err := walk(ctx, doc, func(r *xmlstream.Reader, part xml.StartElement) error {
		if part.Name.Local != "definitions" {
			return r.Skip()
		}
		return r.Children(func(start xml.StartElement) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if start.Name.Local != "definition" {
				return r.Skip()
			}
			var d Definition
			if err := r.Decode(start, &d); err != nil {
				return err
			}
			t.resolve(&d.Criteria)
			read++
			return visit(&d)
		})
	})
	if err == nil && read == 0 {
		err = fmt.Errorf("%w: it has no definition", ErrDocument)
	}
	return err
}

// walk calls visit with every part of the document: definitions, tests, objects, states.
func walk(ctx context.Context, doc feed.Fetched, visit func(*xmlstream.Reader, xml.StartElement) error) error {
	opened, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return err
	}
	defer opened.Close()
	r := xmlstream.New(opened, maxElement)
	root, err := r.Root()
	if err == nil && root.Name.Local != "oval_definitions" {
		return fmt.Errorf("%w: its root is %.40q", ErrDocument, root.Name.Local)
	}
	if err == nil {
		err = r.Children(func(part xml.StartElement) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return visit(r, part)
		})
	}
	if err == nil {
		err = r.End()
	}
	switch {
	case errors.Is(err, xmlstream.ErrSyntax):
		return fmt.Errorf("%w: %w", ErrDocument, err)
	case errors.Is(err, xmlstream.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}
