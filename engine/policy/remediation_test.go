package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// A comparison with the base shows which upgrades another base would bring.
func TestComparedFindingsSuggestAnotherBase(t *testing.T) {
	t.Parallel()
	compiled := load(t, edit(t, `"gate":"always","trigger":"always","action":"STOP","params":[]`,
		`"gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"}]`))
	of := func(id, name, fix string) policy.Vulnerability {
		return policy.Vulnerability{ID: id, Severity: feed.High, FeedGroup: "debian:12", FixedIn: []string{fix},
			Package: policy.AffectedPackage{Name: name, Version: "1.0-1", Type: "dpkg"}}
	}
	shared := of("CVE-1", "tar", "1.0-2")
	result := evaluate(t, compiled, &policy.Static{Matches: []policy.Vulnerability{shared, of("CVE-2", "tar", "1.0-10"), of("CVE-3", "vim", "2-1")}})
	result.Compare(evaluate(t, compiled, &policy.Static{Matches: []policy.Vulnerability{shared}}), "sha256:base")
	var got [][]string
	for _, m := range result.Details.Remediations {
		var line []string
		for i, s := range m.Suggestions {
			if s.Preferred != (i == 0) {
				t.Errorf("%+v: the first one is preferred, and no other", m)
			}
			line = append(line, s.Message)
		}
		got = append(got, append(line, m.TriggerIDs...))
	}
	want := [][]string{
		{"Upgrade tar to 1.0-10", "Build on a newer base image: the present one has this too", "CVE-1+tar", "CVE-2+tar"},
		{"Upgrade vim to 2-1", "CVE-3+vim"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("remediations (-want +got):\n%s", diff)
	}
}
