package persistence_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

func syncWatch(account, subscriptionType, id string) persistence.Start {
	return persistence.Start{Workflow: "SyncWatch", WorkflowID: "sync/" + account + "/" + subscriptionType + "/" + id}
}

var shipTag = persistence.TagName{Registry: "r.example", Repository: "ship", Tag: "1"}

// asked lists the watchers that outbox rows ask for, and empties the outbox.
func (w *world) asked() []string {
	w.t.Helper()
	due, err := w.outbox.Due(w.t.Context(), 100, time.Minute)
	w.must(err)
	var out []string
	for _, row := range due {
		out = append(out, row.WorkflowID)
		w.must(w.outbox.Done(w.t.Context(), row.ID))
	}
	slices.Sort(out)
	return out
}

func TestSubscriptionsThroughTheirLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, subs := t.Context(), persistence.NewSubscriptions(w.pool)
	add := persistence.NewSubscription{Account: admin, Type: persistence.TagUpdate, Name: shipTag, Active: true}
	created, err := subs.Create(ctx, add, syncWatch)
	w.must(err)
	if created.Key != "r.example/ship:1" || !created.Active || created.Value != nil {
		t.Errorf("created %+v", created)
	}
	watcher := []string{"sync/admin/tag_update/" + created.ID}
	if diff := cmp.Diff(watcher, w.asked()); diff != "" {
		t.Errorf("watchers after creation, due at once: %s", diff)
	}
	if _, err := subs.Create(ctx, add, syncWatch); !errors.Is(err, persistence.ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	other := add
	other.Type = persistence.VulnUpdate
	_, err = subs.Create(ctx, other, syncWatch)
	w.must(err)
	if got := w.asked(); got != nil {
		t.Errorf("a subscription nobody watches for, or a refused one, asks for %v", got)
	}
	nobody := add
	nobody.Account = "nobody"
	if _, err := subs.Create(ctx, nobody, syncWatch); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("without an account: %v", err)
	}
	for want, ask := range map[string][]string{
		"tag_update vuln_update": {""}, "tag_update": {"tag_update", "r.example/ship:1"}, "": {"", "r.example/ship"},
	} {
		list, err := subs.List(ctx, admin, ask[0], ask[1:]...)
		w.must(err)
		var types []string
		for _, s := range list {
			types = append(types, s.Type)
		}
		if got := strings.Join(types, " "); got != want {
			t.Errorf("list %q: %q, want %q", ask, got, want)
		}
	}
	w.must(subs.Failed(ctx, admin, created.ID, persistence.WatchFailure{Code: "X", Message: "refused\x00", Digest: "sha256:1"}))
	no, yes, text := false, true, "words"
	off, err := subs.Change(ctx, admin, created.ID, persistence.SubscriptionChange{Active: &no}, syncWatch)
	if err != nil || off.Active || off.ErrorCode != "X" {
		t.Errorf("switched off: %+v, %v", off, err)
	}
	w.asked()
	if s, err := subs.Change(ctx, admin, created.ID, persistence.SubscriptionChange{Value: &text}, syncWatch); err != nil || s.Active || *s.Value != text {
		t.Errorf("new value: %+v, %v", s, err)
	}
	if got := w.asked(); got != nil {
		t.Errorf("a new value asks for %v", got)
	}
	on, err := subs.Change(ctx, admin, created.ID, persistence.SubscriptionChange{Active: &yes}, syncWatch)
	if err != nil || !on.Active || on.ErrorCode != "" || on.SeenDigest != "" || on.Failures != 0 || *on.Value != text {
		t.Errorf("switched on again, it begins anew: %+v, %v", on, err)
	}
	w.asked()
	w.must(subs.Delete(ctx, admin, created.ID, syncWatch))
	if diff := cmp.Diff(watcher, w.asked()); diff != "" {
		t.Errorf("watchers after deletion: %s", diff)
	}
	if err := subs.Delete(ctx, admin, created.ID, syncWatch); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if again, err := subs.Create(ctx, add, syncWatch); err != nil || again.ID != created.ID {
		t.Errorf("created again as %s, %v; ids are stable", again.ID, err)
	}
}

func TestAddedTagsGetTheirSubscriptionsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, subs := t.Context(), persistence.NewSubscriptions(w.pool)
	in := w.submission(admin, "app", "1")
	in.Subscribe = &persistence.SubscribeTag{Watch: true, Sync: syncWatch}
	states := func() string {
		t.Helper()
		list, err := subs.List(ctx, admin, "", "docker.io/library/app:1")
		w.must(err)
		var out []string
		for _, s := range list {
			state := "off"
			if s.Active {
				state = "on"
			}
			if s.SeenDigest != in.PullDigest {
				t.Errorf("%s has seen %q", s.Type, s.SeenDigest)
			}
			out = append(out, s.Type+" "+state)
		}
		return strings.Join(out, ", ")
	}
	w.submit(in)
	if got, want := states(), "analysis_update on, policy_eval off, tag_update on, vuln_update off"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	id := persistence.SubscriptionID(admin, persistence.TagUpdate, "docker.io/library/app:1")
	if got := w.asked(); !slices.Contains(got, "sync/admin/tag_update/"+id) {
		t.Errorf("asked for %v", got)
	}
	no := false
	_, err := subs.Change(ctx, admin, id, persistence.SubscriptionChange{Active: &no}, syncWatch)
	w.must(err)
	w.submit(in) // switched off stays off
	if got, want := states(), "analysis_update on, policy_eval off, tag_update off, vuln_update off"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWatchedTagsHoldTheirNewestImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, subs := t.Context(), persistence.NewSubscriptions(w.pool)
	for _, image := range []string{"old", "new"} {
		in := w.submission(admin, image, "1")
		in.Subscribe = &persistence.SubscribeTag{Watch: true, Sync: syncWatch}
		if image == "new" {
			in.DetectedAt = in.DetectedAt.Add(time.Hour)
		}
		w.submit(in)
	}
	w.asked()
	start := persistence.Start{Workflow: "DeleteImage", WorkflowID: "delete"}
	if _, err := w.images.MarkDeleting(ctx, admin, digestOf("new"), false, start, syncWatch); !errors.Is(err, persistence.ErrSubscribed) {
		t.Errorf("newest image of a watched tag: %v", err)
	}
	if _, err := w.images.MarkDeleting(ctx, admin, digestOf("old"), false, start, syncWatch); err != nil {
		t.Errorf("older image of a watched tag: %v", err)
	}
	if _, err := w.images.MarkDeleting(ctx, admin, digestOf("new"), true, start, syncWatch); err != nil {
		t.Errorf("by force: %v", err)
	}
	id := persistence.SubscriptionID(admin, persistence.TagUpdate, "docker.io/library/app:1")
	if s, err := subs.Get(ctx, admin, id); err != nil || s.Active {
		t.Errorf("after its image was deleted by force: %+v, %v", s, err)
	}
	if got := w.asked(); !slices.Contains(got, "sync/admin/tag_update/"+id) {
		t.Errorf("asked for %v", got)
	}
}

func TestWatchedRepositoryRemembersItsTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, subs := t.Context(), persistence.NewSubscriptions(w.pool)
	watch := persistence.RepositoryWatch{
		Account: admin, Name: persistence.TagName{Registry: "r.example", Repository: "ship"}, Tags: []string{"1", "2"}, ExcludeExisting: true,
	}
	sub, err := subs.WatchRepository(ctx, watch, syncWatch)
	w.must(err)
	if !sub.Active || sub.TagCount != 2 || sub.AutoSubscribe || sub.Key != "r.example/ship" {
		t.Errorf("watch %+v", sub)
	}
	note := func(fresh int, pending string, tags ...string) {
		t.Helper()
		n, err := subs.NoteTags(ctx, admin, sub.ID, tags)
		w.must(err)
		list, left, err := subs.PendingTags(ctx, admin, sub.ID, 10)
		w.must(err)
		if got := strings.Join(list, " "); n != fresh || got != pending || left != len(list) {
			t.Errorf("%v: %d new, %q of %d to be added; want %d and %q", tags, n, got, left, fresh, pending)
		}
	}
	note(0, "", "1", "2")
	note(2, "3 4", "1", "2", "3", "4", "4")
	before := w.rowVersions("plimsoll.subscription", "plimsoll.watched_tag")
	note(0, "3 4", "4", "3", "2", "1")
	if w.rowVersions("plimsoll.subscription", "plimsoll.watched_tag") != before {
		t.Error("a listing without news writes")
	}
	w.must(subs.TagAdded(ctx, admin, sub.ID, "3"))
	w.must(subs.TagRefused(ctx, admin, sub.ID, "4", persistence.WatchFailure{Code: "LIMIT_EXCEEDED", Message: "too large"}))
	note(0, "", "1", "2", "3", "4")
	refused, err := subs.RefusedTags(ctx, admin, sub.ID, 10)
	w.must(err)
	if diff := cmp.Diff([]persistence.RefusedTag{{Tag: "4", ErrorCode: "LIMIT_EXCEEDED", ErrorMessage: "too large"}}, refused); diff != "" {
		t.Error(diff)
	}
	note(0, "") // a registry in trouble may leave everything out
	note(0, "", "1", "2", "3", "4")
	note(1, "5", "5") // new ...
	note(0, "")       // ... and gone before it could be added
	_, err = w.pool.Exec(ctx, `UPDATE plimsoll.watched_tag SET missing_since = now() - interval '8 days' WHERE missing_since IS NOT NULL`)
	w.must(err)
	note(0, "")
	if n := w.count(`SELECT count(*) FROM plimsoll.watched_tag`); n != 0 {
		t.Errorf("%d tags are remembered that were gone for a week", n)
	}
	note(1, "1", "1")
	watch.AutoSubscribe, watch.Tags = true, []string{"1", "6"}
	if sub, err = subs.WatchRepository(ctx, watch, syncWatch); err != nil || !sub.AutoSubscribe {
		t.Errorf("watched again: %+v, %v", sub, err)
	}
	note(0, "", "1", "6")
	w.must(subs.Delete(ctx, admin, sub.ID, syncWatch))
	if _, err := subs.NoteTags(ctx, admin, sub.ID, []string{"7"}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("tags of a repository nobody watches any more: %v", err)
	}
}

