package workflows

import (
	"context"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// JudgePolicyName is the workflow that follows a change of an account's active policy.
	JudgePolicyName = "JudgePolicy"
	// JudgeImageName is the workflow that judges an analysed image a tag has begun to mean.
	JudgeImageName = "JudgeImage"
	// JudgeDueName is the workflow that follows the time.
	JudgeDueName = "JudgeDue"
	// JudgeDueID is its only workflow id.
	JudgeDueID = "verdicts-due"
)

// JudgePolicyID is the workflow id of one change.
func JudgePolicyID(account string, edit int64) string {
	return "policy/" + account + "/" + strconv.FormatInt(edit, 10)
}

// JudgePolicyInput names the change after which to judge anew.
type JudgePolicyInput struct {
	Account string `json:"account"`
	Edit    int64  `json:"edit"`
	// Resume is set by the workflow itself when it continues as new.
	Resume *JudgeResume `json:"resume,omitempty"`
}

// JudgeImageID is the workflow id of one move of a tag.
func JudgeImageID(account, digest string, move int64) string {
	return "tag/" + account + "/" + digest + "/" + strconv.FormatInt(move, 10)
}

// JudgeImageInput names the image and the move of a tag to it.
type JudgeImageInput struct {
	Account string `json:"account"`
	Digest  string `json:"digest"`
	Move    int64  `json:"move"`
}

// JudgeResume is where a run that continued as new goes on.
type JudgeResume struct {
	Cursor string      `json:"cursor"`
	Result JudgeResult `json:"result"`
}

// JudgeResult counts.
type JudgeResult struct {
	Images   int `json:"images"`   // judged anew
	Verdicts int `json:"verdicts"` // whose final action changed
}

// Steps of the workflows that judge.
var (
	// PolicyVerdicts evaluates the tags of all images of an account anew, in portions. Cursor is opaque: empty at the start
	// and when nothing is left, or when a later change has taken over.
	PolicyVerdicts = Activity[PolicyPortion, RescanProgress]{Name: "PolicyVerdicts", Opts: rescanWork}
	// ImageVerdicts evaluates the tags of one image anew.
	ImageVerdicts = Activity[ImagePortion, JudgeResult]{Name: "ImageVerdicts", Opts: rescanWork}
	// DueVerdicts evaluates anew a portion of the tags whose verdict time may have changed, and says when to come again.
	DueVerdicts = Activity[DuePortion, DueProgress]{Name: "DueVerdicts", Opts: rescanWork}
)

// PolicyPortion asks for the next portion.
type PolicyPortion struct {
	Account string `json:"account"`
	Edit    int64  `json:"edit"`
	Cursor  string `json:"cursor,omitempty"`
}

// ImagePortion names an image.
type ImagePortion struct {
	Account string `json:"account"`
	Digest  string `json:"digest"`
}

// DuePortion asks for whatever is due.
type DuePortion struct{}

// DueProgress is what a portion did. Wait is for how long nothing will be due, as far as is known; 0: more is.
type DueProgress struct {
	Images   int           `json:"images"`
	Verdicts int           `json:"verdicts"`
	Wait     time.Duration `json:"wait"`
}

// JudgePolicy makes the verdicts of an account follow a change of its active policy.
func JudgePolicy(ctx workflow.Context, in JudgePolicyInput) (JudgeResult, error) {
	var at JudgeResume
	if in.Resume != nil {
		at = *in.Resume
	}
	for range portionsPerRun {
		out, err := PolicyVerdicts.Run(ctx, PolicyPortion{Account: in.Account, Edit: in.Edit, Cursor: at.Cursor})
		if err != nil {
			return at.Result, failure(err)
		}
		at.Result.Images += out.Images
		at.Result.Verdicts += out.Verdicts
		if at.Cursor = out.Cursor; at.Cursor == "" {
			return at.Result, nil
		}
	}
	return at.Result, workflow.NewContinueAsNewError(ctx, JudgePolicyName, JudgePolicyInput{Account: in.Account, Edit: in.Edit, Resume: &at})
}

// JudgeImage gives an image verdicts under the tags that have come to mean it since it was analysed.
func JudgeImage(ctx workflow.Context, in JudgeImageInput) (JudgeResult, error) {
	out, err := ImageVerdicts.Run(ctx, ImagePortion{Account: in.Account, Digest: in.Digest})
	return out, failure(err)
}

const (
	// longestSleep bounds how late an hour may be noticed that a verdict stored meanwhile names.
	longestSleep = 2 * time.Minute
	// shortestSleep keeps a clock that runs ahead, or one that was set back, from making this a busy loop.
	shortestSleep = time.Second
	// looksPerRun bounds one run's history as portionsPerRun does.
	looksPerRun = 300
)

// JudgeDue sleeps until the next verdict may be changed by time, and has it judged anew, for ever.
func JudgeDue(ctx workflow.Context) error {
	for range looksPerRun {
		out, err := DueVerdicts.Run(ctx, DuePortion{})
		if err != nil {
			// The step has been tried for a day; whoever keeps this workflow running begins anew.
			return failure(err)
		}
		if out.Wait <= 0 {
			continue
		}
		if err := workflow.Sleep(ctx, min(max(out.Wait, shortestSleep), longestSleep)); err != nil {
			return failure(err)
		}
	}
	return workflow.NewContinueAsNewError(ctx, JudgeDueName)
}

// JudgePolicyOptions are the start options of the judging after a change.
func JudgePolicyOptions(in JudgePolicyInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: JudgePolicyID(in.Account, in.Edit), TaskQueue: QueueRescan,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)), Priority: share(in.Account, ordinary),
	}
}

// StartJudgePolicy starts the judging after a change; starting it twice is starting it once.
func StartJudgePolicy(ctx context.Context, c Client, in JudgePolicyInput) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, JudgePolicyOptions(in), JudgePolicyName, in)
}

// JudgeImageOptions are the start options of the judging of one image.
func JudgeImageOptions(in JudgeImageInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: JudgeImageID(in.Account, in.Digest, in.Move), TaskQueue: QueueRescan,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)), Priority: share(in.Account, ordinary),
	}
}

// StartJudgeImage starts the judging of one image; starting it twice is starting it once.
func StartJudgeImage(ctx context.Context, c Client, in JudgeImageInput) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, JudgeImageOptions(in), JudgeImageName, in)
}

// JudgeDueOptions are the start options of the workflow that follows the time.
func JudgeDueOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: JudgeDueID, TaskQueue: QueueRescan, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Priority: temporal.Priority{PriorityKey: patient},
	}
}

// StartJudgeDue makes sure that the workflow runs that follows the time.
func StartJudgeDue(ctx context.Context, c Client) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, JudgeDueOptions(), JudgeDueName)
}
