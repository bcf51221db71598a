package retired_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/always"
	"plimsoll/engine/policy/gates/retired"
)

const documentForm = `{"id":"p","name":"p","version":"2",
"mappings":[{"id":"m","name":"m","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}],
"rule_sets":[{"id":"rs","name":"rs","version":"2","rules":[
{"id":"gone","gate":%q,"trigger":%q,"action":"STOP","params":[{"name":"some","value":"thing"}]},
{"id":"stays","gate":"always","trigger":"always","action":"WARN","params":[]}]}]}`

// Everything that is gone is refused in a new document by the name of its successor, and skipped in a stored one.
func TestRetiredGates(t *testing.T) {
	t.Parallel()
	all := append([]policy.Gate{always.Gate}, retired.Gates...)
	if err := policy.Validate(all); err != nil {
		t.Fatal(err)
	}
	if len(retired.Gates) != 14 {
		t.Errorf("%d gates", len(retired.Gates))
	}
	for _, gate := range retired.Gates {
		for i := range gate.Triggers {
			name := gate.Name + "." + gate.Triggers[i].Name
			document := fmt.Appendf(nil, documentForm, strings.ToUpper(gate.Name), gate.Triggers[i].Name)
			_, problems, err := policy.Load(document, all)
			var refused *policy.InvalidError
			if !errors.As(err, &refused) && !policy.HasErrors(problems) {
				t.Errorf("%s: %v, %v, want it refused", name, problems, err)
			}
			parsed, err := policy.Parse(document)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			compiled, problems := policy.Compile(parsed, all)
			if len(problems) == 0 || problems[0].Type != policy.ProblemEndOfLife || !strings.Contains(problems[0].Details, gate.SupersededBy) {
				t.Errorf("%s: problems %v", name, problems)
			}
			result, err := compiled.Evaluate(t.Context(), &policy.Static{}, "docker.io/a:1", time.Now())
			if err != nil || result.FinalAction != policy.Warn || result.NumberOfFindings != 1 || result.Err() != nil {
				t.Errorf("%s: %+v, %v", name, result, err)
			}
			if len(result.EvaluationProblems) == 0 || result.EvaluationProblems[0].Severity != policy.SeverityError {
				t.Errorf("%s: evaluation says %v", name, result.EvaluationProblems)
			}
		}
	}
}
