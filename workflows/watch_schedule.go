package workflows

import (
	"context"
	"errors"
	"hash/fnv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// watchPrefix begins the ids of the schedules of watchers.
const watchPrefix = "watch/"

// Schedules is what watching needs of Temporal's schedules.
type Schedules interface {
	Create(ctx context.Context, options client.ScheduleOptions) (client.ScheduleHandle, error)
	List(ctx context.Context, options client.ScheduleListOptions) (client.ScheduleListIterator, error)
	GetHandle(ctx context.Context, scheduleID string) client.ScheduleHandle
}

// WatchScheduleID is the schedule that starts looks for a subscription: watch/account/type/id.
func WatchScheduleID(in WatchInput) string {
	return watchPrefix + in.Account + "/" + in.Type + "/" + in.ID
}

// SyncWatchID is the workflow id of bringing a subscription's schedule in line.
func SyncWatchID(in WatchInput) string { return "sync-" + WatchScheduleID(in) }

// ListTagsID is the workflow id of one listing; nonce tells listings of one account apart.
func ListTagsID(account, nonce string) string { return "tags/" + account + "/" + nonce }

// parseWatchID reads the id of a watcher's schedule.
func parseWatchID(id string) (WatchInput, bool) {
	rest, ok := strings.CutPrefix(id, watchPrefix)
	parts := strings.Split(rest, "/") // names of accounts hold no slash
	if !ok || len(parts) != 3 || parts[1] != WatchedTag && parts[1] != WatchedRepository {
		return WatchInput{}, false
	}
	return WatchInput{Account: parts[0], Type: parts[1], ID: parts[2]}, true
}

// watchCatchUp is how late a look may start after an outage; older ones are left out.
const watchCatchUp = 5 * time.Minute

// jitterShare spreads looks beyond their fixed place within the interval: a twentieth of it.
const jitterShare = 20

// SetWatch makes a subscription be looked at in a rhythm. now looks at once if the schedule is new. A pause that a
// person made in Temporal's pages stays.
func SetWatch(ctx context.Context, schedules Schedules, in WatchInput, interval time.Duration, now bool) error {
	spec := client.ScheduleSpec{
		// Intervals count from the epoch, so without an offset all schedules would start together.
		Intervals: []client.ScheduleIntervalSpec{{Every: interval, Offset: offsetOf(in.ID, interval)}},
		Jitter:    interval / jitterShare,
	}
	action := &client.ScheduleWorkflowAction{
		ID: WatchScheduleID(in), TaskQueue: QueueControl,
		Workflow: WatchTagName, Args: []any{in}, WorkflowExecutionTimeout: tagLookLimit,
		TypedSearchAttributes: temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)),
	}
	if in.Type == WatchedRepository {
		action.Workflow, action.Args = WatchRepositoryName, []any{WatchRepositoryInput{WatchInput: in}}
		action.WorkflowExecutionTimeout = repositoryLookLimit
	}
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: WatchScheduleID(in), Spec: spec, Action: action, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: watchCatchUp, TriggerImmediately: now,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	handle := schedules.GetHandle(ctx, WatchScheduleID(in))
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(u client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		s := u.Description.Schedule
		s.Spec, s.Action = &spec, action
		return &client.ScheduleUpdate{Schedule: &s}, nil
	}})
}

func offsetOf(id string, interval time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))                                                         // never fails
	return time.Duration(h.Sum64()%uint64(max(interval/time.Second, 1))) * time.Second // #nosec G115 -- below the interval
}

// DropWatch ends the looks for a subscription; there may be none.
func DropWatch(ctx context.Context, schedules Schedules, in WatchInput) error {
	err := schedules.GetHandle(ctx, WatchScheduleID(in)).Delete(ctx)
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

// ScheduledWatches calls do for every subscription that has a schedule, with its interval.
func ScheduledWatches(ctx context.Context, schedules Schedules, do func(WatchInput, time.Duration)) error {
	list, err := schedules.List(ctx, client.ScheduleListOptions{PageSize: 1000})
	if err != nil {
		return err
	}
	for list.HasNext() {
		entry, err := list.Next()
		if err != nil {
			return err
		}
		in, ok := parseWatchID(entry.ID)
		if !ok {
			continue
		}
		var interval time.Duration
		if entry.Spec != nil && len(entry.Spec.Intervals) == 1 {
			interval = entry.Spec.Intervals[0].Every
		}
		do(in, interval)
	}
	return nil
}

// SyncWatchOptions are the start options of bringing a schedule in line; start it with StartSyncWatch.
func SyncWatchOptions(in WatchInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: SyncWatchID(in), TaskQueue: QueueControl,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)),
	}
}

// StartSyncWatch brings a schedule in line, or tells the workflow that does so that there is news.
func StartSyncWatch(ctx context.Context, c Client, in WatchInput) (client.WorkflowRun, error) {
	opts := SyncWatchOptions(in)
	return c.SignalWithStartWorkflow(ctx, opts.ID, RequestSignal, in, opts, SyncWatchName, in)
}

// StartListTags starts a listing; wait for it with the run's Get.
func StartListTags(ctx context.Context, c Client, in ListTagsInput, nonce string) (client.WorkflowRun, error) {
	opts := client.StartWorkflowOptions{
		ID: ListTagsID(in.Account, nonce), TaskQueue: QueueControl, WorkflowExecutionTimeout: resolveLimit,
		StaticSummary:         in.Repository,
		Priority:              share(in.Account, awaited),
		TypedSearchAttributes: temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)),
	}
	return c.ExecuteWorkflow(ctx, opts, ListTagsName, in)
}
