package rocky

import (
	"errors"
	"fmt"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestPagesBecomeRecordsOfFlaws(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":            ``,
		"web page":           `<html>busy</html>`,
		"array":              `[]`,
		"other JSON":         `{"detail":"busy"}`,
		"empty":              `{"advisories":[]}`,
		"other data":         `{"advisories":{}}`,
		"cut short":          `{"advisories":[{"name":"RLSA-2022:1"}`,
		"more after the end": `{"advisories":[{"name":"RLSA-2022:1"}]} x`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "apollo"}, Documents: []feed.Fetched{feedtest.Doc("page1", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestAsManyPagesAsThereAreAdvisories(t *testing.T) {
	t.Parallel()
	for total, want := range map[string]int{`{"total":8019}`: 81, `{"total":100}`: 1, `{"total":101}`: 2, `{"total":0}`: 0, `{}`: 0, `<html>`: 0, `{"total":999999999}`: 0} {
		get := feedtest.Listings(map[string]string{"apollo.build.resf.org/api/v3/advisories/?page=1&size=1": total})
		p, err := Driver.Plan(t.Context(), feed.Request{Group: Driver.Groups(feed.Settings{})[0]}, get)
		if len(p.Documents) != want || (want == 0) != errors.Is(err, ErrDocument) {
			t.Errorf("%s: %d documents, %v", total, len(p.Documents), err)
		}
		if want > 0 && p.Documents[want-1].Query != fmt.Sprintf("page=%d&size=100", want) {
			t.Errorf("%s: last document %+v", total, p.Documents[want-1])
		}
	}
}

func TestOnlyChosenReleasesAreRead(t *testing.T) {
	t.Parallel()
	in := feed.Input{Settings: feed.Settings{Releases: []string{"10"}}}
	for _, content := range golden.Seeds(t) {
		in.Documents = append(in.Documents, feedtest.Doc("page", content))
	}
	for _, r := range feedtest.Parse(t, Driver, in).Records {
		for _, a := range r.Advisories {
			if a.Namespace != "rocky:10" {
				t.Errorf("advisory %+v", a)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "apollo"}, Documents: []feed.Fetched{feedtest.Doc("page1", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
