package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plimsoll/engine/policy"
)

// nowhere is an address nobody answers at: these commands need no server.
const nowhere = "http://127.0.0.1:1"

const rootPolicy = `id: no-root
name: No root
version: "2"
mappings: [{id: all, name: all, registry: '*', repository: '*', image: {type: tag, value: '*'}, rule_set_ids: [rs], allowlist_ids: []}]
rule_sets:
- {id: rs, name: rules, version: "2", rules: [{id: root, gate: dockerfile, trigger: effective_user, action: STOP, params: [{name: users, value: root}, {name: type, value: denylist}]}]}
`

const rootFacts = "dockerfile: {mode: Actual, text: \"FROM scratch\\nUSER root\\n\"}\nimage: {digest: 'sha256:a'}\n"

const rootSuite = `policy: policy.yaml
tag: registry.example/app:1
now: 2026-06-10T00:00:00Z
cases:
- name: root is refused
  facts_file: facts.yaml
  expect: {action: stop, findings: [{gate: dockerfile, trigger: effective_user}]}
- name: others are not
  facts: {dockerfile: {mode: Actual, text: "FROM scratch\nUSER app\n"}}
  expect: {action: %s}
`

func policyFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		writeFile(t, dir, name, text)
	}
	return dir
}

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPoliciesAreValidatedWithoutAServer(t *testing.T) {
	t.Parallel()
	broken := strings.NewReplacer("effective_user", "effective_usr", "STOP", "HALT").Replace(rootPolicy)
	dir := policyFolder(t, map[string]string{"good.yaml": rootPolicy, "bad.yaml": broken, "default.json": string(policy.Default()), "not.json": "{"})
	stdout, _, err := perform(t, nowhere, "policy", "validate", filepath.Join(dir, "good.yaml"), filepath.Join(dir, "default.json"))
	if err != nil || strings.Count(stdout, " valid ") != 2 {
		t.Errorf("%v\n%s", err, stdout)
	}
	stdout, _, err = perform(t, nowhere, "policy", "validate", filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml"))
	if exitCode(err) != exitRefused || !strings.Contains(stdout, "/rule_sets/0/rules/0/trigger") || !strings.Contains(stdout, "/rule_sets/0/rules/0/action") {
		t.Errorf("%v\n%s", err, stdout)
	}
	stdout, _, err = perform(t, nowhere, "policy", "validate", "-o", "json", filepath.Join(dir, "bad.yaml"), filepath.Join(dir, "not.json"))
	var verdicts []verdictOnFile
	if e := json.Unmarshal([]byte(stdout), &verdicts); e != nil || exitCode(err) != exitRefused || len(verdicts) != 2 {
		t.Fatalf("%v, %v\n%s", e, err, stdout)
	}
	if v := verdicts[0]; v.Valid || len(v.Problems) < 2 || !strings.HasPrefix(v.Problems[0].Pointer, "/rule_sets/0/rules/0/") || v.Problems[0].Rule != "root" {
		t.Errorf("%+v", v)
	}
	if v := verdicts[1]; v.Valid || len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Details, "not JSON") {
		t.Errorf("%+v", v)
	}
	if _, _, err = perform(t, nowhere, "policy", "validate", filepath.Join(dir, "missing.json")); exitCode(err) != exitTrouble {
		t.Errorf("a missing file: %v", err)
	}
}

func TestPolicyTestsTellWhatFailed(t *testing.T) {
	t.Parallel()
	dir := policyFolder(t, map[string]string{
		"policy.yaml": rootPolicy, "facts.yaml": rootFacts, "good_test.yaml": fmt.Sprintf(rootSuite, "go"), "notes.yaml": "no: tests",
	})
	stdout, _, err := perform(t, nowhere, "policy", "test", dir)
	if err != nil || !strings.Contains(stdout, "2 passed, 0 failed") {
		t.Errorf("%v\n%s", err, stdout)
	}
	bad := policyFolder(t, map[string]string{
		"policy.yaml": rootPolicy, "facts.yaml": rootFacts, "bad.yaml": fmt.Sprintf(rootSuite, "warn"),
		"invalid.yaml": strings.Replace(fmt.Sprintf(rootSuite, "go"), "policy.yaml", "facts.yaml", 1),
	})
	report := filepath.Join(bad, "report.xml")
	stdout, _, err = perform(t, nowhere, "policy", "test", filepath.Join(bad, "bad.yaml"), filepath.Join(bad, "invalid.yaml"), filepath.Join(dir, "good_test.yaml"), "--junit", report)
	if exitCode(err) != exitRefused || !strings.Contains(stdout, "others are not: final action is go, want warn") || !strings.Contains(stdout, "3 passed, 2 failed") {
		t.Errorf("%v\n%s", err, stdout)
	}
	raw, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var junit junitSuites
	if err := xml.Unmarshal(raw, &junit); err != nil {
		t.Fatal(err)
	}
	var failures, faults, tests int
	for _, s := range junit.Suites {
		tests, failures, faults = tests+s.Tests, failures+s.Failures, faults+s.Errors
	}
	if len(junit.Suites) != 3 || tests != 5 || failures != 1 || faults != 1 {
		t.Errorf("%d suites, %d tests, %d failures, %d errors in\n%s", len(junit.Suites), tests, failures, faults, raw)
	}
	if _, _, err := perform(t, nowhere, "policy", "test", t.TempDir()); exitCode(err) != exitTrouble {
		t.Errorf("a folder without tests: %v", err)
	}
}

