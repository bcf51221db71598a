package redhat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
)

const tree = "security.access.redhat.com/data/csaf/v2/vex/"

// upstream is what the site lists.
func upstream(changes, deletions string) map[string]string {
	return map[string]string{
		tree + "archive_latest.txt": "csaf_vex_2024-08-04.tar.zst\n", tree + "changes.csv": changes, tree + "deletions.csv": deletions,
	}
}

func planned(t *testing.T, cursor string, site map[string]string) feed.Plan {
	t.Helper()
	p, err := Driver.Plan(t.Context(), request(cursor), feedtest.Listings(site))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(cursor string) feed.Request {
	return feed.Request{Group: Driver.Groups(feed.Settings{})[0], Cursor: cursor, Now: time.Date(2024, 8, 6, 12, 0, 0, 0, time.UTC)}
}

func paths(p feed.Plan) []string {
	var out []string
	for _, d := range p.Documents {
		out = append(out, strings.TrimPrefix(d.Path, folder))
	}
	return out
}

const changed = `"2024/cve-2024-0004.json","2024-08-05T10:00:00+00:00"
"2024/cve-2024-0003.json","2024-08-05T09:30:00+00:00"
"2024/cve-2024-0002.json","2024-08-04T10:00:00+02:00"
"2024/cve-2024-0001.json","2024-07-01T00:00:00+00:00"
"2024/../../x.json","2024-08-05T10:00:00+00:00"
`

func TestTheFirstSyncReadsTheArchiveAndWhatChangedSince(t *testing.T) {
	t.Parallel()
	got := planned(t, "", upstream(changed, ""))
	want := []string{"2024/cve-2024-0002.json", "2024/cve-2024-0003.json", "2024/cve-2024-0004.json", "deletions.csv", "csaf_vex_2024-08-04.tar.zst"}
	if diff := cmp.Diff(want, paths(got)); diff != "" || got.Delta {
		t.Errorf("plan, delta %t (-want +got):\n%s", got.Delta, diff)
	}
	if want := "2024-08-06T12:00:00Z 2024-08-05T10:00:00Z 2024/cve-2024-0004.json"; got.Cursor != want {
		t.Errorf("cursor %q; want %q", got.Cursor, want)
	}
	first := feed.Document{Name: "2024/cve-2024-0002.json", Host: host, Path: folder + "2024/cve-2024-0002.json", Optional: true}
	if diff := cmp.Diff(first, got.Documents[0]); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestTheNextSyncReadsWhatChangedAndWhatWasListedLate(t *testing.T) {
	t.Parallel()
	got := planned(t, "2024-08-05T12:00:00Z 2024-08-05T09:40:00Z 2024/cve-2024-0009.json",
		upstream(changed, `"2024/cve-2024-0008.json","2024-08-05T09:00:00Z"`+"\n"+`"2024/cve-2024-0004.json","2024-08-05T09:59:00Z"`+"\n"+`"2024/cve-2024-0007.json","2024-08-01T09:00:00Z"`))
	want := feed.Plan{
		Delta: true, Cursor: "2024-08-05T12:00:00Z 2024-08-05T10:00:00Z 2024/cve-2024-0004.json", Removed: []string{"CVE-2024-0008"},
		Documents: []feed.Document{
			{Name: "2024/cve-2024-0003.json", Host: host, Path: folder + "2024/cve-2024-0003.json", Optional: true},
			{Name: "2024/cve-2024-0004.json", Host: host, Path: folder + "2024/cve-2024-0004.json", Optional: true},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if again := planned(t, got.Cursor, upstream(changed, "")); !again.Delta || len(again.Documents) > 0 || again.Cursor != got.Cursor {
		t.Errorf("without changes %+v", again)
	}
}

func TestTheArchiveIsReadAnewNowAndThen(t *testing.T) {
	t.Parallel()
	for name, cursor := range map[string]string{
		"after a week":         "2024-07-30T11:00:00Z 2024-08-05T10:00:00Z 2024/cve-2024-0004.json",
		"dated in the future":  "2024-08-07T11:00:00Z 2024-08-05T10:00:00Z 2024/cve-2024-0004.json",
		"a cursor of old":      "2024-08-05",
		"a cursor of nonsense": "a b c",
	} {
		if got := planned(t, cursor, upstream(changed, "")); got.Delta {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// many is a list of n changes a second apart.
func many(n int, from time.Time) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\"2024/cve-2024-%05d.json\",\"%s\"\n", i, from.Add(time.Duration(i)*time.Second).Format(time.RFC3339))
	}
	return b.String()
}

func TestManyChangesAreReadInPortionsUnlessAnArchiveHasThem(t *testing.T) {
	t.Parallel()
	site := upstream(many(2500, time.Date(2024, 8, 5, 0, 0, 0, 0, time.UTC)), "")
	older := planned(t, "2024-08-02T12:00:00Z 2024-08-03T00:00:00Z", site)
	if older.Delta || len(older.Documents) != maxChanges+2 {
		t.Fatalf("an archive that is newer is not read: delta %t, %d documents", older.Delta, len(older.Documents))
	}
	read := map[string]bool{}
	for _, p := range paths(older) {
		read[p] = true
	}
	cursor := older.Cursor
	for range 5 {
		next := planned(t, cursor, site)
		if !next.Delta || len(next.Documents) > maxChanges {
			t.Fatalf("delta %t of %d documents", next.Delta, len(next.Documents))
		}
		for _, p := range paths(next) {
			read[p] = true
		}
		cursor = next.Cursor
	}
	if len(read) != 2500+2 {
		t.Errorf("%d of 2502 documents were read", len(read))
	}
	if last := planned(t, cursor, site); len(last.Documents) > 0 {
		t.Errorf("there is no end: %d more", len(last.Documents))
	}
}

func TestAListThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]map[string]string{
		"web page as changes":     upstream("<html>busy</html>", ""),
		"archive without a day":   {tree + "changes.csv": changed, tree + "archive_latest.txt": "vex-archive.tar.zst"},
		"archive elsewhere":       {tree + "changes.csv": changed, tree + "archive_latest.txt": "../csaf_vex_2024-08-04.tar.zst"},
		"archive of no real day":  {tree + "changes.csv": changed, tree + "archive_latest.txt": "csaf_vex_2024-13-04.tar.zst"},
		"no name of an archive":   {tree + "changes.csv": changed, tree + "archive_latest.txt": ""},
		"web page as the archive": {tree + "changes.csv": changed, tree + "archive_latest.txt": "<html>busy</html>"},
	} {
		if _, err := Driver.Plan(t.Context(), request(""), feedtest.Listings(site)); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	const at = "2024-08-05T12:00:00Z 2024-08-05T10:00:00Z 2024/cve-2024-0004.json"
	if _, err := Driver.Plan(t.Context(), request(at), feedtest.Listings(upstream(changed, "<html>busy</html>"))); !errors.Is(err, ErrDocument) {
		t.Errorf("web page as deletions: %v", err)
	}
}

func TestAListThatCannotBeFetchedIsTheFetchersError(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"changes.csv", "archive_latest.txt"} {
		site := upstream(changed, "")
		delete(site, tree+missing)
		if _, err := Driver.Plan(t.Context(), request(""), feedtest.Listings(site)); err == nil || errors.Is(err, ErrDocument) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

func FuzzChanges(f *testing.F) {
	f.Add([]byte(changed))
	f.Add([]byte(`"2024/cve-2024-0001.json","0000-01-01T00:00:00+01:00"`))
	f.Add([]byte("\"a\nb\",\"\"\"\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := readChanges("changes.csv", body)
		if err != nil {
			return
		}
		if !slices.IsSortedFunc(list, change.compare) {
			t.Errorf("not sorted: %v", list)
		}
		for _, c := range list {
			if got, ok := parseCursor(cursor{full: c.time, seen: c}.String()); !ok || got.seen.path != c.path {
				t.Errorf("cursor at %v is %v, %t", c, got, ok)
			}
		}
	})
}
