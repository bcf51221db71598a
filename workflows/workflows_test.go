package workflows_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"plimsoll/workflows"
)

var image = workflows.AnalyzeImageInput{Account: "acme", Digest: digestOf(900), Request: 1}

func refused(code, message string) error {
	return temporal.NewNonRetryableApplicationError(message, code, nil)
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		t.Fatalf("error %v carries no code", err)
	}
	return app.Type()
}

func TestAnalysisReadsMissingLayersAndVerifiesAccessToTheOthers(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) {
		plan := planOf(true, false, false)
		plan.Layers = append(plan.Layers, plan.Layers[1]) // the same layer twice in one manifest
		return plan, nil
	}
	var verified []string
	f.verify = func(_ context.Context, in workflows.VerifyLayersInput) (workflows.VerifyLayersResult, error) {
		verified = in.Layers
		return workflows.VerifyLayersResult{Checked: len(in.Layers)}, nil
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	var got workflows.AnalyzeImageResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	want := workflows.AnalyzeImageResult{AnalysisID: 7, Layers: 4, LayersReused: 1, BytesRead: 2000, Packages: 40, Vulnerabilities: 12}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{digestOf(0)}, verified); diff != "" {
		t.Error("verified layers", diff)
	}
	if n := f.noted(workflows.AnalyzeLayer.Name); n != 2 {
		t.Errorf("%d layers read, want each missing one once: 2", n)
	}
	if n := f.noted(workflows.CompleteAnalysis.Name); n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

func TestForcedAnalysisReadsStoredLayersToo(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) { return planOf(true, true), nil }
	env := newEnv(f)
	in := image
	in.Force = true
	env.ExecuteWorkflow(workflows.AnalyzeImageName, in)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if n := f.noted(workflows.AnalyzeLayer.Name); n != 2 {
		t.Errorf("%d layers read, want 2", n)
	}
	if n := f.noted(workflows.VerifyLayerAccess.Name); n != 0 {
		t.Errorf("access was verified %d times though every layer was read", n)
	}
}

func TestFailureIsRecordedWithItsCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		break_   func(*fakes)
		code     string
		contains string
	}{
		{"layer corrupt", func(f *fakes) {
			f.layer = func(context.Context, workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
				return workflows.AnalyzeLayerResult{}, refused(workflows.FailLayerCorrupt, "layer is not a gzip stream")
			}
		}, workflows.FailLayerCorrupt, "not a gzip"},
		{"access to a stored layer refused", func(f *fakes) {
			f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) { return planOf(true), nil }
			f.verify = func(context.Context, workflows.VerifyLayersInput) (workflows.VerifyLayersResult, error) {
				return workflows.VerifyLayersResult{}, refused(workflows.FailRegistryUnauthorized, "the registry refused")
			}
		}, workflows.FailRegistryUnauthorized, "refused"},
		{"unclassified error keeps its text to itself", func(f *fakes) {
			f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) {
				return workflows.AnalysisPlan{}, temporal.NewNonRetryableApplicationError("password=hunter2", "SomethingElse", nil)
			}
		}, workflows.FailInternal, "internal error"},
		{"registry down in every attempt", func(f *fakes) {
			f.layer = func(context.Context, workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
				return workflows.AnalyzeLayerResult{}, temporal.NewApplicationError("connection refused", workflows.FailRegistryUnreachable)
			}
		}, workflows.FailRegistryUnreachable, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakes()
			tt.break_(f)
			env := newEnv(f)
			env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
			err := env.GetWorkflowError()
			if err == nil {
				t.Fatal("the workflow succeeded")
			}
			if got := codeOf(t, err); got != tt.code {
				t.Errorf("workflow failed with %s, want %s", got, tt.code)
			}
			if len(f.failures) != 1 || f.failures[0].Code != tt.code || !strings.Contains(f.failures[0].Message, tt.contains) {
				t.Errorf("recorded %+v, want one with code %s and %q", f.failures, tt.code, tt.contains)
			}
			if f.noted(workflows.CompleteAnalysis.Name)+f.noted(workflows.CancelAnalysis.Name) != 0 {
				t.Error("a failed analysis must neither publish nor cancel")
			}
		})
	}
}

