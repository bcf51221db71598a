package workflows

import (
	"errors"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Steps of SyncFeeds.
var (
	// ListFeedGroups lists the groups of the enabled sources.
	ListFeedGroups = Activity[SyncFeedsInput, FeedGroups]{Name: "ListFeedGroups", Opts: feedPlan}
	// SyncGroup fetches one group, unless nothing changed upstream, and commits what is new in it.
	SyncGroup = Activity[SyncGroupInput, GroupResult]{Name: "SyncGroup", Opts: feedWork}
	// ClearGroup takes back everything a group says.
	ClearGroup = Activity[SyncGroupInput, GroupResult]{Name: "ClearGroup", Opts: feedWork}
	// TakeUpload checks the whole of what was uploaded and then takes it over, group by group. Done again it goes on where it
	// ended.
	TakeUpload = Activity[SyncFeedsInput, SyncFeedsResult]{Name: "TakeUpload", Opts: feedWork}
	// DropUpload removes what was uploaded.
	DropUpload = Activity[FeedUpload, Done]{Name: "DropUpload", Opts: feedPlan}
	// EndFeedSync notes how the sync ended.
	EndFeedSync = Activity[EndSyncInput, Done]{Name: "EndFeedSync", Opts: feedPlan}
	// PendingRescans lists committed generations whose rescan was never noted as started.
	PendingRescans = Activity[PendingInput, PendingResult]{Name: "PendingRescans", Opts: feedPlan}
	// RescansStarted notes that every generation up to one has its rescan.
	RescansStarted = Activity[StartedInput, Done]{Name: "RescansStarted", Opts: feedPlan}
)

// FeedGroups lists groups in a stable order.
type FeedGroups struct {
	Groups []FeedGroup `json:"groups"`
}

// FeedGroup names one group.
type FeedGroup struct {
	Source string `json:"source"`
	Name   string `json:"name"`
}

// SyncGroupInput names the group to sync.
type SyncGroupInput struct {
	Source string `json:"source"`
	Group  string `json:"group"`
	Force  bool   `json:"force,omitempty"`
	Flush  bool   `json:"flush,omitempty"`
}

// EndSyncInput says how a sync ended, in words for people.
type EndSyncInput struct {
	Failed  bool   `json:"failed,omitempty"`
	Message string `json:"message"`
}

// PendingInput bounds the answer.
type PendingInput struct {
	Limit int `json:"limit"`
}

// PendingResult lists generations, oldest first.
type PendingResult struct {
	Generations []int64 `json:"generations"`
}

// StartedInput names the newest generation whose rescan, with those of all before it, has been started.
type StartedInput struct {
	Through int64 `json:"through"`
}

const (
	// parallelGroups: a group's sync is bound by parsing and by the database, two keep both busy.
	parallelGroups = 2
	// pendingRescans bounds how many left-over rescans one sync picks up; a sync makes one per changed group.
	pendingRescans = 100
)

// SyncFeeds brings every group up to date, or takes back what it says, each on its own: one that fails keeps its last good data
// and has its error on its line of the result.
func SyncFeeds(ctx workflow.Context, in SyncFeedsInput) (SyncFeedsResult, error) {
	if in.Upload != nil {
		return takeUpload(ctx, in)
	}
	result, err := syncGroups(ctx, in)
	// Runs that began before there were records of them end without one.
	if workflow.GetVersion(ctx, "record-feed-syncs", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		if _, wrong := EndFeedSync.Run(detached(ctx), ended(result, err)); wrong != nil && err == nil {
			err = failure(wrong)
		}
	}
	return result, err
}

// ended sums a sync up.
func ended(result SyncFeedsResult, err error) EndSyncInput {
	failed, changed := 0, 0
	for _, g := range result.Groups {
		switch {
		case g.Error != "":
			failed++
		case !g.Unchanged:
			changed++
		}
	}
	out := EndSyncInput{
		Failed:  err != nil || failed > 0 && failed == len(result.Groups),
		Message: fmt.Sprintf("%d groups changed, %d unchanged, %d failed", changed, len(result.Groups)-changed-failed, failed),
	}
	switch {
	case temporal.IsCanceledError(err):
		out.Message = "cancelled"
	case err != nil:
		_, out.Message = Failure(err)
	}
	return out
}

// takeUpload takes over what was uploaded, which goes then, however that ended.
func takeUpload(ctx workflow.Context, in SyncFeedsInput) (SyncFeedsResult, error) {
	result, err := TakeUpload.Run(ctx, in)
	if err != nil && !temporal.IsCanceledError(err) {
		code, message := GroupFailure(err)
		err = temporal.NewNonRetryableApplicationError(message, code, err)
	}
	// Also when it failed: groups before the one that did are taken.
	started := make(map[int64]bool)
	for _, g := range result.Groups {
		if g.Generation > 0 {
			started[g.Generation] = startRescan(detached(ctx), g.Generation) == nil
		}
	}
	end := ended(result, err)
	if err != nil && !temporal.IsCanceledError(err) {
		code, message := GroupFailure(err)
		end.Message = code + ": " + message
	}
	wrong := catchUp(detached(ctx), started)
	_, errDrop := DropUpload.Run(detached(ctx), *in.Upload)
	_, errEnd := EndFeedSync.Run(detached(ctx), end)
	if err == nil {
		err = failure(errors.Join(wrong, errDrop, errEnd))
	}
	return result, err
}

func syncGroups(ctx workflow.Context, in SyncFeedsInput) (SyncFeedsResult, error) {
	var result SyncFeedsResult
	plan, err := ListFeedGroups.Run(ctx, in)
	if err != nil {
		return result, failure(err)
	}
	step := SyncGroup
	if in.Delete {
		step = ClearGroup
	}
	result.Groups = make([]GroupResult, len(plan.Groups))
	started := make(map[int64]bool)
	slots := workflow.NewSemaphore(ctx, parallelGroups)
	all := workflow.NewWaitGroup(ctx)
	for i, g := range plan.Groups {
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			line := GroupResult{Source: g.Source, Group: g.Name}
			defer func() { result.Groups[i] = line }()
			if err := slots.Acquire(ctx, 1); err != nil {
				line.Error = "cancelled before it started"
				return
			}
			defer slots.Release(1)
			out, err := step.RunAs(ctx, g.Source+"/"+g.Name, SyncGroupInput{Source: g.Source, Group: g.Name, Force: in.Force || in.Flush, Flush: in.Flush})
			if err != nil {
				_, line.Error = GroupFailure(err)
				return
			}
			line = out
			if out.Generation > 0 {
				// One that does not start here is left to catchUp.
				started[out.Generation] = startRescan(ctx, out.Generation) == nil
			}
		})
	}
	all.Wait(detached(ctx))
	if ctx.Err() != nil {
		return result, ctx.Err()
	}
	return result, failure(catchUp(ctx, started))
}

