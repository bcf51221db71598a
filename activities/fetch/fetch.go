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

// Config is how documents are fetched.
type Config struct {
	// MirrorURL stands in for every upstream: http, https or file. Empty: the upstreams themselves.
	MirrorURL string
	MaxBytes  int64         // largest document
	Stall     time.Duration // a transfer without a byte for this long is broken off
	Scratch   string        // directory; empty: the system's
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	if c.MirrorURL != "" {
		u, err := url.Parse(c.MirrorURL)
		switch {
		case err != nil:
			faults = append(faults, errors.New("mirror_url: not an address"))
		case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file":
			faults = append(faults, fmt.Errorf("mirror_url: scheme %q is not http, https or file", u.Scheme))
		case u.RawQuery != "" || u.Fragment != "":
			faults = append(faults, errors.New("mirror_url: must not have a query or fragment"))
		}
	}
	if c.MaxBytes <= 0 {
		faults = append(faults, errors.New("max_document_bytes: must be positive"))
	}
	if c.Stall <= 0 {
		faults = append(faults, errors.New("stall_timeout: must be positive"))
	}
	return errors.Join(faults...)
}

// Fetcher fetches. It is safe for concurrent use.
type Fetcher struct {
	cfg  Config
	http *client
}

// New returns a fetcher; cfg must be valid.
func New(cfg Config) *Fetcher { return &Fetcher{cfg: cfg, http: newClient(cfg.Stall)} }

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

// Close frees the space the document takes.
func (d *Document) Close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// Fetch gets a group's document. With force it is read even though it may be unchanged. progress is called
// with the bytes so far and in all, the latter -1 where unknown.
func (f *Fetcher) Fetch(ctx context.Context, source string, g feed.Group, known Known, force bool, progress func(done, total int64)) (*Document, error) {
	address, err := f.address(source, g)
	if err != nil {
		return nil, err
	}
	shown := redact(address)
	if force {
		known = Known{}
	}
	if known.URL != shown {
		known.ETag, known.LastModified = "", ""
	}
	open := f.http.open
	if address.Scheme == "file" {
		open = openFile
	}
	body, err := open(ctx, address, known)
	if err != nil {
		return nil, err
	}
	if body.unchanged {
		return &Document{Known: Known{URL: shown, ETag: body.etag, LastModified: body.lastModified, SHA256: known.SHA256}, Unchanged: true}, nil
	}
	defer body.Close()
	doc, err := f.spool(ctx, body, shown, progress)
	if err != nil {
		return nil, err
	}
	if doc.SHA256 == known.SHA256 {
		doc.Unchanged = true
		return doc, doc.discard()
	}
	return doc, nil
}

func (d *Document) discard() error {
	err := d.Close()
	d.file = nil
	return err
}

// spool writes the body to a file without a name and hashes it.
func (f *Fetcher) spool(ctx context.Context, body *body, shown string, progress func(done, total int64)) (doc *Document, err error) {
	if body.size > f.cfg.MaxBytes {
		return nil, f.tooLarge(shown)
	}
	file, err := os.CreateTemp(f.cfg.Scratch, "feed-*")
	if err != nil {
		return nil, fmt.Errorf("create scratch file: %w", err)
	}
	doc = &Document{Known: Known{URL: shown, ETag: body.etag, LastModified: body.lastModified}, file: file}
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
	counted := &counter{w: io.MultiWriter(file, sum), total: body.size, progress: progress}
	n, err := io.Copy(counted, io.LimitReader(body, f.cfg.MaxBytes+1))
	switch {
	case ctx.Err() != nil:
		return doc, fmt.Errorf("fetch %s: %w", shown, context.Cause(ctx))
	case counted.err != nil:
		return doc, fmt.Errorf("write scratch file: %w", counted.err)
	case err != nil || body.size >= 0 && n < body.size:
		return doc, &Error{Kind: ErrUnreachable, Message: fmt.Sprintf("%s: the transfer broke off after %d bytes", shown, n)}
	case n > f.cfg.MaxBytes:
		return doc, f.tooLarge(shown)
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

// address is where a group's document lies.
func (f *Fetcher) address(source string, g feed.Group) (*url.URL, error) {
	segments := strings.Split(g.Path, "/")
	for _, s := range append([]string{source, g.Host}, segments...) {
		if s == "" || s == "." || s == ".." {
			return nil, &Error{Kind: ErrResponse, Message: fmt.Sprintf("feed group %s/%s has no usable address", source, g.Name)}
		}
	}
	if f.cfg.MirrorURL == "" {
		return (&url.URL{Scheme: "https", Host: g.Host}).JoinPath(escape(segments)...), nil
	}
	base, err := url.Parse(f.cfg.MirrorURL)
	if err != nil {
		return nil, &Error{Kind: ErrResponse, Message: "feeds.mirror_url is not an address"}
	}
	return base.JoinPath(escape(append([]string{source, g.Host}, segments...))...), nil
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
