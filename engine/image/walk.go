package image

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// readSize is how much of a file is read and hashed at a time; it fits the processor's second-level cache.
const readSize = 64 << 10

// walk is the state of one tar walk.
type walk struct {
	ctx     context.Context //nolint:containedctx // a walk is one call of Read and ends with it
	pass    *Pass
	limits  *Limits
	source  *blockReader
	tar     *tar.Reader
	buf     []byte
	sums    *sums
	logical int64 // bytes of file content so far, holes included
	headers int
	names   int64 // bytes of paths and link targets so far

	entries []catalog.Entry
	seen    map[string]int // path to index in entries
	marks   map[mark]bool  // whiteouts and opaque marks
	// evidence and incomplete remember the entry they belong to, -1 for none, so that a later entry of the
	// same path takes them away.
	evidence   []found
	incomplete []missed
	packages   int
	owned      int   // files package databases list
	hits       int   // of searches
	kept       int64 // bytes of kept files
	fault      error // of an analyzer; ends the walk

	chosen []int       // analyzers that want the current file
	stuck  map[int]int // analyzer to files it did not come back from
	held   []byte      // memory for captured files, weighed in Pass.memory
}

type mark struct {
	path string
	kind catalog.EntryType
}

type found struct {
	entry int
	FileEvidence
}

type missed struct {
	entry int
	catalog.Incompleteness
}

func walkTar(ctx context.Context, p *Pass, source *blockReader) (*Layer, error) {
	w := &walk{
		ctx: ctx, pass: p, limits: &p.limits, source: source, tar: tar.NewReader(source),
		buf: make([]byte, readSize), sums: newSums(p.digests),
		seen: map[string]int{}, marks: map[mark]bool{}, stuck: map[int]int{},
	}
	defer w.freeHeld()
	if err := w.begin(); err != nil {
		return nil, err
	}
	for {
		header, err := w.tar.Next()
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, fmt.Errorf("%w: entry %d: %w", ErrCorrupt, w.headers+1, err)
		}
		if w.headers++; w.headers > w.limits.Entries {
			return nil, &LimitError{"Entries", int64(w.limits.Entries)}
		}
		if err := w.entry(header); err != nil {
			return nil, err
		}
	}
	source.drain()
	return w.layer(), nil
}

// layer drops what later entries of the same path replaced and puts the findings in order.
func (w *walk) layer() *Layer {
	l := &Layer{}
	for _, f := range w.evidence {
		if w.live(f.entry) {
			l.Evidence = append(l.Evidence, f.FileEvidence)
		}
	}
	for _, m := range w.incomplete {
		if w.live(m.entry) {
			l.Incomplete = append(l.Incomplete, m.Incompleteness)
		}
	}
	l.Entries = slices.DeleteFunc(w.entries, func(e catalog.Entry) bool { return e.Path == "" })
	slices.SortStableFunc(l.Evidence, func(a, b FileEvidence) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Analyzer, b.Analyzer))
	})
	slices.SortStableFunc(l.Incomplete, compareIncomplete)
	return l
}

func compareIncomplete(a, b catalog.Incompleteness) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Analyzer, b.Analyzer),
		strings.Compare(a.Reason, b.Reason), strings.Compare(a.Detail, b.Detail))
}

func (w *walk) live(entry int) bool { return entry < 0 || w.entries[entry].Path != "" }

// entry takes in one header and, of a regular file, the content.
func (w *walk) entry(header *tar.Header) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if max := w.limits.PathLength; len(header.Name) > max || len(header.Linkname) > max {
		w.miss(-1, header.Name, "", catalog.ReasonBadPath, fmt.Sprintf("longer than %d bytes, left out", max))
		return nil
	}
	if w.names += int64(len(header.Name) + len(header.Linkname)); w.names > w.limits.Names {
		return &LimitError{"Names", w.limits.Names}
	}
	clean, ok := cleanName(header.Name)
	e := catalog.Entry{
		Path: clean, Mode: uint32(header.Mode) & 0o7777,
		UID: header.Uid, GID: header.Gid,
	}
	if handled := w.whiteout(header, &e); handled {
		return nil
	}
	if !w.describe(header, &e) {
		return nil
	}
	index := w.add(e)
	if !ok {
		w.miss(index, clean, "", catalog.ReasonBadPath, "name is not valid UTF-8, bad bytes are written as \\xNN")
	}
	switch e.Type {
	case catalog.Regular:
		return w.regular(index)
	case catalog.Hardlink:
		w.hardlink(index)
	case catalog.Directory:
		// An overlay upper directory packed as it lies marks opaque directories like this.
		if header.PAXRecords["SCHILY.xattr.trusted.overlay.opaque"] == "y" || header.PAXRecords["SCHILY.xattr.user.overlay.opaque"] == "y" {
			w.mark(clean, catalog.Opaque)
		}
	}
	return nil
}

