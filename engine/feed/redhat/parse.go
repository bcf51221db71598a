package redhat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/csaf"
	"plimsoll/engine/feed/field"
)

// limits hold for the archive. All about 300,000 documents have some tens of GB.
var limits = archive.Limits{Bytes: 256 << 30, Member: csaf.MaxSize}

// reader hands out the records of documents, each CVE once.
type reader struct {
	out     feed.Sink
	majors  map[string]bool // nil: all
	seen    map[string]bool
	deleted map[string]bool
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	majors, err := chosen(in.Settings.Releases)
	if err != nil {
		return err
	}
	r := &reader{out: out, majors: majors, seen: map[string]bool{}}
	for _, doc := range in.Documents {
		switch doc.Name {
		case documentDeletions, documentArchive:
		default:
			if err := r.single(ctx, doc); err != nil {
				return err
			}
		}
	}
	all, ok := in.Document(documentArchive)
	switch {
	case ok:
		if err := r.readDeletions(in, all); err != nil {
			return err
		}
		return r.archive(ctx, all)
	case !in.Delta:
		return fmt.Errorf("%w: the archive is missing", ErrDocument)
	}
	return nil
}

// readDeletions notes what was deleted after the archive was made. What came back since has changed, and was read.
func (r *reader) readDeletions(in feed.Input, all feed.Fetched) error {
	doc, ok := in.Document(documentDeletions)
	if !ok {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(doc.Reader(), feed.MaxListing))
	if err != nil {
		return fmt.Errorf("deletions: %w", err)
	}
	list, err := readChanges(documentDeletions, body)
	if err != nil {
		return err
	}
	_, made, err := archiveName([]byte(path.Base(all.Path)))
	if err != nil {
		return err
	}
	r.deleted = map[string]bool{}
	for _, c := range list {
		if !c.time.Before(made.Add(-overlap)) {
			r.deleted[c.id()] = true
		}
	}
	return nil
}

func (r *reader) archive(ctx context.Context, doc feed.Fetched) error {
	documents := 0
	err := archive.Walk(ctx, doc, limits, func(m archive.Member) error {
		id := cveOf(m.Name)
		if !strings.HasSuffix(m.Name, ".json") || !field.IsCVE(id) {
			return nil
		}
		documents++
		if r.seen[id] || r.deleted[id] {
			return nil
		}
		return r.document(id, m)
	})
	switch {
	case err != nil:
		return fmt.Errorf("VEX archive: %w", err)
	case documents == 0:
		return fmt.Errorf("%w: no document about a CVE in the archive", ErrDocument)
	}
	return nil
}

// single reads a document of its own. One that is no JSON at all is some other page, which may be right the next time.
func (r *reader) single(ctx context.Context, doc feed.Fetched) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := archive.Open(doc, limits)
	if err != nil {
		return fmt.Errorf("%s: %w", doc.Name, err)
	}
	defer in.Close()
	text := bufio.NewReader(in)
	if head, _ := text.Peek(512); !bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) {
		return fmt.Errorf("%w: %s is no JSON", ErrDocument, doc.Name)
	}
	return r.document(cveOf(doc.Name), text)
}

// document hands out what a document says. The error ends the reading; a document that cannot be used is reported.
func (r *reader) document(name string, in io.Reader) error {
	d, err := csaf.Read(in)
	damaged := errors.Is(err, archive.ErrFormat) // as a member of the archive, not as a document
	switch {
	case !damaged && (errors.Is(err, csaf.ErrDocument) || errors.Is(err, csaf.ErrTooLarge)):
		r.out.Bad(field.Prose(name, field.MaxID), fmt.Errorf("%w: %w", ErrRecord, err))
		return nil
	case err != nil:
		return err
	}
	if len(d.Vulnerabilities) == 0 {
		r.out.Bad(field.Prose(name, field.MaxID), fmt.Errorf("%w: it is about no vulnerability", ErrRecord))
	}
	for i := range d.Vulnerabilities {
		v := &d.Vulnerabilities[i]
		if !field.IsCVE(v.CVE) || r.seen[v.CVE] {
			r.out.Bad(field.Prose(name, field.MaxID), fmt.Errorf("%w: %.40q is no CVE or comes twice", ErrRecord, v.CVE))
			continue
		}
		r.seen[v.CVE] = true
		if err := r.out.Record(r.record(d, v)); err != nil {
			return err
		}
	}
	return nil
}
