//go:build accuracy

package matching_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plimsoll/internal/accuracy/matching"
)

var (
	feeds     = flag.String("feeds", "", "directory of feed data")
	witnesses = flag.String("witnesses", "", "directory of the programs osv-scanner and grype")
	drawn     = flag.Int("drawn", 500, "packages drawn from the records of an ecosystem")
	only      = flag.String("ecosystems", "", "names between commas; empty: all there are records of")
	update    = flag.Bool("update", false, "write figures.md, differences.tsv and the recorded answers anew")
	dump      = flag.String("dump", "", "file to write every difference to")
)

// ecosystems that are compared where there are records of them.
var ecosystems = []string{
	"AlmaLinux", "Alpine", "Bitnami", "CRAN", "crates.io", "Debian", "Go", "Hex", "Maven", "npm", "NuGet", "Packagist", "Pub", "PyPI",
	"Rocky Linux", "RubyGems", "SwiftURL", "Ubuntu",
}

// TestAgainstWitnesses is what `make accuracy-match` runs.
func TestAgainstWitnesses(t *testing.T) {
	needFeeds(t)
	c := newComparison(t)
	for _, ecosystem := range ecosystems {
		if *only == "" || slices.Contains(strings.Split(*only, ","), ecosystem) {
			c.add(ecosystem)
		}
	}
	documents, err := matching.Documents(c.subjects)
	if err != nil {
		t.Fatal(err)
	}
	c.found = c.ours.ask(documents)
	for _, w := range []matching.Witness{
		matching.OSVScanner(filepath.Join(*witnesses, "osv-scanner"), filepath.Join(*witnesses, "osv-rpm")),
		matching.Grype(filepath.Join(*witnesses, "grype")),
	} {
		c.hear(w, documents)
	}
	c.compare()
	for _, n := range natives {
		c.addNative(n)
	}
	c.report()
}

// comparison gathers what both sides say.
type comparison struct {
	t        *testing.T
	ours     *scanner
	records  string                       // folder of the archives
	known    map[string][]matching.Record // by ecosystem
	subjects []matching.Subject
	samples  map[string]sample
	found    matching.Answers
	heard    []heard
	judged   []judged
}

// sample is what the ordinary tests check of an ecosystem.
type sample struct {
	records  []matching.Record
	subjects []matching.Subject
}

// heard is what a witness says.
type heard struct {
	witness  string
	subjects []matching.Subject
	answers  matching.Answers
}

// judged are comparisons and what explains their differences.
type judged struct {
	results []matching.Comparison
	reasons *matching.Explainer
}

func newComparison(t *testing.T) *comparison {
	return &comparison{
		t: t, ours: newScanner(t), records: filepath.Join(t.TempDir(), "records"), known: map[string][]matching.Record{}, samples: map[string]sample{},
	}
}

// add loads an ecosystem and draws packages from it.
func (c *comparison) add(ecosystem string) {
	c.t.Helper()
	file, ok := find(ecosystem)
	if !ok {
		c.t.Logf("%s: no records", ecosystem)
		return
	}
	all, err := matching.ReadArchive(file)
	if err != nil {
		c.t.Fatal(err)
	}
	place := filepath.Join(c.records, ecosystem, "all.zip")
	if err := errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), os.Symlink(file, place)); err != nil {
		c.t.Fatal(err)
	}
	c.ours.load(ecosystem, readFile(c.t, file))
	some, err := matching.Sample(all, ecosystem)
	if err != nil {
		c.t.Fatal(err)
	}
	s := sample{some, matching.Covered(some, all, ecosystem, matching.Draw(some, ecosystem, matching.SampleSubjects))}
	c.samples[ecosystem] = s
	c.known[ecosystem] = all
	more := s.subjects
	if ecosystem == "Debian" {
		more = matching.Union(more, installed(c.t))
	}
	c.subjects = append(c.subjects, matching.Union(matching.Draw(all, ecosystem, *drawn), more)...)
}

// hear asks a witness.
func (c *comparison) hear(w matching.Witness, documents []matching.Document) {
	c.t.Helper()
	var asked []matching.Document
	var about []matching.Subject
	for _, d := range documents {
		if w.Knows(d.Ecosystem) {
			asked, about = append(asked, d), append(about, d.Subjects...)
		}
	}
	theirs, err := w.Ask(c.t.Context(), c.records, c.t.TempDir(), asked)
	if err != nil {
		c.t.Fatal(err)
	}
	c.heard = append(c.heard, heard{w.Name, about, theirs})
}

// compare holds what was heard against what we find with the same records.
func (c *comparison) compare() {
	all := judged{reasons: matching.NewExplainer(slices.Collect(maps.Values(c.known))...)}
	for _, h := range c.heard {
		all.results = append(all.results, matching.Compare(h.witness, h.subjects, c.found, h.answers)...)
	}
	c.judged = append(c.judged, all)
}

// report explains differences, holds their number against the table, and writes figures, table and samples when told to.
func (c *comparison) report() {
	counts := matching.Counts{}
	var results []matching.Comparison
	var open []matching.Difference
	var table strings.Builder
	for _, j := range c.judged {
		some, unexplained := j.reasons.Count(j.results)
		maps.Copy(counts, some)
		open, results = append(open, unexplained...), append(results, j.results...)
		table.WriteString(j.reasons.Table(j.results))
	}
	for i, d := range open {
		if i == 50 {
			c.t.Errorf("and %d more", len(open)-i)
			break
		}
		c.t.Errorf("not explained: %s %s %s %s %s %s: our fix %v, theirs %v", d.Witness, d.Sign, d.Ecosystem, d.Name, d.Version, d.ID, d.Ours, d.Theirs)
	}
	if *dump != "" {
		write(c.t, *dump, table.String())
	}
	figures := matching.Figures(results, counts, c.ours.bad)
	fmt.Println(figures)
	if *update {
		write(c.t, "figures.md", figures)
		write(c.t, "differences.tsv", counts.String())
		for ecosystem, s := range c.samples {
			s.write(c.t, ecosystem, c.found)
		}
		return
	}
	if *only != "" {
		return
	}
	before, err := matching.ReadCounts(string(readFile(c.t, "differences.tsv")))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, worse := range counts.Above(before) {
		c.t.Errorf("more differences than known: %s", worse)
	}
}

func (s sample) write(t *testing.T, ecosystem string, found matching.Answers) {
	t.Helper()
	folder := filepath.Join("testdata", "osv", strings.ReplaceAll(ecosystem, " ", "-"))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var lines, answers strings.Builder
	for _, r := range s.records {
		fmt.Fprintf(&lines, "%s\n", r.Raw)
	}
	write(t, filepath.Join(folder, "records.jsonl"), lines.String())
	if err := found.Write(&answers, s.subjects); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "answers.tsv"), answers.String())
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func needFeeds(t *testing.T) {
	t.Helper()
	if *feeds == "" {
		t.Fatal("no feed data: run make accuracy-match FEEDS=DIR")
	}
}

// find looks for an ecosystem's archive: one made of a distribution's own data goes before OSV.dev's.
func find(ecosystem string) (string, bool) {
	for _, place := range []string{
		filepath.Join(strings.ToLower(ecosystem), "derived", "osv", ecosystem),
		filepath.Join("osv", "osv-vulnerabilities.storage.googleapis.com", ecosystem),
		ecosystem,
	} {
		file := filepath.Join(*feeds, place, "all.zip")
		if _, err := os.Stat(file); err == nil {
			return file, true
		}
	}
	return "", false
}
