package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Starter starts workflows. Its errors are of type ProblemError.
type Starter interface {
	// ResolveImage asks a worker what the registry says, and waits.
	ResolveImage(ctx context.Context, in workflows.ResolveImageInput) (workflows.ResolveImageResult, error)
	// ListTags asks a worker what tags a repository has, and waits.
	ListTags(ctx context.Context, in workflows.ListTagsInput) (workflows.ListTagsResult, error)
	// Launch starts what an outbox row asks for. A row that cannot be started now stays for the dispatcher.
	Launch(ctx context.Context, outboxID int64)
	// SyncFeeds starts a feed synchronisation and waits for at most wait; done tells whether it ended in that time.
	SyncFeeds(ctx context.Context, in workflows.SyncFeedsInput, wait time.Duration) (result workflows.SyncFeedsResult, done bool, err error)
	// UploadFeed starts taking over what was uploaded, and returns the id of the run.
	UploadFeed(ctx context.Context, in workflows.SyncFeedsInput) (run string, err error)
}

// Outbox holds workflow starts that are not confirmed yet.
type Outbox interface {
	Get(ctx context.Context, id int64) (persistence.Pending, error)
	Done(ctx context.Context, id int64) error
}

type temporalStarter struct {
	client  workflows.Client
	outbox  Outbox
	timeout time.Duration
}

// NewStarter returns a Starter over a Temporal client.
func NewStarter(c workflows.Client, outbox Outbox, config Config) Starter {
	return &temporalStarter{client: c, outbox: outbox, timeout: config.ResolveTimeout}
}

func (s *temporalStarter) ResolveImage(ctx context.Context, in workflows.ResolveImageInput) (workflows.ResolveImageResult, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var out workflows.ResolveImageResult
	run, err := workflows.StartResolveImage(ctx, s.client, in, uuid.NewString())
	if err != nil {
		return out, startProblem(err)
	}
	if err := run.Get(ctx, &out); err != nil {
		return out, resolveProblem(ctx, err)
	}
	return out, nil
}

func (s *temporalStarter) ListTags(ctx context.Context, in workflows.ListTagsInput) (workflows.ListTagsResult, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var out workflows.ListTagsResult
	run, err := workflows.StartListTags(ctx, s.client, in, uuid.NewString())
	if err != nil {
		return out, startProblem(err)
	}
	if err := run.Get(ctx, &out); err != nil {
		return out, resolveProblem(ctx, err)
	}
	return out, nil
}

func startProblem(err error) error {
	return fail(codeUnavailable, "The workflow engine does not answer, so nothing can be started; try again later.").because(err)
}

// resolveProblem maps the end of a look-up. A look-up that nobody took runs into the time limit of its workflow.
func resolveProblem(ctx context.Context, err error) error {
	code, message := workflows.Failure(err)
	if known, ok := workflowFailures[code]; ok && code != workflows.FailTimeout { // a registry that is slow has a code of its own
		return fail(known, message).because(err)
	}
	var timeout *temporal.TimeoutError
	if ctx.Err() != nil || errors.As(err, &timeout) {
		return fail(codeUnavailable, "No worker looked the image up in time; check that a worker is running and that the registry answers.").because(err)
	}
	var unavailable *serviceerror.Unavailable
	if errors.As(err, &unavailable) {
		return startProblem(err)
	}
	return fmt.Errorf("resolve image: %w", err)
}

func (s *temporalStarter) Launch(ctx context.Context, outboxID int64) {
	if err := s.launch(ctx, outboxID); err != nil {
		log.From(ctx).Warn("workflow could not be started at once; the dispatcher will", zap.Int64("outbox_id", outboxID), zap.Error(err))
	}
}

func (s *temporalStarter) launch(ctx context.Context, outboxID int64) error {
	pending, err := s.outbox.Get(ctx, outboxID)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil // the dispatcher was faster
	}
	if err != nil {
		return fmt.Errorf("read outbox row: %w", err)
	}
	if err := workflows.Start(ctx, s.client, pending.Workflow, pending.Input); err != nil {
		return err
	}
	if err := s.outbox.Done(ctx, outboxID); err != nil {
		return fmt.Errorf("confirm outbox row: %w", err)
	}
	return nil
}

func (s *temporalStarter) SyncFeeds(ctx context.Context, in workflows.SyncFeedsInput, wait time.Duration) (workflows.SyncFeedsResult, bool, error) {
	var out workflows.SyncFeedsResult
	run, err := s.startFeeds(ctx, in)
	if err != nil {
		return out, false, err
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err = getResult(waiting, run, &out)
	switch {
	case err == nil:
		return out, true, nil
	case waiting.Err() != nil && ctx.Err() == nil:
		return out, false, nil
	}
	return out, false, fail(codeFeedSyncFailed, "The synchronisation ended before its time; what was loaded before stays in use.").because(err)
}

func (s *temporalStarter) startFeeds(ctx context.Context, in workflows.SyncFeedsInput) (client.WorkflowRun, error) {
	run, err := workflows.StartSyncFeeds(ctx, s.client, in)
	switch {
	case errors.Is(err, workflows.ErrRunning):
		return nil, fail(codeFeedSyncRunning, "Vulnerability data is being synchronised already; GET /system/feeds shows how far it is.").because(err)
	case err != nil:
		return nil, startProblem(err)
	}
	return run, nil
}

func (s *temporalStarter) UploadFeed(ctx context.Context, in workflows.SyncFeedsInput) (string, error) {
	run, err := s.startFeeds(ctx, in)
	if err != nil {
		return "", err
	}
	return run.GetRunID(), nil
}

func getResult(ctx context.Context, run client.WorkflowRun, out any) error {
	if err := run.Get(ctx, out); err != nil {
		return fmt.Errorf("wait for workflow %s: %w", run.GetID(), err)
	}
	return nil
}
