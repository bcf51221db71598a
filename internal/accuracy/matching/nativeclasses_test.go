package matching_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/internal/accuracy/matching"
)

func TestANoticeIsRetoldByItsVulnerabilities(t *testing.T) {
	t.Parallel()
	records := decode(t, `{"id":"DSA-1-1","upstream":["CVE-1","DEBIAN-CVE-2"]}{"id":"DSA-1-2"}{"id":"DEBIAN-CVE-2","upstream":["CVE-2"]}`)
	s := matching.Subject{Ecosystem: "Debian:12", Name: "p", Version: "1"}
	got := matching.Retell(matching.Answers{s: {
		{IDs: []string{"DSA-1-1"}, Fixes: []string{"3"}},
		{IDs: []string{"DSA-1-2"}, Fixes: []string{"4"}},
		{IDs: []string{"DEBIAN-CVE-2"}, Fixes: []string{"2"}},
	}}, records)
	want := matching.Answers{s: {
		{IDs: []string{"CVE-1"}, Fixes: []string{"3"}},
		{IDs: []string{"CVE-2"}, Fixes: []string{"2", "3"}},
		{IDs: []string{"DSA-1-2"}, Fixes: []string{"4"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("retold (-want +got):\n%s", diff)
	}
	joined := matching.Retell(matching.Answers{s: {{IDs: []string{"DSA-1-2", "DEBIAN-CVE-2"}, Fixes: []string{"4"}, FixesOf: []string{"DSA-1-2"}}}}, records)
	if f := joined[s][0]; f.IDs[0] != "CVE-2" || !f.NoFixes {
		t.Errorf("the fix of one record is told of another: %+v", f)
	}
}

func TestOwnDocumentsAreEvidenceInTheirWords(t *testing.T) {
	t.Parallel()
	got := matching.Said{}
	if err := got.ReadTracker([]byte(`{"p":{"CVE-1":{"releases":{"bookworm":{"status":"resolved","fixed_version":"1-2"},"trixie":{"status":"open","urgency":"low"}}}}}`)); err != nil {
		t.Fatal(err)
	}
	if err := got.ReadSecurityDatabase("Alpine:v3.20", []byte(`{"packages":[{"pkg":{"name":"p","secfixes":{"1-r0":["CVE-1 XSA-2"]}}}]}`)); err != nil {
		t.Fatal(err)
	}
	want := matching.Said{
		{Ecosystem: "Debian:12", Name: "p", ID: "CVE-1"}: {"fixed 1-2"}, {Ecosystem: "Debian:13", Name: "p", ID: "CVE-1"}: {"open low"},
		{Ecosystem: "Alpine:v3.20", Name: "p", ID: "CVE-1"}: {"fixed 1-r0"}, {Ecosystem: "Alpine:v3.20", Name: "p", ID: "XSA-2"}: {"fixed 1-r0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

// TestANativeReasonNeedsTheDocumentsToShowIt has for each reason a difference it explains, and one next to it that it must not.
func TestANativeReasonNeedsTheDocumentsToShowIt(t *testing.T) {
	t.Parallel()
	type difference = matching.Difference
	rhel := func(version, sign string) difference {
		return difference{Subject: matching.Subject{Ecosystem: "Red Hat:9", Name: "p", Version: version}, Witness: "grype", Sign: sign, ID: "CVE-1"}
	}
	entry := func(fixes, notes string) string {
		return `{"id":"CVE-1","affected":[{"package":{"ecosystem":"Red Hat:9","name":"p"},"ranges":[` + fixes + `],"ecosystem_specific":{` + notes + `}}]}`
	}
	fix := func(v string) string { return `{"events":[{"introduced":"0"},{"fixed":"` + v + `"}]}` }
	two := entry(fix("1-2.el9_2")+","+fix("1-3.el9_3"), "")
	apk := func(sign, id string) difference {
		return difference{Subject: matching.Subject{Ecosystem: "Alpine:v3.20", Name: "p", Version: "1.0-r0"}, Witness: "grype", Sign: sign, ID: id}
	}
	deb := func(id string) difference {
		return difference{Subject: matching.Subject{Ecosystem: "Debian:12", Name: "p", Version: "1"}, Witness: "grype", Sign: matching.Missing, ID: id}
	}
	notice := func(summary string) string {
		return `{"id":"DSA-1-2","summary":"` + summary + `","upstream":["CVE-9"],"affected":[{"package":{"ecosystem":"Debian:12","name":"p"}}]}`
	}
	said := matching.Said{{Ecosystem: "Alpine:v3.20", Name: "p", ID: "XSA-1"}: {"fixed 2-r0"}}
	for name, c := range map[string]struct {
		record string
		d      difference
		want   string // "" for none
	}{
		"the fix of the own minor release":      {two, rhel("1-2.el9_2", matching.Missing), "minor"},
		"older than it":                         {two, rhel("1-1.el9_2", matching.Missing), ""},
		"the fix of another minor release":      {two, rhel("1-2.el9_3", matching.Missing), ""},
		"the fix of a stream for subscribers":   {entry(fix("1-3.el9_3"), `"streams":["1-2.el9_0"]`), rhel("1-2.el9_0", matching.Missing), "stream"},
		"a module's, and the package is none":   {entry("", `"module":"m:1"`), rhel("1-1.el9", matching.Missing), "module-build"},
		"a module's, and so is the package":     {entry("", `"module":"m:1"`), rhel("1-1.module+el9", matching.Missing), ""},
		"a module as a whole":                   {entry(fix("3.9-8100020240826142629.d47b87a4"), ""), rhel("1-1.el9", matching.Missing), "whole-module"},
		"said of extended support alone":        {entry("", `"extended":true`), rhel("1-1.el9", matching.Surplus), "ended"},
		"said of the main stream":               {entry("", ""), rhel("1-1.el9", matching.Surplus), ""},
		"a flaw without a CVE":                  {"", apk(matching.Surplus, "XSA-1"), "no-cve"},
		"a flaw that no document knows":         {"", apk(matching.Surplus, "XSA-2"), ""},
		"a notice of a regression":              {`{"id":"DSA-1-2","summary":"p - regression update","affected":[{"package":{"ecosystem":"Debian:12","name":"p"}}]}`, deb("DSA-1-2"), "regression"},
		"a notice of flaws that we do not find": {notice("p - security update"), deb("DSA-1-2"), ""},
		"a CVE that we do not find":             {notice("p - security update"), deb("CVE-9"), ""},
	} {
		class, ok := matching.NewNativeExplainer(said, decode(t, c.record)).Explain(c.d)
		if ok != (c.want != "") || class.ID != c.want {
			t.Errorf("%s: %q; want %q", name, class.ID, c.want)
		}
	}
}
