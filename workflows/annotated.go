package workflows

import (
	"context"
	"strconv"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// JudgeAnnotatedName is the workflow that follows a change of what an account says about vulnerabilities.
const JudgeAnnotatedName = "JudgeAnnotated"

// JudgeAnnotatedID is the workflow id of one change.
func JudgeAnnotatedID(account string, change int64) string {
	return "vex/" + account + "/" + strconv.FormatInt(change, 10)
}

// JudgeAnnotatedInput names the change whose images to judge anew.
type JudgeAnnotatedInput struct {
	Account string `json:"account"`
	Change  int64  `json:"change"`
	// Resume is set by the workflow itself when it continues as new.
	Resume *JudgeAnnotatedResume `json:"resume,omitempty"`
}

// JudgeAnnotatedResume is where a run that continued as new goes on.
type JudgeAnnotatedResume struct {
	Cursor string               `json:"cursor"`
	Result JudgeAnnotatedResult `json:"result"`
}

// JudgeAnnotatedResult counts.
type JudgeAnnotatedResult struct {
	Images   int `json:"images"`   // judged anew
	Verdicts int `json:"verdicts"` // whose final action changed
}

// AnnotatedVerdicts evaluates the tags of a change's images anew, in portions. Cursor is opaque: empty at the start and
// when nothing is left.
var AnnotatedVerdicts = Activity[AnnotatedPortion, RescanProgress]{Name: "AnnotatedVerdicts", Opts: rescanWork}

// AnnotatedPortion asks for the next portion.
type AnnotatedPortion struct {
	Account string `json:"account"`
	Change  int64  `json:"change"`
	Cursor  string `json:"cursor,omitempty"`
}

// JudgeAnnotated makes the verdicts of an account follow a change of its annotations or VEX documents.
func JudgeAnnotated(ctx workflow.Context, in JudgeAnnotatedInput) (JudgeAnnotatedResult, error) {
	var at JudgeAnnotatedResume
	if in.Resume != nil {
		at = *in.Resume
	}
	for range portionsPerRun {
		out, err := AnnotatedVerdicts.Run(ctx, AnnotatedPortion{Account: in.Account, Change: in.Change, Cursor: at.Cursor})
		if err != nil {
			return at.Result, failure(err)
		}
		at.Result.Images += out.Images
		at.Result.Verdicts += out.Verdicts
		if at.Cursor = out.Cursor; at.Cursor == "" {
			return at.Result, nil
		}
	}
	return at.Result, workflow.NewContinueAsNewError(ctx, JudgeAnnotatedName, JudgeAnnotatedInput{Account: in.Account, Change: in.Change, Resume: &at})
}

// JudgeAnnotatedOptions are the start options of the judging of a change.
func JudgeAnnotatedOptions(in JudgeAnnotatedInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: JudgeAnnotatedID(in.Account, in.Change), TaskQueue: QueueRescan,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)),
	}
}

// StartJudgeAnnotated starts the judging of a change; starting it twice is starting it once.
func StartJudgeAnnotated(ctx context.Context, c Client, in JudgeAnnotatedInput) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, JudgeAnnotatedOptions(in), JudgeAnnotatedName, in)
}
