package activities_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/activities"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// lookout is a system with one watched tag or repository behind a registry that a test may make difficult.
type lookout struct {
	*system
	subs  *persistence.Subscriptions
	watch workflows.WatchInput

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request) bool // answers in place of the registry
	asked []string                                          // requests since the last look began
}

func (l *lookout) breakRegistry(fault func(w http.ResponseWriter, r *http.Request) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = fault
}

func (l *lookout) requests() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func newLookout(t *testing.T, s *system) *lookout {
	t.Helper()
	l := &lookout{system: s, subs: persistence.NewSubscriptions(s.pool)}
	next := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.host})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		if r.URL.Path != "/v2/" {
			l.asked = append(l.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v2/"))
		}
		answered := l.fault != nil && l.fault(w, r)
		l.mu.Unlock()
		if !answered {
			next.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	s.host = strings.TrimPrefix(front.URL, "http://")
	return l
}

func (l *lookout) tag(account, repository, tag string) {
	l.t.Helper()
	sub, err := l.subs.Create(l.t.Context(), persistence.NewSubscription{
		Account: account, Type: persistence.TagUpdate, Active: true,
		Name: persistence.TagName{Registry: l.host, Repository: repository, Tag: tag},
	}, activities.SyncWatch)
	if err != nil {
		l.t.Fatal(err)
	}
	l.watch = workflows.WatchInput{Account: account, Type: sub.Type, ID: sub.ID}
}

func (l *lookout) repository(repository string, auto bool) {
	l.t.Helper()
	sub, err := l.subs.WatchRepository(l.t.Context(), persistence.RepositoryWatch{
		Account: "acme", Name: persistence.TagName{Registry: l.host, Repository: repository}, AutoSubscribe: auto,
	}, activities.SyncWatch)
	if err != nil {
		l.t.Fatal(err)
	}
	l.watch = workflows.WatchInput{Account: "acme", Type: sub.Type, ID: sub.ID}
}

// look looks once; it returns outcome and code.
func (l *lookout) look() string {
	l.t.Helper()
	l.mu.Lock()
	l.asked = nil
	l.mu.Unlock()
	var out struct{ Outcome, Code string }
	name, in := workflows.WatchTagName, any(l.watch)
	if l.watch.Type == persistence.RepoUpdate {
		name, in = workflows.WatchRepositoryName, workflows.WatchRepositoryInput{WatchInput: l.watch}
	}
	if err := l.run(name, in, &out); err != nil {
		l.t.Fatal(err)
	}
	return strings.TrimSpace(out.Outcome + " " + out.Code)
}

func (l *lookout) wants(want string) {
	l.t.Helper()
	if got := l.look(); got != want {
		l.t.Fatalf("%s, want %s; subscription %+v", got, want, l.row())
	}
}

func (l *lookout) row() persistence.Subscription {
	l.t.Helper()
	sub, err := l.subs.Get(l.t.Context(), l.watch.Account, l.watch.ID)
	if err != nil {
		l.t.Fatal(err)
	}
	return sub
}

// state is every version of every row a look might write.
func (l *lookout) state() (out string) {
	l.t.Helper()
	for _, table := range []string{"subscription", "watched_tag", "image", "image_tag", "outbox", "blob", "image_transition"} {
		var versions *string
		err := l.pool.QueryRow(l.t.Context(), `SELECT string_agg(xmin::text || ctid::text, ',' ORDER BY ctid) FROM plimsoll.`+table).Scan(&versions)
		if err != nil {
			l.t.Fatal(err)
		}
		if versions != nil {
			out += table + " " + *versions + "\n"
		}
	}
	return out
}

func (l *lookout) images(account string) (tags []string) {
	l.t.Helper()
	list, err := persistence.NewImages(l.pool).List(l.t.Context(), account, persistence.ImageFilter{})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, image := range list {
		for _, tag := range image.Tags {
			if tag.Current {
				tags = append(tags, tag.Repository+":"+tag.Tag)
			}
		}
	}
	return tags
}

func TestATagThatMeansWhatItMeantIsAskedForOnceAndWritesNothing(t *testing.T) {
	t.Parallel()
	l := newLookout(t, newSystem(t))
	l.push("team/app:1", layer(t, map[string]string{"a": "1"}))
	l.tag("acme", "team/app", "1")
	l.wants(workflows.WatchAdded)
	if n := l.outbox(workflows.AnalyzeImageName); n != 1 {
		t.Errorf("%d analyses are asked for, want 1", n)
	}
	before := l.state()
	l.wants(workflows.WatchUnchanged)
	if diff := cmp.Diff([]string{"HEAD team/app/manifests/1"}, l.requests()); diff != "" {
		t.Error(diff)
	}
	if after := l.state(); after != before {
		t.Errorf("written without news:\n%s", cmp.Diff(before, after))
	}
	l.push("team/app:1", layer(t, map[string]string{"a": "2"}))
	l.wants(workflows.WatchAdded)
	if diff := cmp.Diff([]string{"team/app:1"}, l.images("acme")); diff != "" || l.outbox(workflows.AnalyzeImageName) != 2 {
		t.Errorf("after a push: %s", diff)
	}
}

// outbox counts what is asked for.
func (l *lookout) outbox(workflow string) (n int) {
	l.t.Helper()
	if err := l.pool.QueryRow(l.t.Context(), `SELECT count(*) FROM plimsoll.outbox WHERE workflow = $1`, workflow).Scan(&n); err != nil {
		l.t.Fatal(err)
	}
	return n
}

func TestWatchersKeepToTheSizeLimit(t *testing.T) {
	t.Parallel()
	small := func(d *activities.Deps) { d.MaxImageMiB = 0 } // every image is too large
	l := newLookout(t, newSystemWith(t, small))
	l.push("team/app:1", layer(t, map[string]string{"a": "1"}))
	l.tag("acme", "team/app", "1")
	refused := workflows.WatchRefused + " " + workflows.FailLimitExceeded
	l.wants(refused)
	if row := l.row(); !strings.Contains(row.ErrorMessage, "max_compressed_image_size_mb") || l.images("acme") != nil {
		t.Errorf("recorded %q; images %v", row.ErrorMessage, l.images("acme"))
	}
	before := l.state()
	l.wants(refused)
	if l.state() != before || len(l.requests()) != 1 {
		t.Errorf("the same image is looked into again: %v", l.requests())
	}
	l.repository("team/app", true)
	l.wants(workflows.WatchAdded) // done with it, though nothing could be added
	list, err := l.subs.RefusedTags(t.Context(), "acme", l.watch.ID, 10)
	if err != nil || len(list) != 1 || list[0].Tag != "1" || list[0].ErrorCode != workflows.FailLimitExceeded {
		t.Errorf("refused tags: %+v, %v", list, err)
	}
	l.wants(workflows.WatchUnchanged)
	if diff := cmp.Diff([]string{"GET team/app/tags/list"}, l.requests()); diff != "" {
		t.Errorf("a refused tag is looked into again: %s", diff)
	}
}

func TestARegistryThatLimitsRequestsIsAskedLessOften(t *testing.T) {
	t.Parallel()
	l := newLookout(t, newSystem(t))
	l.push("team/app:1", layer(t, map[string]string{"a": "1"}))
	l.tag("acme", "team/app", "1")
	l.breakRegistry(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	var pauses []time.Duration
	for range 3 {
		began := time.Now()
		l.wants(workflows.WatchFailed + " " + workflows.FailRegistryRateLimited)
		row := l.row()
		if row.PausedUntil == nil {
			t.Fatal("no pause")
		}
		pauses = append(pauses, row.PausedUntil.Sub(began).Round(time.Minute))
		l.wants(workflows.WatchPaused)
		if len(l.requests()) != 0 {
			t.Errorf("asked during the pause: %v", l.requests())
		}
		_, err := l.pool.Exec(t.Context(), `UPDATE plimsoll.subscription SET paused_until = now() - interval '1 second'`)
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]time.Duration{2 * time.Hour, 4 * time.Hour, 8 * time.Hour}, pauses); diff != "" {
		t.Error(diff)
	}
	l.breakRegistry(nil)
	l.wants(workflows.WatchAdded)
	if row := l.row(); row.ErrorCode != "" || row.PausedUntil != nil || row.Failures != 0 {
		t.Errorf("after it answers again: %+v", row)
	}
}

func TestTroubleIsRecordedAndLookingGoesOn(t *testing.T) {
	t.Parallel()
	l := newLookout(t, newSystem(t))
	l.push("team/app:1", layer(t, map[string]string{"a": "1"}))
	l.tag("acme", "team/app", "1")
	answer := func(status int) {
		l.breakRegistry(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(status); return true })
	}
	answer(http.StatusServiceUnavailable)
	l.wants(workflows.WatchFailed + " " + workflows.FailRegistryUnreachable)
	first := l.row()
	answer(http.StatusForbidden)
	l.wants(workflows.WatchFailed + " " + workflows.FailRegistryUnauthorized)
	if row := l.row(); row.Failures != 2 || !row.FailingSince.Equal(*first.FailingSince) || row.ErrorMessage == "" || row.PausedUntil != nil {
		t.Errorf("after two failures: %+v", row)
	}
	l.breakRegistry(nil)
	l.wants(workflows.WatchAdded)
	if row := l.row(); row.Failures != 0 || row.ErrorCode != "" {
		t.Errorf("after success: %+v", row)
	}
}

