package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"plimsoll/api/client"
	"plimsoll/api/oas"
	"plimsoll/engine/policy"
)

// document is a small policy: it stops images whose packages include the named one by vulnerability of any severity.
func document(id string) string {
	return `{"id":"` + id + `","name":"Sail","version":"2","description":"d","rule_sets":[{"id":"rs","name":"rules","version":"2","rules":[
		{"id":"r1","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"},{"name":"severity_comparison","value":">="},{"name":"severity","value":"high"}],"recommendation":"Splice it."}]}],
		"mappings":[{"id":"m","name":"all","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}]}`
}

func recordOf(id, more string) string {
	return `{"policy_id":"` + id + `","name":"Sail","account_name":"harbour","policy_source":"local"` + more + `}`
}

func TestPoliciesThroughTheirLife(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mate := s.user("harbour", "mate1", "policy-editor")
	var got oas.PolicyRecord
	s.request(http.MethodPost, "/v2/policies", document("p1"), mate).wants(http.StatusOK).decode(&got)
	if got.PolicyId != "p1" || got.Active || got.AccountName != "harbour" || got.PolicySource != "local" || *got.Description != "d" || len(got.Policy) == 0 {
		t.Errorf("created %+v", got)
	}
	s.request(http.MethodPost, "/v2/policies", document("p1"), mate).fails(http.StatusConflict, codePolicyExists)

	var stored policy.Document
	s.request(http.MethodGet, "/v2/policies/p1", "", mate).wants(http.StatusOK).decode(&got)
	decoder := json.NewDecoder(strings.NewReader(string(got.Policy)))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&stored))
	if stored.RuleSets[0].Rules[0].Recommendation != "Splice it." {
		t.Errorf("stored %s", got.Policy)
	}
	if bare := s.request(http.MethodGet, "/v2/policies/p1?detail=false", "", mate).wants(http.StatusOK); strings.Contains(bare.body, "rule_sets") {
		t.Errorf("without detail: %s", bare.body)
	}
	if list := s.request(http.MethodGet, "/v2/policies", "", mate).wants(http.StatusOK); strings.Contains(list.body, "rule_sets") || !strings.HasPrefix(list.body, "[") {
		t.Errorf("list: %s", list.body)
	}

	s.request(http.MethodDelete, "/v2/policies/"+policyID(t), "", mate).fails(http.StatusConflict, codePolicyActive)
	s.request(http.MethodPut, "/v2/policies/p1?active=true", recordOf("p1", `,"active":false,"policy":`+document("p1")), mate).wants(http.StatusOK).decode(&got)
	if !got.Active {
		t.Errorf("not activated: %+v", got)
	}
	var all []oas.PolicyRecord
	s.request(http.MethodGet, "/v2/policies", "", mate).wants(http.StatusOK).decode(&all)
	active := 0
	for _, p := range all {
		if p.Active {
			active++
		}
	}
	if len(all) != 2 || active != 1 {
		t.Errorf("%d policies, %d active", len(all), active)
	}
	s.request(http.MethodPut, "/v2/policies/p1", recordOf("p1", `,"active":false`), mate).fails(http.StatusConflict, codePolicyActive)
	s.request(http.MethodPut, "/v2/policies/p1", recordOf("p2", `,"active":true`), mate).fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodPut, "/v2/policies/p1", recordOf("p1", `,"active":true,"policy":`+document("p2")), mate).fails(http.StatusBadRequest, codeInvalidRequest)
	s.request(http.MethodPut, "/v2/policies/p9", recordOf("p9", `,"active":true`), mate).fails(http.StatusNotFound, codePolicyNotFound)
	s.request(http.MethodPut, "/v2/policies/"+policyID(t), recordOf(policyID(t), `,"active":true`), mate).wants(http.StatusOK)
	s.request(http.MethodGet, "/v2/policies/p1", "", s.user("quay", "other", "read-only")).fails(http.StatusNotFound, codePolicyNotFound)
	s.request(http.MethodDelete, "/v2/policies/p1", "", mate).wants(http.StatusNoContent)
	s.request(http.MethodDelete, "/v2/policies/p1", "", mate).fails(http.StatusNotFound, codePolicyNotFound)
}

// policyID is the id of the default policy.
func policyID(t *testing.T) string {
	t.Helper()
	var doc policy.Document
	must(t, json.Unmarshal(policy.Default(), &doc))
	return doc.ID
}

func TestInvalidPoliciesAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, c := range map[string]struct{ from, to, code, mentions string }{
		"unknown key":   {`"description":"d"`, `"comment":"d"`, codePolicyInvalid, "/comment"},
		"missing key":   {`"name":"Sail",`, ``, codePolicyInvalid, "/name"},
		"unknown gate":  {`"gate":"vulnerabilities"`, `"gate":"weather"`, codePolicyInvalid, "weather"},
		"unknown set":   {`"rule_set_ids":["rs"]`, `"rule_set_ids":["sr"]`, codePolicyInvalid, "sr"},
		"wrong version": {`"version":"2","description"`, `"version":"3","description"`, codePolicyInvalid, "version"},
		"number":        {`"value":"all"`, `"value":1`, codePolicyInvalid, "/rule_sets/0/rules/0/params/0/value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := strings.Replace(document("p1"), c.from, c.to, 1)
			got := s.admin(http.MethodPost, "/v2/policies", body)
			problem := got.fails(http.StatusBadRequest, c.code)
			if details, ok := problem.Detail["validation_details"].([]any); !ok || len(details) == 0 || !strings.Contains(got.body, c.mentions) {
				t.Errorf("%s", got.body)
			}
			if c.code == codePolicyInvalid && problem.Message != "Bundle failed validation" {
				t.Errorf("message %q is not the one clients know", problem.Message)
			}
		})
	}
}

