package msrc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
)

func TestVulnerabilitiesBecomeAdvisories(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestProductsCanBeAdded(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/2024-Mar.xml")
	if err != nil {
		t.Fatal(err)
	}
	in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("2024-Mar", content)}}
	if got := feedtest.Parse(t, Driver, in); len(got.Records) != 0 {
		t.Errorf("a month without Windows Server has records: %v", got.Lines())
	}
	in.Settings.Extra = []string{"12260", "12130", "12271"}
	got := feedtest.Parse(t, Driver, in)
	want := []string{
		"CVE-2024-21392 msrc:12130 .NET 7.0 [0,7.0.17) fixed",
		"CVE-2024-21392 msrc:12260 .NET 8.0 [0,8.0.3) fixed",
		"CVE-2024-21392 msrc:12271 Microsoft Visual Studio 2022 version 17.8 [0,17.8.8) fixed",
	}
	if diff := cmp.Diff(want, got.Lines()); diff != "" {
		t.Errorf("advisories (-want +got):\n%s", diff)
	}
}

const list = `{"@odata.context":"x","value":[
 {"ID":"2016-Apr","InitialReleaseDate":"2016-04-12T07:00:00Z","CurrentReleaseDate":"2018-04-10T07:00:00Z"},
 {"ID":"2024-Mar","InitialReleaseDate":"2024-03-12T07:00:00Z","CurrentReleaseDate":"2024-04-09T07:00:00Z"},
 {"ID":"2024-Feb","InitialReleaseDate":"2024-02-13T08:00:00Z","CurrentReleaseDate":"2024-04-09T00:00:00"},
 {"ID":"2024-Jan","InitialReleaseDate":"2024-01-09T08:00:00Z","CurrentReleaseDate":"2062-01-01T00:00:00Z"},
 {"ID":"../../x","InitialReleaseDate":null,"CurrentReleaseDate":"2024-04-09T07:00:00Z"}]}`

func asked(t *testing.T, previous, body string) (string, error) {
	t.Helper()
	now := time.Date(2024, 4, 20, 12, 0, 0, 0, time.UTC)
	r := feed.Request{Group: Driver.Groups(feed.Settings{})[0], Cursor: previous, Now: now}
	p, err := plan(t.Context(), r, feedtest.Listings(map[string]string{host + "/" + listPath: body}))
	kind := "all"
	if p.Delta {
		kind = "delta"
	}
	out := fmt.Sprintf("%s <%s>", kind, p.Cursor)
	for _, d := range p.Documents {
		if d.Path != documentPath+d.Name || !d.Optional || d.Header["Accept"] != "application/xml" {
			t.Errorf("document %+v", d)
		}
		out += " " + d.Name
	}
	return out, err
}

func TestLaterSyncsReadTheMonthsThatChanged(t *testing.T) {
	t.Parallel()
	const all = "all <2024-04-09T07:00:00Z 2024-04-20T12:00:00Z> 2024-Mar 2024-Feb 2024-Jan 2016-Apr"
	for previous, want := range map[string]string{
		"":        all,
		"strange": all,
		"2024-04-09T07:00:00Z 2024-03-01T00:00:00Z": all,
		"2024-04-09T07:00:00Z 2025-03-01T00:00:00Z": all,
		"2024-04-09T07:00:00Z 2024-04-01T00:00:00Z": "delta <2024-04-09T07:00:00Z 2024-04-01T00:00:00Z> 2024-Mar 2024-Feb 2024-Jan",
		"2024-04-11T07:00:00Z 2024-04-01T00:00:00Z": "delta <2024-04-11T07:00:00Z 2024-04-01T00:00:00Z> 2024-Jan",
		"2018-04-10T07:00:00Z 2024-04-01T00:00:00Z": "delta <2024-04-09T07:00:00Z 2024-04-01T00:00:00Z> 2024-Mar 2024-Feb 2024-Jan 2016-Apr",
	} {
		if got, err := asked(t, previous, list); got != want || err != nil {
			t.Errorf("after %q: %v\n got %s\nwant %s", previous, err, got, want)
		}
	}
	for _, body := range []string{"", "<html>busy</html>", "{}", `{"value":[]}`, `{"value":[{"ID":"../x"}]}`} {
		if _, err := asked(t, "", body); !errors.Is(err, ErrList) {
			t.Errorf("list %q: %v", body, err)
		}
	}
	if _, err := plan(t.Context(), feed.Request{}, feedtest.Listings(nil)); err == nil || errors.Is(err, ErrList) {
		t.Errorf("a list that cannot be fetched: %v", err)
	}
}

func updates(vulnerabilities string) string {
	return `<cvrfdoc><ProductTree><FullProductName ProductID="1">Windows Server 2022</FullProductName></ProductTree>` + vulnerabilities + `</cvrfdoc>`
}

const one = `<Vulnerability><CVE>CVE-2024-0001</CVE><ProductStatuses><Status Type="Known Affected"><ProductID>1</ProductID></Status></ProductStatuses></Vulnerability>`

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<Branch>", 30) + strings.Repeat("</Branch>", 30)
	for name, content := range map[string]string{
		"nothing": "", "web page": "<html><body>busy</body></html>", "JSON": `{"Vulnerability":[]}`, "no vulnerability": updates(""),
		"cut short": updates(one)[:150], "more after the end": updates(one) + "<x/>", "deep tree": "<cvrfdoc><ProductTree>" + deep + "</ProductTree>" + one + "</cvrfdoc>",
		"entities": `<!DOCTYPE x [<!ENTITY a "b">]><cvrfdoc>&a;</cvrfdoc>`,
	} {
		in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("2024-Mar", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
	if err := Driver.Parse(t.Context(), feed.Input{Delta: true}, &feedtest.Sink{}); err != nil {
		t.Errorf("an empty delta: %v", err)
	}
}

// refusing is a sink that fails.
type refusing struct {
	feedtest.Sink
	err error
}

func (r *refusing) Record(feed.Record) error { return r.err }

func TestAnErrorOfTheReceiverIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	full := errors.New("staging is full")
	in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("2024-Mar", []byte(updates(one)))}}
	if err := Driver.Parse(t.Context(), in, &refusing{err: full}); err != full {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Driver.Parse(ctx, in, &feedtest.Sink{}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrDocument) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Add([]byte(updates(one)))
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Settings: feed.Settings{Extra: []string{"4"}}, Documents: []feed.Fetched{feedtest.Doc("2024-Mar", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
