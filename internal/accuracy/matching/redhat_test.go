//go:build accuracy

package matching_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"plimsoll/internal/accuracy/matching"
)

const redHat = "Red Hat"

// addRedHat compares what our driver and Grype find by Red Hat's VEX documents. Grype is told them by the command vex of
// internal/accuracy/oracle/grype, in a database of its own: AlmaLinux's records stand in for Red Hat's in the other one.
func (c *comparison) addRedHat(n native) {
	c.t.Helper()
	documents := vexArchive(c.t)
	records := filepath.Join(c.t.TempDir(), redHat, "all.zip")
	if err := os.MkdirAll(filepath.Dir(records), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if text, err := exec.CommandContext(c.t.Context(), filepath.Join(*witnesses, "vex"), "-documents", documents, "-out", records).CombinedOutput(); err != nil {
		c.t.Fatalf("vex: %v: %s", err, text)
	}
	all, err := matching.ReadArchive(records)
	if err != nil {
		c.t.Fatal(err)
	}
	ours := newScanner(c.t)
	n.load(ours, map[string][]byte{"archive": readFile(c.t, documents)})
	some, excerpt := vexSample(c.t, documents, all)
	s := sample{some, matching.Draw(some, redHat, matching.SampleSubjects)}
	// All there is: the documents are few. The many language packs of glibc are one build, of which the records say one thing.
	subjects := slices.DeleteFunc(matching.Draw(all, redHat, math.MaxInt), func(s matching.Subject) bool {
		return strings.HasPrefix(s.Name, "glibc-langpack-")
	})
	subjects = matching.Union(subjects, s.subjects)
	found := ours.scan(c.t, subjects)
	list, err := matching.Documents(subjects)
	if err != nil {
		c.t.Fatal(err)
	}
	witness := matching.Grype(filepath.Join(*witnesses, "grype"))
	theirs, err := witness.Ask(c.t.Context(), filepath.Dir(filepath.Dir(records)), c.t.TempDir(), list)
	if err != nil {
		c.t.Fatal(err)
	}
	c.judge(n, ours, all, matching.Said{}, matching.Compare(witness.Name, subjects, found, theirs))
	if *update {
		writeNative(c.t, redHat, s, excerpt, about(found, some))
	}
}

// about keeps the findings of some records.
func about(found matching.Answers, some []matching.Record) matching.Answers {
	out := matching.Answers{}
	for s, list := range found {
		for _, f := range list {
			if slices.ContainsFunc(some, func(r matching.Record) bool { return r.ID == f.IDs[0] }) {
				out.Add(s, f)
			}
		}
	}
	return out
}

func vexArchive(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(*feeds, "redhat", "security.access.redhat.com", "data", "csaf", "v2", "vex", "csaf_vex_*.tar.zst"))
	if err != nil || len(files) != 1 {
		t.Fatalf("archives of VEX documents: %v, %v", files, err)
	}
	return files[0]
}

// Bounds of the sample of VEX documents.
const (
	vexDocuments = 6
	vexSize      = 24 << 10
)

// vexSample picks short documents that fix something, and the records made of them.
func vexSample(t *testing.T, file string, all []matching.Record) ([]matching.Record, documents) {
	t.Helper()
	records := map[string]matching.Record{}
	for _, r := range all {
		for _, a := range r.Affected {
			if len(a.Ranges) > 0 && a.Ranges[0].Events[len(a.Ranges[0].Events)-1]["fixed"] != "" {
				records[strings.ToLower(r.ID)+".json"] = r
			}
		}
	}
	out := documents{}
	var some []matching.Record
	in, err := zstd.NewReader(bytes.NewReader(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for members := tar.NewReader(in); len(out) < vexDocuments; {
		m, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(m.Name)
		r, ok := records[name]
		if !ok {
			continue
		}
		text, err := io.ReadAll(members)
		if err != nil {
			t.Fatal(err)
		}
		if short := shortened(t, text); len(short) < vexSize {
			out[name], some = short, append(some, r)
		}
	}
	return some, out
}

// shortened leaves out of a document what is for people.
func shortened(t *testing.T, text []byte) []byte {
	t.Helper()
	var d struct {
		Document        map[string]any   `json:"document"`
		Tree            any              `json:"product_tree"`
		Vulnerabilities []map[string]any `json:"vulnerabilities"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for _, v := range append(d.Vulnerabilities, d.Document) {
		for _, name := range []string{"acknowledgments", "notes", "publisher", "references", "scores", "distribution", "ids"} {
			delete(v, name)
		}
	}
	short, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return short
}
