//go:build accuracy

package matching_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// changelog is what a Debian source package's changelog says: the CVEs each version fixes, up to the installed one.
type changelog struct {
	Source    string `json:"source"`
	Installed string `json:"installed_source_version"`
	Entries   []struct {
		Version string   `json:"version"`
		CVEs    []string `json:"cves"`
	} `json:"entries"`
}

// TestWhatTheChangelogFixedIsNotReported asks about the packages of a real Debian 12, of which the changelogs tell what is
// fixed in them: whatever of that is reported is a false alarm. Part of `make accuracy-match`.
func TestWhatTheChangelogFixedIsNotReported(t *testing.T) {
	needFeeds(t)
	logs, subjects := changelogs(t), installed(t)
	ours := newScanner(t)
	loadTracker(ours, ownDocuments(t, "Debian"))
	found := ours.scan(t, subjects)
	explained := readExceptions(t, "changelog.tsv")
	pairs, alarms := 0, 0
	for i, c := range logs {
		fixed := map[string]string{}
		for _, e := range c.Entries {
			for _, id := range e.CVEs {
				fixed[id] = e.Version
			}
		}
		pairs += len(fixed)
		for _, f := range found[subjects[i]] {
			for _, id := range append(slices.Clone(f.IDs), f.Upstream...) {
				in, ok := fixed[id]
				if !ok {
					continue
				}
				alarms++
				if key := c.Source + "\t" + id; explained[key] == "" {
					t.Errorf("%s %s: %s is reported (%s, fixed in %v), and its changelog fixes it in %s", c.Source, c.Installed, id, f.IDs[0], f.Fixes, in)
				} else {
					delete(explained, key)
				}
			}
		}
	}
	for key := range explained {
		t.Errorf("changelog.tsv explains what is not reported: %s", key)
	}
	fmt.Printf("Debian 12 changelogs: %d packages, %d fixed CVEs, %d findings, %d false alarms\n", len(subjects), pairs, found.Count(), alarms)
}

// readExceptions reads what is known and right: package, id and the reason.
func readExceptions(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(string(readFile(t, name))) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) != 3 {
			t.Fatalf("%s: not three columns: %q", name, line)
		}
		out[columns[0]+"\t"+columns[1]] = columns[2]
	}
	return out
}

func unpack(t *testing.T, file string) []byte {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
