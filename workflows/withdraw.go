package workflows

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/workflow"
)

// WithdrawAnalysisName is what an outbox row asks for to make a running AnalyzeImage let go.
const WithdrawAnalysisName = "WithdrawAnalysis"

// WithdrawSignal tells a running AnalyzeImage that the submission it serves was taken back. It carries the
// submission's number, so that one which arrives late, after the image was submitted again, stops nothing.
const WithdrawSignal = "withdraw"

// WithdrawInput names a submission, or all of them through one.
type WithdrawInput struct {
	Account string `json:"account"`
	Digest  string `json:"digest"`
	Request int64  `json:"request"`
	// Through says that no submission up to this one is wanted any more, as after a deletion.
	Through int64 `json:"through,omitempty"`
}

// WithdrawAnalysis tells the image's workflow that a submission was taken back. The record must say so already:
// then a workflow that is not running now finds it there when it begins.
func WithdrawAnalysis(ctx context.Context, c Client, in WithdrawInput) error {
	err := c.SignalWorkflow(ctx, AnalyzeImageID(in.Account, in.Digest), "", WithdrawSignal, in)
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

// withdrawn reports whether the submission was taken back, by the signals that have arrived.
func withdrawn(ctx workflow.Context, request int64) (found bool) {
	signals := workflow.GetSignalChannel(ctx, WithdrawSignal)
	for {
		var w WithdrawInput
		if !signals.ReceiveAsync(&w) {
			return found
		}
		found = found || w.Request == request || request <= w.Through
	}
}
