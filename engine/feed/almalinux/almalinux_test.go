package almalinux

import (
	"errors"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestErrataBecomeRecordsOfTheirFlaws(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":            ``,
		"web page":           `<html>busy</html>`,
		"array":              `[]`,
		"other JSON":         `{"error":"busy"}`,
		"empty":              `{"data":[]}`,
		"other data":         `{"data":{}}`,
		"cut short":          `{"data":[{"id":"ALSA-2022:1"}`,
		"more after the end": `{"data":[{"id":"ALSA-2022:1"}]} x`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "almalinux:9"}, Documents: []feed.Fetched{feedtest.Doc("errata", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestAReleaseNamesItsDocument(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]string{"9": "9/errata.full.json", "11": "11/errata.full.json", "../9": "", "kitten": ""} {
		g := Driver.Groups(feed.Settings{Releases: []string{release}})[0]
		p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, nil)
		if want == "" {
			if !errors.Is(err, ErrRelease) {
				t.Errorf("%s: %+v, %v", release, p, err)
			}
			continue
		}
		if err != nil || len(p.Documents) != 1 || p.Documents[0].Path != want {
			t.Errorf("%s: %+v, %v", release, p, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "almalinux:9"}, Documents: []feed.Fetched{feedtest.Doc("errata", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
