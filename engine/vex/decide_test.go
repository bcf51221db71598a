package vex_test

import (
	"slices"
	"testing"
	"time"

	"plimsoll/engine/vex"
)

const (
	one = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	two = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

var (
	noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ship = vex.Image{
		Digests: []string{one}, Names: []string{"registry.example:5000/Team/ship"}, Tags: []string{"registry.example:5000/Team/ship:Rel-1"},
	}
)

// product reads a product as a document names it.
func product(t *testing.T, id string) vex.Product {
	t.Helper()
	d, err := vex.Read([]byte(`{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{"vulnerability":{"name":"CVE-1"},"status":"fixed","products":[{"@id":"`+id+`"}]}]}`), vex.Limits{})
	if err != nil || len(d.Statements) != 1 {
		t.Fatalf("%s: %+v, %v", id, d, err)
	}
	return d.Statements[0].Products[0]
}

func TestProductsAreRecognised(t *testing.T) {
	t.Parallel()
	const rope = "pkg:npm/%40sea/rope@1.0.0"
	const hull = "pkg:deb/debian/hull@2-1?arch=amd64&distro=debian-12"
	for _, c := range []struct {
		id, purl string
		want     bool
	}{
		{one, rope, true},
		{two, rope, false},
		{"registry.example/x@" + one, rope, true},
		{"pkg:oci/ship@sha256%3A1111111111111111111111111111111111111111111111111111111111111111", rope, true},
		{"pkg:oci/ship@sha256%3A1111111111111111111111111111111111111111111111111111111111111111?repository_url=elsewhere.example/ship&tag=9", rope, true},
		{"pkg:oci/ship@sha256%3A2222222222222222222222222222222222222222222222222222222222222222?repository_url=registry.example:5000/team/ship", rope, false},
		{"pkg:oci/ship?repository_url=registry.example:5000/team/ship", rope, true},
		{"pkg:oci/ship?repository_url=registry.example:5000/team", rope, true},
		{"pkg:oci/ship?repository_url=registry.example:5000/team/ship&tag=Rel-1", rope, true},
		{"pkg:oci/ship?repository_url=registry.example:5000/team/ship&tag=rel-1", rope, false},
		{"pkg:oci/ship?repository_url=registry.example:5000/teams/ship", rope, false},
		{"pkg:oci/ship", rope, false},
		{"pkg:docker/team/ship?repository_url=registry.example:5000", rope, true},
		{"pkg:docker/team/ship@Rel-1?repository_url=registry.example:5000", rope, true},
		{"pkg:docker/team/ship@2.0?repository_url=registry.example:5000", rope, false},
		{"pkg:docker/team/ship", rope, false},
		{rope, rope, true},
		{"pkg:npm/%40sea/rope", rope, true},
		{"pkg:npm/@sea/rope", rope, true},
		{"pkg:npm/rope", rope, false},
		{"pkg:npm/%40sea/rope@1.0.1", rope, false},
		{"pkg:npm/%40sea/rope@1.0.0?distro=debian-12", rope, false},
		{"pkg:deb/debian/hull", hull, true},
		{"pkg:deb/debian/hull@2-1?distro=debian-12", hull, true},
		{"pkg:deb/debian/hull@2-1?distro=debian-11", hull, false},
		{"pkg:deb/ubuntu/hull", hull, false},
		{"pkg:npm/rope@vers:npm/1.0.0", rope, false},
		{"pkg:npm/%40sea/rope", "", false},
		{one, "", true},
		{"not a thing", rope, false},
	} {
		claim := vex.Claim{Names: []string{"CVE-1"}, Product: product(t, c.id), Assertion: vex.Assertion{Status: vex.Fixed}, At: noon}
		got := vex.Latest(ship, []vex.Finding{{Names: []string{"GHSA-1", "cve-1"}, PURL: c.purl}}, []vex.Claim{claim})
		if (got[0] == 0) != c.want {
			t.Errorf("%s about %s: %v, want %v", c.id, c.purl, got[0] == 0, c.want)
		}
	}
	other := vex.Claim{Names: []string{"CVE-2"}, Product: vex.Product{Image: one}}
	if got := vex.Latest(ship, []vex.Finding{{Names: []string{"CVE-1"}}}, []vex.Claim{other}); got[0] != -1 {
		t.Error("a statement about another vulnerability decides")
	}
}

func TestTheLatestStatementDecides(t *testing.T) {
	t.Parallel()
	claim := func(id string, status vex.Status, at time.Time) vex.Claim {
		return vex.Claim{ID: id, Names: []string{"CVE-1"}, Product: vex.Product{Image: one}, Assertion: vex.Assertion{Status: status}, At: at}
	}
	finding := []vex.Finding{{Names: []string{"CVE-1"}, PURL: "pkg:npm/a@1"}}
	for name, c := range map[string]struct {
		claims []vex.Claim
		want   string
	}{
		"later":             {[]vex.Claim{claim("a", vex.Affected, noon), claim("b", vex.NotAffected, noon.Add(time.Hour))}, "b"},
		"at the same time":  {[]vex.Claim{claim("a", vex.NotAffected, noon), claim("b", vex.Affected, noon), claim("c", vex.Fixed, noon)}, "b"},
		"fixed beats not":   {[]vex.Claim{claim("a", vex.NotAffected, noon), claim("b", vex.Fixed, noon)}, "b"},
		"in triage":         {[]vex.Claim{claim("a", vex.UnderInvestigation, noon), claim("b", vex.Fixed, noon)}, "a"},
		"by name when same": {[]vex.Claim{claim("b", vex.Fixed, noon), claim("a", vex.Fixed, noon)}, "a"},
	} {
		for range 2 {
			if got := vex.Latest(ship, finding, c.claims)[0]; c.claims[got].ID != c.want {
				t.Errorf("%s: %s decides, want %s", name, c.claims[got].ID, c.want)
			}
			slices.Reverse(c.claims)
		}
	}
}
