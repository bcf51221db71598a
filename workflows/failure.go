package workflows

import (
	"errors"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
)

// maxMessage bounds failure messages in payloads and rows, in bytes; whatever a registry or feed says ends up
// in them.
const maxMessage = 500

// Known reports whether code is one of the failure types a client may be shown.
func Known(code string) bool {
	switch code {
	case FailRegistryUnreachable, FailRegistryUnauthorized, FailImageNotFound, FailRegistryRateLimited,
		FailRegistryBadResponse, FailDigestMismatch, FailLayerCorrupt, FailUnsupported, FailInvalidReference,
		FailLimitExceeded, FailSuperseded, FailTimeout, FailImportInvalid, FailScannerUnreachable, FailInternal:
		return true
	}
	return false
}

// Failure reads the stable code and the message out of a workflow's or activity's error. Whatever is not
// classified is FailInternal with a message that gives nothing away.
func Failure(err error) (code, message string) {
	// Of an activity that ran into a time limit while failing, errors.As finds the last attempt's own failure
	// first, which says more than the limit does.
	var app *temporal.ApplicationError
	if errors.As(err, &app) && Known(app.Type()) && app.Type() != FailInternal {
		return app.Type(), clip(app.Message())
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		if timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_HEARTBEAT {
			return FailTimeout, "the worker went silent in every attempt; look for restarts or a lack of memory in its log"
		}
		return FailTimeout, "the step did not end within its time limit"
	}
	return FailInternal, "internal error; the worker's log has the cause under this image's digest"
}

// feedFailures are the codes of what can go wrong with a feed group.
var feedFailures = []string{FailFeedUnreachable, FailFeedBadResponse, FailFeedRefused, FailLimitExceeded}

// failure turns an activity's error into the workflow's own, keeping the code.
func failure(err error) error {
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	code, message := Failure(err)
	return temporal.NewNonRetryableApplicationError(message, code, err)
}

// isSuperseded reports that the run's result is not wanted any more.
func isSuperseded(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.Type() == FailSuperseded
}

func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "…"
}
