package debian

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestStatementsBecomeAdvisories(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

const minimal = `{"linux":{"CVE-2024-0001":{"releases":{"bookworm":{"status":"open","urgency":"low"}}}}}`

func TestTheListsAreOptionalDocuments(t *testing.T) {
	t.Parallel()
	got, err := Driver.Plan(t.Context(), feed.Request{Group: Driver.Groups(feed.Settings{})[0]}, feedtest.Listings(nil))
	if err != nil {
		t.Fatal(err)
	}
	const data = "security-tracker-team/security-tracker/-/raw/master/data/"
	want := feed.Plan{Documents: []feed.Document{
		{Name: "tracker", Host: "security-tracker.debian.org", Path: "tracker/data/json"},
		{Name: "DSA", Host: "salsa.debian.org", Path: data + "DSA/list", Optional: true},
		{Name: "DLA", Host: "salsa.debian.org", Path: data + "DLA/list", Optional: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	s := feedtest.Parse(t, Driver, feed.Input{Documents: []feed.Fetched{feedtest.Doc("tracker", []byte(minimal))}})
	if diff := cmp.Diff([]string{"CVE-2024-0001 debian:12 linux [0,) affected"}, s.Lines()); diff != "" {
		t.Errorf("without lists (-want +got):\n%s", diff)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tracker, dsa string
		want         error
	}{
		"web page":           {"<html>busy</html>", "", ErrDocument},
		"nothing":            {"", "", ErrDocument},
		"empty object":       {"{}", "", ErrDocument},
		"other JSON":         {`{"error":"try later"}`, "", ErrDocument},
		"array":              {`[]`, "", ErrDocument},
		"cut short":          {minimal[:60], "", ErrDocument},
		"more after the end": {minimal + "{}", "", ErrDocument},
		"damaged gzip":       {"\x1f\x8b\x08", "", archive.ErrFormat},
		"list is a web page": {minimal, "<html>\n<p>Checking your browser</p>\n", ErrDocument},
		"empty list":         {minimal, "\n", ErrDocument},
	} {
		in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("tracker", []byte(c.tracker))}}
		if c.dsa != "" {
			in.Documents = append(in.Documents, feedtest.Doc("DSA", []byte(c.dsa)))
		}
		var s feedtest.Sink
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, c.want) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records; want %v", name, err, len(s.Records), c.want)
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without documents: %v", err)
	}
}

func TestAReleaseNeedsANumber(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"stonking", "", "=12", "bookworm=", "bookworm=a b"} {
		in := feed.Input{Settings: feed.Settings{Releases: []string{bad}}, Documents: []feed.Fetched{feedtest.Doc("tracker", []byte(minimal))}}
		if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, ErrRelease) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestANoticeStandsWhereTheTrackerIsSilent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ list, want string }{
		"of a package it speaks about in the release, the CVE was rejected": {"[bookworm] - linux 6.1.2-1", ""},
		"of a package it has dropped":                                       {"[bookworm] - removed 1.0-2", "CVE-2020-0001 debian:12 removed [0,1.0-2) fixed"},
		"of a release it has dropped":                                       {"[stretch] - linux 4.9-1", "CVE-2020-0001 debian:9 linux [0,4.9-1) fixed"},
	} {
		list := "[01 Jan 2020] DSA-1-1 a - security update\n\t{CVE-2020-0001}\n\t" + c.list + "\n"
		s := feedtest.Parse(t, Driver, feed.Input{Documents: []feed.Fetched{feedtest.Doc("tracker", []byte(minimal)), feedtest.Doc("DSA", []byte(list))}})
		got := slices.DeleteFunc(s.Lines(), func(line string) bool { return strings.HasPrefix(line, "CVE-2024-0001") })
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
}

func TestALineTooLongIsPassedOver(t *testing.T) {
	t.Parallel()
	list := "[01 Jan 2020] DSA-1-1 a - security update\n\t{" + strings.Repeat("CVE-2020-0001 ", maxLine/8) + "}\n\t[wheezy] - a 1.0\n"
	s := feedtest.Parse(t, Driver, feed.Input{Documents: []feed.Fetched{feedtest.Doc("tracker", []byte(minimal)), feedtest.Doc("DSA", []byte(list))}})
	if len(s.Skipped) != 1 || len(s.Records) != 2 {
		t.Errorf("skipped %v, %d records", s.Skipped, len(s.Records))
	}
}

type failing struct {
	feedtest.Sink
	err error
}

func (f *failing) Record(feed.Record) error { return f.err }

func TestTheSinkAndTheContextEndTheReading(t *testing.T) {
	t.Parallel()
	in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("tracker", []byte(minimal))}}
	full := errors.New("staging is full")
	if err := Driver.Parse(t.Context(), in, &failing{err: full}); !errors.Is(err, full) {
		t.Errorf("%v; want the sink's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Driver.Parse(ctx, in, &feedtest.Sink{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want the context's error", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed, seed)
		f.Add([]byte(minimal), seed)
	}
	f.Fuzz(func(t *testing.T, tracker, list []byte) {
		var s feedtest.Sink
		in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("tracker", tracker), feedtest.Doc("DSA", list)}}
		if err := Driver.Parse(t.Context(), in, &s); err == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
