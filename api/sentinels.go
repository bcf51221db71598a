package api

import (
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/workflows"
)

// sentinels classifies what a handler did not: conditions that mean the same wherever they come up.
var sentinels = []struct {
	err     error
	code    string
	message string
}{
	{persistence.ErrSchemaOld, codeUnavailable, "The database schema is older than this program; run `plimsoll migrate`."},
	{persistence.ErrSchemaNew, codeUnavailable, "The database schema is newer than this program; run its newest version."},
	{persistence.ErrNotFound, codeNotFound, "What the request names does not exist, or was deleted in the meantime."},
	{persistence.ErrNotAnalyzed, codeImageNotAnalyzed, "The image has no finished analysis yet."},
	{persistence.ErrExists, codeConflict, "What the request would create exists already."},
	{persistence.ErrActive, codeConflict, "What the request names is in use."},
	{persistence.ErrState, codeConflict, "The state of what the request names does not allow this."},
	{persistence.ErrSubscribed, codeConflict, "A tag of the image has an active subscription; deactivate it, or use force=true."},
	{persistence.ErrAnalyzing, codeConflict, "The image is being analyzed; wait for the end, or use force=true."},
	{persistence.ErrSuperseded, codeConflict, "Another request changed the same thing at the same time; try again."},
	{persistence.ErrBusy, codeConflict, "As much of this as may be is under way already; wait, or end some of it."},
	{persistence.ErrTooMany, codeLimitExceeded, "There are too many of what the request would create."},
	{persistence.ErrNotUploaded, codeImportInvalid, "The import names a document that was not uploaded in its operation."},
	{workflows.ErrRunning, codeConflict, "The work the request asks for is under way already."},
	{blob.ErrTooLarge, codeLimitExceeded, "A document is larger than this installation stores."},
}

// workflowFailures maps the failure types of workflows to the catalogue. What is missing here is an internal error.
var workflowFailures = map[string]string{
	workflows.FailRegistryUnreachable:  codeRegistryUnreachable,
	workflows.FailRegistryUnauthorized: codeRegistryDenied,
	workflows.FailImageNotFound:        codeRegistryNoImage,
	workflows.FailRegistryRateLimited:  codeRegistryRateLimited,
	workflows.FailRegistryBadResponse:  codeRegistryBadResponse,
	workflows.FailDigestMismatch:       codeDigestMismatch,
	workflows.FailImportInvalid:        codeImportInvalid,
	workflows.FailLayerCorrupt:         codeLayerCorrupt,
	workflows.FailUnsupported:          codeImageUnsupported,
	workflows.FailInvalidReference:     codeInvalidReference,
	workflows.FailLimitExceeded:        codeLimitExceeded,
	workflows.FailTimeout:              codeAnalysisTimeout,
	workflows.FailScannerUnreachable:   codeScannerUnreachable,
}
