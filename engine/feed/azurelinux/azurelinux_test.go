package azurelinux

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/oval"
)

func TestDefinitionsBecomeRecordsOfTheirFlaws(t *testing.T) {
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
		in := feed.Input{Group: feed.Group{Name: "azurelinux:3.0"}, Documents: []feed.Fetched{feedtest.Doc("oval", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, oval.ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, oval.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestAReleaseNamesItsDocument(t *testing.T) {
	t.Parallel()
	settings := feed.Settings{Releases: []string{" azurelinux:4.0", "mariner:2.0", "mariner:2.0"}}
	var got []string
	for _, g := range Driver.Groups(settings) {
		p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, nil)
		if err != nil || len(p.Documents) != 1 {
			t.Fatalf("%s: %+v, %v", g.Name, p, err)
		}
		got = append(got, g.Name+" "+p.Documents[0].Path)
	}
	want := []string{
		"azurelinux:4.0 microsoft/AzureLinuxVulnerabilityData/main/azurelinux-4.0-oval.xml",
		"mariner:2.0 microsoft/AzureLinuxVulnerabilityData/main/cbl-mariner-2.0-oval.xml",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents differ (-want +got):\n%s", diff)
	}
	for _, wrong := range []string{"azurelinux", "3.0", "debian:12", "azurelinux:../x"} {
		g := Driver.Groups(feed.Settings{Releases: []string{wrong}})[0]
		if p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, nil); !errors.Is(err, ErrRelease) {
			t.Errorf("%q: %+v, %v", wrong, p, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "azurelinux:3.0"}, Documents: []feed.Fetched{feedtest.Doc("oval", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
