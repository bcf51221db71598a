package trial_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/trial"
)

const strict = `id: p
name: strict
version: "2"
mappings: [{id: m, name: all, registry: docker.io, repository: '*', image: {type: tag, value: '*'}, rule_set_ids: [rs], allowlist_ids: [al]}]
rule_sets:
- id: rs
  name: rules
  version: "2"
  rules:
  - {id: high, gate: vulnerabilities, trigger: package, action: STOP, params: [{name: package_type, value: all}]}
allowlists: [{id: al, name: accepted, version: "2", items: [{id: i, gate: vulnerabilities, trigger_id: CVE-2026-2+*}]}]
`

const suiteOf = `policy: strict.yaml
tag: docker.io/acme/web:1
now: 2026-06-10T00:00:00Z
cases:
`

const vulnerable = `{vulnerabilities: [{id: CVE-2026-1, severity: high, package: {name: tar, version: "1", type: dpkg}}, {id: CVE-2026-2, severity: high, package: {name: tar, version: "1", type: dpkg}}]}`

func runSuite(t *testing.T, cases string) ([]trial.Outcome, error) {
	t.Helper()
	suite, err := trial.ReadSuite([]byte(suiteOf + cases))
	if err != nil {
		return nil, err
	}
	files := fstest.MapFS{"strict.yaml": {Data: []byte(strict)}, "facts.yaml": {Data: []byte(vulnerable)}}
	return suite.Run(t.Context(), trial.Surroundings{
		Read: func(name string) ([]byte, error) { return fs.ReadFile(files, name) }, Gates: gates.All(),
		Ask: func(context.Context, []byte, string, string) (*policy.Result, error) {
			return nil, errors.New("nobody knows the image")
		},
	})
}

func TestCasesThatHoldHaveNoFaults(t *testing.T) {
	t.Parallel()
	outcomes, err := runSuite(t, `
- name: vulnerable
  facts: `+vulnerable+`
  expect:
    action: stop
    reason: policy_evaluation
    mapping: m
    findings:
    - {gate: Vulnerabilities, trigger: package, trigger_id: CVE-2026-1+*, rule: high, action: stop, message: tar, count: 1}
    - {trigger_id: 'regexp:CVE-2026-2\+', action: go}
    no_findings: [{gate: files}]
- name: the same from a file
  facts_file: facts.yaml
  expect: {action: stop}
- name: unmapped
  tag: quay.io/acme/web:1
  facts: {}
  expect: {action: go, mapping: "", problems: [UnmappedImageWarning]}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []trial.Outcome{{Case: "vulnerable"}, {Case: "the same from a file"}, {Case: "unmapped"}}
	for i := range outcomes {
		outcomes[i].Result = nil
	}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Error(diff)
	}
}

func TestEveryDifferenceIsToldAtOnce(t *testing.T) {
	t.Parallel()
	outcomes, err := runSuite(t, `
- facts: `+vulnerable+`
  expect:
    action: go
    reason: allowlisted
    mapping: other
    problems: [UnmappedImageWarning]
    findings: [{gate: files}, {gate: vulnerabilities, count: 1}]
    no_findings: [{trigger_id: CVE-2026-1+tar}]
- image: sha256:aa
  expect: {action: go}
- facts_file: missing.yaml
  expect: {action: go}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range outcomes {
		got = append(got, o.Case+": "+strings.Join(o.Faults, "; "))
	}
	want := []string{
		`case 1: final action is stop, want go; reason is policy_evaluation, want allowlisted; mapping is "m", want "other"; there is no problem of type UnmappedImageWarning; ` +
			`no finding is {gate files}; 2 findings are {gate vulnerabilities}, want 1; 1 findings are {trigger_id CVE-2026-1+tar}, want none`,
		"case 2: nobody knows the image",
		"case 3: read facts missing.yaml: open missing.yaml: file does not exist",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSuitesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ cases, says string }{
		"no image":            {"- expect: {action: go}\n", "name one of facts"},
		"two images":          {"- {facts: {}, image: 'sha256:a', expect: {}}\n", "name one of facts"},
		"nothing expected":    {"- {facts: {}, expect: {}}\n", "expects nothing"},
		"an unknown key":      {"- {facts: {}, expects: {}}\n", "expects"},
		"an unknown fact":     {"- {facts: {colour: red}, expect: {action: go}}\n", "colour"},
		"a broken pattern":    {"- {facts: {}, expect: {findings: [{trigger_id: 'regexp:('}]}}\n", "trigger_id"},
		"an unheard severity": {"- {facts: {vulnerabilities: [{severity: dire}]}, expect: {action: go}}\n", "dire"},
		"no case":             {"", "1 to"},
	} {
		if _, err := runSuite(t, tt.cases); !errors.Is(err, trial.ErrSuite) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadSuite(f *testing.F) {
	f.Add([]byte(suiteOf + "- {facts: " + vulnerable + ", expect: {action: stop, findings: [{trigger_id: '*'}]}}\n"))
	f.Add([]byte("policy: &a [*a]"))
	f.Add([]byte("cases: 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		suite, err := trial.ReadSuite(data)
		if (suite == nil) != (err != nil) {
			t.Errorf("suite %v, error %v", suite, err)
		}
	})
}
