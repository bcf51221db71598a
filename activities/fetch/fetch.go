// Package fetch brings upstream feed documents to this machine: conditionally, bounded, hashed while they
// stream into an unnamed file of the scratch directory.
//
// A document comes from https://<host>/<path>, or, where a mirror is configured, from
// <mirror>/<source>/<host>/<path>; mirrors may be http, https or file addresses. A document is unchanged when
// the upstream says so or when its bytes have the hash already known: some servers ignore validators.
//
// Invariants: nothing of a document is used before all of it is there; errors and stored addresses hold no
// credentials; a failed fetch leaves nothing behind. Repeating is the caller's business, Error says when.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"strings"
	"time"

	"plimsoll/engine/feed"
)

// Kinds of failures.
var (
	// ErrUnreachable: no connection, a transfer that broke off, or trouble on the other side; try again.
	ErrUnreachable = errors.New("feed is unreachable")
	// ErrResponse: an answer that another try will not change.
	ErrResponse = errors.New("feed answered wrongly")
	// ErrMissing: there is no such document.
	ErrMissing = errors.New("feed document does not exist")
	// ErrTooLarge: the document is beyond the limit.
	ErrTooLarge = errors.New("feed document is too large")
)

// Error is a failure of one Kind; its text is safe to show.
type Error struct {
	Kind       error
	Message    string
	RetryAfter time.Duration // 0: not said
}

func (e *Error) Error() string { return e.Message }

// Unwrap makes errors.Is see the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Fetcher fetches. It is safe for concurrent use.
type Fetcher struct {
	cfg  Config
	http *client
}

// New returns a fetcher; cfg must be valid.
func New(cfg Config) (*Fetcher, error) {
	http, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Fetcher{cfg: cfg, http: http}, nil
}

// Known is what the last successful fetch left: validators that hold for URL alone, and the hash.
type Known struct {
	URL, ETag, LastModified, SHA256 string
}

// Document is a fetched document. Close it.
type Document struct {
	Known          // for the next fetch
	Unchanged bool // no file then
	Size      int64
	file      *os.File
}

// ReadAt reads the document's bytes.
func (d *Document) ReadAt(p []byte, off int64) (int, error) { return d.file.ReadAt(p, off) }

// Fetched is the document as drivers read it, which have to be done before Close.
func (d *Document) Fetched(what feed.Document) feed.Fetched {
	return feed.Fetched{Document: what, ReaderAt: d, Size: d.Size}
}

// Close frees the space the document takes.
func (d *Document) Close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// Fetch gets a document of a source. The zero Known gets it even though it may be unchanged. progress is called with
// the bytes so far and in all, the latter -1 where unknown.
func (f *Fetcher) Fetch(ctx context.Context, source string, d feed.Document, known Known, progress func(done, total int64)) (*Document, error) {
	address, err := f.address(source, d)
	if err != nil {
		return nil, err
	}
	shown := redact(address)
	if known.URL != shown {
		known.ETag, known.LastModified = "", ""
	}
	from := request{address: address, header: f.header(d), known: known}
	body, err := f.open(ctx, from)
	if err != nil {
		return nil, err
	}
	if body.unchanged {
		return &Document{Known: Known{URL: shown, ETag: body.etag, LastModified: body.lastModified, SHA256: known.SHA256}, Unchanged: true}, nil
	}
	defer func() { _ = body.Close() }()
	doc, err := f.spool(ctx, &transfer{fetcher: f, request: from, body: body, shown: shown}, progress)
	if err != nil {
		return nil, err
	}
	if doc.SHA256 == known.SHA256 {
		doc.Unchanged = true
		return doc, doc.discard()
	}
	return doc, nil
}

// Mirrored reports whether documents come from a mirror, which needs no pacing.
func (f *Fetcher) Mirrored() bool { return f.cfg.MirrorURL != "" }

// Get fetches a listing.
func (f *Fetcher) Get(ctx context.Context, source string, d feed.Document) ([]byte, error) {
	doc, err := f.Fetch(ctx, source, d, Known{}, func(int64, int64) {})
	if err != nil {
		return nil, err
	}
	defer doc.Close()
	if doc.Size > feed.MaxListing {
		return nil, &Error{Kind: ErrTooLarge, Message: fmt.Sprintf("%s is larger than %d bytes, the limit of listings", doc.URL, feed.MaxListing)}
	}
	body := make([]byte, doc.Size)
	if _, err := doc.ReadAt(body, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read scratch file: %w", err)
	}
	return body, nil
}

