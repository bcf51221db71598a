package workflows_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/workflows"
)

func TestATrialGoesThroughItsPortionsAndIsClosed(t *testing.T) {
	t.Parallel()
	f := newFakes()
	portionsOfTrial(f)
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.TryPolicyName, workflows.TryPolicyInput{Account: "acme", Trial: "t"})
	var got workflows.TryPolicyResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.TryPolicyResult{Images: 6, Tags: 9}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]workflows.EndTrialInput{{Account: "acme", Trial: "t"}}, f.endTrial); diff != "" {
		t.Error(diff)
	}
}

func TestADeletedTrialEndsByItself(t *testing.T) {
	t.Parallel()
	for _, trial := range []string{"gone", "deleted under way"} {
		f := newFakes()
		f.trial = func(workflows.TrialPortion) (workflows.TrialProgress, error) {
			return workflows.TrialProgress{Gone: true, Cursor: "more"}, nil
		}
		env := newEnv(f)
		env.ExecuteWorkflow(workflows.TryPolicyName, workflows.TryPolicyInput{Account: "acme", Trial: trial})
		var got workflows.TryPolicyResult
		if err := env.GetWorkflowResult(&got); err != nil || !got.Gone || len(f.endTrial) != 0 {
			t.Errorf("%s: %+v, %v, ended %v", trial, got, err, f.endTrial)
		}
	}
}

func TestATrialThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.trial = func(workflows.TrialPortion) (workflows.TrialProgress, error) {
		return workflows.TrialProgress{}, refused(workflows.FailLimitExceeded, "too much")
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.TryPolicyName, workflows.TryPolicyInput{Account: "acme", Trial: "t"})
	if env.GetWorkflowError() == nil || len(f.endTrial) != 1 || f.endTrial[0].Failure != "too much" {
		t.Errorf("%v, ended %+v", env.GetWorkflowError(), f.endTrial)
	}
}

func TestALongTrialContinuesAsNew(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.trial = func(workflows.TrialPortion) (workflows.TrialProgress, error) {
		return workflows.TrialProgress{Cursor: "more"}, nil
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.TryPolicyName, workflows.TryPolicyInput{Account: "acme", Trial: "t"})
	if err := env.GetWorkflowError(); !isContinueAsNew(err) || len(f.endTrial) != 0 {
		t.Errorf("ended with %v, want continue-as-new", err)
	}
}
