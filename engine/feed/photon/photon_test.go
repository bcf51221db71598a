package photon

import (
	"errors"
	"strings"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestEntriesBecomeRecords(t *testing.T) {
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
		"other objects":      `[{"name":"x"}]`,
		"cut short":          `[{"cve_id":"CVE-2022-0001","pkg":"x","status":"Not Affected"}`,
		"more after the end": `[{"cve_id":"CVE-2022-0001","pkg":"x","status":"Not Affected"}] x`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "cve-metadata"}, Documents: []feed.Fetched{feedtest.Doc("5.0", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestListedReleasesAreRead(t *testing.T) {
	t.Parallel()
	group := Driver.Groups(feed.Settings{})[0]
	for _, c := range []struct {
		listed, want string
		chosen       []string
	}{
		{listed: `{"branches":["1.0","5.0","5.0"]}`, want: "1.0=photon/photon_cve_metadata/cve_data_photon1.0.json 5.0=photon/photon_cve_metadata/cve_data_photon5.0.json"},
		{listed: `<html>`, chosen: []string{"6.0"}, want: "6.0=photon/photon_cve_metadata/cve_data_photon6.0.json"},
		{listed: `{"branches":["../1.0"]}`}, {listed: `{"branches":[]}`}, {listed: `<html>`}, {listed: `{"branches":5}`}, {chosen: []string{"five"}},
	} {
		get := feedtest.Listings(map[string]string{"packages.broadcom.com/photon/photon_cve_metadata/photon_versions.json": c.listed})
		p, err := Driver.Plan(t.Context(), feed.Request{Group: group, Settings: feed.Settings{Releases: c.chosen}}, get)
		var got []string
		for _, d := range p.Documents {
			got = append(got, d.Name+"="+d.Path)
		}
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "cve-metadata"}, Documents: []feed.Fetched{feedtest.Doc("5.0", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
