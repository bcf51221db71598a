package matching_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/internal/accuracy/matching"
)

func TestAComparisonCountsByAnyNameOfAFlaw(t *testing.T) {
	t.Parallel()
	s := matching.Subject{Ecosystem: "PyPI", Name: "p", Version: "1.0"}
	ours := matching.Answers{s: {
		{IDs: []string{"GHSA-1", "CVE-1"}, Fixes: []string{"2.0"}},
		{IDs: []string{"GHSA-2"}, Fixes: []string{"2.0"}},
		{IDs: []string{"GHSA-3"}},
		{IDs: []string{"GHSA-5"}, Fixes: []string{"2.0"}},
	}}
	theirs := matching.Answers{s: {
		{IDs: []string{"PYSEC-1", "CVE-1"}, Fixes: []string{"2.0"}},
		{IDs: []string{"GHSA-2"}, Fixes: []string{"1.5"}},
		{IDs: []string{"GHSA-4"}, Fixes: []string{"3.0"}},
		{IDs: []string{"GHSA-6", "GHSA-5"}, Fixes: []string{"4.0"}, FixesOf: []string{"GHSA-6"}},
	}}
	got := matching.Compare("w", []matching.Subject{s}, ours, theirs)
	want := []matching.Comparison{{
		Ecosystem: "PyPI", Witness: "w", Packages: 1, Ours: 4, Theirs: 4, Both: 3, Found: 3, SameFix: 1, WithoutFix: 1,
		Differences: []matching.Difference{
			{Subject: s, Witness: "w", Sign: "+", ID: "GHSA-3"},
			{Subject: s, Witness: "w", Sign: "-", ID: "GHSA-4", Theirs: []string{"3.0"}},
			{Subject: s, Witness: "w", Sign: "fix", ID: "GHSA-2", Ours: []string{"2.0"}, Theirs: []string{"1.5"}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("comparison (-want +got):\n%s", diff)
	}
}

func TestMoreDifferencesThanKnownAreTold(t *testing.T) {
	t.Parallel()
	line := matching.Counted{Class: "pro", Witness: "grype", Ecosystem: "Ubuntu", Sign: "+"}
	before, err := matching.ReadCounts(matching.Counts{line: 3}.String())
	if err != nil {
		t.Fatal(err)
	}
	if worse := (matching.Counts{line: 3}).Above(before); worse != nil {
		t.Errorf("the same number is more: %v", worse)
	}
	worse := matching.Counts{line: 4, {Class: "new", Witness: "w", Ecosystem: "Go", Sign: "-"}: 1}.Above(before)
	if len(worse) != 2 {
		t.Errorf("got %v; want both lines", worse)
	}
}

func TestAReasonNeedsTheRecordToShowIt(t *testing.T) {
	t.Parallel()
	record := func(notes string) []matching.Record {
		return decode(t, `{"id":"RUSTSEC-1","affected":[{"package":{"ecosystem":"crates.io","name":"c"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]`+notes+`}]}`)
	}
	d := matching.Difference{Subject: matching.Subject{Ecosystem: "crates.io", Name: "c", Version: "1.0.0"}, Witness: "osv-scanner", Sign: matching.Missing, ID: "RUSTSEC-1"}
	if class, ok := matching.NewExplainer(record(`,"database_specific":{"informational":"unmaintained"}`)).Explain(d); !ok || class.ID != "informational" {
		t.Errorf("class %q, %v; want informational", class.ID, ok)
	}
	if class, ok := matching.NewExplainer(record("")).Explain(d); ok {
		t.Errorf("a missing finding is explained by %q, and nothing shows it", class.ID)
	}
}

func TestTheDrawnPackagesLieAtTheEndsOfRanges(t *testing.T) {
	t.Parallel()
	records := decode(t, `{"id":"X","affected":[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]},
{"package":{"ecosystem":"PyPI","name":"p"},"versions":["9"]}]}`)
	var got []string
	for _, s := range matching.Draw(records, "npm", 100) {
		got = append(got, s.Version)
	}
	if diff := cmp.Diff([]string{"1.2.2", "1.2.3", "1.2.3-rc.1", "1.2.4"}, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestADocumentNamesItsPackagesAsTheirRegistriesDo(t *testing.T) {
	t.Parallel()
	for purl, s := range map[string]matching.Subject{
		"pkg:npm/%40scope/name@1.0":                          {Ecosystem: "npm", Name: "@scope/name", Version: "1.0"},
		"pkg:maven/org.example/a@1.0":                        {Ecosystem: "Maven", Name: "org.example:a", Version: "1.0"},
		"pkg:deb/debian/curl@1:7-1?distro=debian-12":         {Ecosystem: "Debian:12", Name: "curl", Version: "1:7-1"},
		"pkg:apk/alpine/sudo@1.9-r0?distro=alpine-3.10":      {Ecosystem: "Alpine:v3.10", Name: "sudo", Version: "1.9-r0"},
		"pkg:rpm/almalinux/a@2-3?distro=almalinux-9&epoch=1": {Ecosystem: "AlmaLinux:9", Name: "a", Version: "1:2-3"},
	} {
		documents, err := matching.Documents([]matching.Subject{s})
		if err != nil || len(documents) != 1 {
			t.Fatalf("%v: %v", s, err)
		}
		if got, ok := documents[0].Subject(purl); !ok || got != s {
			t.Errorf("%s names %v, %v; want %v", purl, got, ok, s)
		}
		escaped := strings.ReplaceAll(purl, "&", `\u0026`)
		if !strings.Contains(string(documents[0].Body), escaped) {
			t.Errorf("%s is not in %s", purl, documents[0].Body)
		}
	}
}
