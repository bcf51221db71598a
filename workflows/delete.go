package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// Steps of DeleteImage.
var (
	// DeleteRecord deletes the account's rows of an image in state deleting; nothing when it is gone.
	DeleteRecord = Activity[DeleteImageInput, Done]{Name: "DeleteRecord", Opts: record}
	// CollectGarbage deletes what no image of any account refers to any more.
	CollectGarbage = Activity[CollectInput, CollectResult]{Name: "CollectGarbage", Opts: cleaning}
)

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

func deleteRound(ctx workflow.Context, in DeleteImageInput) (CollectResult, error) {
	// Cancelling only saves the work: a run that goes on publishes nothing, as its record is going away. That
	// no analysis runs is the common case and shows as an error here.
	id := AnalyzeImageID(in.Account, in.Digest)
	if err := workflow.RequestCancelExternalWorkflow(ctx, id, "").Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Debug("no analysis to cancel", "workflow_id", id)
	}
	if _, err := DeleteRecord.Run(ctx, in); err != nil {
		return CollectResult{}, failure(err)
	}
	collected, err := CollectGarbage.Run(ctx, CollectInput{})
	if err != nil {
		return collected, failure(err)
	}
	return collected, nil
}
