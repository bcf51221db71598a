package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// resumes bounds how often one transfer is taken up again where it broke off.
const resumes = 5

// transfer is a body that is taken up again when it breaks off: upstreams send hundreds of megabytes, and their
// servers cut long answers short.
type transfer struct {
	fetcher *Fetcher
	request request
	body    *body
	shown   string
}

func (t *transfer) in(ctx context.Context) io.Reader { return &resuming{transfer: t, ctx: ctx} }

type resuming struct {
	*transfer
	ctx   context.Context //nolint:containedctx // lives as long as one io.Copy
	done  int64
	tries int
}

func (r *resuming) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.done += int64(n)
	ended := errors.Is(err, io.EOF) && (r.body.size < 0 || r.done >= r.body.size)
	if err == nil || ended || r.ctx.Err() != nil {
		return n, err
	}
	var own *Error
	if errors.As(err, &own) { // it says why
		return n, err
	}
	if again := r.again(); again != nil {
		return n, again
	}
	return n, nil
}

// again asks for the rest. Only a strong validator makes sure that it is the rest of the same document.
func (r *resuming) again() error {
	broken := &Error{Kind: ErrUnreachable, Message: fmt.Sprintf("%s: the transfer broke off after %d bytes", r.shown, r.done)}
	r.tries++
	if r.tries > resumes || r.done == 0 || !r.body.strong() {
		return broken
	}
	ask := r.request
	ask.from, ask.known = r.done, Known{ETag: r.body.etag}
	next, err := r.fetcher.open(r.ctx, ask)
	if err != nil {
		return err
	}
	if !next.partial {
		return errors.Join(broken, next.Close())
	}
	_ = r.body.Close()
	next.size, next.etag, next.lastModified = r.body.size, r.body.etag, r.body.lastModified
	*r.body = *next
	return nil
}