func TestNobodyIsAskedForAccountsThatAreDisabledOrWatchesThatEnded(t *testing.T) {
	t.Parallel()
	l := newLookout(t, newSystem(t))
	l.push("team/app:1", layer(t, map[string]string{"a": "1"}))
	l.tag("acme", "team/app", "1")
	set := func(state string) {
		t.Helper()
		if _, err := persistence.NewAccounts(l.pool).SetState(t.Context(), "acme", state); err != nil {
			t.Fatal(err)
		}
	}
	set(persistence.AccountDisabled)
	l.wants(workflows.WatchPaused)
	set(persistence.AccountEnabled)
	off := false
	if _, err := l.subs.Change(t.Context(), "acme", l.watch.ID, persistence.SubscriptionChange{Active: &off}, activities.SyncWatch); err != nil {
		t.Fatal(err)
	}
	l.wants(workflows.WatchEnded)
	if err := l.subs.Delete(t.Context(), "acme", l.watch.ID, activities.SyncWatch); err != nil {
		t.Fatal(err)
	}
	before := l.outbox(workflows.SyncWatchName)
	l.wants(workflows.WatchEnded)
	if got := l.outbox(workflows.SyncWatchName); got != before+1 {
		t.Errorf("a look without a subscription asks %d times for its schedule to go", got-before)
	}
	if len(l.requests()) != 0 || l.images("acme") != nil {
		t.Errorf("asked %v, added %v", l.requests(), l.images("acme"))
	}
}

