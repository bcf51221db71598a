package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"plimsoll/activities/fetch"
	"plimsoll/activities/registry"
	"plimsoll/engine/catalog"
	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/relay"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/feedbundle"
	"plimsoll/persistence/seal"
	"plimsoll/workflows"
)

var (
	// errLayerTimeout ends a layer that takes longer than its limit.
	errLayerTimeout = errors.New("reading the layer took longer than worker.analysis.layer_timeout allows")
	// errAnalysisGone: what was found or stored for a run was collected before the run could refer to it. The record must
	// not wait for what does not come back; its next submission reads everything anew.
	errAnalysisGone = errors.New("the analysis is not stored any more")
	// errDocument: a fetched feed document is not what its group is supposed to be.
	errDocument = errors.New("the document is not what this feed group should be")
	// errGroup: no source offers the group under the current settings.
	errGroup = errors.New("no enabled source has this feed group")
)

// boundary maps an error to the failure that crosses into workflows.
type boundary struct {
	err   error
	code  string
	final bool // trying again gives the same
}

// table is the only place where errors become failures. The first line that fits counts: causes stand before
// what wraps them.
var table = []boundary{
	{persistence.ErrSuperseded, workflows.FailSuperseded, true},

	{registry.ErrReference, workflows.FailInvalidReference, true},
	{registry.ErrUnauthorized, workflows.FailRegistryUnauthorized, true},
	{registry.ErrNotFound, workflows.FailImageNotFound, true},
	{registry.ErrRateLimited, workflows.FailRegistryRateLimited, false},
	{registry.ErrUnreachable, workflows.FailRegistryUnreachable, false},
	{registry.ErrBadResponse, workflows.FailRegistryBadResponse, false},
	{registry.ErrDigestMismatch, workflows.FailDigestMismatch, true},
	{registry.ErrArtifact, workflows.FailUnsupported, true},
	{registry.ErrForeign, workflows.FailUnsupported, true},
	{registry.ErrUnsupported, workflows.FailUnsupported, true},
	{registry.ErrTooLarge, workflows.FailLimitExceeded, true},

	{image.ErrDigestMismatch, workflows.FailDigestMismatch, true},
	{image.ErrDigestFormat, workflows.FailUnsupported, true},
	{image.ErrLimit, workflows.FailLimitExceeded, true},
	{image.ErrCorrupt, workflows.FailLayerCorrupt, true},
	{imported.ErrDigest, workflows.FailDigestMismatch, true},
	{imported.ErrInvalid, workflows.FailImportInvalid, true},
	{imported.ErrUnsupported, workflows.FailUnsupported, true},
	{imported.ErrLimit, workflows.FailLimitExceeded, true},
	{errLayerTimeout, workflows.FailTimeout, true},
	{catalog.ErrUnavailable, workflows.FailScannerUnreachable, false},

	{fetch.ErrUnreachable, workflows.FailFeedUnreachable, false},
	{fetch.ErrResponse, workflows.FailFeedBadResponse, true},
	{fetch.ErrMissing, workflows.FailFeedBadResponse, true},
	{fetch.ErrTooLarge, workflows.FailLimitExceeded, true},
	{errDocument, workflows.FailFeedBadResponse, true},
	{errGroup, workflows.FailFeedBadResponse, true},
	{persistence.ErrShrunk, workflows.FailFeedRefused, true},
	{bundle.ErrUntrusted, workflows.FailFeedRefused, true},
	{bundle.ErrOlder, workflows.FailFeedRefused, true},
	{bundle.ErrBase, workflows.FailFeedRefused, true},
	{bundle.ErrBundle, workflows.FailFeedBadResponse, true},
	{relay.ErrDocument, workflows.FailFeedBadResponse, true},
	{feedbundle.ErrOther, workflows.FailFeedBadResponse, true},
	{feedbundle.ErrForm, workflows.FailFeedBadResponse, true},
	{feedbundle.ErrDocument, workflows.FailFeedBadResponse, true},
	{feedbundle.ErrGroup, workflows.FailFeedBadResponse, true},
	{errUploadGone, workflows.FailFeedRefused, true},

	{blob.ErrTooLarge, workflows.FailLimitExceeded, true},
	// Broken for good, and nothing a client could do about it.
	{blob.ErrCorrupt, workflows.FailInternal, true},
	{blob.ErrNotFound, workflows.FailInternal, true},
	{image.ErrEncoding, workflows.FailInternal, true},
	{errAnalysisGone, workflows.FailInternal, true},
	{seal.ErrUnknownKey, workflows.FailInternal, true},
	{seal.ErrTampered, workflows.FailInternal, true},
}

// outward turns an error into what crosses the activity boundary.
func outward(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return err
	}
	for _, line := range table {
		if errors.Is(err, line.err) {
			return temporal.NewApplicationErrorWithOptions(err.Error(), line.code, temporal.ApplicationErrorOptions{
				NonRetryable: line.final, NextRetryDelay: waitOf(err),
			})
		}
	}
	if ctx.Err() != nil {
		return ctx.Err() // cancelled, or the worker stops: Temporal knows what to do about either
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), workflows.FailInternal, temporal.ApplicationErrorOptions{})
}

// waitOf is what the other side asked to wait before the next try; 0 leaves it to the retry policy.
func waitOf(err error) time.Duration {
	var fromRegistry *registry.Error
	if errors.As(err, &fromRegistry) {
		return fromRegistry.RetryAfter
	}
	var fromFeed *fetch.Error
	if errors.As(err, &fromFeed) {
		return fromFeed.RetryAfter
	}
	return 0
}
