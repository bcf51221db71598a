package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

const whatIfPath = "/v2/policies/what-if"

func TestAPolicyIsTriedBesideTheActiveOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var trial oas.WhatIf
	s.admin(http.MethodPost, whatIfPath, `{"policy":`+document("draft")+`,"selector":{"registry":"docker.io","image_digests":["b","a","b"]},"examples":1}`).
		wants(http.StatusAccepted).decode(&trial)
	if trial.State != oas.WhatIfStateWaiting || trial.Policy.PolicyId != "draft" || trial.Baseline.PolicyId != policyID(t) || trial.RequestedBy != "admin" {
		t.Errorf("trial %+v", trial)
	}
	if got := *trial.Selector.ImageDigests; strings.Join(got, " ") != "a b" {
		t.Errorf("digests %v", got)
	}
	if len(s.starter.launched) != 1 || s.starter.launched[0].Workflow != workflows.TryPolicyName || s.starter.launched[0].WorkflowID != workflows.TryPolicyID("admin", trial.TrialId) {
		t.Errorf("launched %+v", s.starter.launched)
	}
	draft, baseline, err := persistence.NewWhatIfs(s.pool).Documents(t.Context(), "admin", trial.TrialId)
	must(t, err)
	if !strings.Contains(string(draft), `"draft"`) || !strings.Contains(string(baseline), policyID(t)) {
		t.Errorf("documents %s and %s", draft, baseline)
	}
	// Later changes of the active policy do not reach the trial; it is compared with what was active.
	s.admin(http.MethodPost, "/v2/policies", document("other")).wants(http.StatusOK)
	s.admin(http.MethodPost, whatIfPath, `{"policy_id":"other","baseline":`+document("second")+`}`).wants(http.StatusAccepted).decode(&trial)
	if trial.Policy.PolicyId != "other" || trial.Baseline.PolicyId != "second" || trial.Policy.Digest == trial.Baseline.Digest {
		t.Errorf("trial %+v", trial)
	}
	s.admin(http.MethodPost, whatIfPath, `{"policy_id":"other","baseline_policy_id":"other"}`).wants(http.StatusAccepted)
	s.admin(http.MethodPost, whatIfPath, `{"policy_id":"other"}`).fails(http.StatusConflict, codeWhatIfBusy)
	var list oas.WhatIfList
	s.admin(http.MethodGet, whatIfPath, "").wants(http.StatusOK).decode(&list)
	if len(list.Items) != 3 {
		t.Errorf("%d trials", len(list.Items))
	}
}

func TestWhatCannotBeTried(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	broken := strings.NewReplacer(`"action":"STOP"`, `"action":"HALT"`, `"trigger":"package"`, `"trigger":"parcel"`).Replace(document("draft"))
	refused := s.admin(http.MethodPost, whatIfPath, `{"policy":`+broken+`}`).fails(http.StatusBadRequest, codePolicyInvalid)
	for _, pointer := range []string{"/rule_sets/0/rules/0/action", "/rule_sets/0/rules/0/trigger"} {
		if told := fmt.Sprint(refused.Detail["validation_details"]); !strings.Contains(told, pointer) {
			t.Errorf("%s is not told in %s", pointer, told)
		}
	}
	s.admin(http.MethodPost, whatIfPath, `{"policy":`+document("p")+`,"baseline":`+broken+`}`).fails(http.StatusBadRequest, codePolicyInvalid)
	for _, body := range []string{
		`{}`, `{"policy":` + document("p") + `,"policy_id":"p"}`, `{"policy":` + document("p") + `,"baseline":` + document("p") + `,"baseline_policy_id":"p"}`,
		`{"policy":` + document("p") + `,"selector":{"tag":"regexp:.*"}}`, `{"policy":` + document("p") + `,"selector":{"tags":"*"}}`, `{"policy":` + document("p") + `,"examples":21}`,
	} {
		s.admin(http.MethodPost, whatIfPath, body).fails(http.StatusBadRequest, codeInvalidRequest)
	}
	s.admin(http.MethodPost, whatIfPath, `{"policy_id":"p9"}`).fails(http.StatusNotFound, codePolicyNotFound)
	for _, id := range []string{uuid.NewString(), strings.Repeat("x", 36)} {
		for _, path := range []string{"", "/outcomes"} {
			if got := s.admin(http.MethodGet, whatIfPath+"/"+id+path, ""); got.status != http.StatusNotFound && got.status != http.StatusBadRequest {
				t.Errorf("%s%s: %d", id, path, got.status)
			}
		}
	}
	s.admin(http.MethodDelete, whatIfPath+"/"+uuid.NewString(), "").fails(http.StatusNotFound, codeWhatIfNotFound)
	if len(s.starter.launched) != 0 {
		t.Errorf("launched %+v", s.starter.launched)
	}
}

