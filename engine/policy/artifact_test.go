package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
)

// artifactPolicy has rule sets for all types of artifacts.
const artifactPolicy = `{"id":"p","name":"n","version":"2","rule_sets":[
{"id":"img","name":"","version":"2","rules":[{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}]},
{"id":"src","name":"","version":"2","artifact_type":"source","rules":[
 {"id":"r2","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"}]}]},
{"id":"bom","name":"","version":"2","artifact_type":"sbom","rules":[{"id":"r3","gate":"always","trigger":"always","action":"WARN","params":[]}]}],
"allowlists":[{"id":"al","name":"","version":"2","items":[{"id":"i","gate":"vulnerabilities","trigger_id":"CVE-2026-2+*"}]}],
"source_mappings":[
 {"id":"s1","name":"","host":"github.com","repository":"acme/*","rule_set_ids":["src"],"allowlist_ids":["al"]},
 {"id":"s2","name":"","host":"regexp:git[a-z]+\\.com$","repository":"*","rule_set_ids":[],"allowlist_ids":[]}],
"sbom_mappings":[
 {"id":"b1","name":"","sbom_name":"web*","sbom_version":"1.*","rule_set_ids":["bom"],"allowlist_ids":[]},
 {"id":"b2","name":"","sbom_name":"w*","rule_set_ids":[],"allowlist_ids":[]}],
"mappings":[{"id":"m","name":"","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["img"],"allowlist_ids":[]}],
"denylisted_images":[{"id":"d","name":"","registry":"*","repository":"*","image":{"type":"tag","value":"*"}}]}`

func TestSourcesAndSBOMsHaveMappingsOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := load(t, []byte(artifactPolicy))
	flaw := func(id string) policy.Vulnerability {
		return policy.Vulnerability{ID: id, Severity: feed.High, Package: policy.AffectedPackage{Name: "x", Version: "1", Type: "npm", Location: "/srv/x/package.json"}}
	}
	facts := &policy.Static{Matches: []policy.Vulnerability{flaw("CVE-2026-1"), flaw("CVE-2026-2")}}
	type answer struct {
		Action   policy.Action
		Mapping  string
		Findings int
		Problems int
	}
	source := func(host, repository string) answer {
		r, err := p.EvaluateSource(t.Context(), facts, host, repository, noon)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{Action: r.FinalAction, Findings: r.NumberOfFindings, Problems: len(r.EvaluationProblems)}
		if r.MatchedSourceMapping != nil {
			a.Mapping = r.MatchedSourceMapping.ID
		}
		return a
	}
	sbom := func(name, version string) answer {
		r, err := p.EvaluateSBOM(t.Context(), facts, name, version, noon)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{Action: r.FinalAction, Findings: r.NumberOfFindings, Problems: len(r.EvaluationProblems)}
		if r.MatchedSBOMMapping != nil {
			a.Mapping = r.MatchedSBOMMapping.ID
		}
		return a
	}
	tests := []struct {
		name      string
		got, want answer
	}{
		{"source", source("github.com", "acme/web"), answer{policy.Stop, "s1", 2, 0}},
		{"second source mapping", source("gitlab.com", "acme/web"), answer{policy.Go, "s2", 0, 0}},
		{"unmapped source", source("bitbucket.org", "acme/web"), answer{policy.Go, "", 0, 1}},
		{"sbom", sbom("web-app", "1.2"), answer{policy.Warn, "b1", 1, 0}},
		{"sbom of another version", sbom("web-app", "2"), answer{policy.Go, "b2", 0, 0}},
		{"unmapped sbom", sbom("api", "1.2"), answer{policy.Go, "", 0, 1}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestRuleSetsAndTriggersSuitTheirArtifacts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ old, now, path, mentions string }{
		"image gate in sbom rules":    {`"WARN","params":[]}]}],`, `"WARN","params":[]},{"id":"r4","gate":"files","trigger":"suid_or_guid_set","action":"STOP","params":[]}]}],`, "/rule_sets/2/rules/1/trigger", "always.always, vulnerabilities.denylist, vulnerabilities.package, vulnerabilities.stale_feed_data"},
		"image rules for sources":     {`"repository":"acme/*","rule_set_ids":["src"]`, `"repository":"acme/*","rule_set_ids":["bom"]`, "/source_mappings/0/rule_set_ids/0", "type sbom"},
		"source rules for sboms":      {`["bom"]`, `["src"]`, "/sbom_mappings/0/rule_set_ids/0", "type source"},
		"sbom rules for images":       {`["img"]`, `["bom"]`, "/mappings/0/rule_set_ids/0", "type sbom"},
		"pattern of an sbom":          {`"sbom_name":"web*"`, `"sbom_name":"regexp:("`, "/sbom_mappings/0/sbom_name", ""},
		"version pattern of an sbom":  {`"sbom_version":"1.*"`, `"sbom_version":"regexp:("`, "/sbom_mappings/0/sbom_version", ""},
		"unknown type":                {`"artifact_type":"sbom"`, `"artifact_type":"sboms"`, "/rule_sets/2/artifact_type", "did you mean sbom?"},
		"unknown rule set of an sbom": {`["bom"]`, `["boom"]`, "/sbom_mappings/0/rule_set_ids/0", "did you mean bom?"},
	}
	for name, tt := range tests {
		_, _, err := policy.Load([]byte(strings.Replace(artifactPolicy, tt.old, tt.now, 1)), gates.All())
		invalid, ok := errors.AsType[*policy.InvalidError](err)
		if !ok || invalid.Problems[0].Path != tt.path || !strings.Contains(invalid.Problems[0].Details, tt.mentions) {
			t.Errorf("%s: %v, want %s to mention %q", name, err, tt.path, tt.mentions)
		}
	}
}

func TestSourceMappingLeavesOutRuleSetsForImages(t *testing.T) {
	t.Parallel()
	p, warnings, err := policy.Load([]byte(strings.Replace(artifactPolicy, `"repository":"acme/*","rule_set_ids":["src"]`, `"repository":"acme/*","rule_set_ids":["img"]`, 1)), gates.All())
	if err != nil || len(warnings) != 1 || warnings[0].Path != "/source_mappings/0/rule_set_ids/0" {
		t.Fatalf("%v, warnings %+v", err, warnings)
	}
	r, err := p.EvaluateSource(t.Context(), &policy.Static{}, "github.com", "acme/web", noon)
	if err != nil || r.NumberOfFindings != 0 || len(r.EvaluationProblems) != 1 {
		t.Errorf("%v, %d findings, problems %+v", err, r.NumberOfFindings, r.EvaluationProblems)
	}
}