// whiteout takes in entries that hide something: by name, or as overlayfs keeps them, character device 0/0.
func (w *walk) whiteout(header *tar.Header, e *catalog.Entry) bool {
	dir, base := path.Split(e.Path)
	if header.Typeflag == tar.TypeChar && header.Devmajor == 0 && header.Devminor == 0 {
		w.mark(e.Path, catalog.Whiteout)
		return true
	}
	switch {
	case base == opaqueName:
		w.mark(path.Clean(dir), catalog.Opaque)
	case strings.Contains(e.Path, "/"+whiteoutMeta):
		// AUFS housekeeping: not part of the image.
	case strings.HasPrefix(base, whiteoutPrefix):
		hidden := strings.TrimPrefix(base, whiteoutPrefix)
		if hidden == "" || hidden == "." || hidden == ".." {
			w.miss(-1, e.Path, "", catalog.ReasonBadPath, "whiteout without a name")
			return true
		}
		w.mark(path.Join(dir, hidden), catalog.Whiteout)
	default:
		return false
	}
	return true
}

// describe fills in the type and what depends on it; false leaves the entry out.
func (w *walk) describe(header *tar.Header, e *catalog.Entry) bool {
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		e.Type, e.Size = catalog.Regular, header.Size
	case tar.TypeDir:
		e.Type = catalog.Directory
	case tar.TypeSymlink:
		e.Type = catalog.Symlink
		e.Link, _ = validText(header.Linkname)
	case tar.TypeLink:
		e.Type = catalog.Hardlink
		e.Link, _ = cleanName(header.Linkname)
	case tar.TypeChar:
		e.Type = catalog.CharDev
	case tar.TypeBlock:
		e.Type = catalog.BlockDev
	case tar.TypeFifo:
		e.Type = catalog.Fifo
	default:
		w.miss(-1, e.Path, "", catalog.ReasonUnreadable, fmt.Sprintf("unknown tar entry type %q, left out", header.Typeflag))
		return false
	}
	if e.Path == "/" && e.Type != catalog.Directory {
		w.miss(-1, header.Name, "", catalog.ReasonBadPath, "names the root directory")
		return false
	}
	return true
}

// add appends an entry; it takes the place of an earlier one of the same path.
func (w *walk) add(e catalog.Entry) int {
	index := len(w.entries)
	if old, ok := w.seen[e.Path]; ok {
		w.entries[old].Path = ""
	}
	w.seen[e.Path] = index
	w.entries = append(w.entries, e)
	return index
}

func (w *walk) mark(hidden string, kind catalog.EntryType) {
	if hidden == "/" && kind == catalog.Whiteout {
		w.miss(-1, hidden, "", catalog.ReasonBadPath, "whiteout of the root directory")
		return
	}
	m := mark{hidden, kind}
	if !w.marks[m] {
		w.marks[m] = true
		w.entries = append(w.entries, catalog.Entry{Path: hidden, Type: kind})
	}
}

// Bounds of the text in records, in bytes.
const (
	recordPath   = 1024
	recordDetail = 300
)

// miss records what could not be read. Past the limit a last record says that there is more.
func (w *walk) miss(entry int, path, analyzer, reason, detail string) {
	switch n := len(w.incomplete); {
	case n > w.limits.Incomplete:
		return
	case n == w.limits.Incomplete:
		entry, path, analyzer, reason = -1, "", "", catalog.ReasonTooMany
		detail = fmt.Sprintf("more than %d things could not be read", n)
	}
	w.incomplete = append(w.incomplete, missed{entry, catalog.Incompleteness{
		Path: shorten(path, recordPath), Analyzer: analyzer, Reason: reason, Detail: shorten(detail, recordDetail),
	}})
}

// regular hashes a file and, when an analyzer wants it, captures and analyses it on the way.
func (w *walk) regular(index int) error {
	e := &w.entries[index]
	n, err := w.read(w.buf[:min(e.Size, catalog.HeadSize)], w.buf)
	if err != nil {
		return err
	}
	w.choose(index, w.buf[:min(n, catalog.HeadSize)])
	switch {
	case len(w.chosen) > 0:
		return w.captured(index, n)
	case int64(n) == e.Size:
		w.sums.whole(e, w.buf[:n])
		return nil
	}
	w.sums.reset()
	w.sums.write(w.buf[:n])
	for left := e.Size - int64(n); left > 0; {
		n, err := w.read(w.buf[:1], w.buf)
		if err != nil {
			return err
		}
		w.sums.write(w.buf[:n])
		left -= int64(n)
	}
	w.sums.fill(e)
	return nil
}

// read reads at least len(least) bytes of the current file into buf and returns how many; least is a prefix
// of buf.
func (w *walk) read(least, buf []byte) (n int, err error) {
	for n < len(least) {
		m, err := w.tar.Read(buf[n:])
		n += m
		if n < len(least) && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, fmt.Errorf("%w: entry %d: %w", ErrCorrupt, w.headers, err)
		}
	}
	w.logical += int64(n)
	return n, w.limits.exceeded(w.logical, w.source.passed)
}
