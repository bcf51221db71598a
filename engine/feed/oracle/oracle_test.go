package oracle

import (
	"errors"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/oval"
)

func TestAdvisoriesBecomeRecordsOfTheirFlaws(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":                 ``,
		"web page":                `<html>busy</html>`,
		"JSON":                    `{}`,
		"cut short":               `<oval_definitions><definitions><definition id="x">`,
		"other entities":          `<oval_definitions><definitions>&nbsp;</definitions></oval_definitions>`,
		"without definitions":     `<oval_definitions><definitions/></oval_definitions>`,
		"without anything of use": `<oval_definitions><definitions><definition id="x"/></definitions></oval_definitions>`,
		"more after the end":      `<oval_definitions><definitions/></oval_definitions><x/>`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "elsa"}, Documents: []feed.Fetched{feedtest.Doc("oval", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, oval.ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, oval.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestOnlyChosenReleasesAreRead(t *testing.T) {
	t.Parallel()
	seeds := golden.Seeds(t)
	all, seven := 0, 0
	for _, content := range seeds {
		in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("oval", content)}}
		all += len(feedtest.Parse(t, Driver, in).Lines())
		in.Settings.Releases = []string{"7"}
		for _, r := range feedtest.Parse(t, Driver, in).Records {
			for _, a := range r.Advisories {
				if seven++; a.Namespace != "ol:7" {
					t.Errorf("advisory %+v", a)
				}
			}
		}
	}
	if seven == 0 || seven >= all {
		t.Errorf("%d of %d advisories are about release 7", seven, all)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "elsa"}, Documents: []feed.Fetched{feedtest.Doc("oval", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
