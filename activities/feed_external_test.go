package activities_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/activities"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/external"
	"plimsoll/internal/config"
	"plimsoll/workflows"
)

// sampleFeed builds the sample program.
func sampleFeed(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "plimsoll/internal/sample/feed").CombinedOutput(); err != nil {
		t.Fatalf("build the sample feed: %v: %s", err, out)
	}
	return path
}

func records(t *testing.T, file string, list ...external.Record) {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func flaw(id, pkg, fixed string, modified time.Time) external.Record {
	return external.Record{ID: id, Severity: "high", Modified: &modified, Advisories: []external.Advisory{
		{Namespace: "npm", Package: pkg, Ranges: []feed.Range{{Fixed: fixed}}},
	}}
}

const nodePackage = `{"name":"left-pad","version":"1.3.0"}`

func TestAProgramOfOnesOwnIsASource(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "records.json")
	s := newSystem(t)
	s.feeds(func(f *activities.Feeds) {
		f.OSV.Ecosystems = []string{"npm"}
		f.External = []activities.External{{Name: "acme", Command: []string{sampleFeed(t), data}}}
		f.Only = []string{"osv", "acme"}
	})
	day := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	records(t, data, flaw("ACME-1", "left-pad", "1.3.1", day), external.Record{ID: "ACME-2", Severity: "dire"})
	s.publish("npm", advisory("GHSA-aaaa", "npm", "left-pad", "1.4.0"))
	got := s.sync()
	if r := got["records"]; r.Error != "" || r.Added != 1 {
		t.Fatalf("first sync: %+v", r)
	}
	if g := s.groups()["records"]; g.RecordCount != 1 || g.SkippedCount != 1 || g.Cursor != "2026-08-01T00:00:00Z" {
		t.Errorf("group %+v, want one record, one skipped, the cursor", g)
	}
	s.push("app/web:1", layer(t, map[string]string{"etc/os-release": debian, "app/node_modules/left-pad/package.json": nodePackage}))
	image := s.add("acme", "app/web", "1")
	s.analyze(image)
	if diff := cmp.Diff([]string{"GHSA-aaaa left-pad 1.4.0", "ACME-1 left-pad 1.3.1"}, s.found(image)); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	// What changed since: a delta that leaves the rest alone.
	records(t, data, flaw("ACME-3", "left-pad", "2.0.0", day.Add(time.Hour)))
	if r := s.sync()["records"]; r.Error != "" || r.Added != 1 || r.Removed != 0 || r.Records != 2 {
		t.Errorf("delta: %+v", r)
	}
	if r := s.sync()["records"]; !r.Unchanged {
		t.Errorf("nothing new: %+v", r)
	}
	// Everything anew.
	var out workflows.SyncFeedsResult
	if err := s.run(workflows.SyncFeedsName, workflows.SyncFeedsInput{Force: true}, &out); err != nil {
		t.Fatal(err)
	}
	if g := s.groups()["records"]; g.RecordCount != 1 {
		t.Errorf("after a full sync %d records, want what the program has now", g.RecordCount)
	}
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	if r := s.sync()["records"]; !strings.Contains(r.Error, "no such file") {
		t.Errorf("failure %+v, want the program's own words", r)
	}
	if g := s.groups()["records"]; g.RecordCount != 1 || !strings.Contains(g.LastError, "acme failed (exit status 1)") {
		t.Errorf("after a failure %+v", g)
	}
}

func TestPriorityDecidesBetweenSources(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out, err := external.NewWriter(w, false)
		if err == nil {
			err = out.Record(external.Record{ID: "CVE-2026-1", Severity: "low", Advisories: []external.Advisory{
				{Namespace: "debian:12", Package: "openssl", Ranges: []feed.Range{{Fixed: "9-acme"}}},
			}})
		}
		if err == nil {
			err = out.End("")
		}
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(up.Close)
	s := newSystem(t)
	with := func(priority int, without ...string) {
		t.Helper()
		s.feeds(func(f *activities.Feeds) {
			f.OSV.Ecosystems = []string{"Debian"}
			f.Only = []string{"osv", "acme"}
			f.External = []activities.External{{Name: "acme", URL: config.SecretURL(up.URL), Priority: &priority}}
			f.Exclude.Sources = without
		})
		generation, err := s.acts.EnsureRules(t.Context())
		if err != nil || generation == 0 {
			t.Fatalf("generation %d, %v", generation, err)
		}
		if err := s.run(workflows.RescanChangeSetName, workflows.RescanInput{Generation: generation}, nil); err != nil {
			t.Fatal(err)
		}
	}
	with(-2)
	s.publish("Debian", advisory("CVE-2026-1", "Debian:12", "openssl", "9-osv"))
	for name, g := range s.sync() {
		if g.Error != "" {
			t.Fatalf("%s: %s", name, g.Error)
		}
	}
	s.push("app/web:1", layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status}))
	image := s.add("acme", "app/web", "1")
	s.analyze(image)
	want := func(fix ...string) {
		t.Helper()
		var lines []string
		for _, f := range fix {
			lines = append(lines, "CVE-2026-1 libssl3 "+f)
		}
		if diff := cmp.Diff(lines, s.found(image)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	want("9-osv")
	with(1)
	want("9-acme")
	with(1, "acme")
	want("9-osv")
	with(1, "acme", "osv")
	want()
}

func TestExternalSourcesAreChecked(t *testing.T) {
	t.Parallel()
	command := []string{"/opt/feed"}
	far := 1001
	for says, list := range map[string][]activities.External{
		"name":                           {{Name: "Acme Feed", Command: command}},
		"already":                        {{Name: "osv", Command: command}},
		"a: there is a source":           {{Name: "a", Command: command}, {Name: "a", Command: command}},
		"either a command or a url":      {{Name: "a"}},
		"a: give either":                 {{Name: "a", Command: command, URL: "https://h"}},
		"the program is missing":         {{Name: "a", Command: []string{""}}},
		"url: not an http":               {{Name: "a", URL: "file:///x"}},
		"interval":                       {{Name: "a", Command: command, Interval: time.Second}},
		"timeout":                        {{Name: "a", Command: command, Timeout: 24 * time.Hour}},
		"priority":                       {{Name: "a", Command: command, Priority: &far}},
		"names of environment variables": {{Name: "a", Command: command, Env: []string{"A=b"}}},
	} {
		feeds := activities.DefaultFeeds()
		feeds.External = list
		if err := feeds.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", list, err, says)
		}
	}
	feeds := activities.DefaultFeeds()
	feeds.External = []activities.External{{Name: "a", Command: command}, {Name: "b", URL: "https://h/feed?x=1"}}
	feeds.Only = []string{"a"}
	if err := feeds.Validate(); err != nil {
		t.Error(err)
	}
}
