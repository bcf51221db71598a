package persistence_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

// rows reads texts.
func (w *world) rows(sql string, arguments ...any) []string {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), sql, arguments...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, text)
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	return out
}

func (w *world) changed(generation int64) []string {
	w.t.Helper()
	return w.rows(`SELECT namespace || ' ' || package FROM plimsoll_feeds.change WHERE generation = $1 ORDER BY 1`, generation)
}

func (w *world) commitFeed(c persistence.CommitFeed) persistence.Committed {
	w.t.Helper()
	out, err := w.feeds.Commit(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestADeltaLeavesWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "a", "1.0"), record("GHSA-2", feed.High, "npm", "b", "1.0"),
		record("GHSA-3", feed.High, "npm", "c", "1.0"), record("GHSA-4", feed.High, "npm", "d", "1.0"))
	delta := commitOf("npm", record("GHSA-2", feed.High, "npm", "b", "2.0"), record("GHSA-4", feed.High, "npm", "d", "1.0"), record("GHSA-5", feed.Low, "npm", "e", "1.0"))
	delta.Delta, delta.Removed, delta.Cursor, delta.Documents = true, []string{"GHSA-3", "GHSA-99"}, "2026-01-02", nil
	out := w.commitFeed(delta)
	want := persistence.Committed{Generation: out.Generation, Records: 4, Added: 1, Changed: 1, Removed: 1}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("delta (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"npm b", "npm c", "npm e"}, w.changed(out.Generation)); diff != "" {
		t.Errorf("changed names: %s", diff)
	}
	group, err := w.feeds.Group(t.Context(), "osv", "npm")
	if err != nil || group.Cursor != "2026-01-02" || group.RecordCount != 4 {
		t.Errorf("group %+v, %v", group, err)
	}
	if documents, err := w.feeds.Documents(t.Context(), "osv", "npm"); err != nil || len(documents) != 1 {
		t.Errorf("a delta forgets the documents of the last full sync: %v, %v", documents, err)
	}
	// What the delta brought is what a full sync finds there.
	full := w.commit("npm", record("GHSA-1", feed.High, "npm", "a", "1.0"), record("GHSA-2", feed.High, "npm", "b", "2.0"),
		record("GHSA-4", feed.High, "npm", "d", "1.0"), record("GHSA-5", feed.Low, "npm", "e", "1.0"))
	if !full.Unchanged {
		t.Errorf("a full sync after the delta finds differences: %+v", full)
	}
	empty := commitOf("npm")
	empty.Delta = true
	if out := w.commitFeed(empty); !out.Unchanged || out.Records != 4 {
		t.Errorf("an empty delta: %+v", out)
	}
}

func TestARecordSaysSeveralThingsOfOnePackage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := record("CVE-1", feed.High, "rhel:9", "nodejs", "18.1")
	for _, scope := range []feed.Scope{{Module: "nodejs:18"}, {Module: "nodejs:20", Arches: []string{"aarch64", "x86_64"}}, {Channel: "eus:9.4"}, {Kind: feed.Source}} {
		a := r.Advisories[0]
		a.Scope = scope
		r.Advisories = append(r.Advisories, a)
	}
	severity := feed.Low
	r.Advisories[1].Severity, r.Advisories[1].Reason, r.Advisories[1].Notices = &severity, "Will not fix", []feed.Notice{{ID: "RHSA-1"}}
	w.commit("rhel", r)
	got := w.rows(`SELECT scope || ' ' || detail::text FROM plimsoll_feeds.advisory WHERE valid_to IS NULL ORDER BY 1`)
	want := []string{
		` {}`,
		`source||| {"kind": "source"}`,
		`||eus:9.4| {"channel": "eus:9.4"}`,
		`|nodejs:18|| {"module": "nodejs:18", "reason": "Will not fix", "notices": [{"id": "RHSA-1"}], "severity": 2}`,
		`|nodejs:20||aarch64,x86_64 {"arches": ["aarch64", "x86_64"], "module": "nodejs:20"}`,
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.Advisories = r.Advisories[:3]
	out := w.commit("rhel", r)
	if out.Changed != 1 || w.count(`SELECT count(*) FROM plimsoll_feeds.advisory WHERE valid_to IS NULL`) != 3 {
		t.Errorf("scopes that are no longer named stay: %+v", out)
	}
}

func TestFactsAndScoresKeepTheirCurrentState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.0"), record("GHSA-2", feed.High, "npm", "lodash", "1.0"))
	say := func(group string, load func(*persistence.Staging) error) persistence.Committed {
		t.Helper()
		c := commitOf(group)
		c.Load = load
		return w.commitFeed(c)
	}
	catalogue := func(ids ...string) func(*persistence.Staging) error {
		return func(in *persistence.Staging) error {
			for _, id := range ids {
				if err := in.Exploited(feed.Exploited{ID: id, Product: "p"}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if out := say("kev", catalogue("CVE-1", "CVE-2")); out.Added != 2 || out.Records != 2 {
		t.Errorf("first catalogue: %+v", out)
	}
	if out := say("kev", catalogue("CVE-2", "CVE-1")); !out.Unchanged {
		t.Errorf("the same again: %+v", out)
	}
	if out := say("kev", catalogue("CVE-2", "CVE-3")); out.Added != 1 || out.Removed != 1 {
		t.Errorf("one came, one went: %+v", out)
	}
	scores := func(by float64) func(*persistence.Staging) error {
		return func(in *persistence.Staging) error {
			for i := range 3 {
				if err := in.Score(feed.Score{ID: fmt.Sprint("CVE-", i), Probability: by * float64(i), Percentile: 0.5, Date: noon}); err != nil {
					return err
				}
			}
			return in.Score(feed.Score{ID: "CVE-9", Probability: 1.5}) // no probability
		}
	}
	if out := say("epss", scores(0.1)); out.Added != 3 || out.Skipped != 1 {
		t.Errorf("first scores: %+v", out)
	}
	before := w.rowVersions("plimsoll_feeds.score")
	if out := say("epss", scores(0.1)); !out.Unchanged || w.rowVersions("plimsoll_feeds.score") != before {
		t.Errorf("the same scores again: %+v", out)
	}
	if out := say("epss", scores(0.2)); out.Changed != 2 {
		t.Errorf("scores moved: %+v", out)
	}
	out := say("exclusions", func(in *persistence.Staging) error {
		return in.Exclusion(feed.Exclusion{ID: "1", Vulnerabilities: []string{"GHSA-2"}})
	})
	if diff := cmp.Diff([]string{"npm lodash"}, w.changed(out.Generation)); diff != "" {
		t.Errorf("an exclusion touches the packages of its vulnerabilities: %s", diff)
	}
	out = say("exclusions", func(in *persistence.Staging) error {
		return in.Exclusion(feed.Exclusion{ID: "1", Vulnerabilities: []string{"GHSA-1"}})
	})
	if diff := cmp.Diff([]string{"npm left-pad", "npm lodash"}, w.changed(out.Generation)); diff != "" {
		t.Errorf("before and after: %s", diff)
	}
	at := time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	if out := say("eol", func(in *persistence.Staging) error {
		return in.Lifecycle(feed.Lifecycle{Product: "debian", Cycle: "12", EndOfLife: &at})
	}); out.Added != 1 {
		t.Errorf("a date no JSON can hold: %+v", out)
	}
}
