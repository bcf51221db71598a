package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/testsuite"

	"plimsoll/workflows"
)

func limitedTo(limit time.Duration) func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) {
	return func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) {
		plan := planOf(false, false)
		plan.TimeLimit = limit
		return plan, nil
	}
}

// measured answers with one value after the other, and then with the last.
func measured(values ...time.Duration) func(context.Context, workflows.Run) (workflows.MeasureResult, error) {
	return func(context.Context, workflows.Run) (workflows.MeasureResult, error) {
		now := values[0]
		if len(values) > 1 {
			values = values[1:]
		}
		return workflows.MeasureResult{Elapsed: now}, nil
	}
}

// slowLayers take a day each, of the environment's time.
func slowLayers(env *testsuite.TestWorkflowEnvironment) {
	env.OnActivity(workflows.AnalyzeLayer.Name, mock.Anything, mock.Anything).After(24*time.Hour).Return(workflows.AnalyzeLayerResult{}, nil)
}

func TestAnalysisEndsAtItsTimeLimit(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.begin = limitedTo(2 * time.Hour)
	f.measure = measured(2 * time.Hour)
	env := newEnv(f)
	slowLayers(env)
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if got := codeOf(t, env.GetWorkflowError()); got != workflows.FailTimeout {
		t.Errorf("failed with %s", got)
	}
	if len(f.failures) != 1 || f.failures[0].Code != workflows.FailTimeout || !strings.Contains(f.failures[0].Message, "2h0m0s") {
		t.Errorf("recorded %+v", f.failures)
	}
	if f.noted(workflows.CompleteAnalysis.Name)+f.noted(workflows.CancelAnalysis.Name) != 0 {
		t.Errorf("calls %v, want neither a commit nor a cancellation", f.calls)
	}
}

func TestWaitingForAWorkerDoesNotCountAsAnalysis(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.begin = limitedTo(time.Hour)
	f.measure = measured(0, 0, 20*time.Minute, time.Hour)
	env := newEnv(f)
	slowLayers(env)
	begin := env.Now()
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if got := codeOf(t, env.GetWorkflowError()); got != workflows.FailTimeout {
		t.Errorf("failed with %s", got)
	}
	if took := env.Now().Sub(begin).Round(time.Minute); took != 3*time.Hour+40*time.Minute {
		t.Errorf("ended after %s, want after two hours of waiting and the limit: an hour until it was looked at, forty minutes after that", took)
	}
}

func TestAnalysisWithinItsLimitIsNotMeasured(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.begin = limitedTo(time.Hour)
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.AnalyzeImageName, image)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if f.noted(workflows.MeasureAnalysis.Name) != 0 || f.noted(workflows.CompleteAnalysis.Name) != 1 {
		t.Errorf("calls %v", f.calls)
	}
}
