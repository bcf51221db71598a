package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// changeTimeLimit marks runs that end at a time limit.
	changeTimeLimit = "time-limit"
	// shortestRecheck keeps a run that waits for a worker from asking over and over how long it has been worked on.
	shortestRecheck = time.Second
)

// MeasureAnalysis tells how long workers have been at the image, which the workflow cannot see: its steps may
// have waited for a worker most of the time.
var MeasureAnalysis = Activity[Run, MeasureResult]{Name: "MeasureAnalysis", Opts: record}

// MeasureResult is 0 while the image waits for a worker.
type MeasureResult struct {
	Elapsed time.Duration `json:"elapsed"`
}

// limited gives the steps of a run a context that ends once workers have been at the image for longer than the
// limit; 0 is none. verdict must be called with how the steps ended: it stops the clock, and gives that error or
// the one that says that the time was over.
func limited(ctx workflow.Context, run Run, limit time.Duration) (work workflow.Context, verdict func(error) error) {
	if limit <= 0 || workflow.GetVersion(ctx, changeTimeLimit, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return ctx, func(err error) error { return err }
	}
	work, stop := workflow.WithCancel(ctx)
	clock, disarm := workflow.WithCancel(ctx)
	expired := false
	workflow.Go(clock, func(ctx workflow.Context) {
		for wait := limit; wait > 0; {
			if err := workflow.NewTimer(ctx, wait).Get(ctx, nil); err != nil {
				return // the steps have ended, or the run is cancelled
			}
			spent, err := MeasureAnalysis.Run(ctx, run)
			if err != nil {
				return
			}
			if wait = limit - spent.Elapsed; wait > 0 {
				wait = max(wait, shortestRecheck)
			}
		}
		expired = true
		stop()
	})
	return work, func(err error) error {
		disarm()
		if expired {
			return temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("the analysis took longer than the %s that worker.analysis.timeout allows", limit), FailTimeout, nil)
		}
		return err
	}
}