func TestBundlesAreStoredAsDocuments(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	bundle := `{"name":"Old","version":"1_0","mystery":1,"policies":[{"id":"rs","version":"1_0","rules":[
		{"gate":"dockerfile","trigger":"effective_user","action":"STOP","params":[{"name":"users","value":"root"},{"name":"type","value":"blacklist"}]}]}],
		"whitelists":[{"id":"wl","version":"1_0","items":[{"gate":"dockerfile","trigger_id":"41cb7cdf04850e33a11f80c42bf660b3"}]}],
		"mappings":[{"registry":"*","repository":"*","image":{"type":"tag","value":"*"},"policy_id":"rs","whitelist_ids":["wl"]}]}`
	var added, got oas.PolicyRecord
	answer := s.admin(http.MethodPost, "/v2/policies", bundle).wants(http.StatusOK)
	answer.decode(&added)
	if w := answer.header.Get("Warning"); !strings.HasPrefix(w, `299 - "/whitelists/0/items/0/trigger_id: `) {
		t.Errorf("warning %q", w)
	}
	s.admin(http.MethodGet, "/v2/policies/"+added.PolicyId, "").wants(http.StatusOK).decode(&got)
	doc, err := policy.Parse(got.Policy)
	must(t, err)
	if doc.Former() || doc.ID != added.PolicyId || doc.RuleSets[0].Rules[0].Params[1].Value != "denylist" || doc.Mappings[0].RuleSetIDs[0] != "rs" {
		t.Errorf("stored %s", got.Policy)
	}
	update := `{"policy_id":"` + added.PolicyId + `","name":"Old","account_name":"admin","policy_source":"local","active":false,"policy":` + bundle + `}`
	s.admin(http.MethodPut, "/v2/policies/"+added.PolicyId, update).wants(http.StatusOK).decode(&got)
	if string(got.Policy) == "" || !strings.Contains(string(got.Policy), "rule_sets") {
		t.Errorf("updated %s", got.Policy)
	}
}

func TestDocumentsAreBoundedBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.admin(http.MethodPost, "/v2/policies", `{"id":"`+strings.Repeat("x", maxPolicyBytes)+`"}`).fails(http.StatusRequestEntityTooLarge, codeTooLarge)
}

func TestPolicySpec(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var gates []oas.GateSpec
	got := s.admin(http.MethodGet, "/v2/system/policy-spec", "").wants(http.StatusOK)
	got.decode(&gates)
	if len(gates) == 0 || len(gates[0].Triggers) == 0 || strings.Contains(got.body, `"parameters":null`) || strings.Contains(got.body, `"validator":null`) {
		t.Errorf("spec %s", got.body)
	}
}

func TestChecking(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	base := "/v2/images/" + digest + "/check?tag=" + testTag
	s.admin(http.MethodPost, "/v2/policies", document("p1")).wants(http.StatusOK)
	s.admin(http.MethodGet, base, "").fails(http.StatusNotFound, codeImageNotAnalyzed)
	s.analyze("admin", digest, npm, deb)

	got := s.admin(http.MethodGet, base+"&policy_id=p1", "").wants(http.StatusOK)
	var answer client.PolicyEvaluation
	got.decode(&answer)
	if answer.PolicyId != "p1" || answer.ImageDigest != digest || answer.EvaluatedTag != testTag || len(answer.Evaluations) != 1 {
		t.Fatalf("answer %s", got.body)
	}
	e := answer.Evaluations[0]
	if e.Status != "fail" || e.FinalAction != "stop" || e.FinalActionReason != "policy_evaluation" || e.NumberOfFindings != 1 || !e.ImageMappedToRule || e.Details == nil {
		t.Fatalf("evaluation %s", got.body)
	}
	f := e.Details.Findings[0]
	if !strings.HasPrefix(f.TriggerId, "GHSA-rope+") || f.Recommendation != "Splice it." || f.RuleId != "r1" || f.PolicyId != "rs" || f.Action != "stop" || f.InheritedFromBase != nil {
		t.Errorf("finding %+v", f)
	}
	var strict policy.Document
	decoder := json.NewDecoder(strings.NewReader(string(e.Details.Policy)))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&strict))
	for _, key := range []string{`"matched_allowlisted_images_rule":null`, `"comparison_image_digest":null`, `"evaluation_problems":[]`, `"allowlist_match":null`} {
		if !strings.Contains(got.body, key) {
			t.Errorf("%s is missing in %s", key, got.body)
		}
	}
	if bare := s.admin(http.MethodGet, base+"&policy_id=p1&detail=False", "").wants(http.StatusOK); !strings.Contains(bare.body, `"details":null`) {
		t.Errorf("without detail: %s", bare.body)
	}
	s.admin(http.MethodGet, base, "").wants(http.StatusOK) // the active policy
	s.admin(http.MethodGet, base+"&policy_id=p9", "").fails(http.StatusNotFound, codePolicyNotFound)
	s.admin(http.MethodGet, "/v2/images/"+digest+"/check?tag=UPPER:", "").fails(http.StatusBadRequest, codeInvalidReference)
	s.admin(http.MethodGet, base+"&base_digest=automatic", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodGet, base+"&policy_id=p1&base_digest="+digest, "").wants(http.StatusOK).decode(&answer)
	compared := answer.Evaluations[0]
	if f := compared.Details.Findings[0]; f.InheritedFromBase == nil || !*f.InheritedFromBase || *compared.ComparisonImageDigest != digest {
		t.Errorf("compared with itself: %+v", f)
	}
}

