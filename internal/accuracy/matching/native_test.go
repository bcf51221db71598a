package matching_test

import (
	"archive/tar"
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/alpine"
	"plimsoll/engine/feed/debian"
	"plimsoll/engine/feed/redhat"
	"plimsoll/internal/accuracy/matching"
)

// documents are a distribution's own, by name.
type documents map[string][]byte

// native is a driver that reads a distribution's own documents.
type native struct {
	ecosystem string
	label     string // of the figures
	load      func(s *scanner, d documents)
}

var natives = []native{
	{"Debian", "Debian (tracker)", loadTracker},
	{"Alpine", "Alpine (secdb)", loadSecurityDatabases},
	{"Red Hat", "Red Hat (VEX)", loadVEX},
}

// loadTracker syncs the tracker's export and the lists of advisories.
func loadTracker(s *scanner, d documents) {
	s.sync(debian.Driver, "tracker", feed.Settings{Enabled: true}, document("tracker", d["tracker"]), document("DSA", d["DSA"]), document("DLA", d["DLA"]))
}

// loadSecurityDatabases syncs the releases one by one: their documents are called "v3.20/main".
func loadSecurityDatabases(s *scanner, d documents) {
	releases := map[string][]feed.Fetched{}
	for _, name := range slices.Sorted(maps.Keys(d)) {
		folder, repository, _ := strings.Cut(name, "/")
		releases[folder] = append(releases[folder], document(repository, d[name]))
	}
	for _, folder := range slices.Sorted(maps.Keys(releases)) {
		s.sync(alpine.Driver, "alpine:"+strings.TrimPrefix(folder, "v"), feed.Settings{Enabled: true}, releases[folder]...)
	}
}

// loadVEX syncs an archive of VEX documents, or documents by their names.
func loadVEX(s *scanner, d documents) {
	all, ok := d["archive"]
	if !ok {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, name := range slices.Sorted(maps.Keys(d)) {
			err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(d[name]))})
			if err == nil {
				_, err = w.Write(d[name])
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			s.t.Fatal(err)
		}
		all = out.Bytes()
	}
	s.sync(redhat.Driver, "vex", feed.Settings{Enabled: true}, document("archive", all))
}

// TestRecordedNativeAnswersStand asks the drivers of distributions' own documents, as TestRecordedAnswersStand does that of OSV.
func TestRecordedNativeAnswersStand(t *testing.T) {
	t.Parallel()
	for _, n := range natives {
		t.Run(n.ecosystem, func(t *testing.T) {
			t.Parallel()
			folder := strings.ReplaceAll(n.ecosystem, " ", "-")
			want := readFile(t, "testdata", "native", folder, "answers.tsv")
			_, subjects, err := matching.ReadAnswers(bytes.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			if len(subjects) == 0 {
				t.Fatal("no package is recorded")
			}
			list, err := matching.Documents(subjects)
			if err != nil {
				t.Fatal(err)
			}
			d := documents{}
			for _, f := range txtar.Parse(readFile(t, "testdata", "native", folder, "documents.txtar")).Files {
				d[f.Name] = f.Data
			}
			ours := newScanner(t)
			n.load(ours, d)
			var got strings.Builder
			if err := ours.ask(list).Write(&got, subjects); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("answers (-recorded +now):\n%s", diff)
			}
		})
	}
}
