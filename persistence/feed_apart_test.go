package persistence_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

// newWorldApart is a world whose feeds live in a database of their own. Neither database has the other's schema.
func newWorldApart(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.liveOn(pgtest.Empty(t))
	_, err := w.pool.Exec(t.Context(), `DROP SCHEMA plimsoll_feeds CASCADE`)
	w.must(err)
	return w
}

// liveOn moves the feeds to another database, which is made ready.
func (w *world) liveOn(address string) {
	w.t.Helper()
	w.must(persistence.Migrate(w.t.Context(), w.pool.Config().ConnString(), address))
	cfg := persistence.DefaultConfig()
	cfg.MaxConns = 4
	feeds, err := persistence.Open(w.t.Context(), address, cfg)
	w.must(err)
	w.t.Cleanup(feeds.Close)
	_, err = feeds.Exec(w.t.Context(), `DROP SCHEMA IF EXISTS plimsoll CASCADE`)
	w.must(err)
	w.feeds, w.matches = persistence.NewFeeds(feeds), persistence.NewMatches(w.pool, feeds)
	w.must(persistence.CheckSchema(w.t.Context(), w.pool, feeds))
}

func TestFeedsMayLiveInADatabaseOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorldApart(t)
	flaw := record("GHSA-1", feed.High, "npm", "koa", "1.3.0")
	w.commit("npm", flaw)
	w.analyzed(persistence.AdminAccount, "app", "app", npm("koa", "1.2.0", "/p"))
	c := w.commit("npm", flaw, record("GHSA-2", feed.Low, "npm", "koa", ""))
	if out := w.rescan(c.Generation, noon); out.Images != 1 || out.Opened != 1 {
		t.Errorf("rescan: %+v", out)
	}
	want := []string{"High GHSA-1 koa@1.2.0 fix=1.3.0 path=/p", "Low GHSA-2 koa@1.2.0 fix=none path=/p"}
	if diff := cmp.Diff(want, w.findings(persistence.AdminAccount, "app")); diff != "" {
		t.Error(diff)
	}
	if list, err := w.matches.Explain(t.Context(), persistence.AdminAccount, digestOf("app"), "GHSA-1", ""); err != nil || len(list) != 1 || list[0].Finding == nil {
		t.Errorf("explanation %+v, %v", list, err)
	}
	if list, err := w.matches.ChangesWith(t.Context(), persistence.AdminAccount, digestOf("app"), c.Generation); err != nil || len(list) != 1 {
		t.Errorf("changes %+v, %v", list, err)
	}
	if flaws, err := w.matches.Flaws(t.Context(), []string{"CVE-1"}); err != nil || len(flaws) != 0 {
		t.Errorf("flaws %+v, %v", flaws, err)
	}
}

// Another feed store counts its generations from one. Nothing old is to pass for newer than what it says.
func TestAnotherFeedStoreTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorldApart(t)
	generation, err := w.matches.EnsureRules(t.Context())
	w.must(err)
	w.rescan(generation, noon)
	for _, fixed := range []string{"1.3.0", "1.4.0", "1.5.0"} {
		w.rescan(w.commit("npm", record("GHSA-1", feed.High, "npm", "koa", fixed)).Generation, noon)
	}
	w.analyzed(persistence.AdminAccount, "app", "app", npm("koa", "1.2.0", "/p"))
	before := w.count(`SELECT max(generation) FROM plimsoll.analysis_counter`)

	w.liveOn(pgtest.Empty(t))
	w.commit("npm", record("GHSA-2", feed.Low, "npm", "koa", "1.3.0"))
	if generation, err = w.matches.EnsureRules(t.Context()); err != nil || generation <= int64(before) {
		t.Fatalf("generation %d, %v; want one after %d", generation, err, before)
	}
	w.rescan(generation, noon)
	if diff := cmp.Diff([]string{"Low GHSA-2 koa@1.2.0 fix=1.3.0 path=/p"}, w.findings(persistence.AdminAccount, "app")); diff != "" {
		t.Error(diff)
	}
	if next := w.commit("npm", record("GHSA-3", feed.Low, "npm", "koa", "1.3.0")); next.Generation <= generation {
		t.Errorf("generation %d after %d", next.Generation, generation)
	}
	if again, err := w.matches.EnsureRules(t.Context()); err != nil || again != 0 {
		t.Errorf("once more: generation %d, %v", again, err)
	}
	list, err := w.feeds.GenerationsAfter(t.Context(), int64(before), 10)
	if err != nil || !slices.Contains(list, generation) {
		t.Errorf("generations to rescan: %v, %v; want %d among them", list, err, generation)
	}
}
