package persistence_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

func (w *world) enabled() (out []string) {
	w.t.Helper()
	groups, err := w.feeds.Groups(w.t.Context())
	w.must(err)
	for _, g := range groups {
		if g.Enabled {
			out = append(out, g.Source+"/"+g.Name)
		}
	}
	return out
}

func (w *world) offer(source string, enabled bool, groups ...string) {
	w.t.Helper()
	w.must(w.feeds.Ensure(w.t.Context(), persistence.Offer{Source: source, Groups: groups, Enabled: enabled, StaleAfter: time.Hour}))
}

func TestASwitchWinsOverTheConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.offer("osv", true, "Debian", "npm")
	w.offer("wolfi", false, "wolfi")
	flip := func(source, group string, on bool) {
		t.Helper()
		w.must(w.feeds.Switch(t.Context(), persistence.FeedChoice{Source: source, Group: group}, on, noon))
	}
	want := func(list ...string) {
		t.Helper()
		w.offer("osv", true, "Debian", "npm") // as each start of a worker does
		w.offer("wolfi", false, "wolfi")
		if diff := cmp.Diff(list, w.enabled()); diff != "" {
			t.Errorf("enabled (-want +got):\n%s", diff)
		}
	}
	want("osv/Debian", "osv/npm")
	flip("osv", "npm", false)
	want("osv/Debian")
	flip("wolfi", "", true)
	want("osv/Debian", "wolfi/wolfi")
	flip("osv", "", false)
	want("wolfi/wolfi")
	flip("osv", "npm", true) // of a source that is off
	want("osv/npm", "wolfi/wolfi")
	flip("osv", "", true) // the whole source again, whatever was said of its groups
	want("osv/Debian", "osv/npm", "wolfi/wolfi")
	flip("", "Debian", false)
	want("osv/npm", "wolfi/wolfi")
	w.offer("wolfi", false) // its driver has the group no more
	if slices.Contains(w.enabled(), "wolfi/wolfi") {
		t.Error("a group no driver offers is enabled")
	}
	for _, c := range []persistence.FeedChoice{{Source: "osv", Group: "nonesuch"}, {Source: "nonesuch"}, {Group: "nonesuch"}, {Source: "wolfi"}} {
		if err := w.feeds.Switch(t.Context(), c, true, noon); !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("%+v: %v, want ErrNotFound", c, err)
		}
	}
}

func TestEverythingCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, want := range []bool{true, false, true} {
		if !want {
			w.must(w.feeds.Switch(t.Context(), persistence.FeedChoice{}, false, noon))
		} else if on, err := w.feeds.On(t.Context()); err == nil && !on {
			w.must(w.feeds.Switch(t.Context(), persistence.FeedChoice{}, true, noon))
		}
		if on, err := w.feeds.On(t.Context()); err != nil || on != want {
			t.Errorf("on %v %v, want %v", on, err, want)
		}
	}
}

func TestDeletedDataTakesItsMatchesAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.1"))
	w.commit("other", record("GHSA-2", feed.Low, "npm", "left-pad", "1.3.1"))
	w.analyzed(admin, "img", "1", npm("left-pad", "1.3.0", "a"))
	if got := w.findings(admin, "img"); len(got) != 2 {
		t.Fatalf("found %q", got)
	}
	cleared, err := w.feeds.Clear(t.Context(), "osv", "npm")
	w.must(err)
	if cleared.Generation == 0 || cleared.Removed != 1 {
		t.Fatalf("cleared %+v", cleared)
	}
	w.rescan(cleared.Generation, noon.Add(time.Hour))
	if got := w.findings(admin, "img"); len(got) != 1 {
		t.Errorf("found %q, want what the other group says", got)
	}
	g, err := w.feeds.Group(t.Context(), "osv", "npm")
	w.must(err)
	documents, err := w.feeds.Documents(t.Context(), "osv", "npm")
	if err != nil || len(documents) != 0 || g.RecordCount != 0 || g.LastSync != nil || g.Cursor != "" {
		t.Errorf("group %+v, documents %v %v: the next sync would not read everything", g, documents, err)
	}
	if again, err := w.feeds.Clear(t.Context(), "osv", "npm"); err != nil || !again.Unchanged {
		t.Errorf("again: %+v %v", again, err)
	}
	if _, err := w.feeds.Clear(t.Context(), "osv", "nonesuch"); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("unknown group: %v", err)
	}
}

func TestReplacingWritesEveryRecordAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	records := []feed.Record{record("GHSA-1", feed.High, "npm", "left-pad", "1.3.1"), record("GHSA-2", feed.Low, "npm", "lodash", "4.17.21")}
	w.commit("npm", records...)
	again := commitOf("npm", records...)
	again.Replace = true
	c := w.commitFeed(again)
	if c.Changed != 2 || c.Added+c.Removed != 0 || w.count(`SELECT count(*) FROM plimsoll_feeds.advisory WHERE valid_from = $1 AND valid_to IS NULL`, c.Generation) != 2 {
		t.Errorf("committed %+v", c)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll_feeds.change WHERE generation = $1`, c.Generation); n != 2 {
		t.Errorf("%d names to rescan, want both", n)
	}
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	long, short := noon.Add(-2*time.Hour), noon.Add(-time.Minute)
	for name, c := range map[string]struct {
		group persistence.FeedGroup
		want  []persistence.FeedAlarm
	}{
		"well":                  {persistence.FeedGroup{Enabled: true, LastSync: &short, StaleAfter: 3600, RecordCount: 100, SkippedCount: 11}, nil},
		"stale":                 {persistence.FeedGroup{Enabled: true, LastSync: &long, StaleAfter: 3600}, []persistence.FeedAlarm{persistence.AlarmStale}},
		"never":                 {persistence.FeedGroup{Enabled: true, CreatedAt: long, StaleAfter: 3600}, []persistence.FeedAlarm{persistence.AlarmStale}},
		"new":                   {persistence.FeedGroup{Enabled: true, CreatedAt: short, StaleAfter: 3600}, nil},
		"the clock went back":   {persistence.FeedGroup{Enabled: true, LastSync: new(noon.Add(time.Hour)), StaleAfter: 3600}, nil},
		"nobody said how often": {persistence.FeedGroup{Enabled: true, LastSync: &long}, nil},
		"off":                   {persistence.FeedGroup{LastSync: &long, StaleAfter: 3600, RefusedSince: &long}, nil},
		"refused":               {persistence.FeedGroup{Enabled: true, LastSync: &short, RefusedSince: &long}, []persistence.FeedAlarm{persistence.AlarmRefused}},
		"unreadable":            {persistence.FeedGroup{Enabled: true, LastSync: &short, RecordCount: 100, SkippedCount: 12}, []persistence.FeedAlarm{persistence.AlarmUnreadable}},
	} {
		if diff := cmp.Diff(c.want, c.group.Alarms(noon)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestARefusalLastsUntilASuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := record("GHSA-1", feed.High, "npm", "left-pad", "1.3.1")
	w.commit("npm", r)
	since := func() *time.Time {
		t.Helper()
		g, err := w.feeds.Group(t.Context(), "osv", "npm")
		w.must(err)
		return g.RefusedSince
	}
	fail := func(refused bool, at time.Time) { w.must(w.feeds.Failed(t.Context(), "osv", "npm", "x", refused, at)) }
	fail(false, noon)
	if since() != nil {
		t.Error("a failure of another kind is no refusal")
	}
	fail(true, noon)
	fail(true, noon.Add(time.Hour))
	fail(false, noon.Add(2*time.Hour))
	if at := since(); at == nil || !at.Equal(noon) {
		t.Errorf("refused since %v, want the first time", at)
	}
	w.commit("npm", r)
	if since() != nil {
		t.Error("refused after a success")
	}
}
