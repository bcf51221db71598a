package worker_test

import (
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"plimsoll/worker"
	"plimsoll/workflows"
)

func TestFeedScheduleFollowsTheConfiguration(t *testing.T) {
	t.Parallel()
	c, _ := newNamespace(t, "schedules")
	handle := c.ScheduleClient().GetHandle(t.Context(), workflows.FeedScheduleID)
	ensure := func(interval time.Duration, now bool) *client.ScheduleDescription {
		t.Helper()
		if err := worker.EnsureSchedule(t.Context(), c.ScheduleClient(), interval, now); err != nil {
			t.Fatal(err)
		}
		s, err := handle.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(s *client.ScheduleDescription, every time.Duration, paused bool) {
		t.Helper()
		if got := s.Schedule.Spec.Intervals; len(got) != 1 || got[0].Every != every || s.Schedule.State.Paused != paused {
			t.Errorf("schedule every %v, paused %t; want %s, %t", got, s.Schedule.State.Paused, every, paused)
		}
	}
	check(ensure(time.Hour, false), time.Hour, false)
	check(ensure(2*time.Hour, false), 2*time.Hour, false)
	check(ensure(0, true), 6*time.Hour, true) // switched off; never triggered then
	check(ensure(time.Hour, false), time.Hour, false)
	if err := handle.Pause(t.Context(), client.SchedulePauseOptions{Note: "by hand"}); err != nil {
		t.Fatal(err)
	}
	check(ensure(time.Hour, false), time.Hour, true) // a person's pause stays
	if s := ensure(time.Hour, false); s.Info.NumActions != 0 {
		t.Errorf("%d syncs were started though none was due", s.Info.NumActions)
	}
	if err := handle.Unpause(t.Context(), client.ScheduleUnpauseOptions{}); err != nil {
		t.Fatal(err)
	}
	ensure(time.Hour, true)
	eventually(t, "the never synced feeds are synced at once", func() bool {
		s, err := handle.Describe(t.Context())
		return err == nil && s.Info.NumActions == 1
	})
}
