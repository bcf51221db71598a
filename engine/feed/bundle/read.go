package bundle

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/relay"
)

// Reader reads a bundle.
type Reader struct {
	Manifest Manifest
	Raw      []byte // the manifest as it was signed
	Checksum string // SHA-256 of Raw: by it people tell bundles apart
	SignedBy string // id of the trusted key; empty: nobody

	in      *tar.Reader
	pending []File
	ahead   *tar.Header // a member that was read before its turn
	open    *openFile
}

type openFile struct {
	File
	sum  hash.Hash
	left int64
}

// Open reads and verifies the manifest: ErrBundle, ErrUntrusted, or the error of r.
func Open(r io.Reader, trust Trust) (*Reader, error) {
	b := &Reader{in: tar.NewReader(r)}
	var err error
	if b.Raw, err = b.small(manifestMember, maxManifest); err != nil {
		return nil, err
	}
	if b.Raw == nil {
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrBundle, manifestMember)
	}
	signed, err := b.small(signatureMember, maxSignature)
	if err != nil {
		return nil, err
	}
	// Who signed comes first: what nobody vouches for is not even parsed.
	if b.SignedBy, err = trust.verify(b.Raw, signed); err != nil {
		return nil, err
	}
	if b.Manifest, err = ParseManifest(b.Raw); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b.Raw)
	b.Checksum = hex.EncodeToString(sum[:])
	b.pending = b.Manifest.Files()
	return b, nil
}

// header returns the next member; nil at the end.
func (b *Reader) header() (*tar.Header, error) {
	if h := b.ahead; h != nil {
		b.ahead = nil
		return h, nil
	}
	h, err := b.in.Next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, damaged(err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("%w: member %q is not a file", ErrBundle, clip(h.Name))
	}
	return h, nil
}

// small reads a member of a name; nil when another one is next.
func (b *Reader) small(name string, limit int64) ([]byte, error) {
	h, err := b.header()
	if err != nil || h == nil {
		return nil, err
	}
	if h.Name != name {
		b.ahead = h
		return nil, nil
	}
	if h.Size > limit {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d are read", ErrBundle, name, h.Size, limit)
	}
	body, err := io.ReadAll(io.LimitReader(b.in, limit))
	if err != nil {
		return nil, damaged(err)
	}
	return body, nil
}

// damaged is what reading an archive that is none means. Errors of what lies below stay visible.
func damaged(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) || errors.Is(err, tar.ErrInsecurePath) {
		return fmt.Errorf("%w: %w", ErrBundle, err)
	}
	return fmt.Errorf("read feed bundle: %w", err)
}

// Next goes to the next content file, which Read then reads; io.EOF after the last. It makes sure that the file before was
// whole and has its hash: ErrBundle.
func (b *Reader) Next() (File, error) {
	if err := b.finish(); err != nil {
		return File{}, err
	}
	h, err := b.header()
	if err != nil {
		return File{}, err
	}
	switch {
	case h == nil && len(b.pending) == 0:
		return File{}, io.EOF
	case h == nil:
		return File{}, fmt.Errorf("%w: it ends before file %s", ErrBundle, b.pending[0].SHA256)
	case len(b.pending) == 0:
		return File{}, fmt.Errorf("%w: member %q is not in the manifest", ErrBundle, clip(h.Name))
	case h.Name != b.pending[0].member() || h.Size != b.pending[0].Size:
		return File{}, fmt.Errorf("%w: member %q of %d bytes where %s of %d should be", ErrBundle, clip(h.Name), h.Size, b.pending[0].member(), b.pending[0].Size)
	}
	b.open = &openFile{File: b.pending[0], sum: sha256.New(), left: h.Size}
	b.pending = b.pending[1:]
	return b.open.File, nil
}

// Read reads the current content file as it is, compressed.
func (b *Reader) Read(p []byte) (int, error) {
	if b.open == nil {
		return 0, io.EOF
	}
	n, err := b.in.Read(p)
	b.open.sum.Write(p[:n])
	b.open.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(err)
	}
	return n, err
}

// finish reads what is left of the current file and compares its hash.
func (b *Reader) finish() error {
	if b.open == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, readerFunc(b.Read)); err != nil {
		return err
	}
	f := b.open
	b.open = nil
	if f.left != 0 || hex.EncodeToString(f.sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: file %s has another hash", ErrBundle, f.SHA256)
	}
	return nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Read decompresses a content file of a source and gives it to a sink: ErrBundle, relay.ErrDocument, or the error of r or
// the sink. Whether it is what the manifest says is only known at the end.
func Read(ctx context.Context, r io.Reader, f File, source string, out feed.Sink) error {
	sum := sha256.New()
	in, err := zstd.NewReader(io.TeeReader(r, sum), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(2*window), zstd.WithDecoderLowmem(true))
	if err != nil {
		return fmt.Errorf("open content: %w", err)
	}
	defer in.Close()
	content := &counter{in: in, left: f.ContentSize}
	if err := relay.Read(ctx, content, source, out); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	if content.left != 0 || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%w: file %s lacks %d bytes, or is another one", ErrBundle, f.SHA256, content.left)
	}
	return nil
}

// counter refuses to read more than is announced.
type counter struct {
	in   io.Reader
	left int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, fmt.Errorf("%w: content is longer than announced", ErrBundle)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: decompress: %w", ErrBundle, err)
	}
	return n, err
}