func TestOneFailingLayerStopsTheOthers(t *testing.T) {
	t.Parallel()
	f := newFakes()
	stored := make([]bool, 20)
	f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) { return planOf(stored...), nil }
	f.layer = func(_ context.Context, in workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
		if in.Index == 0 {
			return workflows.AnalyzeLayerResult{}, refused(workflows.FailLayerCorrupt, "corrupt")
		}
		return workflows.AnalyzeLayerResult{}, nil
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if got := codeOf(t, env.GetWorkflowError()); got != workflows.FailLayerCorrupt {
		t.Errorf("failed with %s", got)
	}
	if n := f.noted(workflows.AnalyzeLayer.Name); n >= 20 {
		t.Errorf("all %d layers were read after the first had failed", n)
	}
}

func TestVerdictThatCannotBeStoredLeavesTheImageAnalyzed(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.evaluate = func(context.Context, workflows.EvaluateInput) (workflows.EvaluateResult, error) {
		return workflows.EvaluateResult{}, temporal.NewNonRetryableApplicationError("facts are unreadable", "Other", nil)
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if err := env.GetWorkflowError(); err == nil {
		t.Error("the run does not say that it has no verdict")
	}
	if f.noted(workflows.CompleteAnalysis.Name) != 1 {
		t.Error("the analysis was not published")
	}
}

func TestSupersededRunEndsQuietly(t *testing.T) {
	t.Parallel()
	superseded := refused(workflows.FailSuperseded, "a newer submission took over")
	for name, set := range map[string]func(*fakes){
		"at its begin": func(f *fakes) {
			f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) {
				return workflows.AnalysisPlan{}, superseded
			}
		},
		"at its commit": func(f *fakes) {
			f.complete = func(context.Context, workflows.CompleteInput) (workflows.Done, error) {
				return workflows.Done{}, superseded
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes()
			set(f)
			env := newEnv(f)
			env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
			var got workflows.AnalyzeImageResult
			if err := env.GetWorkflowResult(&got); err != nil {
				t.Fatal(err)
			}
			if !got.Superseded {
				t.Error("result does not say superseded")
			}
			if len(f.failures) != 0 {
				t.Errorf("recorded %+v", f.failures)
			}
		})
	}
}

func TestCancelledAnalysisReturnsTheRecord(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.layer = func(ctx context.Context, _ workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
		<-ctx.Done()
		return workflows.AnalyzeLayerResult{}, ctx.Err()
	}
	env := newEnv(f)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) {
		t.Fatalf("ended with %v, want cancelled", err)
	}
	if f.noted(workflows.CancelAnalysis.Name) != 1 || len(f.failures) != 0 {
		t.Errorf("calls %v, want one CancelAnalysis and no failure", f.calls)
	}
}

func TestSubmittingAgainRevivesARunThatIsBeingCancelled(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.layer = func(ctx context.Context, _ workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
		<-ctx.Done()
		return workflows.AnalyzeLayerResult{}, ctx.Err()
	}
	env := newEnv(f)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
	env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, _ encodedValues) {
		if info.ActivityType.Name == workflows.CancelAnalysis.Name {
			env.SignalWorkflow(workflows.RequestSignal, image)
		}
	})
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if err := env.GetWorkflowError(); !isContinueAsNew(err) {
		t.Fatalf("ended with %v, want continue-as-new", err)
	}
}

func TestNewerSubmissionMakesTheRunStartAnewWithIt(t *testing.T) {
	t.Parallel()
	newer := image
	newer.Request = 2
	newer.Force = true
	tests := []struct {
		name string
		at   string // activity during which the signal arrives
	}{
		{"while a layer is read", workflows.AnalyzeLayer.Name},
		{"while the commit is under way", workflows.CompleteAnalysis.Name},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakes()
			env := newEnv(f)
			env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, _ encodedValues) {
				if info.ActivityType.Name == tt.at {
					env.SignalWorkflow(workflows.RequestSignal, image) // its own request changes nothing
					env.SignalWorkflow(workflows.RequestSignal, newer)
				}
			})
			env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
			if err := env.GetWorkflowError(); !isContinueAsNew(err) {
				t.Fatalf("ended with %v, want continue-as-new", err)
			}
			if len(f.failures) != 0 || f.noted(workflows.CancelAnalysis.Name) != 0 {
				t.Errorf("the record was touched for a run that only made way: %v", f.calls)
			}
		})
	}
}

