package impact_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/impact"
)

func finding(rule, id string, action policy.Action) policy.Finding {
	return policy.Finding{Gate: "vulnerabilities", Trigger: "package", TriggerID: id, Message: "about " + id, PolicyID: "rs", RuleID: rule, Action: action}
}

func result(findings ...policy.Finding) *policy.Result {
	r := &policy.Result{ImageMappedToRule: true, FinalAction: policy.Go, FinalActionReason: policy.ReasonEvaluation, Details: &policy.Details{Findings: findings, PolicyAction: policy.Go}}
	for _, f := range findings {
		if f.Action == policy.Stop || f.Action == policy.Warn && r.FinalAction == policy.Go {
			r.FinalAction, r.Details.PolicyAction = f.Action, f.Action
		}
	}
	return r
}

func TestWhatMakesTheDifference(t *testing.T) {
	t.Parallel()
	warned := result(finding("w", "A", policy.Warn), finding("w", "B", policy.Warn))
	stopped := result(finding("w", "B", policy.Warn), finding("s", "A", policy.Stop), finding("s", "C", policy.Stop), finding("s", "D", policy.Stop), finding("other", "E", policy.Stop))
	stop := impact.Cause{RuleSet: "rs", Rule: "s", Gate: "vulnerabilities", Trigger: "package", Action: policy.Stop, Findings: 3, Examples: []impact.Example{{TriggerID: "A", Message: "about A"}, {TriggerID: "C", Message: "about C"}}}
	other := impact.Cause{RuleSet: "rs", Rule: "other", Gate: "vulnerabilities", Trigger: "package", Action: policy.Stop, Findings: 1, Examples: []impact.Example{{TriggerID: "E", Message: "about E"}}}
	on := func(side string, causes ...impact.Cause) []impact.Cause {
		for i := range causes {
			causes[i].Side = side
		}
		return causes
	}
	denied := result()
	denied.FinalAction, denied.FinalActionReason, denied.ImageDenylisted, denied.MatchedDenylistedImagesRule = policy.Stop, policy.ReasonDenylisted, true, &policy.ImageSelector{ID: "d"}
	unmapped := result()
	unmapped.ImageMappedToRule = false
	unknown := result()
	unknown.FinalAction, unknown.Details.PolicyAction = policy.Stop, policy.Stop
	unknown.EvaluationProblems = []policy.Problem{{Severity: policy.SeverityError, Details: "cannot be told"}}
	for name, tt := range map[string]struct {
		before, after *policy.Result
		rank          impact.Rank
		causes        []impact.Cause
	}{
		"unchanged":     {stopped, stopped, impact.Unchanged, nil},
		"newly failing": {warned, stopped, impact.NewlyFailing, on(impact.Draft, stop, other)},
		"newly passing": {stopped, warned, impact.NewlyPassing, on(impact.Baseline, stop, other)},
		"milder":        {warned, result(), impact.Moved, []impact.Cause{{Side: impact.Baseline, RuleSet: "rs", Rule: "w", Gate: "vulnerabilities", Trigger: "package", Action: policy.Warn, Findings: 2, Examples: []impact.Example{{TriggerID: "A", Message: "about A"}, {TriggerID: "B", Message: "about B"}}}}},
		"denied":        {warned, denied, impact.NewlyFailing, []impact.Cause{{Side: impact.Draft, Note: "denied by entry d of the denied images"}}},
		"unmapped":      {stopped, unmapped, impact.NewlyPassing, append([]impact.Cause{{Side: impact.Draft, Note: "no mapping matches"}}, on(impact.Baseline, stop, other)...)},
		"a failed rule": {warned, unknown, impact.NewlyFailing, []impact.Cause{{Side: impact.Draft, Note: "cannot be told"}}},
	} {
		got := impact.Of(tt.before, tt.after, 2)
		if got.Rank() != tt.rank {
			t.Errorf("%s: rank %s, want %s", name, got.Rank(), tt.rank)
		}
		if diff := cmp.Diff(tt.causes, got.Causes); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOutcomesAreBounded(t *testing.T) {
	t.Parallel()
	var many []policy.Finding
	for i := range 1000 {
		many = append(many, finding(fmt.Sprint("rule", i%100), strings.Repeat("x", 5000)+fmt.Sprint(i)+"\x00", policy.Stop))
	}
	got := impact.Of(result(), result(many...), 1000)
	if len(got.Causes) != impact.MaxCauses || got.Causes[0].Findings != 10 || len(got.Causes[0].Examples) != 10 {
		t.Fatalf("%d causes, first %+v", len(got.Causes), got.Causes[0].Findings)
	}
	if text := got.Causes[0].Examples[0].TriggerID; len(text) > 500 || strings.Contains(text, "\x00") {
		t.Errorf("%d bytes", len(text))
	}
}

func TestRanksHaveNames(t *testing.T) {
	t.Parallel()
	for r := impact.NewlyFailing; r <= impact.Unchanged; r++ {
		if back, ok := impact.ParseRank(r.String()); !ok || back != r {
			t.Errorf("%d is read back as %d", r, back)
		}
	}
	if _, ok := impact.ParseRank("sunk"); ok {
		t.Error("an unknown rank is read")
	}
}