// judge answers every evaluation with one result and notes what was asked.
func judge(t *testing.T, result string) (url string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	digest := "sha256:" + strings.Repeat("a", 64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/check") {
			fmt.Fprintf(w, `{"policy_id":"no-root","image_digest":%q,"evaluated_tag":"registry.example/app:1","evaluations":[%s]}`, digest, result)
			return
		}
		fmt.Fprintf(w, `{"image_digest":%q,"analysis_status":"analyzed","image_content":{"metadata":{}},"annotations":{},"image_detail":[{"full_tag":"registry.example/app:1","image_id":"abc"}]}`, digest)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// stored is what a server says of an image that runs as root.
func stored(t *testing.T) string {
	t.Helper()
	dir := policyFolder(t, map[string]string{"p.yaml": rootPolicy, "f.yaml": rootFacts})
	cmd := newPolicyDocs()
	cmd.SetContext(t.Context())
	result, _, _, err := inquiry{policy: filepath.Join(dir, "p.yaml"), facts: filepath.Join(dir, "f.yaml"), tag: "registry.example/app:1"}.judgeFacts(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestPolicyTestsAskTheServerAboutStoredImages(t *testing.T) {
	t.Parallel()
	url, asked := judge(t, stored(t))
	digest := "sha256:" + strings.Repeat("a", 64)
	dir := policyFolder(t, map[string]string{"policy.yaml": rootPolicy, "stored_test.yaml": "policy: policy.yaml\ntag: registry.example/app:1\ncases: [{image: '" + digest + "', expect: {action: stop}}]\n"})
	stdout, _, err := perform(t, url, "policy", "test", dir)
	if err != nil || !strings.Contains(stdout, "1 passed") {
		t.Errorf("%v\n%s", err, stdout)
	}
	if want := "POST /v2/images/" + digest + "/check?tag=registry.example%2Fapp%3A1"; len(*asked) != 1 || (*asked)[0] != want {
		t.Errorf("asked %v, want %s", *asked, want)
	}
}

func TestVerdictsAreExplained(t *testing.T) {
	t.Parallel()
	dir := policyFolder(t, map[string]string{"policy.yaml": rootPolicy, "facts.yaml": rootFacts})
	local := []string{"policy", "explain", "--policy", filepath.Join(dir, "policy.yaml"), "--facts", filepath.Join(dir, "facts.yaml"), "--tag", "registry.example/app:1", "--now", "2026-06-10T00:00:00Z"}
	stdout, _, err := perform(t, nowhere, local...)
	if err != nil || !strings.Contains(stdout, "The verdict would be go without") || !strings.Contains(stdout, "effective_user") {
		t.Errorf("%v\n%s", err, stdout)
	}
	url, asked := judge(t, stored(t))
	for _, args := range [][]string{{}, {"--policy", "no-root"}, {"--policy", filepath.Join(dir, "policy.yaml")}} {
		stdout, _, err = perform(t, url, append([]string{"policy", "explain", "sha256:" + strings.Repeat("a", 64), "-o", "json"}, args...)...)
		var out explained
		if e := json.Unmarshal([]byte(stdout), &out); e != nil || err != nil || out.FinalAction != policy.Stop || len(out.Explanation.Rules) != 1 {
			t.Errorf("%v, %v\n%s", e, err, stdout)
		}
	}
	var checks []string
	for _, a := range *asked {
		if at := strings.Index(a, "/check?"); at >= 0 {
			checks = append(checks, strings.Fields(a)[0]+a[at+len("/check"):])
		}
	}
	const tag = "tag=registry.example%2Fapp%3A1"
	want := "GET?" + tag + "&interactive=true|GET?policy_id=no-root&" + tag + "&interactive=true|POST?" + tag
	if got := strings.Join(checks, "|"); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if _, _, err := perform(t, url, "policy", "explain"); exitCode(err) != exitTrouble {
		t.Errorf("nothing to explain: %v", err)
	}
}

func TestReferenceOfTheGates(t *testing.T) {
	t.Parallel()
	stdout, _, err := perform(t, nowhere, "policy", "docs", "Dockerfile")
	if err != nil || !strings.Contains(stdout, "### dockerfile.effective_user") || strings.Contains(stdout, "## vulnerabilities\n") {
		t.Errorf("%v\n%s", err, stdout)
	}
	if _, _, err := perform(t, nowhere, "policy", "docs", "sails"); err == nil || !strings.Contains(err.Error(), "dockerfile") {
		t.Errorf("an unknown gate: %v", err)
	}
}
