package worker

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"plimsoll/activities"
	"plimsoll/workflows"
)

const (
	// pausedNote marks a pause as ours: one that a person made in Temporal's pages is left alone.
	pausedNote = "paused by configuration: feeds.enabled is false"
	// catchUp is how late a sync may start after an outage; older ones are left out, as the next one fetches
	// the same documents.
	catchUp = 10 * time.Minute
)

// schedule makes the schedule of feed syncs what the configuration says. It tries until it can: without a
// schedule everything else works, so nothing else waits for it.
func (w *Worker) schedule(ctx context.Context) error {
	anything := func(error) bool { return true }
	err := insist(ctx, "feed schedule not set up", anything, func(ctx context.Context) error {
		untried, err := w.deps.Activities.RegisterFeeds(ctx)
		if err != nil {
			return err
		}
		if err := w.rematch(ctx); err != nil {
			return err
		}
		return ensureSchedule(ctx, w.deps.Client.ScheduleClient(), w.deps.Activities.FeedInterval(), untried)
	})
	if errors.Is(err, context.Canceled) {
		err = nil // asked to stop
	}
	return err
}

// rematch starts matching everything anew when matches were made by other rules than those in force. What a crash leaves
// unstarted the next feed sync starts.
func (w *Worker) rematch(ctx context.Context) error {
	generation, err := w.deps.Activities.EnsureRules(ctx)
	if err != nil || generation == 0 {
		return err
	}
	_, err = workflows.StartRescan(ctx, w.deps.Client, workflows.RescanInput{Generation: generation})
	return err
}

// ensureSchedule creates or updates the schedule; interval 0 pauses it. now starts a sync at once, unless one
// is running.
func ensureSchedule(ctx context.Context, schedules client.ScheduleClient, interval time.Duration, now bool) error {
	paused, note := interval == 0, ""
	if paused {
		interval, note, now = activities.DefaultFeeds().Interval, pausedNote, false
	}
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: interval}}}
	action := &client.ScheduleWorkflowAction{
		ID: workflows.FeedScheduleID + "-scheduled", Workflow: workflows.SyncOnScheduleName, TaskQueue: workflows.QueueFeeds,
		Args: []any{workflows.SyncFeedsInput{Scheduled: true}},
	}
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: workflows.FeedScheduleID, Spec: spec, Action: action, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: catchUp, Paused: paused, Note: note, TriggerImmediately: now,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	handle := schedules.GetHandle(ctx, workflows.FeedScheduleID)
	err = handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		s := in.Description.Schedule
		s.Spec, s.Action = &spec, action
		switch {
		case paused && !s.State.Paused:
			s.State.Paused, s.State.Note = true, pausedNote
		case !paused && s.State.Note == pausedNote:
			s.State.Paused, s.State.Note = false, ""
		}
		return &client.ScheduleUpdate{Schedule: &s}, nil
	}})
	if err != nil || !now {
		return err
	}
	return handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP})
}