func TestOutcomesArePagedWhatMattersMostFirst(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var trial oas.WhatIf
	s.admin(http.MethodPost, whatIfPath, `{"policy":`+document("draft")+`}`).wants(http.StatusAccepted).decode(&trial)
	store := persistence.NewWhatIfs(s.pool)
	must(t, store.Save(t.Context(), "admin", trial.TrialId, []persistence.WhatIfOutcome{
		{Rank: 4, ImageDigest: "sha256:a", Tag: "r/a:1", Before: "go", After: "go"},
		{Rank: 1, ImageDigest: "sha256:b", Tag: "r/b:1", Before: "stop", After: "go"},
		{Rank: 0, ImageDigest: "sha256:c", Tag: "r/c:1", Before: "warn", After: "stop", Causes: json.RawMessage(`[{"side":"draft","note":"denied","findings":0}]`)},
		{Rank: 2, ImageDigest: "sha256:c", Tag: "r/c:2", Before: "go", After: "warn"},
		{Rank: 3, ImageDigest: "sha256:d", Tag: "r/d:1", Reason: "not analysed"},
	}))
	var seen []string
	path := whatIfPath + "/" + trial.TrialId + "/outcomes?limit=2"
	for next := ""; ; {
		var page oas.WhatIfOutcomes
		s.admin(http.MethodGet, path+next, "").wants(http.StatusOK).decode(&page)
		for _, o := range page.Items {
			seen = append(seen, string(o.Change)+" "+o.Tag)
		}
		if page.NextPage == nil {
			break
		}
		next = "&page=" + *page.NextPage
	}
	want := []string{"newly_failing r/c:1", "newly_passing r/b:1", "changed r/c:2", "not_evaluable r/d:1", "unchanged r/a:1"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	s.admin(http.MethodGet, path+"&page=nonsense", "").fails(http.StatusBadRequest, codeInvalidRequest)
	s.admin(http.MethodGet, whatIfPath+"/"+trial.TrialId, "").wants(http.StatusOK).decode(&trial)
	if trial.Done != 5 || trial.NewlyFailing != 1 || trial.NewlyPassing != 1 || trial.Changed != 1 || trial.Unchanged != 1 || trial.NotEvaluable != 1 || len(trial.Transitions) != 4 {
		t.Errorf("trial %+v", trial)
	}
	other := s.user("quay", "mate", "full-control")
	s.request(http.MethodGet, whatIfPath+"/"+trial.TrialId, "", other).fails(http.StatusNotFound, codeWhatIfNotFound)
	s.request(http.MethodGet, whatIfPath+"/"+trial.TrialId+"/outcomes", "", other).fails(http.StatusNotFound, codeWhatIfNotFound)
	s.request(http.MethodDelete, whatIfPath+"/"+trial.TrialId, "", other).fails(http.StatusNotFound, codeWhatIfNotFound)
	s.admin(http.MethodDelete, whatIfPath+"/"+trial.TrialId, "").wants(http.StatusNoContent)
	s.admin(http.MethodGet, whatIfPath+"/"+trial.TrialId, "").fails(http.StatusNotFound, codeWhatIfNotFound)
}
