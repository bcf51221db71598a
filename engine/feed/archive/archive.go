// Package archive reads the containers feeds come in: compressed documents and archives of documents. What it is, is
// told by the first bytes, never by the name.
//
// Invariants: nothing is held in memory but one member at a time where the caller asks for its bytes; what comes
// out is bounded by Limits, so that a bomb ends in ErrTooLarge.
package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"plimsoll/engine/feed"
)

var (
	// ErrTooLarge means that a document is larger than allowed when decompressed, or has too many members.
	ErrTooLarge = errors.New("document exceeds a limit")
	// ErrFormat means that a document is damaged or not what it should be.
	ErrFormat = errors.New("document is damaged or of another format")
)

// Limits bound what is read. Zero fields mean the value of DefaultLimits.
type Limits struct {
	Bytes   int64 // decompressed, all members together
	Member  int64 // bytes of one member
	Members int
}

// DefaultLimits are several times what the largest upstream has.
var DefaultLimits = Limits{Bytes: 64 << 30, Member: 64 << 20, Members: 2_000_000}

func (l Limits) orDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = DefaultLimits.Bytes
	}
	if l.Member == 0 {
		l.Member = DefaultLimits.Member
	}
	if l.Members == 0 {
		l.Members = DefaultLimits.Members
	}
	return l
}

// dictionary bounds the memory a document may have its decoder take, in bytes; it is what `xz -9` and `zstd --ultra` ask for.
const dictionary = 64 << 20

// Open reads a document through whatever it is compressed with: gzip, bzip2, xz, Zstandard, or nothing.
// Errors of the reader are ErrTooLarge or ErrFormat. Close it.
func Open(doc feed.Fetched, l Limits) (io.ReadCloser, error) {
	return open(doc.Reader(), l.orDefault().Bytes)
}

func open(r io.Reader, most int64) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	magic, _ := in.Peek(6)
	var out io.Reader = in
	free := func() {}
	var err error
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		out, err = gzip.NewReader(in)
	case bytes.HasPrefix(magic, []byte("BZh")):
		out = bzip2.NewReader(in)
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		out, err = xz.NewReader(in, dictionary)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var d *zstd.Decoder
		d, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(dictionary), zstd.WithDecoderMaxMemory(dictionary))
		if err == nil {
			out, free = d, d.Close
		}
	}
	if err != nil {
		return nil, damage(err)
	}
	return &bounded{in: out, left: most, free: free}, nil
}

// bounded is a reader that ends in ErrTooLarge.
type bounded struct {
	in   io.Reader
	left int64
	free func()
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n, ErrTooLarge
	}
	if err != nil && err != io.EOF {
		err = damage(err)
	}
	return n, err
}

// damage tells what asks for too much memory from what cannot be read.
func damage(err error) error {
	if errors.Is(err, xz.ErrMemlimit) || errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

func (b *bounded) Close() error {
	b.free()
	return nil
}

// Member is a regular file of an archive. Its reader is good until the function it was given to returns.
type Member struct {
	Name string // as the archive has it
	io.Reader
	most int64
}

// Bytes reads the member whole: ErrTooLarge, ErrFormat.
func (m Member) Bytes() ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(m.Reader, m.most+1))
	if err == nil && int64(len(out)) > m.most {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, m.most)
	}
	if err != nil {
		return nil, fmt.Errorf("%.200q: %w", m.Name, err)
	}
	return out, nil
}

// Walk calls visit for every regular file of a tar archive, compressed or not, or of a zip archive. It ends with the
// first error of visit, with ctx, ErrTooLarge, or ErrFormat.
func Walk(ctx context.Context, doc feed.Fetched, l Limits, visit func(Member) error) error {
	l = l.orDefault()
	magic := make([]byte, 4)
	if n, _ := doc.ReadAt(magic, 0); n == 4 && (string(magic) == "PK\x03\x04" || string(magic) == "PK\x05\x06") {
		return walkZip(ctx, doc, l, visit)
	}
	in, err := open(doc.Reader(), l.Bytes)
	if err != nil {
		return err
	}
	defer in.Close()
	return walkTar(ctx, in, l, visit)
}

func walkTar(ctx context.Context, in io.Reader, l Limits, visit func(Member) error) error {
	archive := tar.NewReader(in)
	for n := 0; ; n++ {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case errors.Is(err, ErrTooLarge):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", ErrFormat, err)
		case ctx.Err() != nil:
			return ctx.Err()
		case n >= l.Members:
			return fmt.Errorf("%w: more than %d members", ErrTooLarge, l.Members)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := visit(Member{Name: header.Name, Reader: archive, most: l.Member}); err != nil {
			return err
		}
	}
}

func walkZip(ctx context.Context, doc feed.Fetched, l Limits, visit func(Member) error) error {
	archive, err := zip.NewReader(doc, doc.Size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(archive.File) > l.Members {
		return fmt.Errorf("%w: more than %d members", ErrTooLarge, l.Members)
	}
	left := l.Bytes
	for _, f := range archive.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !f.Mode().IsRegular() {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return fmt.Errorf("%w: %.200q: %w", ErrFormat, f.Name, err)
		}
		b := &bounded{in: in, left: left}
		err = errors.Join(visit(Member{Name: f.Name, Reader: b, most: l.Member}), in.Close())
		if err != nil {
			return err
		}
		left = b.left
	}
	return nil
}
