package persistence_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/relay"
	"plimsoll/persistence"
)

// relayed brings a group of one world into another, as a feed service and its reader do, and returns the cursor.
func relayed(t *testing.T, from, to *world, group string, since int64) int64 {
	t.Helper()
	state, err := from.feeds.State(t.Context(), "osv", group)
	from.must(err)
	var document bytes.Buffer
	w := relay.NewWriter(&document)
	c := persistence.CommitFeed{Source: "osv", Group: group, At: noon, Delta: since > 0, Force: true}
	if c.Delta {
		c.Removed, err = from.feeds.RemovedSince(t.Context(), "osv", group, since)
		from.must(err)
	}
	from.must(from.feeds.Export(t.Context(), "osv", group, since, w.Write))
	from.must(w.End())
	c.Load = func(in *persistence.Staging) error { return relay.Read(t.Context(), &document, "osv", in) }
	to.commitFeed(c)
	return state.Generation
}

// current lists what a group says now, with content hashes.
func (w *world) current() []string {
	w.t.Helper()
	list := w.rows(`
SELECT 'v ' || source || ' ' || group_name || ' ' || vulnerability_id || ' ' || encode(content_hash, 'hex') FROM plimsoll_feeds.vulnerability WHERE valid_to IS NULL
UNION ALL SELECT 'a ' || source || ' ' || group_name || ' ' || advisory_id || ' ' || namespace || ' ' || package || ' ' || scope || ' ' || encode(content_hash, 'hex') FROM plimsoll_feeds.advisory WHERE valid_to IS NULL
UNION ALL SELECT 'f ' || source || ' ' || group_name || ' ' || kind || ' ' || key || ' ' || encode(content_hash, 'hex') FROM plimsoll_feeds.fact WHERE valid_to IS NULL
UNION ALL SELECT 's ' || source || ' ' || group_name || ' ' || id || ' ' || probability || ' ' || percentile || ' ' || scored_on FROM plimsoll_feeds.score ORDER BY 1`)
	return list
}

// TestWhatIsRelayedEqualsTheOriginal: whatever happens at one installation, whole and in deltas, another one that reads
// from it ends with the same rows.
func TestWhatIsRelayedEqualsTheOriginal(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 5)) // #nosec G404 -- reproducible on purpose
			from, to := newWorld(t), newWorld(t)
			since := map[string]int64{}
			for range 12 {
				group := []string{"npm", "Debian"}[random.IntN(2)]
				from.commit(group, randomRecords(random, group)...)
				if random.IntN(2) == 0 {
					since[group] = relayed(t, from, to, group, since[group])
				}
			}
			for _, group := range []string{"npm", "Debian"} {
				relayed(t, from, to, group, since[group])
			}
			if diff := cmp.Diff(from.current(), to.current()); diff != "" {
				t.Errorf("(-original +relayed):\n%s", diff)
			}
		})
	}
}

func TestAnExportHoldsEverythingARecordSays(t *testing.T) {
	t.Parallel()
	from, to := newWorld(t), newWorld(t)
	day := time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
	base, severity := 9.8, feed.Low
	rich := feed.Record{
		Vulnerability: feed.Vulnerability{
			Source: "osv", ID: "CVE-1", Aliases: []string{"GHSA-1"}, Upstream: []string{"CVE-0"}, Summary: "<&>", Description: "long", Severity: feed.High, CWEs: []string{"CWE-1"},
			CVSS: []feed.CVSS{{Version: "3.1", Vector: "CVSS:3.1/AV:N", Base: &base, By: "x", Secondary: true}}, URL: "https://x.example", References: []string{"https://y.example"}, Published: &day, Modified: &day,
		},
		Advisories: []feed.Advisory{
			{Namespace: "debian:12", Package: "hull", State: feed.StateWontFix, Reason: "no-dsa", Severity: &severity, Notices: []feed.Notice{{ID: "DSA-1", URL: "https://z.example"}}, FixedAt: &day, Ranges: []feed.Range{{Introduced: "0", Before: "2"}}, Versions: []string{"1.0-1"}},
			{Namespace: "debian:12", Package: "hull", State: feed.StateFixed, Scope: feed.Scope{Kind: feed.Binary, Module: "m:1", Arches: []string{"arm64"}, Channel: "pro"}, Ranges: []feed.Range{{After: "1", LastAffected: "2"}}},
			{Namespace: "nvd", Package: "v:hull", State: feed.StateAffected, CPE: &feed.CPE{Part: "a", Update: "p1", TargetSW: "wordpress", RunningOn: []string{"o:a:b"}}},
		},
	}
	c := commitOf("all")
	c.Load = func(in *persistence.Staging) error {
		for _, err := range []error{
			in.Record(rich), in.Score(feed.Score{ID: "CVE-1", Probability: 0.12345, Percentile: 0.9, Date: day}), in.Exploited(feed.Exploited{ID: "CVE-1", Added: &day, Ransomware: true}),
			in.Lifecycle(feed.Lifecycle{Product: "debian", Cycle: "12", EndOfLife: &day}), in.Release(feed.Release{Namespace: "npm", Package: "koa", Versions: []string{"1"}}),
			in.Exclusion(feed.Exclusion{ID: "x", Vulnerabilities: []string{"CVE-1"}}),
		} {
			from.must(err)
		}
		return nil
	}
	from.commitFeed(c)
	relayed(t, from, to, "all", 0)
	if diff := cmp.Diff(from.current(), to.current()); diff != "" || len(to.current()) != 9 {
		t.Errorf("(-original +relayed):\n%s", diff)
	}
	state, err := from.feeds.State(t.Context(), "osv", "all")
	from.must(err)
	if !state.Whole || state.Generation == 0 || state.Origin == "" {
		t.Errorf("state %+v", state)
	}
}

func TestPagesHoldEveryRecordOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var records []feed.Record
	for i := range 25 {
		records = append(records, record(fmt.Sprintf("GHSA-%02d", i), feed.Low, "npm", "koa", "1.3.0"))
	}
	first := w.commit("npm", records...)
	records[3] = record("GHSA-03", feed.High, "npm", "koa", "1.3.0")
	records[20].Advisories[0].Package = "express"
	w.commit("npm", append(records[:7], records[8:]...)...)
	for since, want := range map[int64]int{0: 24, first.Generation: 2} {
		seen, after := 0, ""
		for {
			page, err := w.feeds.ExportPage(t.Context(), "osv", "npm", since, after, 5)
			w.must(err)
			if len(page) == 0 {
				break
			}
			for _, l := range page {
				if l.Vulnerability.ID <= after {
					t.Fatalf("%s after %s", l.Vulnerability.ID, after)
				}
				after = l.Vulnerability.ID
				seen++
			}
		}
		if seen != want {
			t.Errorf("since %d: %d records, want %d", since, seen, want)
		}
	}
	gone, err := w.feeds.RemovedSince(t.Context(), "osv", "npm", first.Generation)
	if diff := cmp.Diff([]string{"GHSA-07"}, gone); err != nil || diff != "" {
		t.Errorf("gone %v, %v", gone, err)
	}
}
