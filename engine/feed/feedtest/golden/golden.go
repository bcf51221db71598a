// Package golden compares what a driver makes of documents with what a person has looked at and found right.
//
// A case is a file testdata/*.txtar. Its comment is the name of the group, then, if wanted, releases. Its members are
// the documents by name ("osv!a/b.json" is the member a/b.json of the tar archive osv), and last, in members whose names
// begin with "want/", what came of them. Run the tests with -update to write those.
package golden

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
)

var update = flag.Bool("update", false, "write golden files")

// Run runs every case, twice, since the same documents must give the same records in the same order.
func Run(t *testing.T, d feed.Driver) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			c, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in := input(t, c)
			got := wanted(t, feedtest.Parse(t, d, in))
			if diff := cmp.Diff(format(got), format(wanted(t, feedtest.Parse(t, d, in)))); diff != "" {
				t.Errorf("a second reading differs (-first +second):\n%s", diff)
			}
			given, want := split(c.Files)
			if *update {
				c.Files = append(given, got...)
				if err := os.WriteFile(path, txtar.Format(c), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(format(want), format(got)); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

// Seeds returns the documents of all cases, as seeds of a fuzz target.
func Seeds(t testing.TB) [][]byte {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, path := range paths {
		c, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		given, _ := split(c.Files)
		for _, f := range given {
			out = append(out, f.Data)
		}
	}
	return out
}

// Storable fails the test when what a driver said breaks the contract or cannot be stored: a NUL, which a database text
// cannot hold, or bytes that are no UTF-8.
func Storable(t testing.TB, s *feedtest.Sink, source string) {
	t.Helper()
	s.Check(t, source)
	for _, r := range s.Records {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte(`\\`), nil) // a backslash as such
		if bytes.Contains(text, []byte(`\u0000`)) || bytes.Contains(text, []byte(`\ufffd`)) {
			t.Errorf("record cannot be stored: %s", text)
		}
	}
}

const wantPrefix = "want/"

func split(files []txtar.File) (given, want []txtar.File) {
	for _, f := range files {
		if strings.HasPrefix(f.Name, wantPrefix) {
			want = append(want, f)
		} else {
			given = append(given, f)
		}
	}
	return given, want
}

func format(files []txtar.File) string { return string(txtar.Format(&txtar.Archive{Files: files})) }

func input(t testing.TB, c *txtar.Archive) feed.Input {
	t.Helper()
	words := strings.Fields(string(c.Comment))
	in := feed.Input{Group: feed.Group{Name: words[0]}, Settings: feed.Settings{Releases: words[1:]}}
	given, _ := split(c.Files)
	for i := 0; i < len(given); i++ {
		name, _, packed := strings.Cut(given[i].Name, "!")
		if !packed {
			in.Documents = append(in.Documents, feedtest.Doc(name, given[i].Data))
			continue
		}
		end := i + 1
		for end < len(given) && strings.HasPrefix(given[end].Name, name+"!") {
			end++
		}
		in.Documents = append(in.Documents, feedtest.Doc(name, Tar(t, given[i:end])))
		i = end - 1
	}
	return in
}

// Tar packs files under what their names have behind the first "!".
func Tar(t testing.TB, files []txtar.File) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		_, path, _ := strings.Cut(f.Name, "!")
		if err := w.WriteHeader(&tar.Header{Name: path, Size: int64(len(f.Data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// wanted writes what a driver said: what a person would look at, the flaws, what advisories have beyond their
// ranges, and what was skipped.
func wanted(t *testing.T, s *feedtest.Sink) []txtar.File {
	t.Helper()
	var flaws, more bytes.Buffer
	for _, r := range s.Records {
		flaw, err := json.Marshal(r.Vulnerability)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&flaws, "%s\n", flaw)
		for _, a := range r.Advisories {
			more.WriteString(extra(a))
		}
	}
	files := []txtar.File{
		{Name: wantPrefix + "advisories", Data: text(s.Lines())},
		{Name: wantPrefix + "vulnerabilities", Data: flaws.Bytes()},
		{Name: wantPrefix + "details", Data: more.Bytes()},
		{Name: wantPrefix + "skipped", Data: text(s.Skipped)},
	}
	out := files[:0]
	for _, f := range files {
		if len(f.Data) > 0 {
			out = append(out, f)
		}
	}
	return out
}

func text(lines []string) []byte {
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

func extra(a feed.Advisory) string {
	if a.Severity == nil && a.FixedAt == nil && len(a.Notices) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", a.ID, a.Namespace, a.Package)
	if a.Channel != "" {
		fmt.Fprintf(&b, " (%s)", a.Channel)
	}
	if a.Severity != nil {
		fmt.Fprintf(&b, " %s", a.Severity)
	}
	if a.FixedAt != nil {
		fmt.Fprintf(&b, " fixed %s", a.FixedAt.Format("2006-01-02"))
	}
	for _, n := range a.Notices {
		fmt.Fprintf(&b, " %s <%s>", n.ID, n.URL)
	}
	return b.String() + "\n"
}
