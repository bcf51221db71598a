package java

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"plimsoll/engine/catalog"
)

// maxFaults bounds what is reported about one file.
const maxFaults = 20

// errDirectory reports an archive whose directory is larger than we hold in memory.
var errDirectory = errors.New("archive directory too large")

// walk is the state of reading one file: what was found and what is left of the limits.
type walk struct {
	stopped func() error // the error of the context of the Analyze call, nil while it lasts
	left    limits
	found   []catalog.Package
	faults  []error
	done    bool // a limit of the whole file is used up
}

func (w *walk) fault(err error) {
	if len(w.faults) < maxFaults {
		w.faults = append(w.faults, err)
	}
}

func (w *walk) limit(location, reason, format string, args ...any) {
	w.fault(&catalog.Incompleteness{Path: location, Reason: reason, Detail: fmt.Sprintf(format, args...)})
}

// content is what one archive's directory shows.
type content struct {
	manifest *zip.File
	poms     []*descriptor
	nested   []*zip.File
}

// descriptor is the files of one META-INF/maven/GROUP/ARTIFACT directory.
type descriptor struct {
	group, artifact string
	properties, xml *zip.File
}

// archive reads one archive and those nested in it. File is its name where it lies, location the way there:
// /app.war:WEB-INF/lib/x.jar.
func (w *walk) archive(r io.ReaderAt, size int64, file, location string, depth int) {
	z, err := openZip(r, size, w.left.Directory)
	if errors.Is(err, errDirectory) {
		w.limit(location, catalog.ReasonTooMany, "directory larger than %d bytes", w.left.Directory)
		return
	}
	if err != nil {
		w.fault(&catalog.Incompleteness{Path: location, Reason: catalog.ReasonUnreadable, Detail: err.Error()})
		return
	}
	// Even an archive without entries counts: opening it is work.
	if w.left.Entries -= len(z.File) + 1; w.left.Entries < 0 {
		w.limit(location, catalog.ReasonTooMany, "too many entries in the file and its nested archives")
		w.done = true
		return
	}
	c := w.directory(z, location)
	if w.left.Inflated <= 0 && !w.done {
		w.limit(location, catalog.ReasonTooLarge, "nothing left of the bytes to decompress per file")
		w.done = true
		return
	}
	w.found = append(w.found, w.identify(c, stem(file), location)...)
	for _, f := range c.nested {
		if err := w.stopped(); err != nil && !w.done {
			w.fault(err)
			w.done = true
		}
		if w.done {
			return
		}
		w.nest(r, f, location+":"+f.Name, depth+1)
	}
}

// openZip reads an archive's directory. The zip reader trusts its own limits only up to the file's size, so
// the bytes it may read are counted from outside.
func openZip(r io.ReaderAt, size, directory int64) (*zip.Reader, error) {
	// The end records take at most 64 KiB of comment and are searched in two steps.
	bounded := &boundedReader{r: r, left: directory + 128<<10}
	z, err := zip.NewReader(bounded, size)
	if bounded.left < 0 {
		return nil, errDirectory
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	bounded.open = true
	return z, nil
}

// boundedReader counts bytes until it is opened.
type boundedReader struct {
	r    io.ReaderAt
	left int64
	open bool
}

func (b *boundedReader) ReadAt(p []byte, off int64) (int, error) {
	if !b.open {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, errDirectory
		}
	}
	return b.r.ReadAt(p, off)
}

// directory picks the entries that matter.
func (w *walk) directory(z *zip.Reader, location string) content {
	var c content
	byDir := map[string]*descriptor{}
	for _, f := range z.File {
		name := strings.TrimPrefix(f.Name, "/")
		switch {
		case strings.HasSuffix(name, "/"):
		case strings.EqualFold(name, "META-INF/MANIFEST.MF"):
			if c.manifest == nil {
				c.manifest = f
			}
		case strings.HasPrefix(name, "META-INF/maven/"):
			w.addDescriptor(&c, byDir, name, f)
		case isArchive(name):
			c.nested = append(c.nested, f)
		}
	}
	if w.left.Poms -= len(c.poms); w.left.Poms < 0 {
		keep := max(len(c.poms)+w.left.Poms, 0)
		w.limit(location, catalog.ReasonTooMany, "%d Maven descriptors left unread", len(c.poms)-keep)
		c.poms, w.left.Poms = c.poms[:keep], 0
	}
	return c
}

func (w *walk) addDescriptor(c *content, byDir map[string]*descriptor, name string, f *zip.File) {
	parts := strings.Split(name, "/")
	base := parts[len(parts)-1]
	if len(parts) != 5 || base != "pom.properties" && base != "pom.xml" {
		return
	}
	dir := path.Dir(name)
	d := byDir[dir]
	if d == nil {
		d = &descriptor{group: parts[2], artifact: parts[3]}
		byDir[dir] = d
		c.poms = append(c.poms, d)
	}
	switch {
	case base == "pom.properties" && d.properties == nil:
		d.properties = f
	case base == "pom.xml" && d.xml == nil:
		d.xml = f
	}
}

// nest reads an archive inside an archive: in place where it is stored as it is, else from memory.
func (w *walk) nest(outer io.ReaderAt, f *zip.File, location string, depth int) {
	if depth > w.left.Depth {
		w.limit(location, catalog.ReasonNesting, "archives nested more than %d deep", w.left.Depth)
		return
	}
	if f.Method == zip.Store && f.Flags&1 == 0 && f.CompressedSize64 == f.UncompressedSize64 {
		if offset, err := f.DataOffset(); err == nil {
			size := int64(f.CompressedSize64)
			w.archive(io.NewSectionReader(outer, offset, size), size, f.Name, location, depth)
			return
		}
	}
	inner, err := w.read(f, w.left.Held)
	if err != nil {
		w.fault(withPath(err, location))
		return
	}
	w.left.Held -= int64(len(inner))
	w.archive(bytes.NewReader(inner), int64(len(inner)), f.Name, location, depth)
	w.left.Held += int64(len(inner))
}

// read decompresses one entry of at most limit bytes.
func (w *walk) read(f *zip.File, limit int64) ([]byte, error) {
	limit = min(limit, w.left.Inflated)
	if f.UncompressedSize64 > uint64(max(limit, 0)) {
		return nil, tooLarge(limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Name, err)
	}
	defer r.Close()
	var content bytes.Buffer
	// The size in the directory is only a claim: allocate what arrives, not what is announced.
	content.Grow(int(min(f.UncompressedSize64, 1<<20)))
	n, err := io.Copy(&content, io.LimitReader(inflating{w, r}, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name, err)
	}
	if n > limit {
		return nil, tooLarge(limit)
	}
	return content.Bytes(), nil
}

func tooLarge(limit int64) error {
	return &catalog.Incompleteness{Reason: catalog.ReasonTooLarge, Detail: fmt.Sprintf("more than the %d bytes left to decompress", limit)}
}

// withPath makes an error a record about a place inside the file.
func withPath(err error, location string) error {
	if known := (*catalog.Incompleteness)(nil); errors.As(err, &known) {
		known.Path = location
		return known
	}
	return &catalog.Incompleteness{Path: location, Reason: catalog.ReasonUnreadable, Detail: err.Error()}
}

// inflating counts what is decompressed and stops when the context ends.
type inflating struct {
	w *walk
	r io.Reader
}

func (i inflating) Read(p []byte) (int, error) {
	if err := i.w.stopped(); err != nil {
		return 0, err
	}
	n, err := i.r.Read(p)
	i.w.left.Inflated -= int64(n)
	return n, err
}