func TestResolveTellsWhyItFailedWithoutRetryingARefusal(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.resolve = func(context.Context, workflows.ResolveImageInput) (workflows.ResolveImageResult, error) {
		return workflows.ResolveImageResult{}, refused(workflows.FailImageNotFound, "no such tag")
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.ResolveImageName, workflows.ResolveImageInput{Account: "acme", Ref: "r.example/a:b"})
	code, message := workflows.Failure(env.GetWorkflowError())
	if code != workflows.FailImageNotFound || message != "no such tag" {
		t.Errorf("Failure = %s %q", code, message)
	}
	if n := f.noted(workflows.ResolveReference.Name); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
}

func TestResolveGivesUpBeforeThePersonDoes(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.resolve = func(context.Context, workflows.ResolveImageInput) (workflows.ResolveImageResult, error) {
		return workflows.ResolveImageResult{}, temporal.NewApplicationError("connection refused", workflows.FailRegistryUnreachable)
	}
	env := newEnv(f)
	start := env.Now()
	env.ExecuteWorkflow(workflows.ResolveImageName, workflows.ResolveImageInput{Account: "acme", Ref: "r.example/a:b"})
	if code, _ := workflows.Failure(env.GetWorkflowError()); code != workflows.FailRegistryUnreachable {
		t.Errorf("code %s", code)
	}
	if took := env.Now().Sub(start); took > 25*time.Second {
		t.Errorf("answered after %s of workflow time", took)
	}
	if n := f.noted(workflows.ResolveReference.Name); n < 2 {
		t.Errorf("%d attempts, want a retry", n)
	}
}

func TestDeleteCancelsTheAnalysisThenCollectsGarbage(t *testing.T) {
	t.Parallel()
	f := newFakes()
	env := newEnv(f)
	in := workflows.DeleteImageInput{Account: "acme", Digest: digestOf(900)}
	over := workflows.WithdrawInput{Account: in.Account, Digest: in.Digest, Through: 5}
	env.OnSignalExternalWorkflow(anything, workflows.AnalyzeImageID(in.Account, in.Digest), "", workflows.WithdrawSignal, over).
		Return(errors.New("not found")).Once()
	env.ExecuteWorkflow(workflows.DeleteImageName, in)
	var got workflows.CollectResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.CollectResult{Layers: 6, Blobs: 15}, got); diff != "" {
		t.Error(diff)
	}
	env.AssertExpectations(t)
	if diff := cmp.Diff([]string{workflows.DeleteRecord.Name, workflows.CollectGarbage.Name}, f.calls); diff != "" {
		t.Error(diff)
	}
}

// While garbage is being collected the record is gone already: the image can be added and deleted again.
func TestADeletionAskedForDuringAnotherIsNotLost(t *testing.T) {
	t.Parallel()
	f := newFakes()
	in := workflows.DeleteImageInput{Account: "acme", Digest: digestOf(900)}
	env := newEnv(f)
	env.OnSignalExternalWorkflow(anything, workflows.AnalyzeImageID(in.Account, in.Digest), "", workflows.WithdrawSignal, anything).Return(nil)
	collections := 0
	f.collect = func(context.Context, workflows.CollectInput) (workflows.CollectResult, error) {
		if collections++; collections == 1 {
			env.SignalWorkflow(workflows.RequestSignal, in)
		}
		return workflows.CollectResult{Layers: 1}, nil
	}
	f.register(env)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.RequestSignal, in) }, 0) // the one it was started with
	env.ExecuteWorkflow(workflows.DeleteImageName, in)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if n := f.noted(workflows.DeleteRecord.Name); n != 2 {
		t.Errorf("the record was deleted %d times, want once per deletion asked for: 2", n)
	}
}

// The image was added again before the deletion, or a duplicate of it, got to the record: the new analysis is nobody
// else's to stop.
func TestADeletionThatComesTooLateStopsNothing(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.remove = func(context.Context, workflows.DeleteImageInput) (workflows.DeletedRecord, error) {
		return workflows.DeletedRecord{}, refused(workflows.FailSuperseded, "added again")
	}
	env := newEnv(f) // which knows no other workflow to signal or to cancel
	env.ExecuteWorkflow(workflows.DeleteImageName, workflows.DeleteImageInput{Account: "acme", Digest: digestOf(900)})
	if code, _ := workflows.Failure(env.GetWorkflowError()); code != workflows.FailSuperseded || f.noted(workflows.CollectGarbage.Name) != 0 {
		t.Errorf("ended with %v after %v", env.GetWorkflowError(), f.calls)
	}
}
