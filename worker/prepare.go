package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/workflows"
)

// ErrNamespace says that the namespace does not exist.
var ErrNamespace = errors.New("temporal namespace does not exist")

const (
	// firstWait and longestWait bound the pauses between tries to reach something that is down.
	firstWait   = time.Second
	longestWait = 30 * time.Second
	// callTimeout bounds one call to Temporal.
	callTimeout = 10 * time.Second
)

// prepare waits for Temporal and makes sure that it knows what workflows are started with.
func (w *Worker) prepare(ctx context.Context) error {
	return insist(ctx, "Temporal is not ready", passing, func(ctx context.Context) error {
		if err := w.checkNamespace(ctx); err != nil {
			return err
		}
		return w.ensureAttributes(ctx)
	})
}

// insist calls do until it succeeds, fails in a way that does not pass, or ctx ends.
func insist(ctx context.Context, complaint string, passes func(error) bool, do func(context.Context) error) error {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := do(call)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || !passes(err) {
			return err
		}
		log.From(ctx).Warn(complaint, zap.Duration("next_try", wait), zap.Error(err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// passing reports trouble that may pass.
func passing(err error) bool {
	var unavailable *serviceerror.Unavailable
	var deadline *serviceerror.DeadlineExceeded
	var exhausted *serviceerror.ResourceExhausted
	return errors.As(err, &unavailable) || errors.As(err, &deadline) || errors.As(err, &exhausted) ||
		errors.Is(err, context.DeadlineExceeded)
}

func (w *Worker) checkNamespace(ctx context.Context) error {
	_, err := w.deps.Client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: w.deps.Namespace})
	var missing *serviceerror.NamespaceNotFound
	var notFound *serviceerror.NotFound
	if errors.As(err, &missing) || errors.As(err, &notFound) {
		return fmt.Errorf("%w: %s; create it (temporal operator namespace create %s) or set temporal.namespace", ErrNamespace, w.deps.Namespace, w.deps.Namespace)
	}
	if err != nil {
		return fmt.Errorf("look up Temporal namespace %s: %w", w.deps.Namespace, err)
	}
	return nil
}

// ensureAttributes registers the search attributes. Where workers may not do that, somebody else has to have
// done it.
func (w *Worker) ensureAttributes(ctx context.Context) error {
	names := []string{workflows.AttributeAccount, workflows.AttributeImageDigest}
	known, err := w.deps.Client.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: w.deps.Namespace})
	missing := make(map[string]enumspb.IndexedValueType)
	for _, name := range names {
		if known.GetCustomAttributes()[name] != enumspb.INDEXED_VALUE_TYPE_KEYWORD {
			missing[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		}
	}
	if err == nil && len(missing) == 0 {
		return nil
	}
	_, err = w.deps.Client.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: w.deps.Namespace, SearchAttributes: missing,
	})
	var exists *serviceerror.AlreadyExists
	if err == nil || errors.As(err, &exists) { // another worker was faster
		return nil
	}
	return fmt.Errorf("register search attributes %v of type Keyword in Temporal namespace %s (temporal operator search-attribute create does the same): %w", names, w.deps.Namespace, err)
}
