package policy_test

import (
	"fmt"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
)

func TestStoredDocumentsThatBecameInvalidStopEveryImage(t *testing.T) {
	t.Parallel()
	document := func(gate, trigger string) string {
		return fmt.Sprintf(`{"id":"p","name":"P","version":"2","rule_sets":[{"id":"rs","name":"r","version":"2","rules":[
			{"id":"r","gate":%q,"trigger":%q,"action":"STOP","params":[]}]}],
			"mappings":[{"id":"m","name":"m","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}]}`, gate, trigger)
	}
	for name, tt := range map[string]struct {
		document string
		want     policy.Action
		problem  string
	}{
		"valid":             {document("always", "always"), policy.Stop, ""},
		"no JSON":           {`{"id":`, policy.Stop, policy.ProblemValidation},
		"not an object":     {`3`, policy.Stop, policy.ProblemValidation},
		"null":              {`null`, policy.Stop, policy.ProblemValidation},
		"another version":   {`{"id":"p","name":"P","version":"9","rule_sets":[],"mappings":[]}`, policy.Stop, policy.ProblemVersion},
		"a key is missing":  {`{"id":"p","name":"P","version":"2","rule_sets":[]}`, policy.Stop, policy.ProblemValidation},
		"an unknown gate":   {document("gone", "always"), policy.Stop, policy.ProblemGate},
		"a gate that ended": {document("pkgblacklist", "pkgnamematch"), policy.Go, policy.ProblemEndOfLife},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := evaluate(t, policy.Restore("p", "", []byte(tt.document), gates.All()), &policy.Static{})
			if result.FinalAction != tt.want || result.FinalActionReason != policy.ReasonEvaluation {
				t.Errorf("%s because of %s, want %s", result.FinalAction, result.FinalActionReason, tt.want)
			}
			if tt.problem == "" && len(result.EvaluationProblems) == 0 {
				return
			}
			if len(result.EvaluationProblems) == 0 || result.EvaluationProblems[0].Type != tt.problem {
				t.Errorf("problems %v, want %s", result.EvaluationProblems, tt.problem)
			}
		})
	}
}
