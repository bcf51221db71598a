package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// archive is a tar whose members are read where they lie.
type archive struct {
	file    *os.File
	members map[string]member
}

type member struct {
	offset, size int64
	link         string // of another member; such a member has no content of its own
	regular      bool
	again        bool // the name appears more than once: which one is meant?
}

// maxWindow is the largest zstd window accepted, in bytes.
const maxWindow = 128 << 20

// openArchive indexes a tar, which may be compressed as a whole.
func openArchive(ctx context.Context, name string, o Options) (*archive, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: %w: not a file", name, ErrSource), err, file.Close())
	}
	plain, compressed, err := decompress(bufio.NewReader(file))
	if err == nil && compressed {
		whole := file
		file, err = spool(untilDone{ctx, plain}, o)
		err = errors.Join(err, whole.Close())
	}
	if err != nil {
		return nil, formatFault(err)
	}
	return index(ctx, file)
}

// index reads the headers of a tar and closes the file if it cannot.
func index(ctx context.Context, file *os.File) (*archive, error) {
	a := &archive{file: file, members: map[string]member{}}
	if err := a.index(ctx); err != nil {
		return nil, errors.Join(formatFault(err), file.Close())
	}
	return a, nil
}

func (a *archive) index(ctx context.Context) error {
	if _, err := a.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for r := tar.NewReader(a.file); ; {
		header, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if len(a.members) == maxMembers {
			return fmt.Errorf("%w: more than %d members", ErrLimit, maxMembers)
		}
		name, ok := clean(header.Name)
		if !ok || len(header.Linkname) > maxName || header.Typeflag == tar.TypeDir {
			continue // can be no member that anything names
		}
		offset, err := a.file.Seek(0, io.SeekCurrent) // the reader takes headers whole and no byte further
		if err != nil {
			return err
		}
		m := member{offset: offset, size: header.Size, regular: header.Typeflag == tar.TypeReg}
		switch header.Typeflag {
		case tar.TypeSymlink:
			m.link = path.Join(path.Dir(name), header.Linkname) //nolint:gosec // names a member, never a file
		case tar.TypeLink:
			m.link = path.Clean(header.Linkname)
		}
		_, m.again = a.members[name]
		a.members[name] = m
	}
}

// maxName is how long the name of a member, or of what it links to, may be: all of them are kept, and one of a
// megabyte takes next to nothing in a compressed archive.
const maxName = 4096

// clean gives the one spelling of a member's name; false for names that lead elsewhere.
func clean(name string) (string, bool) {
	if len(name) > maxName {
		return "", false
	}
	name = strings.TrimPrefix(name, "./")
	return strings.TrimSuffix(name, "/"), fs.ValidPath(strings.TrimSuffix(name, "/"))
}

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	at := name
	for range maxLinks {
		m, ok := a.members[at]
		switch {
		case !ok:
			return nil, 0, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		case m.again:
			return nil, 0, fmt.Errorf("%s: %w: the archive has it more than once", at, ErrFormat)
		case m.link != "":
			at = m.link // names no member when it leads out of the archive
			continue
		case !m.regular:
			return nil, 0, fmt.Errorf("%s: %w: not a file", at, ErrFormat)
		}
		return io.NopCloser(io.NewSectionReader(a.file, m.offset, m.size)), m.size, nil
	}
	return nil, 0, fmt.Errorf("%s: %w: a link leads in circles", name, ErrFormat)
}

// formatFault marks what the tar reader and the decompressors complain about.
func formatFault(err error) error {
	for _, fault := range []error{tar.ErrHeader, io.ErrUnexpectedEOF, gzip.ErrHeader, gzip.ErrChecksum, zstd.ErrMagicMismatch} {
		if errors.Is(err, fault) && !errors.Is(err, ErrFormat) {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
	}
	return err
}

// decompress looks for gzip and zstd by their first bytes (RFC 1952, RFC 8878).
func decompress(r *bufio.Reader) (plain io.Reader, compressed bool, err error) {
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		plain, err = gzip.NewReader(r)
		return plain, true, err
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, true, err
		}
		return z.IOReadCloser(), true, nil
	}
	return r, false, nil
}

// untilDone ends a stream with its context.
type untilDone struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to know it
	io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}
