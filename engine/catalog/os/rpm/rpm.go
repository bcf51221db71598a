// Package rpm reads the package database of rpm in its three formats, and the package list of images that
// were built without one.
//
// Each format stores one header per package as rpm's header.c lays it out; a reader per format (Berkeley DB
// hash, ndb, SQLite) hands these headers to one parser. The readers are our own because the bytes are hostile:
// they read through an io.ReaderAt, follow every page at most once, keep no more than one header in memory and
// return errors where a library would crash or loop. What is readable of a damaged database is kept.
//
// Namespace and purl need the distro and are set by assembly (catalog.SetDistro).
package rpm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"plimsoll/engine/catalog"
)

// maxSize: the Berkeley databases of workstations with 3,000 packages reach 200 MB.
const maxSize = 512 << 20

// Bounds of one database.
const (
	maxPackages = 200_000
	// maxOwned bounds the memory all file records take, in bytes. Headers name files by directory and base name,
	// so a hostile one could make paths of many times its own size.
	maxOwned = 128 << 20
	// maxFaults bounds how many unusable packages are reported one by one.
	maxFaults = 10
)

// ErrMalformed reports a database or header that is not in its format; what was readable was kept.
var ErrMalformed = errors.New("malformed rpm database")

// Analyzers returns the analyzers of rpm databases and of package lists.
func Analyzers() []catalog.Analyzer {
	return []catalog.Analyzer{
		{Name: "rpm-database", Version: 2, MaxSize: maxSize, Wants: wants, Analyze: analyze},
		// The list has some 150 bytes for each of the few packages of a distroless image.
		{Name: "rpm-manifest", Version: 1, MaxSize: 16 << 20, Wants: wantsManifest, Analyze: analyzeManifest},
	}
}

// folders are where rpm keeps its database: the old place, that of SUSE and of Fedora since 36, and that of
// ostree-based systems (rpm's %_dbpath).
var folders = map[string]bool{"/var/lib/rpm": true, "/usr/lib/sysimage/rpm": true, "/usr/share/rpm": true}

// wal is what SQLite calls the file with changes that are not in the database file yet.
const wal = "rpmdb.sqlite-wal"

func wants(c catalog.Candidate) bool {
	dir, name := path.Split(c.Path)
	if !folders[path.Clean(dir)] {
		return false
	}
	switch name {
	case "Packages", "Packages.db", "rpmdb.sqlite":
		return true
	case wal:
		return c.Size > 0
	}
	return false
}

// formats are the database formats by their magic and its offset: Berkeley DB in either byte order (db_page.h,
// DBMETA and DB_HASHMAGIC), ndb (rpmpkg.c, PKGDB_MAGIC) and SQLite (sqlite.org/fileformat.html, 1.3).
var formats = []struct {
	magic  string
	offset int
	read   func(*input, func(header []byte) error) error
}{
	{"\x61\x15\x06\x00", 12, berkeley}, {"\x00\x06\x15\x61", 12, berkeley},
	{"RpmP", 0, ndb},
	{"SQLite format 3\x00", 0, sqlite},
}

func analyze(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	if path.Base(f.Path) == wal {
		return catalog.Evidence{}, fmt.Errorf("%d bytes of changes to the rpm database are not merged into it and not read", f.Size)
	}
	if f.Size == 0 {
		return catalog.Evidence{}, nil
	}
	head := make([]byte, 16)
	if _, err := f.Content.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return catalog.Evidence{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	db := &database{path: f.Path}
	for _, format := range formats {
		if bytes.HasPrefix(head[format.offset:], []byte(format.magic)) {
			in := &input{ctx: ctx, from: f.Content, size: f.Size, budget: f.Size}
			if err := format.read(in, db.header); err != nil && !errors.Is(err, errFull) {
				db.faults = append(db.faults, fmt.Errorf("read %s: %w", f.Path, err))
			}
			return db.found, errors.Join(db.faults...)
		}
	}
	return catalog.Evidence{}, fmt.Errorf("%w: %s is in none of the known formats", ErrMalformed, f.Path)
}

// errFull ends reading when a bound is reached, which is recorded already.
var errFull = errors.New("bound reached")

// database collects what the headers of one file say.
type database struct {
	path   string
	found  catalog.Evidence
	faults []error
	owned  int // bytes of file records kept
}

// header takes in one package.
func (db *database) header(blob []byte) error {
	h, err := parseHeader(blob)
	if err != nil {
		db.fault(err)
		return nil
	}
	// Keys that sign packages are stored like packages (rpmkeys(8)).
	if h.text(tagName) == "gpg-pubkey" {
		return nil
	}
	p := describe(h, db.path)
	if err := p.Check(); err != nil {
		db.fault(err)
		return nil
	}
	if err := db.add(p); err != nil {
		return err
	}
	files, err := h.files(maxOwned - db.owned)
	for i := range files {
		db.owned += recordSize + len(files[i].Path) + len(files[i].Link)
	}
	if len(files) > 0 {
		db.found.Owns = append(db.found.Owns, catalog.Ownership{Type: catalog.TypeRpm, Name: p.Name, Arch: p.Arch, Recorded: files})
	}
	switch {
	case errors.Is(err, errFull):
		return db.tooMany(fmt.Sprintf("file records of more than %d bytes", maxOwned))
	case err != nil:
		db.fault(fmt.Errorf("files of %s: %w", p.Name, err))
	}
	return nil
}

func (db *database) add(p catalog.Package) error {
	if len(db.found.Packages) == maxPackages {
		return db.tooMany(fmt.Sprintf("more than %d packages", maxPackages))
	}
	db.found.Packages = append(db.found.Packages, p)
	return nil
}

func (db *database) fault(err error) {
	if len(db.faults) < maxFaults {
		db.faults = append(db.faults, err)
	}
}

func (db *database) tooMany(detail string) error {
	db.faults = append(db.faults, &catalog.Incompleteness{Path: db.path, Reason: catalog.ReasonTooMany, Detail: detail})
	return errFull
}

// input is the database file under a time limit and a budget.
type input struct {
	ctx    context.Context //nolint:containedctx // one call of analyze
	from   io.ReaderAt
	size   int64
	budget int64 // bytes of headers still to come: all of them lie in the file, none twice
}

// read fills b from offset; a file that ends before is malformed.
func (in *input) read(b []byte, offset int64) error {
	if err := in.ctx.Err(); err != nil {
		return err
	}
	if offset < 0 || offset > in.size-int64(len(b)) {
		return fmt.Errorf("%w: %d bytes at %d of a file of %d", ErrMalformed, len(b), offset, in.size)
	}
	if n, err := in.from.ReadAt(b, offset); n < len(b) {
		return fmt.Errorf("%d bytes at %d: %w", len(b), offset, err)
	}
	return nil
}

// spend takes the bytes of one header from the budget.
func (in *input) spend(n int64) error {
	if n < 0 || n > maxHeader {
		return fmt.Errorf("%w: header of %d bytes", ErrMalformed, n)
	}
	if in.budget -= n; in.budget < 0 {
		return fmt.Errorf("%w: headers overlap", ErrMalformed)
	}
	return nil
}
