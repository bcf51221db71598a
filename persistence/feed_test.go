package persistence_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

func TestFeedCommitWritesWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.commit("npm",
		record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"),
		record("GHSA-2", feed.Low, "npm", "lodash", "4.17.21"),
		record("GHSA-3", feed.Medium, "npm", "express", ""))
	want := persistence.Committed{Generation: first.Generation, Records: 3, Added: 3}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("first commit (-want +got):\n%s", diff)
	}
	second := w.commit("npm",
		record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"),
		record("GHSA-2", feed.Critical, "npm", "lodash", "4.17.21"),
		record("GHSA-4", feed.Medium, "npm", "koa", "2.0.0"))
	want = persistence.Committed{Generation: second.Generation, Records: 3, Added: 1, Changed: 1, Removed: 1}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("second commit (-want +got):\n%s", diff)
	}
	if second.Generation <= first.Generation {
		t.Errorf("generation %d does not follow %d", second.Generation, first.Generation)
	}
	rows, err := w.pool.Query(t.Context(), `SELECT namespace || ' ' || package FROM plimsoll_feeds.change WHERE generation = $1 ORDER BY 1`, second.Generation)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"npm express", "npm koa", "npm lodash"}, names); diff != "" {
		t.Errorf("names to rescan (-want +got):\n%s", diff)
	}
	closed := w.count(`SELECT count(*) FROM plimsoll_feeds.vulnerability WHERE valid_to = $1`, second.Generation)
	current := w.count(`SELECT count(*) FROM plimsoll_feeds.vulnerability WHERE valid_to IS NULL`)
	if closed != 2 || current != 3 {
		t.Errorf("closed %d and current %d vulnerability rows, want 2 and 3", closed, current)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll_feeds.advisory WHERE valid_from = $1`, second.Generation); n != 1 {
		t.Errorf("%d advisory rows are new, want 1: the severity lies elsewhere", n)
	}
}

func TestFeedCommitWithoutNewsWritesNoRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	records := []feed.Record{
		record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), record("GHSA-2", feed.Low, "npm", "lodash", "4.17.21"),
	}
	w.commit("npm", records...)
	tables := []string{
		"plimsoll_feeds.advisory", "plimsoll_feeds.vulnerability", "plimsoll_feeds.generation", "plimsoll_feeds.change",
		"plimsoll_feeds.feed_document",
	}
	before := w.rowVersions(tables...)
	modified := noon.Add(time.Hour)
	records[0].Vulnerability.Modified = &modified // touched upstream, says the same
	again := w.commit("npm", records[1], records[0])
	if diff := cmp.Diff(persistence.Committed{Unchanged: true, Records: 2}, again); diff != "" {
		t.Errorf("second commit (-want +got):\n%s", diff)
	}
	if after := w.rowVersions(tables...); after != before {
		t.Errorf("rows were written:\nbefore %s\nafter  %s", before, after)
	}
	group, err := w.feeds.Group(t.Context(), "osv", "npm")
	if err != nil {
		t.Fatal(err)
	}
	if group.RecordCount != 2 || group.LastSync == nil || !group.LastSync.Equal(noon) {
		t.Errorf("group state %+v", group)
	}
	documents, err := w.feeds.Documents(t.Context(), "osv", "npm")
	if err != nil || len(documents) != 1 || documents["npm"].ETag != `"1"` {
		t.Errorf("documents %+v, %v", documents, err)
	}
}

func TestFeedCommitRefusesSuspiciousLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var many []feed.Record
	for i := range 100 {
		many = append(many, record(fmt.Sprintf("GHSA-%d", i), feed.High, "npm", "left-pad", "1.3.0"))
	}
	if _, err := w.feeds.Commit(t.Context(), commitOf("npm")); !errors.Is(err, persistence.ErrShrunk) {
		t.Errorf("no records at all: %v, want ErrShrunk", err)
	}
	w.commit("npm", many...)
	before := w.rowVersions("plimsoll_feeds.advisory", "plimsoll_feeds.vulnerability", "plimsoll_feeds.feed_group")
	if _, err := w.feeds.Commit(t.Context(), commitOf("npm", many[:49]...)); !errors.Is(err, persistence.ErrShrunk) {
		t.Errorf("49 of 100: %v, want ErrShrunk", err)
	}
	if after := w.rowVersions("plimsoll_feeds.advisory", "plimsoll_feeds.vulnerability", "plimsoll_feeds.feed_group"); after != before {
		t.Error("a refused commit wrote rows")
	}
	forced := commitOf("npm", many[:49]...)
	forced.Force = true
	if out, err := w.feeds.Commit(t.Context(), forced); err != nil || out.Removed != 51 {
		t.Errorf("forced: %+v, %v", out, err)
	}
	if out := w.commit("npm", many[:25]...); out.Removed != 24 {
		t.Errorf("25 of 49, below the size where loss is suspicious: %+v", out)
	}
}

func TestFeedCommitFailsWholeWhenParsingFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := errors.New("truncated archive")
	c := commitOf("npm")
	c.Load = func(in *persistence.Staging) error {
		return errors.Join(in.Record(record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0")), broken)
	}
	if _, err := w.feeds.Commit(t.Context(), c); !errors.Is(err, broken) {
		t.Errorf("Commit: %v, want the parser's error", err)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll_feeds.advisory`); n != 0 {
		t.Errorf("%d advisories of a broken document", n)
	}
}

func TestFeedCommitSurvivesHostileRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nul := record("GHSA-nul", feed.High, "npm", "left-pad", "1.3.0")
	nul.Vulnerability.Description = "before\x00after \xff"
	nul.Advisories[0].Versions = []string{"1.0\x00"}
	ancient := time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC)
	nul.Vulnerability.Published = &ancient
	long := record(strings.Repeat("x", 5000), feed.High, "npm", "left-pad", "1.3.0")
	longName := record("GHSA-long", feed.High, "npm", strings.Repeat("x", 5000), "1.3.0")
	twice := record("GHSA-twice", feed.High, "npm", "left-pad", "1.0.0")
	twice.Advisories = append(twice.Advisories, record("GHSA-twice", feed.High, "npm", "left-pad", "3.0.0").Advisories...)
	out := w.commit("npm", nul, long, longName, twice, twice)
	if out.Records != 2 || out.Skipped != 3 {
		t.Errorf("%+v, want 2 records and 3 skipped", out)
	}
	if n := w.count(`SELECT jsonb_array_length(ranges) FROM plimsoll_feeds.advisory WHERE advisory_id = 'GHSA-twice'`); n != 2 {
		t.Errorf("%d ranges of a package named twice, want both", n)
	}
}

func TestFeedGroupsFailAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if err := w.feeds.Ensure(ctx, persistence.Offer{Source: "osv", Groups: []string{"Debian", "npm"}, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if status, err := w.feeds.Status(ctx); err != nil || !status.LastSync.IsZero() || len(status.Namespaces) != 0 {
		t.Errorf("before any sync: %+v, %v", status, err)
	}
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), record("GHSA-2", feed.High, "go", "x", "1.3.0"))
	if err := w.feeds.Failed(ctx, "osv", "Debian", "503 from mirror\x00", false, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if status, err := w.feeds.Status(ctx); err != nil || !status.LastSync.IsZero() {
		t.Errorf("one group never succeeded: %+v, %v", status, err)
	}
	if err := w.feeds.Unchanged(ctx, "osv", "Debian", "", nil, noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	status, err := w.feeds.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := persistence.FeedStatus{LastSync: noon.Add(-time.Hour), Namespaces: []string{"go", "npm"}}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if err := w.feeds.Ensure(ctx, persistence.Offer{Source: "osv", Groups: []string{"npm"}, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if g, err := w.feeds.Group(ctx, "osv", "Debian"); err != nil || g.Enabled {
		t.Errorf("a group the configuration dropped: %+v, %v, want it not enabled", g, err)
	}
	if status, err := w.feeds.Status(ctx); err != nil || !status.LastSync.Equal(noon) {
		t.Errorf("a dropped group still counts: %+v, %v", status, err)
	}
}

func TestGenerationsAreListedWithoutTheGapsOfFailedCommits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0")).Generation
	// A crash of the server skips numbers, too.
	_, err := w.pool.Exec(t.Context(), `SELECT setval(pg_get_serial_sequence('plimsoll_feeds.generation', 'id'), $1 + 33)`, first)
	w.must(err)
	second := w.commit("npm", record("GHSA-1", feed.Low, "npm", "left-pad", "1.3.0")).Generation
	third := w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.4.0")).Generation
	got, err := w.feeds.GenerationsAfter(t.Context(), first, 5)
	w.must(err)
	if diff := cmp.Diff([]int64{second, third}, got); diff != "" {
		t.Error(diff)
	}
	if got, err = w.feeds.GenerationsAfter(t.Context(), 0, 2); err != nil || len(got) != 2 || got[1] != second {
		t.Errorf("the first two: %v, %v", got, err)
	}
}
