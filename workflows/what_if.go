package workflows

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// TryPolicyName is the workflow that tries a policy on the images of an account.
const TryPolicyName = "TryPolicy"

// TryPolicyID is the workflow id of one trial.
func TryPolicyID(account, trial string) string { return "what-if/" + account + "/" + trial }

// TryPolicyInput names the trial; the store knows both policies and the images.
type TryPolicyInput struct {
	Account string `json:"account"`
	Trial   string `json:"trial"`
	// Resume is set by the workflow itself when it continues as new.
	Resume *TryPolicyResume `json:"resume,omitempty"`
}

// TryPolicyResume is where a run that continued as new goes on.
type TryPolicyResume struct {
	Cursor string          `json:"cursor"`
	Result TryPolicyResult `json:"result"`
}

// TryPolicyResult counts.
type TryPolicyResult struct {
	Images int  `json:"images"`
	Tags   int  `json:"tags"`
	Gone   bool `json:"gone,omitempty"` // the trial was deleted under way
}

// Steps of TryPolicy.
var (
	// BeginTrial notes that the trial is under way and counts what there is to do.
	BeginTrial = Activity[Trial, TrialSize]{Name: "BeginTrial", Opts: rescanWork}
	// TryImages judges a portion of the images under both policies. Cursor is opaque: empty at the start and when nothing
	// is left.
	TryImages = Activity[TrialPortion, TrialProgress]{Name: "TryImages", Opts: rescanWork}
	// EndTrial closes the trial, with what went wrong if it did.
	EndTrial = Activity[EndTrialInput, Done]{Name: "EndTrial", Opts: rescanWork}
)

// Trial names a trial.
type Trial struct {
	Account string `json:"account"`
	Trial   string `json:"trial"`
}

// TrialSize is how many tags there are to look at. Gone: the trial was deleted, or is over.
type TrialSize struct {
	Tags int  `json:"tags"`
	Gone bool `json:"gone,omitempty"`
}

// TrialPortion asks for the next portion.
type TrialPortion struct {
	Account string `json:"account"`
	Trial   string `json:"trial"`
	Cursor  string `json:"cursor,omitempty"`
}

// TrialProgress is what a portion did, and where the next one starts.
type TrialProgress struct {
	Images int    `json:"images"`
	Tags   int    `json:"tags"`
	Cursor string `json:"cursor,omitempty"`
	Gone   bool   `json:"gone,omitempty"`
}

// EndTrialInput closes a trial; without a failure it went well.
type EndTrialInput struct {
	Account string `json:"account"`
	Trial   string `json:"trial"`
	Failure string `json:"failure,omitempty"`
}

// TryPolicy tries a policy on the images of an account. It holds counts and a cursor: what comes out is stored by the steps.
func TryPolicy(ctx workflow.Context, in TryPolicyInput) (TryPolicyResult, error) {
	var at TryPolicyResume
	if in.Resume != nil {
		at = *in.Resume
	} else {
		size, err := BeginTrial.Run(ctx, Trial{Account: in.Account, Trial: in.Trial})
		if err != nil || size.Gone {
			at.Result.Gone = size.Gone
			return at.Result, in.end(ctx, err)
		}
	}
	for range portionsPerRun {
		out, err := TryImages.Run(ctx, TrialPortion{Account: in.Account, Trial: in.Trial, Cursor: at.Cursor})
		at.Result.Images += out.Images
		at.Result.Tags += out.Tags
		if at.Result.Gone = out.Gone; err != nil || out.Gone {
			return at.Result, in.end(ctx, err)
		}
		if at.Cursor = out.Cursor; at.Cursor == "" {
			_, err := EndTrial.Run(ctx, EndTrialInput{Account: in.Account, Trial: in.Trial})
			return at.Result, failure(err)
		}
	}
	return at.Result, workflow.NewContinueAsNewError(ctx, TryPolicyName, TryPolicyInput{Account: in.Account, Trial: in.Trial, Resume: &at})
}

// end notes why a trial ends early, also when the workflow itself was cancelled.
func (in TryPolicyInput) end(ctx workflow.Context, err error) error {
	if err == nil {
		return nil
	}
	code, message := Failure(err)
	switch {
	case temporal.IsCanceledError(err):
		message = "cancelled"
	case code == FailInternal:
		message = "internal error; the worker's log has the cause under the trial's workflow"
	}
	apart, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if _, failed := EndTrial.Run(apart, EndTrialInput{Account: in.Account, Trial: in.Trial, Failure: message}); failed != nil {
		workflow.GetLogger(ctx).Error("trial not closed", "error", failed)
	}
	return failure(err)
}

// TryPolicyOptions are the start options of a trial. It goes behind everything else that waits for the same workers.
func TryPolicyOptions(in TryPolicyInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: TryPolicyID(in.Account, in.Trial), TaskQueue: QueueRescan,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Priority:                 share(in.Account, idle),
		TypedSearchAttributes:    temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)),
	}
}

// StartTryPolicy starts a trial; starting it twice is starting it once.
func StartTryPolicy(ctx context.Context, c Client, in TryPolicyInput) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, TryPolicyOptions(in), TryPolicyName, in)
}
