package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// Steps of DeleteImage.
var (
	// DeleteRecord deletes the account's rows of an image in state deleting; nothing when it is gone. FailSuperseded
	// when the image was added again.
	DeleteRecord = Activity[DeleteImageInput, DeletedRecord]{Name: "DeleteRecord", Opts: record}
	// CollectGarbage deletes what no image of any account refers to any more.
	CollectGarbage = Activity[CollectInput, CollectResult]{Name: "CollectGarbage", Opts: cleaning}
)

// DeletedRecord is how far submissions of the record had come: none up to Request is wanted any more. 0 when there
// was no record.
type DeletedRecord struct {
	Request int64 `json:"request,omitempty"`
}

// CollectInput is empty: there is nothing to choose.
type CollectInput struct{}

// CollectResult counts what was deleted.
type CollectResult struct {
	Analyses int64 `json:"analyses"`
	Layers   int64 `json:"layers"`
	Blobs    int64 `json:"blobs"`
}

// DeleteImage removes an image record that the API has put into state deleting. Stored results that other
// images share stay. The image may be added and deleted again before a run ends: such a deletion arrives as a
// signal and is served by one more round.
func DeleteImage(ctx workflow.Context, in DeleteImageInput) (CollectResult, error) {
	requests := workflow.GetSignalChannel(ctx, RequestSignal)
	asked := func() (some bool) {
		for requests.ReceiveAsync(nil) {
			some = true
		}
		return some
	}
	asked() // what has arrived so far is served by the first round
	for {
		collected, err := deleteRound(ctx, in)
		if !asked() || ctx.Err() != nil {
			return collected, err
		}
	}
}

// changeStopDeleted marks deletions that stop analyses of the deleted submissions only.
const changeStopDeleted = "stop-deleted-submissions"

func deleteRound(ctx workflow.Context, in DeleteImageInput) (CollectResult, error) {
	id := AnalyzeImageID(in.Account, in.Digest)
	fenced := workflow.GetVersion(ctx, changeStopDeleted, workflow.DefaultVersion, 1) != workflow.DefaultVersion
	if !fenced {
		stopped(ctx, id, workflow.RequestCancelExternalWorkflow(ctx, id, ""))
	}
	deleted, err := DeleteRecord.Run(ctx, in)
	if err != nil {
		return CollectResult{}, failure(err)
	}
	if fenced && deleted.Request > 0 {
		over := WithdrawInput{Account: in.Account, Digest: in.Digest, Through: deleted.Request}
		stopped(ctx, id, workflow.SignalExternalWorkflow(ctx, id, "", WithdrawSignal, over))
	}
	collected, err := CollectGarbage.Run(ctx, CollectInput{})
	if err != nil {
		return collected, failure(err)
	}
	return collected, nil
}

// stopped waits until the analysis has been told to end. That only saves its work: one that goes on publishes
// nothing, as its record is gone. That none runs is the common case and shows as an error here.
func stopped(ctx workflow.Context, id string, told workflow.Future) {
	if err := told.Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Debug("no analysis to stop", "workflow_id", id)
	}
}
