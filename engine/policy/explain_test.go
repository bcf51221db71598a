package policy_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/trial"
)

const explainedPolicy = `
id: p
name: explained
version: "2"
mappings:
- {id: m1, name: other registry, registry: quay.io, repository: '*', image: {type: tag, value: '*'}, rule_set_ids: [rs], allowlist_ids: []}
- {id: m2, name: other repository, registry: docker.io, repository: acme/api, image: {type: tag, value: '*'}, rule_set_ids: [rs], allowlist_ids: []}
- {id: m3, name: releases, registry: '*', repository: '*', image: {type: tag, value: 'v*'}, rule_set_ids: [rs], allowlist_ids: []}
- {id: m4, name: one digest, registry: '*', repository: '*', image: {type: digest, value: 'sha256:b'}, rule_set_ids: [rs], allowlist_ids: []}
- {id: m5, name: all, registry: '*', repository: '*', image: {type: tag, value: '*'}, rule_set_ids: [rs], allowlist_ids: [al]}
- {id: m6, name: never reached, registry: '*', repository: '*', image: {type: tag, value: '*'}, rule_set_ids: [rs], allowlist_ids: []}
rule_sets:
- id: unused
  name: unused
  version: "2"
  rules: []
- id: rs
  name: rules
  version: "2"
  rules:
  - {id: stop-high, gate: vulnerabilities, trigger: package, action: STOP, description: high ones, params: [{name: package_type, value: all}, {name: severity, value: high}, {name: severity_comparison, value: '>='}]}
  - {id: root, gate: dockerfile, trigger: effective_user, action: WARN, params: [{name: users, value: root}, {name: type, value: denylist}]}
  - {id: silent, gate: files, trigger: name_match, action: STOP, params: [{name: regex, value: /never}]}
allowlists:
- id: al
  name: accepted
  version: "2"
  items: [{id: one, gate: vulnerabilities, trigger_id: CVE-2026-2+*}]
`

const explainedFacts = `
image: {digest: 'sha256:a', id: abc}
config: {user: root}
dockerfile: {mode: Guessed, text: "FROM scratch\nUSER root\n"}
vulnerabilities:
- {id: CVE-2026-1, severity: high, package: {name: openssl, version: "3", type: dpkg}, fixed_in: ["4"]}
- {id: CVE-2026-2, severity: high, package: {name: tar, version: "1", type: dpkg}}
`

func explain(t *testing.T, document, facts, tag string) (*policy.Result, *policy.Explanation) {
	t.Helper()
	raw, err := trial.ToJSON([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	image, err := trial.ReadFacts([]byte(facts))
	if err != nil {
		t.Fatal(err)
	}
	result, err := load(t, raw).Evaluate(t.Context(), image, tag, time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	// What the API answers lacks what is not JSON.
	encoded, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	answered := new(policy.Result)
	decode(t, encoded, answered)
	explained, err := policy.Explain(answered, image.ImageFacts, tag)
	if err != nil {
		t.Fatal(err)
	}
	return answered, explained
}

func TestExplanationTellsWhyAMappingMatchedAndWhichRulesDecided(t *testing.T) {
	t.Parallel()
	_, got := explain(t, explainedPolicy, explainedFacts, "docker.io/acme/web:1")
	want := []policy.Considered{
		{ID: "m1", Name: "other registry", Why: `registry "docker.io" does not match "quay.io"`},
		{ID: "m2", Name: "other repository", Why: `repository "acme/web" does not match "acme/api"`},
		{ID: "m3", Name: "releases", Why: `tag "1" does not match "v*"`},
		{ID: "m4", Name: "one digest", Why: "digest sha256:a is not sha256:b"},
		{ID: "m5", Name: "all", Matched: true},
	}
	if diff := cmp.Diff(want, got.Mappings); diff != "" || got.Untried != 1 {
		t.Errorf("untried %d, mappings %s", got.Untried, diff)
	}
	type outcome struct {
		Rule              string
		Findings, Claimed int
	}
	var rules []outcome
	for _, r := range got.Rules {
		rules = append(rules, outcome{r.Rule.ID, len(r.Findings), r.Claimed})
	}
	if diff := cmp.Diff([]outcome{{"stop-high", 2, 1}, {"root", 1, 0}, {"silent", 0, 0}}, rules); diff != "" {
		t.Error(diff)
	}
	if got.Change.Action != policy.Warn || len(got.Change.Deciding) != 1 || !strings.Contains(got.Change.Deciding[0], "1 finding of rule vulnerabilities.package") {
		t.Errorf("change %+v", got.Change)
	}
	if len(got.Change.Advice) != 1 || got.Change.Advice[0].Removes != 1 {
		t.Errorf("advice %+v", got.Change.Advice)
	}
}

func TestExplanationNamesTheImageListThatDecided(t *testing.T) {
	t.Parallel()
	denied := explainedPolicy + `denylisted_images: [{id: d, name: retired, registry: '*', repository: acme/web, image: {type: tag, value: '*'}}]
allowlisted_images: [{id: a, name: trusted, registry: '*', repository: '*', image: {type: tag, value: '*'}}]
`
	result, got := explain(t, denied, explainedFacts, "docker.io/acme/web:1")
	if result.FinalActionReason != policy.ReasonDenylisted || got.Change.Action != policy.Go || !strings.Contains(got.Change.Deciding[0], "retired (d)") {
		t.Errorf("%s: %+v", result.FinalActionReason, got.Change)
	}
	result, got = explain(t, denied, explainedFacts, "docker.io/acme/api:1")
	if result.FinalActionReason != policy.ReasonAllowlisted || got.Change.Action != policy.Stop || !strings.Contains(got.Change.Deciding[0], "trusted (a)") {
		t.Errorf("%s: %+v", result.FinalActionReason, got.Change)
	}
}

func TestExplanationOfAnImageWithoutAMapping(t *testing.T) {
	t.Parallel()
	alone := strings.Join(slices.DeleteFunc(strings.Split(explainedPolicy, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "- {id: m5") || strings.HasPrefix(line, "- {id: m6")
	}), "\n")
	_, got := explain(t, alone, explainedFacts, "docker.io/acme/web:1")
	if len(got.Mappings) != 4 || len(got.Rules) != 0 || len(got.Problems) != 1 || got.Problems[0].Type != policy.ProblemUnmapped || got.Change.Action != policy.Go {
		t.Errorf("%+v", got)
	}
}

func TestWhatCannotBeExplained(t *testing.T) {
	t.Parallel()
	if _, err := policy.Explain(&policy.Result{}, policy.Image{}, "docker.io/a:1"); !errors.Is(err, policy.ErrNoDetails) {
		t.Error(err)
	}
	result := &policy.Result{Details: &policy.Details{Policy: &policy.Document{}}}
	if _, err := policy.Explain(result, policy.Image{}, ""); !errors.Is(err, policy.ErrTag) {
		t.Error(err)
	}
}
