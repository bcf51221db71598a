package policy_test

import (
	"testing"

	"plimsoll/engine/policy"
)

func TestViolationsAreTheFindingsThatStop(t *testing.T) {
	t.Parallel()
	var findings []policy.Finding
	for _, a := range []policy.Action{policy.Stop, policy.Warn, policy.Stop, policy.Go} {
		findings = append(findings, policy.Finding{Action: a})
	}
	if n := (&policy.Result{Details: &policy.Details{Findings: findings}}).Violations(); n != 2 {
		t.Errorf("%d violations, want 2", n)
	}
	if n := (&policy.Result{}).Violations(); n != 0 {
		t.Errorf("%d violations without details", n)
	}
}