func TestFailedLooksAreRecordedAndRegistriesLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, subs := t.Context(), persistence.NewSubscriptions(w.pool)
	w.account("team")
	create := func(account, registry string) string {
		t.Helper()
		name := shipTag
		name.Registry = registry
		s, err := subs.Create(ctx, persistence.NewSubscription{Account: account, Type: persistence.TagUpdate, Name: name, Active: true}, syncWatch)
		w.must(err)
		return s.ID
	}
	limited, elsewhere := create(admin, "r.example"), create(admin, "other.example")
	two, err := subs.WatchRepository(ctx, persistence.RepositoryWatch{Account: admin, Name: persistence.TagName{Registry: "r.example", Repository: "x"}}, syncWatch)
	w.must(err)
	beside := two.ID
	foreign := create("team", "r.example")
	until := noon.Add(100 * 24 * 365 * time.Hour)
	for range 2 {
		w.must(subs.Failed(ctx, admin, limited, persistence.WatchFailure{Code: "REGISTRY_RATE_LIMITED", Message: "429", PausedUntil: until}))
	}
	paused := func(account, id string) bool {
		t.Helper()
		got, err := subs.Watch(ctx, account, id)
		w.must(err)
		return got.PausedUntil != nil && got.PausedUntil.Equal(until)
	}
	if !paused(admin, limited) || !paused(admin, beside) || paused(admin, elsewhere) || paused("team", foreign) {
		t.Error("the pause is not that of the account's watches at the registry")
	}
	got, err := subs.Watch(ctx, admin, limited)
	w.must(err)
	if got.Failures != 2 || got.ErrorMessage != "429" || got.FailingSince == nil || !got.Enabled || got.CurrentDigest != "" || got.SeenAt != nil {
		t.Errorf("after two failures: %+v", got)
	}
	w.must(subs.Seen(ctx, admin, limited, "sha256:1"))
	if got, err = subs.Watch(ctx, admin, limited); err != nil || got.Failures != 0 || got.ErrorCode != "" || got.FailingSince != nil || got.SeenDigest != "sha256:1" || got.SeenAt == nil {
		t.Errorf("after success: %+v, %v", got, err)
	}
	var all []persistence.WatchRef
	for after := (persistence.WatchRef{}); ; after = all[len(all)-1] {
		page, err := subs.Watched(ctx, after, 2)
		w.must(err)
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
	}
	if len(all) != 4 || all[3].Account != "team" {
		t.Errorf("watched: %+v", all)
	}
	_, err = w.accounts.SetState(ctx, "team", persistence.AccountDisabled)
	w.must(err)
	if got, err := subs.Watch(ctx, "team", foreign); err != nil || got.Enabled {
		t.Errorf("of a disabled account: %+v, %v", got, err)
	}
}
