package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Names of services in the words of the API.
const (
	serviceAnalyzer      = "analyzer"
	serviceCatalog       = "catalog"
	serviceQueue         = "simplequeue"
	servicePolicyEngine  = "policy_engine"
	serviceNotifications = "notifications"
)

// ServiceNames lists as which services a worker of a queue reports.
func ServiceNames(queue string) []string {
	switch queue {
	case workflows.QueueControl:
		return []string{serviceCatalog, serviceQueue}
	case workflows.QueueAnalysis:
		return []string{serviceAnalyzer}
	case workflows.QueueFeeds, workflows.QueueRescan:
		return []string{servicePolicyEngine}
	case workflows.QueueNotify:
		return []string{serviceNotifications}
	}
	return nil
}

// Report says that the services of this process live.
func (a *Activities) Report(ctx context.Context, names []string, started time.Time) error {
	var failed []error
	for _, name := range names {
		err := a.services.Heartbeat(ctx, persistence.Service{
			HostID: a.origin.HostID, Name: name, Version: a.origin.Version, StartedAt: started, HeartbeatAt: a.now(),
		})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

const (
	// dueAtOnce is how many outbox rows are claimed at a time.
	dueAtOnce = 100
	// dueLease is how long a claimed row is left to its claimer.
	dueLease = 30 * time.Second
)

// Dispatch starts what outbox rows ask for and a crash, or an API that could not reach Temporal, left behind.
// It returns how many were due; those that could not be started come again later.
func (a *Activities) Dispatch(ctx context.Context, start func(ctx context.Context, workflow string, input []byte) error) (int, error) {
	due, err := a.outbox.Due(ctx, dueAtOnce, dueLease)
	if err != nil {
		return 0, fmt.Errorf("claim due workflow starts: %w", err)
	}
	var failed []error
	for _, row := range due {
		err := start(ctx, row.Workflow, row.Input)
		if err == nil {
			failed = append(failed, a.outbox.Done(ctx, row.ID))
			continue
		}
		log.From(ctx).Warn("workflow not started",
			zap.String(log.KeyWorkflowID, row.WorkflowID), zap.Int(log.KeyAttempt, row.Attempts), zap.Error(err))
		failed = append(failed, a.outbox.Failed(ctx, row.ID, err.Error()))
	}
	return len(due), errors.Join(failed...)
}

// Collect removes what deletions have left unused for longer than the grace period; a deletion itself comes too
// early for that. Of several workers one does it.
func (a *Activities) Collect(ctx context.Context) error {
	gone, err := a.analyses.Collect(ctx, a.analysis.retention())
	if gone != (persistence.Collected{}) {
		log.From(ctx).Info("unused results collected",
			zap.Int64("analyses", gone.Analyses), zap.Int64("layers", gone.Layers), zap.Int64("blobs", gone.Blobs))
	}
	return err
}

// reviveAfter is how long an image may wait without a sign of work before its workflow is started again. Starting one
// that runs changes nothing, so it only has to be longer than what is usual.
const reviveAfter = time.Hour

// Revive asks again for what nobody seems to work on: analyses and removals whose workflow is gone.
func (a *Activities) Revive(ctx context.Context) error {
	n, err := a.images.Revive(ctx, reviveAfter, func(i persistence.Stalled) persistence.Start {
		if i.Deleting {
			return persistence.Start{
				Workflow: workflows.DeleteImageName, WorkflowID: workflows.DeleteImageID(i.Account, i.Digest),
				Input: workflows.DeleteImageInput{Account: i.Account, Digest: i.Digest},
			}
		}
		return persistence.Start{
			Workflow: workflows.AnalyzeImageName, WorkflowID: workflows.AnalyzeImageID(i.Account, i.Digest),
			Input: workflows.AnalyzeImageInput{Account: i.Account, Digest: i.Digest, Request: i.Requested},
		}
	})
	if n > 0 {
		log.From(ctx).Warn("images without a sign of work asked for again", zap.Int("images", n))
	}
	return err
}
