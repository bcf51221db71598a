//go:build accuracy

package matching_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"plimsoll/internal/accuracy/matching"
)

// addNative asks a driver of a distribution's own documents about the packages that the witnesses were asked about, and holds
// its answers against what they find with the records made of the same documents.
func (c *comparison) addNative(n native) {
	c.t.Helper()
	records, asked := c.known[n.ecosystem]
	if !asked {
		if n.ecosystem == redHat && (*only == "" || strings.Contains(*only, redHat)) {
			c.addRedHat(n)
		}
		return
	}
	d := ownDocuments(c.t, n.ecosystem)
	ours := newScanner(c.t)
	n.load(ours, d)
	var subjects []matching.Subject
	for _, s := range c.subjects {
		if name, _, _ := strings.Cut(s.Ecosystem, ":"); name == n.ecosystem {
			subjects = append(subjects, s)
		}
	}
	found := ours.scan(c.t, subjects)
	var results []matching.Comparison
	for _, h := range c.heard {
		results = append(results, matching.Compare(h.witness, subjects, found, matching.Retell(h.answers, records))...)
	}
	c.judge(n, ours, records, said(c.t, n.ecosystem, d), results)
	if *update {
		writeNative(c.t, n.ecosystem, c.samples[n.ecosystem], excerpt(c.t, n.ecosystem, d, c.samples[n.ecosystem].subjects), found)
	}
}

// judge adds comparisons of a driver of a distribution's own documents.
func (c *comparison) judge(n native, ours *scanner, records []matching.Record, said matching.Said, results []matching.Comparison) {
	for i := range results {
		results[i].Ecosystem = n.label
	}
	c.judged = append(c.judged, judged{results, matching.NewNativeExplainer(said, records)})
	for group, list := range ours.bad {
		c.ours.bad[n.label+" "+group] = list
	}
}

// ownDocuments finds them among the feed data.
func ownDocuments(t *testing.T, ecosystem string) documents {
	t.Helper()
	d := documents{}
	switch ecosystem {
	case "Debian":
		folder := filepath.Join(*feeds, "debian")
		list := filepath.Join(folder, "salsa.debian.org", "security-tracker-team", "security-tracker", "-", "raw", "master", "data")
		d["tracker"] = unpack(t, filepath.Join(folder, "derived", "tracker-data-json.reconstructed.json.gz"))
		d["DSA"], d["DLA"] = readFile(t, list, "DSA", "list"), readFile(t, list, "DLA", "list")
	case "Alpine":
		folder := filepath.Join(*feeds, "alpine", "secdb.alpinelinux.org")
		files, err := filepath.Glob(filepath.Join(folder, "v*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			d[filepath.Base(filepath.Dir(file))+"/"+strings.TrimSuffix(filepath.Base(file), ".json")] = readFile(t, file)
		}
	}
	if len(d) == 0 {
		t.Fatalf("no documents of %s", ecosystem)
	}
	return d
}

// said reads the documents as evidence.
func said(t *testing.T, ecosystem string, d documents) matching.Said {
	t.Helper()
	out := matching.Said{}
	var failed error
	for name, text := range d {
		switch {
		case ecosystem == "Alpine":
			folder, _, _ := strings.Cut(name, "/")
			failed = errors.Join(failed, out.ReadSecurityDatabase("Alpine:"+folder, text))
		case name == "tracker":
			failed = errors.Join(failed, out.ReadTracker(text))
		}
	}
	if failed != nil {
		t.Fatal(failed)
	}
	return out
}

// installed are the packages of a real Debian 12.
func installed(t *testing.T) []matching.Subject {
	t.Helper()
	var out []matching.Subject
	for _, c := range changelogs(t) {
		out = append(out, matching.Subject{Ecosystem: "Debian:12", Name: c.Source, Version: c.Installed})
	}
	return out
}

func changelogs(t *testing.T) []changelog {
	t.Helper()
	text := unpack(t, filepath.Join(*feeds, "debian", "derived", "changelog-cves.bookworm-host.jsonl.gz"))
	var out []changelog
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var c changelog
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// excerpt keeps what documents say about the packages of a sample.
func excerpt(t *testing.T, ecosystem string, d documents, subjects []matching.Subject) documents {
	t.Helper()
	names := map[string]bool{}
	for _, s := range subjects {
		names[s.Name] = true
	}
	out := documents{}
	for name, text := range d {
		var short []byte
		var err error
		switch {
		case name == "tracker":
			short, err = excerptTracker(text, names)
		case ecosystem == "Debian":
			short = excerptList(string(text), names)
		default:
			short, err = excerptDatabase(text, names)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = short
	}
	return out
}

func excerptTracker(text []byte, names map[string]bool) ([]byte, error) {
	var export map[string]json.RawMessage
	if err := json.Unmarshal(text, &export); err != nil {
		return nil, err
	}
	for name := range export {
		if !names[name] {
			delete(export, name)
		}
	}
	return json.MarshalIndent(export, "", " ")
}

// excerptList keeps advisories with the lines below them.
func excerptList(text string, names map[string]bool) []byte {
	var out, entry strings.Builder
	about := false
	end := func() {
		if about {
			out.WriteString(entry.String())
		}
		entry.Reset()
		about = false
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "[") {
			end()
		}
		entry.WriteString(line)
		if _, rest, ok := strings.Cut(line, " - "); ok && strings.HasPrefix(line, "\t[") && names[strings.Fields(rest)[0]] {
			about = true
		}
	}
	end()
	return []byte(out.String())
}

func excerptDatabase(text []byte, names map[string]bool) ([]byte, error) {
	var database struct {
		Repository string `json:"reponame"`
		Packages   []struct {
			Package struct {
				Name  string              `json:"name"`
				Fixes map[string][]string `json:"secfixes"`
			} `json:"pkg"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &database); err != nil {
		return nil, err
	}
	list := database.Packages[:0]
	for _, p := range database.Packages {
		if names[p.Package.Name] {
			list = append(list, p)
		}
	}
	database.Packages = list
	return json.Marshal(database)
}

func writeNative(t *testing.T, ecosystem string, s sample, d documents, found matching.Answers) {
	t.Helper()
	folder := filepath.Join("testdata", "native", strings.ReplaceAll(ecosystem, " ", "-"))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	archive := txtar.Archive{}
	for name, text := range d {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: text})
	}
	slices.SortFunc(archive.Files, func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
	write(t, filepath.Join(folder, "documents.txtar"), string(txtar.Format(&archive)))
	var answers strings.Builder
	if err := found.Write(&answers, s.subjects); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "answers.tsv"), answers.String())
}
