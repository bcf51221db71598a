package worker_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"go.temporal.io/sdk/client"

	"plimsoll/activities"
	"plimsoll/persistence"
	"plimsoll/worker"
	"plimsoll/workflows"
)

func (s *stack) countRows(sql string, args ...any) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// look triggers the schedule of a subscription and waits until one more look has ended.
func (s *stack) look(in workflows.WatchInput) {
	s.t.Helper()
	schedule := s.client.ScheduleClient().GetHandle(s.t.Context(), workflows.WatchScheduleID(in))
	looks := func() (begun int, idle bool) {
		described, err := schedule.Describe(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		return described.Info.NumActions, len(described.Info.RunningWorkflows) == 0
	}
	var before int
	eventually(s.t, "no look is under way", func() (idle bool) { before, idle = looks(); return idle })
	if err := schedule.Trigger(s.t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "one more look has ended", func() bool {
		begun, idle := looks()
		return begun > before && idle
	})
}

// second starts another worker over the same database and namespace.
func (s *stack) second(namespace string) {
	s.t.Helper()
	feeds := activities.DefaultFeeds()
	feeds.Enabled = false
	acts, err := activities.New(activities.Deps{
		Pool: s.pool, Sealer: s.sealer, Host: "worker-2", Version: "v1", Blobs: s.blobs,
		Schedules: s.client.ScheduleClient(), Watch: activities.DefaultWatch(), MaxImageMiB: -1,
	}, activities.DefaultAnalysis(), feeds)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := worker.DefaultConfig()
	cfg.Queues = []string{workflows.QueueControl, workflows.QueueAnalysis}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- worker.New(worker.Deps{Client: s.client, Namespace: namespace, Activities: acts}, cfg).Run(ctx)
	}()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("the second worker ended with %v", err)
		}
	})
}

func TestAWatchedTagIsLookedAtOnceHoweverManyWorkersThereAre(t *testing.T) {
	t.Parallel()
	var heads atomic.Int64
	s := newStack(t, "watch-tag", func(r *http.Request) {
		if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/team/ship/manifests/1") {
			heads.Add(1)
		}
	})
	s.second(s.namespace)
	pushNamed(t, s.addr+"/team/ship:1", "first")
	heads.Store(0)
	subs := persistence.NewSubscriptions(s.pool)
	tag := persistence.TagName{Registry: s.addr, Repository: "team/ship", Tag: "1"}
	sub, err := subs.Create(t.Context(), persistence.NewSubscription{Account: "acme", Type: persistence.TagUpdate, Name: tag, Active: true}, activities.SyncWatch)
	if err != nil {
		t.Fatal(err)
	}
	in := workflows.WatchInput{Account: sub.Account, Type: sub.Type, ID: sub.ID}
	images := func() int { return s.countRows(`SELECT count(*) FROM plimsoll.image WHERE account = 'acme'`) }
	eventually(t, "the first look adds the image", func() bool { return images() == 1 })
	looks := heads.Load()
	if looks != 1 {
		t.Errorf("the registry was asked %d times for one look", looks)
	}
	before := s.countRows(`SELECT xmin::text::bigint FROM plimsoll.subscription`)
	s.look(in)
	if images() != 1 || heads.Load() != looks+1 || s.countRows(`SELECT xmin::text::bigint FROM plimsoll.subscription`) != before {
		t.Errorf("a look without news: %d images, %d requests, or it wrote the row", images(), heads.Load()-looks)
	}
	pushNamed(t, s.addr+"/team/ship:1", "second")
	s.look(in)
	eventually(t, "the new image is analysed", func() bool {
		return s.countRows(`SELECT count(*) FROM plimsoll.image WHERE account = 'acme' AND analysis_status = 'analyzed'`) == 2
	})
	off := false
	if _, err := subs.Change(t.Context(), "acme", sub.ID, persistence.SubscriptionChange{Active: &off}, activities.SyncWatch); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the schedule goes with the subscription", func() bool {
		_, err := s.client.ScheduleClient().GetHandle(t.Context(), workflows.WatchScheduleID(in)).Describe(t.Context())
		return err != nil
	})
}

