package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// required decodes as clients do that are generated from the published document: every key without omitempty must be there.
type required[T any] struct{ Value T }

func (d *required[T]) UnmarshalJSON(data []byte) error {
	if err := demandKeys(data, reflect.TypeFor[T]()); err != nil {
		return err
	}
	return json.Unmarshal(data, &d.Value)
}

// strict also refuses keys it does not know.
type strict[T any] struct{ Value T }

func (d *strict[T]) UnmarshalJSON(data []byte) error {
	if err := demandKeys(data, reflect.TypeFor[T]()); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(&d.Value)
}

func demandKeys(data []byte, into reflect.Type) error {
	var there map[string]json.RawMessage
	if err := json.Unmarshal(data, &there); err != nil {
		return err
	}
	for i := range into.NumField() {
		name, optional, _ := strings.Cut(into.Field(i).Tag.Get("json"), ",")
		if _, ok := there[name]; !ok && optional != "omitempty" {
			return fmt.Errorf("%s: no value given for required property %s", into.Name(), name)
		}
	}
	return nil
}

type (
	clientRecord struct {
		CreatedAt    *time.Time            `json:"created_at,omitempty"`
		LastUpdated  *time.Time            `json:"last_updated,omitempty"`
		PolicyID     string                `json:"policy_id"`
		Active       bool                  `json:"active"`
		AccountName  string                `json:"account_name"`
		PolicySource string                `json:"policy_source"`
		Policy       *strict[clientPolicy] `json:"policy,omitempty"`
		Name         string                `json:"name"`
		Description  *string               `json:"description,omitempty"`
	}
	clientPolicy struct {
		ID                string                    `json:"id"`
		Name              string                    `json:"name"`
		Description       *string                   `json:"description,omitempty"`
		Version           string                    `json:"version"`
		Allowlists        []strict[clientAllowlist] `json:"allowlists,omitempty"`
		RuleSets          []strict[clientRuleSet]   `json:"rule_sets"`
		SourceMappings    []strict[clientSource]    `json:"source_mappings,omitempty"`
		Mappings          []strict[clientMapping]   `json:"mappings"`
		AllowlistedImages []strict[clientSelection] `json:"allowlisted_images,omitempty"`
		DenylistedImages  []strict[clientSelection] `json:"denylisted_images,omitempty"`
		LastUpdated       *float32                  `json:"last_updated,omitempty"`
	}
	clientAllowlist struct {
		ID          string                        `json:"id"`
		Name        string                        `json:"name"`
		Version     string                        `json:"version"`
		Description *string                       `json:"description,omitempty"`
		Items       []strict[clientAllowlistItem] `json:"items"`
	}
	clientAllowlistItem struct {
		ID          string     `json:"id"`
		Gate        string     `json:"gate"`
		TriggerID   string     `json:"trigger_id"`
		ExpiresOn   *time.Time `json:"expires_on,omitempty"`
		Description *string    `json:"description,omitempty"`
	}
	clientRuleSet struct {
		ID           string               `json:"id"`
		Name         string               `json:"name"`
		Description  *string              `json:"description,omitempty"`
		Version      string               `json:"version"`
		ArtifactType *string              `json:"artifact_type,omitempty"`
		Rules        []strict[clientRule] `json:"rules"`
	}
	clientRule struct {
		ID             string                `json:"id"`
		Gate           string                `json:"gate"`
		Trigger        string                `json:"trigger"`
		Action         string                `json:"action"`
		Description    *string               `json:"description,omitempty"`
		Params         []strict[clientParam] `json:"params"`
		Recommendation *string               `json:"recommendation,omitempty"`
	}
	clientParam struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	clientSource struct {
		ID           string   `json:"id"`
		Name         string   `json:"name"`
		AllowlistIDs []string `json:"allowlist_ids"`
		RuleSetIDs   []string `json:"rule_set_ids"`
		Host         string   `json:"host"`
		Repository   string   `json:"repository"`
		Description  *string  `json:"description,omitempty"`
	}
	clientMapping struct {
		ID           string                 `json:"id"`
		Name         string                 `json:"name"`
		AllowlistIDs []string               `json:"allowlist_ids"`
		RuleSetIDs   []string               `json:"rule_set_ids"`
		Registry     string                 `json:"registry"`
		Repository   string                 `json:"repository"`
		Image        strict[clientImageRef] `json:"image"`
		Description  *string                `json:"description,omitempty"`
	}
	clientImageRef struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	clientSelection struct {
		ID          string                 `json:"id"`
		Name        string                 `json:"name"`
		Registry    string                 `json:"registry"`
		Repository  string                 `json:"repository"`
		Image       strict[clientImageRef] `json:"image"`
		Description *string                `json:"description,omitempty"`
	}
	clientEvaluation struct {
		PolicyID     string                         `json:"policy_id"`
		ImageDigest  string                         `json:"image_digest"`
		EvaluatedTag string                         `json:"evaluated_tag"`
		Evaluations  []required[clientEvaluationOf] `json:"evaluations"`
	}
	clientEvaluationOf struct {
		Details          *required[clientDetails]  `json:"details,omitempty"`
		Comparison       *string                   `json:"comparison_image_digest,omitempty"`
		Time             time.Time                 `json:"evaluation_time"`
		Problems         []required[clientProblem] `json:"evaluation_problems"`
		Status           string                    `json:"status"`
		FinalAction      string                    `json:"final_action"`
		Reason           string                    `json:"final_action_reason"`
		Allowlisted      bool                      `json:"image_allowlisted"`
		AllowlistRule    *strict[clientSelection]  `json:"matched_allowlisted_images_rule,omitempty"`
		Denylisted       bool                      `json:"image_denylisted"`
		DenylistRule     *strict[clientSelection]  `json:"matched_denylisted_images_rule,omitempty"`
		Mapped           bool                      `json:"image_mapped_to_rule"`
		MappingRule      *strict[clientMapping]    `json:"matched_mapping_rule,omitempty"`
		NumberOfFindings int32                     `json:"number_of_findings"`
	}
	clientDetails struct {
		Policy       strict[clientPolicy]      `json:"policy"`
		Findings     []required[clientFinding] `json:"findings"`
		PolicyAction string                    `json:"policy_action"`
	}
	clientProblem struct {
		Severity    string `json:"severity"`
		ProblemType string `json:"problem_type"`
		Details     string `json:"details"`
	}
	clientFinding struct {
		TriggerID      string `json:"trigger_id"`
		Gate           string `json:"gate"`
		Trigger        string `json:"trigger"`
		Message        string `json:"message"`
		Action         string `json:"action"`
		PolicyID       string `json:"policy_id"`
		Recommendation string `json:"recommendation"`
		RuleID         string `json:"rule_id"`
		Allowlisted    bool   `json:"allowlisted"`
		AllowlistMatch *struct {
			ID            string `json:"id"`
			Name          string `json:"name"`
			MatchedRuleID string `json:"matched_rule_id"`
		} `json:"allowlist_match,omitempty"`
		Inherited *bool `json:"inherited_from_base,omitempty"`
	}
)

func TestStrictDecoderRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"unknown key":        {`"description":"d"`, `"comment":"d"`},
		"unknown nested key": {`"trigger":"package"`, `"trigger":"package","weight":"1"`},
		"missing key":        {`"rule_set_ids":["rs"],`, ``},
		"zoneless time":      {`2999-01-01T00:00:00Z`, `2999-01-01T00:00:00`},
	} {
		if err := json.Unmarshal([]byte(strings.Replace(strictDocument, change[0], change[1], 1)), new(strict[clientPolicy])); err == nil {
			t.Errorf("%s: was decoded", name)
		}
	}
}

// The generated clients of the published API must be able to read policies, also inside evaluations.
func TestStrictClientsReadPolicies(t *testing.T) {
	t.Parallel()
	s, digest, _ := harbour(t)
	for _, document := range []string{strictDocument, listed("allowlisted_images"), listed("denylisted_images")} {
		var record required[clientRecord]
		s.admin(http.MethodPost, "/v2/policies", document).wants(http.StatusOK).decode(&record)
		if record.Value.Policy == nil || record.Value.Policy.Value.Name != "Full" {
			t.Fatalf("record %+v", record)
		}
	}
	var all []required[clientRecord]
	s.admin(http.MethodGet, "/v2/policies?detail=true", "").wants(http.StatusOK).decode(&all)
	if len(all) != 4 {
		t.Errorf("%d policies", len(all))
	}
	check := func(query string) clientEvaluationOf {
		var answer required[clientEvaluation]
		s.admin(http.MethodGet, "/v2/images/"+digest+"/check?tag="+testTag+query, "").wants(http.StatusOK).decode(&answer)
		return answer.Value.Evaluations[0].Value
	}

	full := check("&policy_id=full")
	if full.Status != "pass" || full.FinalAction != "warn" || full.MappingRule == nil || full.MappingRule.Value.ID != "m" || full.AllowlistRule != nil || full.DenylistRule != nil {
		t.Errorf("evaluation %+v", full)
	}
	actions := map[string]int{}
	for _, f := range full.Details.Value.Findings {
		actions[f.Value.Action]++
		if matched := f.Value.AllowlistMatch; (matched != nil) != f.Value.Allowlisted || matched != nil && (matched.ID != "al" || matched.MatchedRuleID != "i1") {
			t.Errorf("finding %+v", f)
		}
	}
	if actions["go"] != 2 || actions["warn"] != 1 || len(actions) != 2 {
		t.Errorf("actions %v, want lower case, one of them allowlisted", actions)
	}
	if rule := full.Details.Value.Policy.Value.RuleSets[0].Value.Rules[0].Value; rule.Action != "STOP" {
		t.Errorf("the action of a rule is %s, want upper case", rule.Action)
	}
	if bare := check("&policy_id=full&detail=false"); bare.Details != nil || bare.NumberOfFindings != full.NumberOfFindings {
		t.Errorf("without detail: %+v", bare)
	}
	allowed, denied := check("&policy_id=allowlisted_images"), check("&policy_id=denylisted_images")
	if !allowed.Allowlisted || allowed.AllowlistRule == nil || allowed.Reason != "allowlisted" || allowed.DenylistRule != nil {
		t.Errorf("allowlisted image: %+v", allowed)
	}
	if !denied.Denylisted || denied.DenylistRule == nil || denied.Reason != "denylisted" || denied.Status != "fail" || denied.AllowlistRule != nil {
		t.Errorf("denylisted image: %+v", denied)
	}
	unmapped := strings.Replace(strings.Replace(strictDocument, `"registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids"`, `"registry":"x","repository":"x","image":{"type":"tag","value":"*"},"rule_set_ids"`, 1), `"id":"full"`, `"id":"unmapped"`, 1)
	s.admin(http.MethodPost, "/v2/policies", unmapped).wants(http.StatusOK)
	if none := check("&policy_id=unmapped"); none.Mapped || none.MappingRule != nil || none.Status != "pass" {
		t.Errorf("unmapped image: %+v", none)
	}
	if compared := check("&policy_id=full&base_digest=auto"); compared.Comparison == nil || compared.Details.Value.Findings[0].Value.Inherited == nil {
		t.Errorf("compared: %+v", compared)
	}
}
