// Package jsonlist reads documents that are a JSON object with one long list in it, element by element, however they are
// compressed.
//
// One element is in memory at a time. An element of another kind than expected is told apart from a document that is
// damaged or something else altogether.
package jsonlist

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/jsonstream"
)

// ErrDocument means that a document is damaged, too large, or has no such list.
var ErrDocument = errors.New("not a document with the list expected")

// Limits bound what is read, in bytes.
type Limits struct {
	Element  int
	Document int64 // decompressed
}

// Each calls visit for every element of the list under a key of the document's object. wrong says that the element is of
// another kind; what of it could be read is there. An error of visit or of ctx is returned as it is; all others are
// ErrDocument.
func Each[T any](ctx context.Context, doc feed.Fetched, l Limits, key string, visit func(element *T, wrong error) error) error {
	body, err := archive.Open(doc, archive.Limits{Bytes: l.Document})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	defer body.Close()
	in := jsonstream.New(body, l.Element)
	var passed error // what is not the document's fault
	element := func() error {
		if passed = ctx.Err(); passed != nil {
			return passed
		}
		var v T
		wrong := in.Value(&v)
		if wrong != nil && !errors.Is(wrong, jsonstream.ErrKind) {
			return wrong
		}
		passed = visit(&v, wrong)
		return passed
	}
	found := false
	err = in.Object(func(k string) error {
		if k != key {
			return in.Skip()
		}
		found = true
		return in.Array(element)
	})
	switch {
	case passed != nil:
		return passed
	case err == nil:
		err = in.End()
	}
	if err == nil && !found {
		err = fmt.Errorf("it has no %q", key)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return nil
}
