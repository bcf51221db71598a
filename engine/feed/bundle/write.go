package bundle

import (
	"archive/tar"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"plimsoll/engine/feed/relay"
)

// Names of the first members.
const (
	manifestMember  = "manifest.json"
	signatureMember = "manifest.sig"
)

// Content writes a content file. The same lines give the same bytes.
type Content struct {
	compressed *zstd.Encoder
	lines      *relay.Writer
	records    int64
	plain      int64 // bytes before compression
	sum        hash.Hash
	size       int64
}

// NewContent writes to w.
func NewContent(w io.Writer) (*Content, error) {
	c := &Content{sum: sha256.New()}
	counted := writerFunc(func(p []byte) (int, error) {
		n, err := w.Write(p)
		c.size += int64(n)
		c.sum.Write(p[:n])
		return n, err
	})
	// One goroutine: with more, the bytes would depend on their number.
	var err error
	c.compressed, err = zstd.NewWriter(counted, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(window), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	c.lines = relay.NewWriter(writerFunc(func(p []byte) (int, error) {
		c.plain += int64(len(p))
		return c.compressed.Write(p)
	}))
	return c, nil
}

// window is how far back content refers, in bytes; a reader needs as much memory.
const window = 8 << 20

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Write adds a line.
func (c *Content) Write(l relay.Line) error {
	c.records++
	return c.lines.Write(l)
}

// Close ends the file and describes it.
func (c *Content) Close() (File, error) {
	err := errors.Join(c.lines.End(), c.compressed.Close())
	return File{SHA256: hex.EncodeToString(c.sum.Sum(nil)), Size: c.size, Lines: c.records, ContentSize: c.plain}, err
}

// Write writes a bundle; without a key it is unsigned. open opens content files, which are closed here.
func Write(w io.Writer, m Manifest, key ed25519.PrivateKey, open func(File) (io.ReadCloser, error)) error {
	m.Format, m.Version = Format, Version
	if err := m.check(); err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	out := tar.NewWriter(w)
	if err := member(out, manifestMember, manifest, m.Built); err != nil {
		return err
	}
	if key != nil {
		signed, err := sign(manifest, key)
		if err != nil {
			return fmt.Errorf("sign manifest: %w", err)
		}
		if err := member(out, signatureMember, signed, m.Built); err != nil {
			return err
		}
	}
	for _, f := range m.Files() {
		if err := content(out, f, m.Built, open); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("end bundle: %w", err)
	}
	return nil
}

func header(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: at.Truncate(time.Second), Format: tar.FormatPAX}
}

func member(out *tar.Writer, name string, body []byte, at time.Time) error {
	err := out.WriteHeader(header(name, int64(len(body)), at))
	if err == nil {
		_, err = out.Write(body)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func content(out *tar.Writer, f File, at time.Time, open func(File) (io.ReadCloser, error)) error {
	in, err := open(f)
	if err != nil {
		return fmt.Errorf("open content %s: %w", f.SHA256, err)
	}
	defer in.Close()
	if err = out.WriteHeader(header(f.member(), f.Size, at)); err == nil {
		_, err = io.Copy(out, in)
	}
	if err != nil {
		return fmt.Errorf("write content %s: %w", f.SHA256, err)
	}
	return nil
}
