package relay_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/relay"
)

// sink notes what it is given.
type sink struct{ got []string }

func (s *sink) Record(r feed.Record) error {
	s.got = append(s.got, "record "+r.Vulnerability.ID)
	for _, a := range r.Advisories {
		s.got = append(s.got, "advisory "+a.Source+" "+a.ID+" "+a.Package)
	}
	return nil
}
func (s *sink) Score(v feed.Score) error { s.got = append(s.got, "score "+v.ID); return nil }
func (s *sink) Exploited(v feed.Exploited) error {
	s.got = append(s.got, "exploited "+v.ID)
	return nil
}
func (s *sink) Lifecycle(v feed.Lifecycle) error {
	s.got = append(s.got, "lifecycle "+v.Product)
	return nil
}
func (s *sink) Release(v feed.Release) error {
	s.got = append(s.got, "release "+v.Package)
	return nil
}
func (s *sink) Exclusion(v feed.Exclusion) error {
	s.got = append(s.got, "exclusion "+v.ID)
	return nil
}
func (s *sink) File(v feed.File) error   { s.got = append(s.got, "file "+v.Name); return nil }
func (s *sink) Bad(id string, err error) { s.got = append(s.got, "bad "+id+": "+err.Error()) }

func TestADocumentIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	w := relay.NewWriter(&text)
	for _, l := range []relay.Line{
		{Vulnerability: &feed.Vulnerability{Source: "osv", ID: "A"}, Advisories: []feed.Advisory{{Source: "forged", ID: "forged", Package: "p"}}},
		{Vulnerability: &feed.Vulnerability{Source: "debian", ID: "B"}},
		{Score: &feed.Score{ID: "C"}}, {Exploited: &feed.Exploited{ID: "D"}}, {Lifecycle: &feed.Lifecycle{Product: "E"}},
		{Release: &feed.Release{Package: "F"}}, {Exclusion: &feed.Exclusion{ID: "G"}}, {},
	} {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	var s sink
	if err := relay.Read(t.Context(), &text, "osv", &s); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"record A", "advisory osv A p", "bad B: a record of another source", "score C", "exploited D", "lifecycle E", "release F", "exclusion G",
		"bad : not a whole list of records: an empty line",
	}
	if diff := cmp.Diff(want, s.got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":                 "",
		"without its end":         `{"score":{}}` + "\n",
		"cut in its last line":    `{"score":{}}` + "\n" + `{"lines":1}`,
		"a line is missing":       `{"lines":1}` + "\n",
		"more after the end":      `{"lines":0}` + "\n" + `{"score":{}}` + "\n",
		"no JSON":                 "<html>\n",
		"a line of another shape": `{"score":[]}` + "\n" + `{"lines":1}` + "\n",
		"an endless line":         `{"vulnerability":{"summary":"` + strings.Repeat("x", 33<<20),
	} {
		if err := relay.Read(t.Context(), strings.NewReader(text), "osv", &sink{}); !errors.Is(err, relay.ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"vulnerability":{"id":"A","source":"osv"},"advisories":[{"package":"p"}]}` + "\n" + `{"score":{"ID":"C"}}` + "\n" + `{"lines":2}` + "\n")
	f.Add(`{"lines":0}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		var s sink
		if err := relay.Read(t.Context(), strings.NewReader(text), "osv", &s); err != nil && !errors.Is(err, relay.ErrDocument) {
			t.Errorf("another error: %v", err)
		}
	})
}
