package workflows_test

import (
	"context"
	"testing"
	"time"

	"plimsoll/workflows"
)

func TestWithdrawnSubmissionEndsItsRunAndNoOther(t *testing.T) {
	t.Parallel()
	one := func(request int64) workflows.WithdrawInput {
		return workflows.WithdrawInput{Account: image.Account, Digest: image.Digest, Request: request}
	}
	through := func(request int64) workflows.WithdrawInput {
		return workflows.WithdrawInput{Account: image.Account, Digest: image.Digest, Through: request}
	}
	tests := []struct {
		name     string
		withdraw workflows.WithdrawInput
		ends     bool
	}{
		{"the submission the run serves", one(image.Request), true},
		{"an older one, whose message comes late", one(image.Request - 1), false},
		{"a record that was deleted", through(image.Request + 1), true},
		{"an older record, whose deletion comes late", through(image.Request - 1), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakes()
			if tt.ends {
				blockLayers(f)
			}
			env := newEnv(f)
			env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, _ encodedValues) {
				if info.ActivityType.Name == workflows.AnalyzeLayer.Name {
					env.SignalWorkflow(workflows.WithdrawSignal, tt.withdraw)
				}
			})
			env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
			var got workflows.AnalyzeImageResult
			if err := env.GetWorkflowResult(&got); err != nil {
				t.Fatal(err)
			}
			published := f.noted(workflows.CompleteAnalysis.Name) > 0
			if got.Superseded != tt.ends || published == tt.ends {
				t.Errorf("result %+v, calls %v", got, f.calls)
			}
			// The record was changed by the withdrawal itself.
			if len(f.failures)+f.noted(workflows.CancelAnalysis.Name) != 0 {
				t.Errorf("calls %v", f.calls)
			}
		})
	}
}

func TestSubmissionAfterAWithdrawalStartsAnew(t *testing.T) {
	t.Parallel()
	f := newFakes()
	blockLayers(f)
	env := newEnv(f)
	env.RegisterDelayedCallback(func() {
		again := image
		again.Request += 2
		env.SignalWorkflow(workflows.WithdrawSignal, workflows.WithdrawInput{Account: image.Account, Digest: image.Digest, Request: image.Request})
		env.SignalWorkflow(workflows.RequestSignal, again)
	}, time.Second)
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if err := env.GetWorkflowError(); !isContinueAsNew(err) {
		t.Fatalf("ended with %v, want continue-as-new", err)
	}
}