func TestAWatchedRepositoryBringsItsTags(t *testing.T) {
	t.Parallel()
	s := newStack(t, "watch-repository", func(*http.Request) {})
	for _, tag := range []string{"1", "2"} {
		pushNamed(t, s.addr+"/team/fleet:"+tag, tag)
	}
	subs := persistence.NewSubscriptions(s.pool)
	name := persistence.TagName{Registry: s.addr, Repository: "team/fleet"}
	sub, err := subs.WatchRepository(t.Context(), persistence.RepositoryWatch{
		Account: "acme", Name: name, AutoSubscribe: true, Tags: []string{"1", "2"}, ExcludeExisting: true,
	}, activities.SyncWatch)
	if err != nil {
		t.Fatal(err)
	}
	in := workflows.WatchInput{Account: sub.Account, Type: sub.Type, ID: sub.ID}
	eventually(t, "the repository has a schedule", func() bool {
		described, err := s.client.ScheduleClient().GetHandle(t.Context(), workflows.WatchScheduleID(in)).Describe(t.Context())
		return err == nil && described.Info.NumActions > 0 && len(described.Info.RunningWorkflows) == 0
	})
	if n := s.countRows(`SELECT count(*) FROM plimsoll.image WHERE account = 'acme'`); n != 0 {
		t.Errorf("%d images of tags that were excluded", n)
	}
	pushNamed(t, s.addr+"/team/fleet:3", "3")
	s.look(in)
	eventually(t, "the new tag is added and watched", func() bool {
		return s.countRows(`SELECT count(*) FROM plimsoll.image_tag WHERE account = 'acme' AND tag = '3'`) == 1 &&
			s.countRows(`SELECT count(*) FROM plimsoll.subscription WHERE type = 'tag_update' AND active AND tag = '3'`) == 1
	})
	if n := s.countRows(`SELECT count(*) FROM plimsoll.image WHERE account = 'acme'`); n != 1 {
		t.Errorf("%d images, want that of the new tag", n)
	}
}

func TestWatchesAreRepaired(t *testing.T) {
	t.Parallel()
	s := newStack(t, "watch-repair", func(*http.Request) {})
	pushNamed(t, s.addr+"/team/ship:1", "first")
	// A row whose schedule was never asked for, and a schedule whose row is gone.
	_, err := s.pool.Exec(t.Context(), `
INSERT INTO plimsoll.subscription (account, type, key, id, registry, repository, tag, active)
VALUES ('acme', 'tag_update', $1 || '/team/ship:1', 'lost', $1, 'team/ship', '1', true)`, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	stray := workflows.WatchInput{Account: "acme", Type: persistence.TagUpdate, ID: "stray"}
	eventually(t, "the worker has prepared the namespace", func() bool {
		return workflows.SetWatch(t.Context(), s.client.ScheduleClient(), stray, activities.DefaultWatch().TagInterval, false) == nil
	})
	there := func(id string) bool {
		in := workflows.WatchInput{Account: "acme", Type: persistence.TagUpdate, ID: id}
		_, err := s.client.ScheduleClient().GetHandle(t.Context(), workflows.WatchScheduleID(in)).Describe(t.Context())
		return err == nil
	}
	eventually(t, "the missing schedule is made and the stray one is gone", func() bool {
		if _, err := s.acts.RepairWatches(t.Context()); err != nil {
			t.Fatal(err)
		}
		return there("lost") && !there("stray")
	})
}

func TestAWatchedTagThatCannotBeAddedSaysWhy(t *testing.T) {
	t.Parallel()
	var refuse atomic.Int64
	s := newStack(t, "watch-trouble", func(*http.Request) { refuse.Add(1) })
	subs := persistence.NewSubscriptions(s.pool)
	tag := persistence.TagName{Registry: s.addr, Repository: "team/none", Tag: "1"}
	sub, err := subs.Create(t.Context(), persistence.NewSubscription{Account: "acme", Type: persistence.TagUpdate, Name: tag, Active: true}, activities.SyncWatch)
	if err != nil {
		t.Fatal(err)
	}
	state := func() persistence.Subscription {
		got, err := subs.Get(t.Context(), "acme", sub.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	eventually(t, "the trouble is recorded", func() bool { return state().ErrorCode == workflows.FailImageNotFound })
	in := workflows.WatchInput{Account: sub.Account, Type: sub.Type, ID: sub.ID}
	s.look(in)
	if got := state(); got.Failures < 2 || got.FailingSince == nil || !got.Active {
		t.Errorf("after another look: %+v", got)
	}
	pushNamed(t, s.addr+"/team/none:1", "late")
	s.look(in)
	if got := state(); got.ErrorCode != "" || got.Failures != 0 || got.SeenDigest == "" {
		t.Errorf("after the repair: %+v", got)
	}
}
