package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"

	"plimsoll/activities"
	"plimsoll/internal/log"
	"plimsoll/workflows"
)

// reportEvery is the rhythm of the sign of life among the services.
const reportEvery = 10 * time.Second

// report keeps this process's services alive in the list that operators see.
func (w *Worker) report(ctx context.Context, started time.Time) error {
	seen := make(map[string]bool)
	var names []string
	for _, queue := range w.queues {
		for _, name := range activities.ServiceNames(queue) {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return every(ctx, reportEvery, func(ctx context.Context) error {
		err := w.deps.Activities.Report(ctx, names, started)
		if err != nil && ctx.Err() == nil {
			log.From(ctx).Warn("sign of life not recorded", zap.Error(err))
		}
		return err
	})
}

// dispatch starts the workflows of due outbox rows.
func (w *Worker) dispatch(ctx context.Context) error {
	start := func(ctx context.Context, workflow string, input []byte) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return workflows.Start(ctx, w.deps.Client, workflow, input)
	}
	return every(ctx, w.cfg.DispatchInterval, func(ctx context.Context) error {
		for {
			due, err := w.deps.Activities.Dispatch(ctx, start)
			if err != nil {
				if ctx.Err() == nil {
					log.From(ctx).Warn("outbox not dispatched", zap.Error(err))
				}
				return err
			}
			if due == 0 {
				return nil
			}
			w.metrics.dispatched.Add(float64(due))
		}
	})
}

// collectEvery is the rhythm in which unused results are looked for.
const collectEvery = time.Hour

// collect removes what deletions left behind, and old events.
func (w *Worker) collect(ctx context.Context) error {
	return every(ctx, collectEvery, func(ctx context.Context) error {
		err := errors.Join(w.deps.Activities.Collect(ctx), w.deps.Activities.ForgetEvents(ctx), w.deps.Activities.ForgetTrials(ctx))
		if err != nil && ctx.Err() == nil {
			log.From(ctx).Warn("unused results or old events not collected", zap.Error(err))
		}
		return err
	})
}

// reviveEvery is the rhythm in which images that nobody works on are looked for.
const reviveEvery = 30 * time.Minute

// revive starts again what was lost outside this program: a workflow that was terminated, or a server's memory.
func (w *Worker) revive(ctx context.Context) error {
	return every(ctx, reviveEvery, func(ctx context.Context) error {
		err := w.deps.Activities.Revive(ctx)
		if err != nil && ctx.Err() == nil {
			log.From(ctx).Warn("lost work not looked for", zap.Error(err))
		}
		return err
	})
}

// followEvery is the rhythm in which the workflow is looked for that judges what time may have changed.
const followEvery = 10 * time.Minute

// followTime keeps that workflow running.
func (w *Worker) followTime(ctx context.Context) error {
	return every(ctx, followEvery, func(ctx context.Context) error {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, err := workflows.StartJudgeDue(call, w.deps.Client)
		if err != nil && ctx.Err() == nil {
			log.From(ctx).Warn("verdicts do not follow the time", zap.Error(err))
		}
		return err
	})
}

// signaturesEvery is the rhythm in which a folder of malware signatures is compared with the feed.
const signaturesEvery = time.Minute

// keepSignatures keeps the folder of a clamd beside this worker.
func (w *Worker) keepSignatures(ctx context.Context) error {
	return every(ctx, signaturesEvery, func(ctx context.Context) error {
		files, changed, err := w.deps.Activities.KeepSignatures(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			log.From(ctx).Warn("malware signatures not distributed", zap.Error(err))
		case changed:
			log.From(ctx).Info("malware signatures distributed", zap.Int("files", files))
		}
		return err
	})
}

// every calls do at once and then in a rhythm, slower while it fails, until ctx ends.
func every(ctx context.Context, rhythm time.Duration, do func(context.Context) error) error {
	wait := rhythm
	for {
		if do(ctx) == nil {
			wait = rhythm
		} else {
			wait = min(2*wait, max(rhythm, longestWait))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// repairEvery is the rhythm in which subscriptions are compared with the schedules of their watchers.
const repairEvery = time.Hour

// repair makes the schedules of watchers what the subscriptions say, after a crash in between or other intervals.
func (w *Worker) repair(ctx context.Context) error {
	return every(ctx, repairEvery, func(ctx context.Context) error {
		repaired, err := w.deps.Activities.RepairWatches(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			log.From(ctx).Warn("watches not compared with their schedules", zap.Error(err))
		case repaired > 0:
			log.From(ctx).Info("watches repaired", zap.Int("count", repaired))
		}
		return err
	})
}

// tidyEvery is the rhythm in which the records of feed syncs are looked after.
const tidyEvery = time.Hour

// tidy ends the records of syncs whose workflow has gone, says which feeds need somebody, and removes what is old enough.
func (w *Worker) tidy(ctx context.Context) error {
	return every(ctx, tidyEvery, func(ctx context.Context) error {
		err := errors.Join(w.settleSyncs(ctx), w.deps.Activities.ReportFeedAlarms(ctx), w.deps.Activities.ForgetFeedHistory(ctx))
		if err != nil && ctx.Err() == nil {
			log.From(ctx).Warn("feeds not looked after", zap.Error(err))
		}
		return err
	})
}

// settleSyncs asks Temporal about the syncs that count as running.
func (w *Worker) settleSyncs(ctx context.Context) error {
	open, err := w.deps.Activities.OpenSyncs(ctx)
	if err != nil {
		return err
	}
	for _, run := range open {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		found, err := w.deps.Client.DescribeWorkflowExecution(call, workflows.SyncFeedsID, run)
		cancel()
		var missing *serviceerror.NotFound
		switch {
		case err != nil && !errors.As(err, &missing):
			return fmt.Errorf("look up feed sync %s: %w", run, err)
		case err == nil && found.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
			continue
		}
		if err := w.deps.Activities.SyncInterrupted(ctx, run); err != nil {
			return err
		}
	}
	return nil
}
