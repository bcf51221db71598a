package osv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
)

var today = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

// asked plans a sync of npm and writes what it wants: "all" or "delta", the cursor, and the ids.
func asked(t *testing.T, previous string, listing map[string]string) string {
	t.Helper()
	r := feed.Request{Group: Driver.Groups(feed.Settings{Ecosystems: []string{"npm"}})[0], Cursor: previous, Now: today}
	p, err := plan(t.Context(), r, feedtest.Listings(listing))
	if err != nil {
		return err.Error()
	}
	kind := "all"
	if p.Delta {
		kind = "delta"
	}
	var names []string
	for _, d := range p.Documents {
		names = append(names, d.Path)
		if d.Optional != p.Delta {
			t.Errorf("document %+v of a plan with delta %t", d, p.Delta)
		}
	}
	return fmt.Sprintf("%s <%s> %s", kind, p.Cursor, strings.Join(names, " "))
}

func TestLaterSyncsAskForWhatChanged(t *testing.T) {
	t.Parallel()
	const list = host + "/npm/modified_id.csv"
	recent := "2026-01-31T00:00:00.5Z,GHSA-new\r\n2026-01-30T00:00:00Z,MAL-2026-1\nbroken line\n,\n2025-01-01T00:00:00Z,GHSA-old\n"
	var many strings.Builder
	for i := range maxChanges + 1 {
		fmt.Fprintf(&many, "2026-01-31T00:00:00Z,GHSA-%d\n", i)
	}
	for name, c := range map[string]struct{ previous, body, want string }{
		"first sync": {"", recent, "all <2026-01-30T00:00:00.5Z 2026-02-01T12:00:00Z> npm/all.zip"},
		"two changed": {
			"2026-01-29T00:00:00Z 2026-01-28T00:00:00Z", recent,
			"delta <2026-01-31T00:00:00.5Z 2026-01-28T00:00:00Z> npm/GHSA-new.json npm/MAL-2026-1.json",
		},
		"nothing changed":  {"2026-01-31T00:00:00.5Z 2026-01-28T00:00:00Z", recent, "delta <2026-01-31T00:00:00.5Z 2026-01-28T00:00:00Z> "},
		"a week has gone":  {"2026-01-31T00:00:00.5Z 2026-01-25T00:00:00Z", recent, "all <2026-01-30T00:00:00.5Z 2026-02-01T12:00:00Z> npm/all.zip"},
		"a strange cursor": {"yesterday", recent, "all <2026-01-30T00:00:00.5Z 2026-02-01T12:00:00Z> npm/all.zip"},
		"too many changed": {"2026-01-30T00:00:00Z 2026-01-28T00:00:00Z", many.String(), "all <2026-01-30T00:00:00Z 2026-02-01T12:00:00Z> npm/all.zip"},
		"a date to come": {
			"2026-01-31T00:00:00Z 2026-01-28T00:00:00Z", "2062-01-01T00:00:00Z,GHSA-new\n",
			"delta <2026-02-01T12:00:00Z 2026-01-28T00:00:00Z> npm/GHSA-new.json",
		},
		"a hostile id": {
			"2026-01-29T00:00:00Z 2026-01-28T00:00:00Z", "2026-01-31T00:00:00Z,../../x\n2026-01-30T00:00:00Z,GHSA-a\n",
			"delta <2026-01-30T00:00:00Z 2026-01-28T00:00:00Z> npm/GHSA-a.json",
		},
	} {
		if got := asked(t, c.previous, map[string]string{list: c.body}); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
	if got := asked(t, "kept", nil); got != "all <kept> npm/all.zip" {
		t.Errorf("a mirror without lists: %s", got)
	}
	for _, page := range []string{"", "<html>busy</html>"} {
		r := feed.Request{Group: feed.Group{Name: "npm", Host: host, Path: "npm/all.zip"}, Now: today}
		if _, err := plan(t.Context(), r, feedtest.Listings(map[string]string{list: page})); !errors.Is(err, ErrChanges) {
			t.Errorf("list %q: %v", page, err)
		}
	}
	if _, err := plan(t.Context(), feed.Request{Group: feed.Group{Name: "Linux"}}, nil); !errors.Is(err, ErrEcosystem) {
		t.Errorf("unknown ecosystem: %v", err)
	}
}

func TestAGeneralRecordDoesNotReplaceTheDistributionsOwn(t *testing.T) {
	t.Parallel()
	list, err := readChanges([]byte("2026-01-02T00:00:00Z,CVE-2024-0001\n2026-01-02T00:00:00Z,CVE-2024-0002\n2025-01-02T00:00:00Z,DEBIAN-CVE-2024-0001\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"CVE-2024-0002"}, list.since(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func delta(docs ...feed.Fetched) (*feedtest.Sink, error) {
	var said feedtest.Sink
	in := feed.Input{Group: feed.Group{Name: "npm"}, Delta: true, Documents: docs}
	return &said, Driver.Parse(context.Background(), in, &said)
}

func TestADeltaIsReadRecordByRecord(t *testing.T) {
	t.Parallel()
	good := record("X-1", affects("npm", "p", `"versions":["1.0.0"]`))
	got, err := delta(
		feedtest.Doc("X-1", good.Data),
		feedtest.Doc("X-2", good.Data),
		feedtest.Doc("X-3", []byte(`{"id":"X-4"}`)),
		feedtest.Doc("X-5", []byte(`{"id":7}`)),
		feed.Fetched{Document: feed.Document{Name: "X-6"}, Size: maxRecordSize + 1},
		feedtest.Doc("X-7", []byte(" \n{\"id\":\"X-7\",\"withdrawn\":\"2024-01-01T00:00:00Z\"}")),
	)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range got.Records {
		ids = append(ids, r.Vulnerability.ID)
	}
	if diff := cmp.Diff([]string{"X-1", "X-7"}, ids); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if n := len(got.Skipped); n != 4 {
		t.Errorf("skipped %q; want one line each for X-2, X-3, X-5, X-6", got.Skipped)
	}
	for _, other := range []string{"", "<html>busy</html>", "[]"} {
		if _, err := delta(feedtest.Doc("X-1", []byte(other))); !errors.Is(err, ErrRecord) {
			t.Errorf("%q: %v", other, err)
		}
	}
	if got, err := delta(); err != nil || got.Records != nil {
		t.Errorf("an empty delta: %v", err)
	}
}

func TestARecordThatUnpacksToTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	d := Dialect{Source: Name, Ecosystems: []string{"npm"}}
	for what, raw := range map[string]string{
		"values":  `{"id":"X-1","aliases":[` + strings.Repeat(`"",`, maxValues) + `""]}`,
		"entries": `{"id":"X-1","affected":[` + strings.Repeat("null,", maxEntries) + `null]}`,
		"bytes":   `{"id":"X-1"}` + strings.Repeat(" ", maxRecordSize),
	} {
		if _, _, err := d.Convert([]byte(raw)); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := d.Convert([]byte(`{"id":"X-1","affected":[{},null,{"package":null}]}`)); err != nil {
		t.Errorf("empty entries: %v", err)
	}
}

func FuzzChanges(f *testing.F) {
	f.Add([]byte("2026-01-31T00:00:00.5Z,GHSA-new\r\n2026-01-30T00:00:00Z,DEBIAN-CVE-2024-0001\nbroken\n"), "2026-01-29T00:00:00Z 2026-01-28T00:00:00Z")
	f.Fuzz(func(t *testing.T, list []byte, previous string) {
		get := func(context.Context, feed.Document) ([]byte, error) { return list, nil }
		r := feed.Request{Group: feed.Group{Name: "npm", Host: host, Path: "npm/all.zip"}, Cursor: previous, Now: today}
		p, err := plan(t.Context(), r, get)
		if err != nil {
			return
		}
		if at, ok := parseCursor(p.Cursor); !ok || at.seen.After(today) {
			t.Errorf("cursor %q", p.Cursor)
		}
		for _, d := range p.Documents {
			if strings.Count(d.Path, "/") != 1 || len(p.Documents) > maxChanges {
				t.Errorf("document %q", d.Path)
			}
		}
	})
}