// catchUp starts the rescans of generations nobody was told of: those of a worker that died between a commit
// and its answer.
func catchUp(ctx workflow.Context, started map[int64]bool) error {
	pending, err := PendingRescans.Run(ctx, PendingInput{Limit: pendingRescans})
	if err != nil || len(pending.Generations) == 0 {
		return err
	}
	for _, generation := range pending.Generations {
		if started[generation] {
			continue
		}
		if err := startRescan(ctx, generation); err != nil {
			return err
		}
	}
	_, err = RescansStarted.Run(ctx, StartedInput{Through: pending.Generations[len(pending.Generations)-1]})
	return err
}

// GroupFailure reads code and message of a failed group sync.
func GroupFailure(err error) (code, message string) {
	if temporal.IsCanceledError(err) {
		return FailInternal, "cancelled"
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) && slices.Contains(feedFailures, app.Type()) {
		return app.Type(), clip(app.Message())
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return FailTimeout, "the sync did not end within its time limit; the group keeps its last good data"
	}
	return FailInternal, "internal error; the worker's log has the cause under this group"
}

// startRescan starts the rescan of a generation and lets it live on its own: the sync's answer does not wait
// until a hundred thousand images are judged anew. That it runs already is as good.
func startRescan(ctx workflow.Context, generation int64) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:        RescanID(generation),
		TaskQueue:         QueueRescan,
		ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
	})
	child := workflow.ExecuteChildWorkflow(ctx, RescanChangeSetName, RescanInput{Generation: generation})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	var running *temporal.ChildWorkflowExecutionAlreadyStartedError
	if errors.As(err, &running) {
		return nil
	}
	return err
}

// SyncFeedsOnSchedule is what the Schedule starts. Schedules append the time to their workflow ids; this one
// runs the sync as a child under its one id, so that a manual and a scheduled sync never run side by side.
func SyncFeedsOnSchedule(ctx workflow.Context, in SyncFeedsInput) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: SyncFeedsID, TaskQueue: QueueFeeds})
	err := workflow.ExecuteChildWorkflow(ctx, SyncFeedsName, in).Get(ctx, nil)
	var running *temporal.ChildWorkflowExecutionAlreadyStartedError
	if errors.As(err, &running) {
		workflow.GetLogger(ctx).Info("feed sync is already running")
		return nil
	}
	return err
}
