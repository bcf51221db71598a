package osv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
)

// Bounds on an archive. The largest ecosystem has about a quarter of a million records.
const (
	maxRecordSize  = 32 << 20 // decompressed bytes of one record
	maxRecords     = 2_000_000
	maxArchiveSize = 64 << 30 // decompressed bytes of all records
	maxDirectory   = 96 << 20 // bytes of the archive read before the first record
)

var (
	// ErrEcosystem means that the group is no ecosystem this driver can read.
	ErrEcosystem = errors.New("unsupported OSV ecosystem")
	// ErrArchive means that the document is not an archive of OSV records.
	ErrArchive = errors.New("not an OSV archive")
	// ErrLimit means that the archive or a record is larger than allowed.
	ErrLimit = errors.New("OSV archive exceeds a limit")
	// ErrDuplicate means that an archive holds two records of one id.
	ErrDuplicate = errors.New("second record of the same id")
)

// parse reads one ecosystem's archive, or the records that changed.
func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if err := known(in.Group.Name); err != nil {
		return err
	}
	r := Dialect{Source: Name, Ecosystems: []string{in.Group.Name}}.reader(out)
	if in.Delta {
		return r.changed(ctx, in.Documents)
	}
	doc, ok := in.Document(documentAll)
	if !ok {
		return fmt.Errorf("%w: it is missing", ErrArchive)
	}
	// The distribution's own records go before general ones about the same CVE: the first one counts.
	if err := r.walk(ctx, doc, isView); err != nil {
		return err
	}
	if err := r.walk(ctx, doc, func(member string) bool { return !isView(member) }); err != nil {
		return err
	}
	return r.complete()
}

func isView(member string) bool {
	return distributionView.MatchString(strings.TrimSuffix(path.Base(member), ".json"))
}

// Archive reads the records of a tar or zip archive: those members whose names are wanted. The errors are ErrArchive, also
// when there is no record at all, ErrLimit, and those of out and ctx.
func (d Dialect) Archive(ctx context.Context, doc feed.Fetched, out feed.Sink, wanted func(member string) bool) error {
	r := d.reader(out)
	if err := r.walk(ctx, doc, wanted); err != nil {
		return err
	}
	return r.complete()
}

func (d Dialect) reader(out feed.Sink) *reader {
	return &reader{Dialect: d, out: out, seen: map[string]struct{}{}}
}

// reader goes through records.
type reader struct {
	Dialect
	out     feed.Sink
	seen    map[string]struct{}
	only    string // the id the record has to have; empty: any
	members int
	read    int64 // decompressed bytes so far
}

func (r *reader) complete() error {
	if len(r.seen) == 0 {
		return fmt.Errorf("%w: none of its %d members is a record", ErrArchive, r.members)
	}
	return nil
}

func (r *reader) walk(ctx context.Context, doc feed.Fetched, wanted func(member string) bool) error {
	directory := &metered{doc: doc.ReaderAt, left: maxDirectory}
	doc.ReaderAt = directory
	limits := archive.Limits{Bytes: maxArchiveSize, Member: maxRecordSize, Members: maxRecords}
	err := archive.Walk(ctx, doc, limits, func(m archive.Member) error {
		directory.left = -1
		r.members++
		if !wanted(m.Name) {
			return nil
		}
		return r.member(m)
	})
	switch {
	case errors.Is(err, archive.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrLimit, err)
	case errors.Is(err, archive.ErrFormat):
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	return err
}

// member reads one member. Its error ends the archive; what is wrong with the member alone is reported.
func (r *reader) member(m archive.Member) error {
	name := field.Prose(strings.TrimSuffix(path.Base(m.Name), ".json"), field.MaxID)
	raw, err := m.Bytes()
	if err != nil {
		r.read += maxRecordSize
	}
	if r.read += int64(len(raw)); r.read > maxArchiveSize {
		return fmt.Errorf("%w: more than %d bytes when decompressed", ErrLimit, int64(maxArchiveSize))
	}
	if err != nil {
		r.out.Bad(name, fmt.Errorf("%w: %w", ErrRecord, err))
		return nil
	}
	return r.record(name, raw)
}

func (r *reader) record(name string, raw []byte) error {
	rec, problems, err := r.Convert(raw)
	if err != nil {
		r.out.Bad(name, err)
		return nil
	}
	if r.only != "" && rec.Vulnerability.ID != r.only {
		r.out.Bad(name, fmt.Errorf("%w: it is about %s", ErrRecord, rec.Vulnerability.ID))
		return nil
	}
	if _, again := r.seen[rec.Vulnerability.ID]; again {
		r.out.Bad(name, ErrDuplicate)
		return nil
	}
	r.seen[rec.Vulnerability.ID] = struct{}{}
	for _, p := range problems {
		r.out.Bad(name, p)
	}
	return r.out.Record(rec)
}

// changed reads single records. One that is not about the id it was asked for by is skipped; a document that is no
// JSON object at all ends the sync, since then a proxy may be speaking.
func (r *reader) changed(ctx context.Context, docs []feed.Fetched) error {
	for _, doc := range docs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if doc.Size > maxRecordSize {
			r.out.Bad(doc.Name, fmt.Errorf("%w: record of %d bytes", ErrLimit, doc.Size))
			continue
		}
		raw, err := io.ReadAll(doc.Reader())
		if err != nil {
			return fmt.Errorf("read record %s: %w", doc.Name, err)
		}
		if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
			return fmt.Errorf("%w: %s is no JSON object", ErrRecord, doc.Name)
		}
		r.only = flaw(doc.Name)
		if err := r.record(doc.Name, raw); err != nil {
			return err
		}
	}
	return nil
}

// metered reads at most left bytes; a negative number means no bound. It keeps a forged zip directory, which the
// zip reader loads as a whole, from filling the memory.
type metered struct {
	doc  io.ReaderAt
	left int64
}

func (m *metered) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.doc.ReadAt(p, off)
	if m.left < 0 {
		return n, err
	}
	if m.left -= int64(n); m.left < 0 {
		m.left = 0
		return 0, fmt.Errorf("%w: directory of more than %d bytes", ErrLimit, maxDirectory)
	}
	return n, err
}
