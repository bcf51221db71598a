// Package feedtest runs a driver's Parse over documents at hand and collects what it says, for tests.
package feedtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"plimsoll/engine/feed"
)

// Doc is a fetched document with this content.
func Doc(name string, content []byte) feed.Fetched {
	return feed.Fetched{Document: feed.Document{Name: name}, ReaderAt: bytes.NewReader(content), Size: int64(len(content))}
}

// Sink keeps everything.
type Sink struct {
	Records    []feed.Record
	Scores     []feed.Score
	Known      []feed.Exploited
	Lifecycles []feed.Lifecycle
	Releases   []feed.Release
	Exclusions []feed.Exclusion
	Files      []feed.File
	Skipped    []string // "id: error"
}

// Record keeps a record.
func (s *Sink) Record(r feed.Record) error { s.Records = append(s.Records, r); return nil }

// Score keeps a score.
func (s *Sink) Score(v feed.Score) error { s.Scores = append(s.Scores, v); return nil }

// Exploited keeps an entry.
func (s *Sink) Exploited(v feed.Exploited) error { s.Known = append(s.Known, v); return nil }

// Lifecycle keeps a cycle.
func (s *Sink) Lifecycle(v feed.Lifecycle) error { s.Lifecycles = append(s.Lifecycles, v); return nil }

// Release keeps an index entry.
func (s *Sink) Release(v feed.Release) error { s.Releases = append(s.Releases, v); return nil }

// Exclusion keeps an exclusion.
func (s *Sink) Exclusion(v feed.Exclusion) error { s.Exclusions = append(s.Exclusions, v); return nil }

// File keeps a file.
func (s *Sink) File(f feed.File) error { s.Files = append(s.Files, f); return nil }

// Bad keeps the report.
func (s *Sink) Bad(id string, err error) {
	s.Skipped = append(s.Skipped, fmt.Sprintf("%s: %v", id, err))
}

// Parse runs the driver over documents and returns what it said; an error fails the test.
func Parse(t testing.TB, d feed.Driver, in feed.Input) *Sink {
	t.Helper()
	var s Sink
	if err := d.Parse(t.Context(), in, &s); err != nil {
		t.Fatalf("%s: %v", d.Name, err)
	}
	s.Check(t, d.Name)
	return &s
}

// Check fails the test where records break the contract: another source's name, a withdrawn record with advisories,
// ids that differ, two advisories of one identity, unsorted architectures, a range with two ends.
func (s *Sink) Check(t testing.TB, source string) {
	t.Helper()
	for _, r := range s.Records {
		v := r.Vulnerability
		if v.Source != source || v.ID == "" || v.Withdrawn != nil && len(r.Advisories) > 0 {
			t.Errorf("vulnerability %+v of source %s with %d advisories", v, source, len(r.Advisories))
		}
		seen := map[string]bool{}
		for _, a := range r.Advisories {
			key := fmt.Sprint(a.Namespace, "\x00", a.Package, "\x00", a.Scope)
			if a.Source != source || a.ID != v.ID || a.Namespace == "" || a.Package == "" || a.State == "" || seen[key] || !slices.IsSorted(a.Arches) {
				t.Errorf("advisory %+v of %s", a, v.ID)
			}
			seen[key] = true
			for _, g := range a.Ranges {
				ends := strings.Count(fmt.Sprintf("%t%t%t", g.Fixed != "", g.Before != "", g.LastAffected != ""), "true")
				if ends > 1 {
					t.Errorf("range %+v of %s", g, v.ID)
				}
			}
		}
	}
}

// Lines writes the advisories a person would look at, sorted: "id namespace package scope ranges state reason".
func (s *Sink) Lines() []string {
	var out []string
	for _, r := range s.Records {
		if r.Vulnerability.Withdrawn != nil {
			out = append(out, r.Vulnerability.ID+" withdrawn")
		}
		for _, a := range r.Advisories {
			out = append(out, line(a))
		}
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}

func line(a feed.Advisory) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s", a.ID, a.Namespace, a.Package)
	if scope, err := json.Marshal(a.Scope); err == nil && string(scope) != "{}" {
		fmt.Fprintf(&b, " %s", scope)
	}
	for _, r := range a.Ranges {
		b.WriteByte(' ')
		b.WriteString(span(r))
	}
	if len(a.Versions) > 0 {
		fmt.Fprintf(&b, " %v", a.Versions)
	}
	fmt.Fprintf(&b, " %s", a.State)
	if a.Reason != "" {
		fmt.Fprintf(&b, " (%s)", a.Reason)
	}
	return b.String()
}

func span(r feed.Range) string {
	open, from := "[", cmp.Or(r.Introduced, "0")
	if r.After != "" {
		open, from = "(", r.After
	}
	switch {
	case r.Fixed != "":
		return open + from + "," + r.Fixed + ")"
	case r.Before != "":
		return open + from + "," + r.Before + "?)"
	case r.LastAffected != "":
		return open + from + "," + r.LastAffected + "]"
	}
	return open + from + ",)"
}

// Listings gives a plan's get the documents of a table, by "host/path?query"; others are not found.
func Listings(table map[string]string) feed.Get {
	return func(_ context.Context, d feed.Document) ([]byte, error) {
		key := d.Host + "/" + d.Path
		if d.Query != "" {
			key += "?" + d.Query
		}
		body, ok := table[key]
		if !ok {
			return nil, fmt.Errorf("%s: not found", key)
		}
		return []byte(body), nil
	}
}