func TestAStoredPolicyThatBecameInvalidStopsTheImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm)
	s.admin(http.MethodPost, "/v2/policies", document("p1")).wants(http.StatusOK)
	for _, stored := range []string{strings.Replace(document("p1"), `"vulnerabilities"`, `"gone"`, 1), `{"id":"p1"}`} {
		_, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.policy SET document = $1::text::jsonb, digest = md5($1::text) WHERE policy_id = 'p1'`, stored)
		must(t, err)
		var answer client.PolicyEvaluation
		s.admin(http.MethodGet, "/v2/images/"+digest+"/check?policy_id=p1&tag="+testTag, "").wants(http.StatusOK).decode(&answer)
		e := answer.Evaluations[0]
		if e.FinalAction != "stop" || e.Status != "fail" || len(e.EvaluationProblems) == 0 || e.EvaluationProblems[0].Severity != "error" {
			t.Errorf("%s: %+v", stored, e)
		}
	}
}

func TestHistoryShowsChangesOfTheVerdict(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	s.analyze("admin", digest, npm)
	s.admin(http.MethodPost, "/v2/policies", document("p1")).wants(http.StatusOK)
	check := "/v2/images/" + digest + "/check?policy_id=p1&tag=" + testTag
	verdicts := func(query string) []string {
		var answer oas.PolicyEvaluation
		s.admin(http.MethodGet, check+query, "").wants(http.StatusOK).decode(&answer)
		return each(answer.Evaluations, func(e oas.PolicyEvaluationResult) string { return e.FinalAction })
	}
	if got := verdicts("&interactive=true"); len(got) != 1 || got[0] != "go" {
		t.Errorf("interactive %v", got)
	}
	if got := verdicts("&history=true"); len(got) != 1 || got[0] != "go" {
		t.Errorf("first %v", got)
	}
	update := recordOf("p1", `,"active":false,"policy":`+strings.Replace(document("p1"), `"mappings":`, `"denylisted_images":[{"id":"d","name":"d","registry":"*","repository":"*","image":{"type":"tag","value":"*"}}],"mappings":`, 1))
	s.admin(http.MethodPut, "/v2/policies/p1", update).wants(http.StatusOK)
	if got := verdicts("&history=true&interactive=true"); len(got) != 1 || got[0] != "stop" {
		t.Errorf("interactive leaves no trace, but answers %v", got)
	}
	verdicts("")
	if got := verdicts("&history=true"); len(got) != 2 || got[0] != "stop" || got[1] != "go" {
		t.Errorf("history %v, want stop, go", got)
	}
}

func TestADraftIsTriedWithoutATrace(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.advise()
	digest := s.known(testTag, "one")
	s.admin(http.MethodPost, "/v2/images", addTag).wants(http.StatusOK)
	check := "/v2/images/" + digest + "/check?tag=" + testTag
	s.admin(http.MethodPost, check, document("draft")).fails(http.StatusNotFound, codeImageNotAnalyzed)
	s.analyze("admin", digest, npm, deb)
	var answer oas.PolicyEvaluation
	s.admin(http.MethodPost, check, document("draft")).wants(http.StatusOK).decode(&answer)
	if e := answer.Evaluations[0]; answer.PolicyId != "draft" || e.FinalAction != "stop" || e.Details == nil || len(e.Details.Findings) != 1 {
		t.Errorf("answer %+v", answer)
	}
	s.admin(http.MethodGet, check+"&policy_id=draft", "").fails(http.StatusNotFound, codePolicyNotFound)
	broken := strings.NewReplacer(`"action":"STOP"`, `"action":"HALT"`, `"trigger":"package"`, `"trigger":"parcel"`).Replace(document("draft"))
	refused := s.admin(http.MethodPost, check, broken).fails(http.StatusBadRequest, codePolicyInvalid)
	for _, pointer := range []string{"/rule_sets/0/rules/0/action", "/rule_sets/0/rules/0/trigger"} {
		if told := fmt.Sprint(refused.Detail["validation_details"]); !strings.Contains(told, pointer) {
			t.Errorf("%s is not told in %s", pointer, told)
		}
	}
}