func TestARepositoryBringsItsTagsAndKeepsThoseThatHaveToWait(t *testing.T) {
	t.Parallel()
	l := newLookout(t, newSystem(t))
	for _, tag := range []string{"1", "2", "3"} {
		l.push("team/fleet:"+tag, layer(t, map[string]string{"a": tag}))
	}
	l.repository("team/fleet", true)
	l.breakRegistry(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/manifests/2") {
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		return false
	})
	l.wants(workflows.WatchFailed + " " + workflows.FailRegistryRateLimited)
	if diff := cmp.Diff([]string{"team/fleet:1"}, l.images("acme")); diff != "" {
		t.Error(diff)
	}
	if _, left, err := l.subs.PendingTags(t.Context(), "acme", l.watch.ID, 10); err != nil || left != 2 {
		t.Errorf("%d tags wait, %v", left, err)
	}
	l.breakRegistry(nil)
	if _, err := l.pool.Exec(t.Context(), `UPDATE plimsoll.subscription SET paused_until = NULL`); err != nil {
		t.Fatal(err)
	}
	l.wants(workflows.WatchAdded)
	if got := l.images("acme"); len(got) != 3 {
		t.Errorf("images %v", got)
	}
	list, err := l.subs.List(t.Context(), "acme", persistence.TagUpdate)
	if err != nil || len(list) != 3 || !list[0].Active {
		t.Errorf("watched tags: %+v, %v", list, err)
	}
	if row := l.row(); row.TagCount != 3 || row.ErrorCode != "" {
		t.Errorf("subscription %+v", row)
	}
	before := l.state()
	l.wants(workflows.WatchUnchanged)
	if after := l.state(); after != before {
		t.Errorf("written without news:\n%s", cmp.Diff(before, after))
	}
}

func TestRepositoriesWithTooManyTagsAreNotLookedAt(t *testing.T) {
	t.Parallel()
	l := newLookout(t, newSystemWith(t, func(d *activities.Deps) { d.Watch.MaxTags = 1 }))
	for _, tag := range []string{"1", "2"} {
		l.push("team/fleet:"+tag, layer(t, map[string]string{"a": tag}))
	}
	l.repository("team/fleet", false)
	l.wants(workflows.WatchFailed + " " + workflows.FailLimitExceeded)
	if row := l.row(); !strings.Contains(row.ErrorMessage, "more than 1 tags") || l.images("acme") != nil {
		t.Errorf("recorded %q; images %v", row.ErrorMessage, l.images("acme"))
	}
	err := l.run(workflows.ListTagsName, workflows.ListTagsInput{Account: "acme", Repository: l.host + "/team/fleet"}, nil)
	if code, _ := workflows.Failure(err); code != workflows.FailLimitExceeded {
		t.Errorf("listing for somebody who waits: %v", err)
	}
	err = l.run(workflows.ListTagsName, workflows.ListTagsInput{Account: "acme", Repository: l.host + "/team/none"}, nil)
	if code, _ := workflows.Failure(err); code != workflows.FailImageNotFound {
		t.Errorf("unknown repository: %v", err)
	}
}
