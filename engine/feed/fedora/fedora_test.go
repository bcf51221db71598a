package fedora

import (
	"errors"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/updateinfo"
)

func TestUpdatesBecomeRecordsOfTheirFlaws(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":            ``,
		"web page":           `<html>busy</html>`,
		"JSON":               `{}`,
		"cut short":          `<updates><update><id>x</id>`,
		"more after the end": `<updates/> x`,
		"without updates":    `<updates/>`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "fedora:43"}, Documents: []feed.Fetched{feedtest.Doc("updates", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, updateinfo.ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, updateinfo.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestReleasesThatAreNotSupportedAreInTheArchive(t *testing.T) {
	t.Parallel()
	const repomd = `<repomd><data type="updateinfo"><location href="repodata/1-updateinfo.xml.zst"/></data></repomd>`
	get := feedtest.Listings(map[string]string{
		"dl.fedoraproject.org/pub/fedora/linux/updates/":                                                 `<a href="42/">42/</a> <a href="./43">43/</a> <a href="testing/">`,
		"dl.fedoraproject.org/pub/fedora/linux/updates/43/Everything/x86_64/repodata/repomd.xml":         repomd,
		"dl.fedoraproject.org/pub/archive/fedora/linux/updates/38/Everything/x86_64/repodata/repomd.xml": repomd,
		"dl.fedoraproject.org/pub/fedora/linux/updates/42/Everything/x86_64/repodata/repomd.xml":         `<repomd/>`,
	})
	for release, want := range map[string]string{
		"43": "pub/fedora/linux/updates/43/Everything/x86_64/repodata/1-updateinfo.xml.zst",
		"38": "pub/archive/fedora/linux/updates/38/Everything/x86_64/repodata/1-updateinfo.xml.zst",
		"42": "", "41": "", "x": "",
	} {
		g := Driver.Groups(feed.Settings{Releases: []string{release}})[0]
		p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, get)
		if want == "" {
			if err == nil {
				t.Errorf("%s: %+v", release, p)
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
		in := feed.Input{Group: feed.Group{Name: "fedora:43"}, Documents: []feed.Fetched{feedtest.Doc("updates", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
