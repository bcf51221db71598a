package workflows_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/workflows"
)

func TestAChangeOfAnnotationsIsJudgedInPortions(t *testing.T) {
	t.Parallel()
	f := newFakes()
	var asked []workflows.AnnotatedPortion
	f.annotated = func(in workflows.AnnotatedPortion) workflows.RescanProgress {
		asked = append(asked, in)
		return workflows.RescanProgress{Cursor: map[string]string{"here": "there"}[in.Cursor], Images: 2, Verdicts: 1}
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.JudgeAnnotatedName, workflows.JudgeAnnotatedInput{
		Account: "acme", Change: 7, Resume: &workflows.JudgeAnnotatedResume{Cursor: "here", Result: workflows.JudgeAnnotatedResult{Images: 10}},
	})
	var got workflows.JudgeAnnotatedResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.JudgeAnnotatedResult{Images: 14, Verdicts: 2}, got); diff != "" {
		t.Error(diff)
	}
	want := []workflows.AnnotatedPortion{{Account: "acme", Change: 7, Cursor: "here"}, {Account: "acme", Change: 7, Cursor: "there"}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

func TestALongChangeContinuesAsNew(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.annotated = func(workflows.AnnotatedPortion) workflows.RescanProgress {
		return workflows.RescanProgress{Cursor: "more", Images: 1}
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.JudgeAnnotatedName, workflows.JudgeAnnotatedInput{Account: "acme", Change: 7})
	if err := env.GetWorkflowError(); !isContinueAsNew(err) {
		t.Errorf("ended with %v, want continue-as-new", err)
	}
}
