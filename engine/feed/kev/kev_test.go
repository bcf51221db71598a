package kev

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/jsonlist"
)

func read(t *testing.T, content string) (*feedtest.Sink, error) {
	var s feedtest.Sink
	in := feed.Input{Documents: []feed.Fetched{feedtest.Doc("catalog", []byte(content))}}
	return &s, Driver.Parse(t.Context(), in, &s)
}

const log4shell = `{"cveID":"CVE-2021-44228","vendorProject":"Apache","product":"Log4j2","vulnerabilityName":"Apache Log4j2 Remote Code Execution Vulnerability",
 "dateAdded":"2021-12-10","shortDescription":"Apache Log4j2 contains a vulnerability\u0000 where JNDI features do not protect.","requiredAction":"Apply updates.",
 "dueDate":"2021-12-24","knownRansomwareCampaignUse":"Known","notes":"https://nvd.nist.gov/vuln/detail/CVE-2021-44228","cwes":["CWE-917","CWE-20","CWE-20","none"]}`

func TestEntriesAreRead(t *testing.T) {
	t.Parallel()
	got, err := read(t, `{"title":"CISA Catalog","count":2,"vulnerabilities":[`+log4shell+`,
		{"cveID":"CVE-2024-0001","dateAdded":"soon","dueDate":"","knownRansomwareCampaignUse":"Unknown","cwes":[]},
		{"cveID":"CVE-2024-0002","cwes":"CWE-1"},{"cveID":"no CVE"},7]}`)
	if err != nil {
		t.Fatal(err)
	}
	date := func(y int, m time.Month, d int) *time.Time { return new(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) }
	want := []feed.Exploited{
		{
			ID: "CVE-2021-44228", Vendor: "Apache", Product: "Log4j2", Name: "Apache Log4j2 Remote Code Execution Vulnerability",
			Summary: "Apache Log4j2 contains a vulnerability where JNDI features do not protect.", Action: "Apply updates.",
			Notes: "https://nvd.nist.gov/vuln/detail/CVE-2021-44228", CWEs: []string{"CWE-20", "CWE-917"},
			Added: date(2021, 12, 10), Due: date(2021, 12, 24), Ransomware: true,
		},
		{ID: "CVE-2024-0001"},
	}
	if diff := cmp.Diff(want, got.Known); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if len(got.Skipped) != 3 {
		t.Errorf("skipped %q; want three", got.Skipped)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing": "", "web page": "<html>Access Denied</html>", "other JSON": `{"error":"busy"}`, "no entry": `{"vulnerabilities":[]}`,
		"bad entries only": `{"vulnerabilities":[{"cveID":"x"}]}`, "cut short": `{"vulnerabilities":[` + log4shell,
	} {
		if got, err := read(t, content); !errors.Is(err, jsonlist.ErrDocument) {
			t.Errorf("%s: %v with %d entries", name, err, len(got.Known))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, jsonlist.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"vulnerabilities":[` + log4shell + `]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := read(t, string(content))
		if err == nil && len(got.Known) == 0 {
			t.Fatal("no entry and no error")
		}
		if text, err := json.Marshal(got.Known); err != nil || bytes.Contains(bytes.ReplaceAll(text, []byte(`\\`), nil), []byte(`\u0000`)) {
			t.Fatalf("entries cannot be stored: %s, %v", text, err)
		}
	})
}
