package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// resumes is how often one blob's transfer is taken up again where it broke off.
const resumes = 3

// Blob opens a layer blob of a repository (registry/repository). The reader yields exactly layer.Size bytes or
// fails; whoever reads checks the digest, which needs the bytes anyway. It ends with ctx.
func (c *Client) Blob(ctx context.Context, list []Credential, repository string, layer Layer) (io.ReadCloser, error) {
	s, err := c.repository(ctx, list, repository)
	if err != nil {
		return nil, err
	}
	if layer.empty() {
		return io.NopCloser(strings.NewReader("")), nil // nothing to fetch, and nobody's secret
	}
	b := &blob{ctx: ctx, session: s, layer: layer, path: "/blobs/" + layer.Digest, left: resumes}
	if err := b.open(); err != nil {
		return nil, s.foreign(layer, err)
	}
	return b, nil
}

// HasBlobs asks whether every one of the layers may be read, a few at a time.
func (c *Client) HasBlobs(ctx context.Context, list []Credential, repository string, layers []Layer) error {
	s, err := c.repository(ctx, list, repository)
	if err != nil {
		return err
	}
	return each(ctx, layers, func(ctx context.Context, _ int, l Layer) error {
		if l.empty() {
			return nil
		}
		return s.foreign(l, s.has(ctx, l))
	})
}

func (c *Client) repository(ctx context.Context, list []Credential, repository string) (*session, error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return nil, &Error{Kind: ErrReference, Message: clean(fmt.Sprintf("repository %q: %v", repository, err))}
	}
	return c.open(ctx, list, repo)
}

// has asks by HEAD, or where that is not allowed by opening the blob.
func (s *session) has(ctx context.Context, l Layer) error {
	resp, err := s.do(ctx, http.MethodHead, "/blobs/"+l.Digest, "layer "+l.Digest, nil, http.StatusOK, http.StatusMethodNotAllowed)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode == http.StatusOK {
		return err
	}
	header := http.Header{"Range": {"bytes=0-0"}}
	if resp, err = s.do(ctx, http.MethodGet, "/blobs/"+l.Digest, "layer "+l.Digest, header, http.StatusOK, http.StatusPartialContent); err != nil {
		return err
	}
	return resp.Body.Close()
}

// blob is a transfer that goes on where it broke off.
type blob struct {
	ctx     context.Context //nolint:containedctx // an io.Reader has no other way to take one; the blob lives within the call that opened it
	session *session
	layer   Layer
	path    string // below the session's base
	body    io.ReadCloser
	stop    context.CancelFunc
	stall   *time.Timer
	at      int64
	left    int
}

func (b *blob) what() string { return "layer " + b.layer.Digest }

// open requests the blob from the current place on.
func (b *blob) open() error {
	ctx, stop := context.WithCancel(b.ctx)
	header, want := http.Header{}, http.StatusOK
	if b.at > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", b.at))
		want = http.StatusPartialContent
	}
	resp, err := b.session.do(ctx, http.MethodGet, b.path, b.what(), header, want) //nolint:bodyclose // close does
	if err != nil {
		stop()
		return err
	}
	b.body, b.stop = resp.Body, stop
	b.stall = time.AfterFunc(b.session.client.cfg.StallTimeout, stop)
	return nil
}

func (b *blob) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		b.stall.Reset(b.session.client.cfg.StallTimeout)
		n, err := b.body.Read(p)
		b.at += int64(n)
		b.session.client.bytes.Add(float64(n))
		if b.at > b.layer.Size {
			// Bytes that do not fit the descriptor are not the layer; another try would get the same.
			return 0, b.session.fail(ErrDigestMismatch, "%s is larger than the %d bytes its manifest says", b.what(), b.layer.Size)
		}
		if n > 0 || err == nil {
			return n, nil // an error comes again with the next call
		}
		if err == io.EOF && b.at == b.layer.Size {
			return 0, io.EOF
		}
		if err := b.resume(); err != nil {
			return 0, err
		}
	}
}

// resume takes a broken transfer up again.
func (b *blob) resume() error {
	b.close()
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	broken := b.session.fail(ErrBadResponse, "%s: the transfer broke off after %d of %d bytes", b.what(), b.at, b.layer.Size)
	if b.left == 0 {
		return broken
	}
	b.left--
	err := b.open()
	if errors.Is(err, ErrBadResponse) || errors.Is(err, ErrUnreachable) {
		// No ranges here, or gone altogether: the whole step is tried again later.
		if why := (*Error)(nil); errors.As(err, &why) {
			broken.RetryAfter = why.RetryAfter
		}
		return broken
	}
	return err
}

func (b *blob) close() {
	b.stall.Stop()
	b.stop()
	b.body.Close()
}

// Close ends the transfer.
func (b *blob) Close() error {
	b.close()
	return nil
}
