package api

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"plimsoll/api/oas"
	"plimsoll/engine/feed/bundle"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/workflows"
)

// FeedExchange is how feed data is brought in and out by hand.
type FeedExchange struct {
	Store *persistence.Feeds
	// Trust says whose bundles are taken; Trust.Unsigned also allows writing bundles without a key.
	Trust bundle.Trust
	Key   ed25519.PrivateKey // signs what is written; nil: nothing does
	// Document tells how a document of a group is read: feedbundle.ErrGroup.
	Document func(source, group string) (feedbundle.Document, error)
	Scratch  string // folder for bundles until they are sent; empty: the system's
}

// check reads all of an upload, as the worker will, and returns the name of the data set if it has one.
func (x FeedExchange) check(ctx context.Context, in workflows.SyncFeedsInput, content *persistence.UploadReader) (string, error) {
	if !in.Upload.Document {
		m, err := feedbundle.Import{Trust: x.Trust, Force: in.Force, Now: time.Now(), Source: in.Source}.Check(ctx, x.Store, content, content.Size)
		return m.Name, err
	}
	d, err := x.Document(in.Source, in.Group)
	if err != nil {
		return "", err
	}
	d.Force, d.Now = in.Force, time.Now()
	if in.Upload.Built != nil {
		d.Built = *in.Upload.Built
	}
	_, err = d.Check(ctx, x.Store, content, content.Size)
	return "", err
}

// exportSlots is how many bundles are made at a time: each reads everything there is.
const exportSlots = 2

// ExportFeed writes feed data into a bundle.
func (h *handlers) ExportFeed(ctx context.Context, req oas.ExportFeedRequestObject) (oas.ExportFeedResponseObject, error) {
	x := h.deps.Exchange
	if x.Key == nil && !x.Trust.Unsigned {
		return nil, fail(codeFeedKeyMissing, "This server has no key to sign bundles with: set feed_bundles.signing_key (plimsoll feeds keygen makes one).")
	}
	c := choice(&req.Feed, req.Params.Group)
	if err := h.knownChoice(ctx, c); err != nil {
		return nil, err
	}
	since, err := x.since(ctx, orElse(req.Params.Since, ""))
	if err != nil {
		return nil, exportProblem(err)
	}
	select {
	case h.exports <- struct{}{}:
		defer func() { <-h.exports }()
	default:
		return nil, fail(codeUnavailable, "Other bundles are being made; try again when they are done.")
	}
	made, err := feedbundle.Export{Key: x.Key, Since: since, Scratch: x.Scratch, Now: time.Now(), Choice: c}.Prepare(ctx, x.Store)
	if err != nil {
		return nil, exportProblem(err)
	}
	return feedBundle{ctx, made}, nil
}

// since reads where a bundle begins: a cursor, or a generation of this store.
func (x FeedExchange) since(ctx context.Context, text string) (string, error) {
	generation, err := strconv.ParseInt(text, 10, 64)
	if text == "" || err != nil {
		return text, nil //nolint:nilerr // a cursor, which is looked at later
	}
	state, err := x.Store.StoreState(ctx)
	return bundle.Cursor{Origin: state.Origin, Generation: generation}.String(), err
}

func exportProblem(err error) error {
	switch {
	case errors.Is(err, bundle.ErrBase):
		return fail(codeFeedGap, fmt.Sprintf("%v.", err)).because(err)
	case errors.Is(err, bundle.ErrBundle): // the cursor
		return fail(codeInvalidRequest, "since is neither a cursor, as the header Plimsoll-Feed-Cursor gives it, nor a generation.").because(err)
	case errors.Is(err, feedbundle.ErrContent):
		return fail(codeNotFound, "There is no such data yet; GET /system/feeds shows what was synchronised.").because(err)
	}
	return err
}

// feedBundle is the answer with a bundle.
type feedBundle struct {
	ctx  context.Context //nolint:containedctx // an answer lives as long as its request
	made *feedbundle.Prepared
}

// VisitExportFeedResponse sends the bundle. Where that fails half-way the connection is broken off, as nothing else tells the
// client that it has not got it.
func (b feedBundle) VisitExportFeedResponse(w http.ResponseWriter) error {
	defer b.made.Close()
	m := b.made.Manifest
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", strings.ReplaceAll(m.Name, `"`, "")+".tar"))
	w.Header().Set("Plimsoll-Feed-Cursor", m.Cursor)
	w.WriteHeader(http.StatusOK)
	if err := b.made.Write(w); err != nil {
		log.From(b.ctx).Warn("feed bundle not sent to its end", zap.Error(err))
		panic(http.ErrAbortHandler)
	}
	return nil
}
