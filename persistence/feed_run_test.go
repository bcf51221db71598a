package persistence_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

func TestRunsOfSyncsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	begin := func(run string) {
		t.Helper()
		w.must(w.feeds.BeginSync(ctx, persistence.SyncRun{WorkflowRun: run, Kind: persistence.RunSync, Scheduled: true, StartedAt: noon}))
	}
	begin("a")
	begin("a") // the step is repeated after a crash
	w.must(w.feeds.BeginDriver(ctx, "a", "osv", "npm", noon))
	w.must(w.feeds.BeginDriver(ctx, "a", "osv", "npm", noon.Add(time.Minute)))
	w.must(w.feeds.EndDriver(ctx, "a", persistence.DriverRun{Source: "osv", Group: "npm", Status: persistence.RunCompleted, Generation: 7, Records: 10, Added: 3, Changed: 2, Removed: 1, Skipped: 4}, noon.Add(time.Hour)))
	w.must(w.feeds.BeginDriver(ctx, "a", "kev", "kev", noon))
	w.must(w.feeds.EndDriver(ctx, "a", persistence.DriverRun{Source: "kev", Group: "kev", Status: persistence.RunFailed, Error: "503"}, noon))
	w.must(w.feeds.EndSync(ctx, "a", persistence.RunCompleted, "done", noon.Add(time.Hour)))
	begin("lost")
	w.must(w.feeds.BeginDriver(ctx, "lost", "osv", "npm", noon))
	begin("c")
	w.must(w.feeds.BeginDriver(ctx, "unknown", "osv", "npm", noon)) // of a workflow that began under an older version
	if open, err := w.feeds.OpenSyncs(ctx); err != nil || len(open) != 1 || open[0] != "c" {
		t.Errorf("running %v %v, want c alone", open, err)
	}
	syncs, err := w.feeds.SyncRuns(ctx, persistence.RunFilter{Limit: 10})
	w.must(err)
	if len(syncs) != 3 || syncs[0].WorkflowRun != "c" || syncs[1].Status != persistence.RunFailed || syncs[1].Message == "" || syncs[1].EndedAt == nil {
		t.Fatalf("syncs %+v", syncs)
	}
	if got := syncs[2]; got.Groups != 2 || got.Failed != 1 || got.Added != 3 || got.Removed != 1 || got.Status != persistence.RunCompleted {
		t.Errorf("first sync %+v", got)
	}
	list := func(f persistence.RunFilter) (out []string) {
		t.Helper()
		f.Limit = 10
		runs, err := w.feeds.DriverRuns(ctx, f)
		w.must(err)
		for _, r := range runs {
			out = append(out, r.Source+" "+string(r.Status))
		}
		return out
	}
	all, err := w.feeds.DriverRuns(ctx, persistence.RunFilter{Limit: 10})
	w.must(err)
	for name, c := range map[string]struct {
		filter persistence.RunFilter
		want   []string
	}{
		"all":      {persistence.RunFilter{}, []string{"osv failed", "kev failed", "osv completed"}},
		"driver":   {persistence.RunFilter{Source: "kev"}, []string{"kev failed"}},
		"group":    {persistence.RunFilter{Group: "npm"}, []string{"osv failed", "osv completed"}},
		"status":   {persistence.RunFilter{Status: persistence.RunFailed}, []string{"osv failed", "kev failed"}},
		"of one":   {persistence.RunFilter{SyncRun: syncs[2].ID}, []string{"kev failed", "osv completed"}},
		"id range": {persistence.RunFilter{FromID: all[1].ID, ToID: all[1].ID}, []string{"kev failed"}},
	} {
		if diff := cmp.Diff(c.want, list(c.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if first := all[2]; first.Attempts != 2 || first.Generation != 7 || first.Skipped != 4 || !first.StartedAt.Equal(noon) || first.EndedAt == nil {
		t.Errorf("driver run %+v", first)
	}
	if lost := all[0]; lost.Status != persistence.RunFailed || lost.Error == "" {
		t.Errorf("what the lost sync began: %+v", lost)
	}
}

func TestARecordTellsItsHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.1"), record("GHSA-9", feed.Low, "npm", "koa", "1"))
	fixed := w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.2"), record("GHSA-9", feed.Low, "npm", "koa", "1"))
	gone := w.commit("npm", record("GHSA-9", feed.Low, "npm", "koa", "1"))
	back := w.commit("npm", record("GHSA-1", feed.Low, "npm", "left-pad", "1.3.2"), record("GHSA-9", feed.Low, "npm", "koa", "1"))
	names := map[int64]string{first.Generation: "first", fixed.Generation: "fixed", gone.Generation: "gone", back.Generation: "back"}
	ask := func(q persistence.HistoryQuestion) (out []string) {
		t.Helper()
		list, err := w.feeds.History(t.Context(), q)
		w.must(err)
		for _, c := range list {
			line := names[c.Generation] + " " + c.Namespace + " " + c.Kind
			if c.Kind == "changed" {
				for _, f := range c.Fields {
					line += " " + f.Name + " " + string(f.Before) + " " + string(f.After)
				}
			}
			if c.CommittedAt.IsZero() || c.Source != "osv" || c.Group != "npm" || len(c.Fields) == 0 {
				t.Errorf("step %+v", c)
			}
			out = append(out, line)
		}
		return out
	}
	want := []string{
		"back  added", "back npm added", "gone  removed", "gone npm removed",
		`fixed npm changed ranges [{"fixed": "1.3.1", "introduced": "0"}] [{"fixed": "1.3.2", "introduced": "0"}]`,
		"first  added", "first npm added",
	}
	if diff := cmp.Diff(want, ask(persistence.HistoryQuestion{ID: "GHSA-1", Limit: 10})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[2:5], ask(persistence.HistoryQuestion{ID: "GHSA-1", Before: back.Generation, Limit: 2})); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{want[1], want[3], want[4], want[6]}, ask(persistence.HistoryQuestion{ID: "GHSA-1", Namespaces: []string{"npm"}, Package: "left-pad", Limit: 10})); diff != "" {
		t.Errorf("of a package (-want +got):\n%s", diff)
	}
	if got := ask(persistence.HistoryQuestion{ID: "GHSA-1", Source: "nvd", Limit: 10}); got != nil {
		t.Errorf("another source: %q", got)
	}
}

func TestThePastIsForgottenWhenItIsOldEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.1"), record("GHSA-2", feed.Low, "npm", "koa", "1"))
	old := w.commit("npm", record("GHSA-1", feed.Low, "npm", "left-pad", "1.3.1"))
	if _, err := w.pool.Exec(t.Context(), `UPDATE plimsoll_feeds.generation SET committed_at = now() - interval '100 days'`); err != nil {
		t.Fatal(err)
	}
	recent := w.commit("npm", record("GHSA-1", feed.Critical, "npm", "left-pad", "1.3.2"))
	w.must(w.feeds.BeginSync(t.Context(), persistence.SyncRun{WorkflowRun: "a", Kind: persistence.RunSync, StartedAt: noon}))
	w.must(w.feeds.BeginDriver(t.Context(), "a", "osv", "npm", noon))
	forget := func(keep persistence.FeedRetention, rescanned int64) persistence.Forgotten {
		t.Helper()
		got, err := w.feeds.Forget(t.Context(), keep, rescanned, w.now())
		w.must(err)
		return got
	}
	if got := forget(persistence.FeedRetention{}, recent.Generation); got != (persistence.Forgotten{}) {
		t.Errorf("kept for ever: %+v", got)
	}
	keep := persistence.FeedRetention{History: 30 * 24 * time.Hour, Runs: time.Hour}
	current := w.count(`SELECT count(*) FROM plimsoll_feeds.advisory WHERE valid_to IS NULL`)
	if got := forget(keep, old.Generation-1); got.Records != 3 || got.Changes != 2 || got.Runs != 0 {
		t.Errorf("forgotten %+v, want the three versions closed long ago, the names of the first generation and no running sync", got)
	}
	w.must(w.feeds.EndSync(t.Context(), "a", persistence.RunCompleted, "", noon))
	if got := forget(keep, recent.Generation); got.Records != 0 || got.Changes != 2 || got.Runs != 1 {
		t.Errorf("forgotten then %+v", got)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll_feeds.change WHERE generation = $1`, recent.Generation); n == 0 {
		t.Error("a recent work list is gone")
	}
	if n := w.count(`SELECT swept FROM plimsoll_feeds.origin`); int64(n) != recent.Generation-1 {
		t.Errorf("swept through %d, want all before the recent generation", n)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll_feeds.driver_run`); n != 0 {
		t.Error("driver runs outlive their sync")
	}
	if w.count(`SELECT count(*) FROM plimsoll_feeds.advisory WHERE valid_to IS NULL`) != current || w.count(`SELECT count(*) FROM plimsoll_feeds.vulnerability WHERE valid_to = $1`, recent.Generation) != 1 {
		t.Error("current or recent rows are gone")
	}
}
