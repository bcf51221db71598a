package secdb_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/secdb"
)

var driver = secdb.Rolling("wolfi", "example.org", "os/security.json", "https://example.org/%s")

func input(content string) feed.Input {
	return feed.Input{Documents: []feed.Fetched{feedtest.Doc("wolfi", []byte(content))}}
}

// fixes is a document about one package.
func fixes(secfixes string) string {
	return `{"reponame":"os","packages":[{"pkg":{"name":"p","secfixes":{` + secfixes + `}}}]}`
}

func TestEntriesBecomeAdvisories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ secfixes, want string }{
		"a fix":                             {`"1.2-r3":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,1.2-r3) fixed"},
		"never affected":                    {`"0":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p not-affected"},
		"the highest of several fixes":      {`"1.9-r0":["CVE-2020-0001"],"1.10-r0":["CVE-2020-0001"],"1.2-r0":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,1.10-r0) fixed"},
		"a fix counts more than 0":          {`"1.2-r0":["CVE-2020-0001"],"0":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,1.2-r0) fixed"},
		"no revision":                       {`"1.2":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,1.2) fixed"},
		"other ids stand alone":             {`"1-r0":["GHSA-xxxx-yyyy-zzzz","XSA-9"]`, "GHSA-xxxx-yyyy-zzzz wolfi p [0,1-r0) fixed|XSA-9 wolfi p [0,1-r0) fixed"},
		"several CVEs in one":               {`"1-r0":["CVE-2020-0001 CVE-2020-0002"]`, "CVE-2020-0001 wolfi p [0,1-r0) fixed|CVE-2020-0002 wolfi p [0,1-r0) fixed"},
		"a remark":                          {`"1-r0":["CVE-2020-0001 (partially, in 2 places)"]`, "CVE-2020-0001 wolfi p [0,1-r0) fixed"},
		"a file name":                       {`"1-r0":["CVE-2020-0001.patch"]`, "CVE-2020-0001 wolfi p [0,1-r0) fixed"},
		"a placeholder beside an id":        {`"1-r0":["CVE-????-????? XSA-9"]`, "XSA-9 wolfi p [0,1-r0) fixed"},
		"a misspelt patch level":            {`"1.9.5p2-r0":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,1.9.5_p2-r0) fixed"},
		"a misspelt revision after a dot":   {`"10.2.26.r0":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,10.2.26-r0) fixed"},
		"a misspelt revision without its r": {`"10.0.11-0":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,10.0.11-r0) fixed"},
		"a dash for a dot":                  {`"4.10-1-r1":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,4.10.1-r1) fixed"},
		"nothing beside null":               {`"1-r0":null,"2-r0":["CVE-2020-0001"]`, "CVE-2020-0001 wolfi p [0,2-r0) fixed"},
	} {
		s := feedtest.Parse(t, driver, input(fixes(c.secfixes)))
		if diff := cmp.Diff(c.want, strings.Join(s.Lines(), "|")); diff != "" || len(s.Skipped) > 0 {
			t.Errorf("%s: skipped %v; advisories (-want +got):\n%s", name, s.Skipped, diff)
		}
	}
}

func TestOtherNamesOfAnEntryAreAliasesOrNotices(t *testing.T) {
	t.Parallel()
	s := feedtest.Parse(t, driver, input(fixes(`"1-r0":["CVE-2020-0001 GHSA-xxxx-yyyy-zzzz XSA-9"],"2-r0":["CVE-2020-0002 CVE-2020-0003 GHSA-aaaa-bbbb-cccc"]`)))
	one, two := s.Records[0], s.Records[1]
	if diff := cmp.Diff([]string{"GHSA-xxxx-yyyy-zzzz"}, one.Vulnerability.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]feed.Notice{{ID: "XSA-9"}}, one.Advisories[0].Notices); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	if two.Vulnerability.Aliases != nil {
		t.Errorf("an id beside two CVEs is an alias of one: %v", two.Vulnerability.Aliases)
	}
	if one.Vulnerability.URL != "https://example.org/CVE-2020-0001" {
		t.Errorf("page %q", one.Vulnerability.URL)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	good := fixes(`"1-r0":["CVE-2020-0001"]`)
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"nothing":              {"", secdb.ErrDocument},
		"web page":             {"<html><body>busy</body></html>", secdb.ErrDocument},
		"other JSON":           {`{"error":"busy"}`, secdb.ErrDocument},
		"no fixes":             {`{"packages":[]}`, secdb.ErrDocument},
		"packages are none":    {`{"packages":"none"}`, secdb.ErrDocument},
		"cut short":            {good[:len(good)-8], secdb.ErrDocument},
		"more after the end":   {good + "{}", secdb.ErrDocument},
		"other YAML":           {"a: b\n", secdb.ErrDocument},
		"tabs in YAML":         {"packages:\n\t- x", secdb.ErrDocument},
		"aliases of YAML":      {"a: &a [x, x]\npackages: *a\n", secdb.ErrDocument},
		"damaged gzip":         {"\x1f\x8b\x08", archive.ErrFormat},
		"an endless id":        {fixes(`"1-r0":["` + strings.Repeat("x", 9<<20) + `"]`), secdb.ErrTooLarge},
		"YAML beyond a limit":  {"packages: # " + strings.Repeat("x", 17<<20), secdb.ErrTooLarge},
		"nested without limit": {`{"a":` + strings.Repeat("[", 1<<20), secdb.ErrTooLarge},
	} {
		var s feedtest.Sink
		if err := driver.Parse(t.Context(), input(c.content), &s); !errors.Is(err, c.want) || len(s.Records) > 0 {
			t.Errorf("%s: %.200v with %d records; want %v", name, err, len(s.Records), c.want)
		}
	}
	if err := driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, secdb.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

type failing struct {
	feedtest.Sink
	err error
}

func (f *failing) Record(feed.Record) error { return f.err }

func TestTheSinkAndTheContextEndTheReading(t *testing.T) {
	t.Parallel()
	in := input(fixes(`"1-r0":["CVE-2020-0001"]`))
	full := errors.New("staging is full")
	if err := driver.Parse(t.Context(), in, &failing{err: full}); !errors.Is(err, full) {
		t.Errorf("%v; want the sink's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := driver.Parse(ctx, in, &feedtest.Sink{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want the context's error", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(fixes(`"1.2-r3":["CVE-2020-0001 XSA-1 GHSA-xxxx-yyyy-zzzz"],"0":["CVE-2020-0002"],"1":null`)))
	f.Add([]byte("packages:\n- pkg:\n    name: p\n    secfixes:\n      1.0-r1:\n      - CVE-2020-0001\n      0:\n"))
	f.Add([]byte("p:\n- CVE-2020-0001 # remark\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s feedtest.Sink
		d := secdb.New("wolfi", "wolfi", "", &s)
		doc := feedtest.Doc("d", data)
		if d.Read(t.Context(), doc) != nil && d.Reject(doc) != nil {
			return
		}
		if d.Emit(t.Context()) == nil {
			golden.Storable(t, &s, "wolfi")
		}
	})
}
