// Package relay carries what one installation knows to another, record by record, in the normal form.
//
// A document is a line of JSON for each record, and a last line that counts them: a transfer that broke off is told from
// a complete one. Drivers of this package stand in for those of the publishers: they have the same names and groups, and
// read from the feed service of another Plimsoll.
package relay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"plimsoll/engine/feed"
)

// ErrDocument means that a document is not one of this package, or is not whole.
var ErrDocument = errors.New("not a whole list of records")

// maxLine bounds one record, in bytes.
const maxLine = 32 << 20

// Line is one record, fact or score. Exactly one of its parts is there.
type Line struct {
	Vulnerability *feed.Vulnerability `json:"vulnerability,omitempty"`
	Advisories    []feed.Advisory     `json:"advisories,omitempty"` // of the vulnerability
	Exploited     *feed.Exploited     `json:"exploited,omitempty"`
	Lifecycle     *feed.Lifecycle     `json:"lifecycle,omitempty"`
	Release       *feed.Release       `json:"release,omitempty"`
	Exclusion     *feed.Exclusion     `json:"exclusion,omitempty"`
	Score         *feed.Score         `json:"score,omitempty"`
	// Lines ends the document: how many there were before.
	Lines *int `json:"lines,omitempty"`
}

// Writer writes a document.
type Writer struct {
	out   *json.Encoder
	lines int
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return &Writer{out: out}
}

// Write adds a line.
func (w *Writer) Write(l Line) error {
	w.lines++
	return w.encode(l)
}

// End writes the last line. Without it the document is not whole.
func (w *Writer) End() error { return w.encode(Line{Lines: &w.lines}) }

func (w *Writer) encode(l Line) error {
	if err := w.out.Encode(l); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}

// Read gives the lines of a document to a sink: ErrDocument. Records of another source than the one named are reported
// and skipped: whoever relays speaks for a source, not for all.
func Read(ctx context.Context, r io.Reader, source string, out feed.Sink) error {
	in := bufio.NewReaderSize(r, 1<<20)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, err := readLine(in)
		if err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrDocument, n+1, err)
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrDocument, n+1, err)
		}
		if l.Lines != nil {
			if _, err := in.Peek(1); *l.Lines != n || !errors.Is(err, io.EOF) {
				return fmt.Errorf("%w: it ends after %d lines and says %d", ErrDocument, n, *l.Lines)
			}
			return nil
		}
		if err := l.give(source, out); err != nil {
			return err
		}
	}
}

// readLine reads up to the end of a line; text without one is not a line.
func readLine(in *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(out)+len(part) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		}
		if err == nil && out == nil {
			return part, nil
		}
		out = append(out, part...)
		switch {
		case err == nil:
			return out, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

var errStranger = errors.New("a record of another source")

func (l Line) give(source string, out feed.Sink) error {
	switch {
	case l.Vulnerability != nil:
		if l.Vulnerability.Source != "" && l.Vulnerability.Source != source {
			out.Bad(l.Vulnerability.ID, errStranger)
			return nil
		}
		for i := range l.Advisories {
			l.Advisories[i].Source, l.Advisories[i].ID = source, l.Vulnerability.ID
		}
		return out.Record(feed.Record{Vulnerability: *l.Vulnerability, Advisories: l.Advisories})
	case l.Exploited != nil:
		return out.Exploited(*l.Exploited)
	case l.Lifecycle != nil:
		return out.Lifecycle(*l.Lifecycle)
	case l.Release != nil:
		return out.Release(*l.Release)
	case l.Exclusion != nil:
		return out.Exclusion(*l.Exclusion)
	case l.Score != nil:
		return out.Score(*l.Score)
	}
	out.Bad("", fmt.Errorf("%w: an empty line", ErrDocument))
	return nil
}
