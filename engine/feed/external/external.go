package external

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
)

// document is what the answer is called among an input's documents.
const document = "answer"

// New is the driver of an external feed of that name. It has one group, "records", and no Plan: whoever asks the program
// makes one of the answer (Plan).
func New(name string) feed.Driver {
	return feed.Driver{
		Name:   name,
		Groups: func(feed.Settings) []feed.Group { return []feed.Group{{Name: "records"}} },
		Parse: func(ctx context.Context, in feed.Input, out feed.Sink) error {
			doc, ok := in.Document(document)
			if !ok {
				return fmt.Errorf("%w: it is missing", ErrStream)
			}
			return parse(ctx, name, doc, in.Delta, out)
		},
	}
}

// Plan reads an answer from its first line to its last one and tells what a sync has to know before it reads the records.
// The errors are ErrStream, ErrSource and that of ctx.
func Plan(ctx context.Context, answer feed.Fetched) (feed.Plan, error) {
	p := feed.Plan{Documents: []feed.Document{{Name: document}}}
	s := stream{}
	if err := s.read(ctx, answer, func(json.RawMessage) error { return nil }, func(id string) {
		p.Removed = append(p.Removed, id)
	}); err != nil {
		return feed.Plan{}, err
	}
	p.Delta, p.Cursor = s.begin.Delta, s.cursor
	return p, nil
}

func parse(ctx context.Context, name string, doc feed.Fetched, delta bool, out feed.Sink) error {
	s := stream{}
	seen := map[string]struct{}{}
	err := s.read(ctx, doc, func(raw json.RawMessage) error {
		rec, err := convert(name, raw)
		if err == nil {
			if _, twice := seen[rec.Vulnerability.ID]; twice {
				err = fmt.Errorf("%w: a second one of the same id", ErrRecord)
			}
		}
		if err != nil {
			out.Bad(field.Prose(rec.Vulnerability.ID, field.MaxID), err)
			return nil
		}
		seen[rec.Vulnerability.ID] = struct{}{}
		return out.Record(rec)
	}, func(string) {})
	switch {
	case err != nil:
		return err
	case s.begin.Delta != delta:
		return fmt.Errorf("%w: it is a delta: %t, planned: %t", ErrStream, s.begin.Delta, delta)
	case len(seen) == 0 && (s.end.Records > 0 || !delta):
		return fmt.Errorf("%w: none of its %d records can be used", ErrStream, s.end.Records)
	}
	return nil
}

// stream is the state of reading an answer.
type stream struct {
	begin  *Begin
	end    *End
	cursor string
	said   End // counted
	record func(json.RawMessage) error
	remove func(id string)
}

// read goes through an answer. An error of record is returned as it is.
func (s *stream) read(ctx context.Context, answer feed.Fetched, record func(json.RawMessage) error, remove func(id string)) error {
	s.record, s.remove = record, remove
	text, err := archive.Open(answer, archive.Limits{Bytes: maxBytes})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStream, err)
	}
	defer text.Close()
	lines := bufio.NewScanner(text)
	lines.Buffer(make([]byte, 1<<16), maxLine+1)
	for n := 1; lines.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.line(lines.Bytes()); err != nil {
			if errors.Is(err, ErrStream) {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			return err
		}
	}
	switch {
	case lines.Err() != nil:
		return fmt.Errorf("%w: %w", ErrStream, lines.Err())
	case s.end == nil:
		return fmt.Errorf("%w: it was cut short, its end line is missing", ErrStream)
	case *s.end != s.said:
		return fmt.Errorf("%w: its end line counts %+v, there were %+v", ErrStream, *s.end, s.said)
	}
	return nil
}

func (s *stream) line(raw []byte) error {
	var l line
	if err := decode(raw, &l); err != nil {
		return fmt.Errorf("%w: %w", ErrStream, err)
	}
	set := 0
	for _, is := range []bool{l.Begin != nil, l.Record != nil, l.Removed != nil, l.Cursor != nil, l.End != nil, l.Error != nil} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("%w: it has %d members, not one", ErrStream, set)
	case l.Error != nil:
		return fmt.Errorf("%w: %s", ErrSource, field.Prose(*l.Error, field.MaxReason))
	case s.end != nil:
		return fmt.Errorf("%w: more after the end", ErrStream)
	case (s.begin == nil) != (l.Begin != nil):
		return fmt.Errorf("%w: the first line, and no other one, is begin", ErrStream)
	}
	return s.take(&l)
}

func (s *stream) take(l *line) error {
	switch {
	case l.Begin != nil:
		if l.Begin.Protocol != Protocol {
			return fmt.Errorf("%w: protocol %d, not %d", ErrStream, l.Begin.Protocol, Protocol)
		}
		s.begin = l.Begin
	case l.Record != nil:
		if s.said.Records++; s.said.Records > maxRecords {
			return fmt.Errorf("%w: more than %d records", ErrStream, maxRecords)
		}
		return s.record(l.Record)
	case l.Removed != nil:
		return s.removed(*l.Removed)
	case l.Cursor != nil:
		if s.cursor != "" || *l.Cursor == "" || len(*l.Cursor) > maxCursor || field.Prose(*l.Cursor, maxCursor) != *l.Cursor {
			return fmt.Errorf("%w: a second cursor, or one that is empty or longer than %d bytes", ErrStream, maxCursor)
		}
		s.cursor = *l.Cursor
	default:
		s.end = l.End
	}
	return nil
}

func (s *stream) removed(id string) error {
	clean, err := field.ID(id)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrStream, err)
	case !s.begin.Delta:
		return fmt.Errorf("%w: %s removed in an answer that is no delta", ErrStream, clean)
	case s.said.Removed >= maxRemoved:
		return fmt.Errorf("%w: more than %d removed ids", ErrStream, maxRemoved)
	}
	s.said.Removed++
	s.remove(clean)
	return nil
}