// header is what is sent along. A mirror gets no credential of the publisher.
func (f *Fetcher) header(d feed.Document) map[string]string {
	if f.cfg.MirrorURL == "" || f.cfg.Hosts[d.Host] != "" {
		return d.Header
	}
	out := maps.Clone(d.Header)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "apiKey")
	})
	return out
}

func (f *Fetcher) open(ctx context.Context, r request) (*body, error) {
	if r.address.Scheme == "file" {
		return openFile(r)
	}
	return f.http.open(ctx, r)
}

func (d *Document) discard() error {
	err := d.Close()
	d.file = nil
	return err
}

// spool writes the body to a file without a name and hashes it.
func (f *Fetcher) spool(ctx context.Context, t *transfer, progress func(done, total int64)) (doc *Document, err error) {
	if t.body.size > f.cfg.MaxBytes {
		return nil, f.tooLarge(t.shown)
	}
	file, err := os.CreateTemp(f.cfg.Scratch, "feed-*")
	if err != nil {
		return nil, fmt.Errorf("create scratch file: %w", err)
	}
	doc = &Document{Known: Known{URL: t.shown, ETag: t.body.etag, LastModified: t.body.lastModified}, file: file}
	defer func() {
		if err != nil {
			err = errors.Join(err, doc.discard())
			doc = nil
		}
	}()
	// Without its name the file goes away with the process, however that ends.
	if err := os.Remove(file.Name()); err != nil {
		return doc, fmt.Errorf("unname scratch file: %w", err)
	}
	sum := sha256.New()
	counted := &counter{w: io.MultiWriter(file, sum), total: t.body.size, progress: progress}
	n, err := io.Copy(counted, io.LimitReader(t.in(ctx), f.cfg.MaxBytes+1))
	switch {
	case ctx.Err() != nil:
		return doc, fmt.Errorf("fetch %s: %w", t.shown, context.Cause(ctx))
	case counted.err != nil:
		return doc, fmt.Errorf("write scratch file: %w", counted.err)
	case err != nil:
		return doc, err
	case n > f.cfg.MaxBytes:
		return doc, f.tooLarge(t.shown)
	}
	doc.Size, doc.SHA256 = n, hex.EncodeToString(sum.Sum(nil))
	return doc, nil
}

func (f *Fetcher) tooLarge(shown string) error {
	return &Error{Kind: ErrTooLarge, Message: fmt.Sprintf("%s is larger than %d bytes (feeds.max_document_bytes)", shown, f.cfg.MaxBytes)}
}

type counter struct {
	w           io.Writer
	done, total int64
	progress    func(done, total int64)
	err         error
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.err = err
	c.done += int64(n)
	c.progress(c.done, c.total)
	return n, err
}

// address is where a document lies: with its publisher, at the address that stands in for that host, or in the mirror.
func (f *Fetcher) address(source string, d feed.Document) (*url.URL, error) {
	path, folder := strings.CutSuffix(d.Path, "/") // a listing
	segments := strings.Split(path, "/")
	for _, s := range append([]string{source, d.Host}, segments...) {
		if s == "" || s == "." || s == ".." {
			return nil, &Error{Kind: ErrResponse, Message: fmt.Sprintf("document %s of %s has no usable address", d.Name, source)}
		}
	}
	base := &url.URL{Scheme: "https", Host: d.Host}
	name, stand := "", f.cfg.Hosts[d.Host]
	switch {
	case stand != "":
		name = "hosts: " + d.Host
	case f.cfg.MirrorURL != "":
		name, stand = "mirror_url", f.cfg.MirrorURL
		segments = append([]string{source, d.Host}, segments...)
	}
	if stand != "" {
		var err error
		if base, err = url.Parse(stand); err != nil {
			return nil, &Error{Kind: ErrResponse, Message: "feeds." + name + " is not an address"}
		}
	}
	out := base.JoinPath(escape(segments)...)
	if folder {
		out = out.JoinPath("/")
	}
	if out.Scheme != "file" {
		out.RawQuery = d.Query
	}
	return out, nil
}

func escape(segments []string) []string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return escaped
}

// redact is the address without credentials.
func redact(u *url.URL) string {
	bare := *u
	bare.User = nil
	return bare.String()
}
