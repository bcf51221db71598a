package osv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zip"

	"path"
	"plimsoll/engine/feed"
	"slices"
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

// parse reads one ecosystem's archive.
func parse(ctx context.Context, g feed.Group, doc io.ReaderAt, size int64, emit func(feed.Record) error, bad func(id string, err error)) error {
	if _, ok := ecosystems[g.Name]; !ok {
		return fmt.Errorf("%w: %q; known names are those of the OSV schema, in its spelling", ErrEcosystem, g.Name)
	}
	directory := &metered{doc: doc, left: maxDirectory}
	archive, err := zip.NewReader(directory, size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	if len(archive.File) > maxRecords {
		return fmt.Errorf("%w: %d records, at most %d are read", ErrLimit, len(archive.File), maxRecords)
	}
	directory.left = -1
	r := reader{own: g.Name, emit: emit, bad: bad, seen: make(map[string]struct{}, len(archive.File))}
	for _, f := range viewsFirst(archive.File) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.FileInfo().IsDir() {
			continue
		}
		if err := r.member(f); err != nil {
			return err
		}
	}
	if len(r.seen) == 0 {
		return fmt.Errorf("%w: none of its %d members is a record", ErrArchive, len(archive.File))
	}
	return nil
}

// viewsFirst puts the distribution's own records before general ones about the same CVE: the first one counts.
func viewsFirst(files []*zip.File) []*zip.File {
	return slices.SortedStableFunc(slices.Values(files), func(a, b *zip.File) int {
		return rank(a.Name) - rank(b.Name)
	})
}

func rank(member string) int {
	if distributionView.MatchString(strings.TrimSuffix(path.Base(member), ".json")) {
		return 0
	}
	return 1
}

// reader goes through the members of one archive.
type reader struct {
	own  string
	emit func(feed.Record) error
	bad  func(id string, err error)
	seen map[string]struct{}
	buf  bytes.Buffer
	read int64 // decompressed bytes so far
}

// member reads one member. Its error ends the archive; what is wrong with the member alone goes to bad.
func (r *reader) member(f *zip.File) error {
	name := cut(strings.TrimSuffix(f.Name, ".json"), maxID)
	d, err := r.decode(f)
	if r.read > maxArchiveSize {
		return fmt.Errorf("%w: more than %d bytes when decompressed", ErrLimit, int64(maxArchiveSize))
	}
	if err != nil {
		r.bad(name, err)
		return nil
	}
	rec, problems, err := convert(r.own, d)
	if err != nil {
		r.bad(name, err)
		return nil
	}
	if _, again := r.seen[rec.Vulnerability.ID]; again {
		r.bad(d.ID, ErrDuplicate)
		return nil
	}
	r.seen[rec.Vulnerability.ID] = struct{}{}
	for _, p := range problems {
		r.bad(d.ID, p)
	}
	return r.emit(rec)
}

func (r *reader) decode(f *zip.File) (*document, error) {
	in, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: open: %w", ErrRecord, err)
	}
	defer in.Close()
	r.buf.Reset()
	n, err := r.buf.ReadFrom(io.LimitReader(in, maxRecordSize+1))
	r.read += n
	if err != nil {
		return nil, fmt.Errorf("%w: decompress: %w", ErrRecord, err)
	}
	if n > maxRecordSize {
		return nil, fmt.Errorf("%w: record of more than %d bytes", ErrLimit, maxRecordSize)
	}
	var d document
	if err := json.Unmarshal(r.buf.Bytes(), &d); err != nil {
		return nil, fmt.Errorf("%w: decode: %w", ErrRecord, err)
	}
	return &d, nil
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
