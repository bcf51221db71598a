package arch

import (
	"errors"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestGroupsBecomeRecordsOfTheirFlaws(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":            ``,
		"web page":           `<html>busy</html>`,
		"object":             `{}`,
		"empty":              `[]`,
		"other JSON":         `[1,2]`,
		"other objects":      `[{"id":"x"}]`,
		"cut short":          `[{"name":"AVG-1","packages":["x"],"status":"Vulnerable"}`,
		"more after the end": `[{"name":"AVG-1","packages":["x"],"status":"Vulnerable"}] x`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "arch"}, Documents: []feed.Fetched{feedtest.Doc("all", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "arch"}, Documents: []feed.Fetched{feedtest.Doc("all", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
