package workflows_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/workflows"
)

func TestAChangeOfPolicyIsJudgedInPortions(t *testing.T) {
	t.Parallel()
	f := newFakes()
	var asked []workflows.PolicyPortion
	f.judged = func(in workflows.PolicyPortion) workflows.RescanProgress {
		asked = append(asked, in)
		return workflows.RescanProgress{Cursor: map[string]string{"here": "there"}[in.Cursor], Images: 2, Verdicts: 1}
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.JudgePolicyName, workflows.JudgePolicyInput{
		Account: "acme", Edit: 7, Resume: &workflows.JudgeResume{Cursor: "here", Result: workflows.JudgeResult{Images: 10}},
	})
	var got workflows.JudgeResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.JudgeResult{Images: 14, Verdicts: 2}, got); diff != "" {
		t.Error(diff)
	}
	want := []workflows.PolicyPortion{{Account: "acme", Edit: 7, Cursor: "here"}, {Account: "acme", Edit: 7, Cursor: "there"}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

func TestAPolicyOfManyImagesContinuesAsNew(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.judged = func(workflows.PolicyPortion) workflows.RescanProgress {
		return workflows.RescanProgress{Cursor: "more", Images: 1}
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.JudgePolicyName, workflows.JudgePolicyInput{Account: "acme", Edit: 7})
	if err := env.GetWorkflowError(); !isContinueAsNew(err) {
		t.Errorf("ended with %v, want continue-as-new", err)
	}
}

// TestTimeIsFollowedWithoutBeingBusy lets the test environment's clock run, which skips what nobody waits for.
func TestTimeIsFollowedWithoutBeingBusy(t *testing.T) {
	t.Parallel()
	f := newFakes()
	env := newEnv(f)
	waits := []time.Duration{0, 0, 30 * time.Second, time.Millisecond, 12 * time.Hour}
	var looks []time.Duration
	began := env.Now()
	f.due = func() workflows.DueProgress {
		looks = append(looks, env.Now().Sub(began).Round(100*time.Millisecond))
		wait := waits[0]
		waits = waits[min(1, len(waits)-1):]
		return workflows.DueProgress{Wait: wait}
	}
	env.ExecuteWorkflow(workflows.JudgeDueName)
	if err := env.GetWorkflowError(); !isContinueAsNew(err) {
		t.Errorf("ended with %v, want continue-as-new", err)
	}
	want := []time.Duration{0, 0, 0, 30 * time.Second, 31 * time.Second, 151 * time.Second, 271 * time.Second}
	if diff := cmp.Diff(want, looks[:len(want)]); diff != "" || len(looks) < 100 {
		t.Errorf("%d looks; the first ones (-want +got):\n%s", len(looks), diff)
	}
}
