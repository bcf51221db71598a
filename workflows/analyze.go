package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// parallelLayers bounds how many layers of one image are under way. Workers bound what runs at once; this
// keeps an image of 127 layers from filling the queue before everybody else's.
const parallelLayers = 6

// RequestSignal tells a running AnalyzeImage of a further submission, and a running DeleteImage of a further
// deletion; its payload is the workflow's input. It is always sent as signal-with-start, so that one which arrives
// while a run is closing is neither lost nor started twice.
const RequestSignal = "request"

// AnalyzeImage brings one image record from submitted to analyzed, or says on the record why it could not.
// The newest submission wins: one that arrives during a run makes the run start anew with it.
func AnalyzeImage(ctx workflow.Context, in AnalyzeImageInput) (AnalyzeImageResult, error) {
	requests := workflow.GetSignalChannel(ctx, RequestSignal)
	workCtx, stop := workflow.WithCancel(ctx)
	newest := in
	again := false // the same submission was sent once more: it revives a run that was being cancelled
	gone := false  // the submission was taken back, and the record says so already
	drain := func() {
		if withdrawn(ctx, in.Request) {
			gone = true
			stop()
		}
		for {
			var r AnalyzeImageInput // fresh: decoding leaves absent keys as they are
			if !requests.ReceiveAsync(&r) {
				return
			}
			again = again || r.Request == in.Request
			if r.Request > newest.Request {
				newest = r
				stop()
			}
		}
	}

	var result AnalyzeImageResult
	var err error
	done := false
	workflow.Go(workCtx, func(ctx workflow.Context) {
		result, err = runAnalysis(ctx, in)
		done = true
	})
	waitErr := workflow.Await(detached(ctx), func() bool {
		drain()
		return done
	})
	if waitErr != nil {
		return result, waitErr
	}
	if newest.Request == in.Request {
		if gone && temporal.IsCanceledError(err) {
			result.Superseded = true
			return result, nil
		}
		again = false
		result, err = settle(ctx, in, result, err)
		drain()
	}
	if newest.Request > in.Request || again && temporal.IsCanceledError(err) {
		return result, workflow.NewContinueAsNewError(ctx, AnalyzeImageName, newest)
	}
	return result, err
}

// detached is a context to wait in while the workflow is cancelled: cancellation reaches the steps, whose end
// ends the wait.
func detached(ctx workflow.Context) workflow.Context {
	own, _ := workflow.NewDisconnectedContext(ctx)
	return own
}

// settle leaves the record in a state that tells how the run ended. It works in a context of its own, since
// the run's may be cancelled.
func settle(ctx workflow.Context, in AnalyzeImageInput, result AnalyzeImageResult, err error) (AnalyzeImageResult, error) {
	own := detached(ctx)
	run := runOf(ctx, in)
	var recordErr error
	switch {
	case err == nil:
		return result, nil
	case isSuperseded(err):
		result.Superseded = true
		return result, nil
	case ctx.Err() != nil || temporal.IsCanceledError(err):
		_, recordErr = CancelAnalysis.Run(own, run)
		err = temporal.NewCanceledError()
	default:
		code, message := Failure(err)
		_, recordErr = FailAnalysis.Run(own, FailInput{Run: run, Code: code, Message: message})
		err = failure(err)
	}
	if recordErr != nil && !isSuperseded(recordErr) {
		return result, errors.Join(err, fmt.Errorf("record how the analysis ended: %w", recordErr))
	}
	return result, err
}

func runOf(ctx workflow.Context, in AnalyzeImageInput) Run {
	return Run{
		Account: in.Account, Digest: in.Digest, Request: in.Request, Force: in.Force,
		RunID: workflow.GetInfo(ctx).WorkflowExecution.RunID,
	}
}

// runAnalysis is the path of success; any error ends it.
func runAnalysis(ctx workflow.Context, in AnalyzeImageInput) (AnalyzeImageResult, error) {
	var result AnalyzeImageResult
	run := runOf(ctx, in)
	started := workflow.Now(ctx)
	plan, err := BeginAnalysis.Run(ctx, run)
	if err != nil {
		return result, err
	}
	result.Layers = len(plan.Layers)
	work, verdict := limited(ctx, run, plan.TimeLimit)
	if err := verdict(findOut(work, in, plan, &result)); err != nil {
		return result, err
	}
	_, err = CompleteAnalysis.Run(ctx, CompleteInput{
		Run: run, AnalysisID: result.AnalysisID,
		StartedAt: started, Layers: result.Layers, LayersReused: result.LayersReused, BytesRead: result.BytesRead,
	})
	if err != nil {
		return result, err
	}
	// From here on the image is analysed whatever happens: a verdict that cannot be stored fails this run, but
	// not the record, and whoever asks for the verdict gets it computed.
	_, err = EvaluateImage.Run(ctx, EvaluateInput{Run: run, AnalysisID: result.AnalysisID})
	return result, err
}

// findOut stores what is inside the image and what is known to be wrong with it, which nobody sees before it is
// published.
func findOut(ctx workflow.Context, in AnalyzeImageInput, plan AnalysisPlan, result *AnalyzeImageResult) error {
	run := runOf(ctx, in)
	referrers := func(workflow.Context) {}
	assemble := AssembleImport
	if !plan.Import {
		referrers, assemble = listReferrers(ctx, run), AssembleImage
		if err := layers(ctx, in, plan, result); err != nil {
			return err
		}
	}
	assembled, err := assemble.Run(ctx, run)
	if err != nil {
		return err
	}
	result.AnalysisID, result.Packages = assembled.AnalysisID, assembled.Packages
	matched, err := MatchAnalysis.Run(ctx, MatchInput{Run: run, AnalysisID: assembled.AnalysisID})
	if err != nil {
		return err
	}
	result.Vulnerabilities = matched.Vulnerabilities
	referrers(ctx)
	return nil
}

// layers makes sure that a result of every layer is stored and that the account may read every layer. A layer
// that is read proves the second by being read.
func layers(ctx workflow.Context, in AnalyzeImageInput, plan AnalysisPlan, result *AnalyzeImageResult) error {
	ctx, stop := workflow.WithCancel(ctx)
	defer stop()
	var first error // the failure that stops the others; theirs are only its echo
	fail := func(err error) {
		if err != nil && first == nil {
			first = err
			stop()
		}
	}
	slots := workflow.NewSemaphore(ctx, parallelLayers)
	all := workflow.NewWaitGroup(ctx)
	var stored []string
	seen := make(map[string]bool, len(plan.Layers)) // a manifest may list a layer more than once
	for i, layer := range plan.Layers {
		if seen[layer.Digest] {
			continue
		}
		seen[layer.Digest] = true
		if layer.Stored && !in.Force {
			result.LayersReused++
			stored = append(stored, layer.Digest)
			continue
		}
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			if err := slots.Acquire(ctx, 1); err != nil {
				fail(err)
				return
			}
			defer slots.Release(1)
			out, err := AnalyzeLayer.RunAs(ctx, fmt.Sprintf("layer %d of %d", i+1, len(plan.Layers)), AnalyzeLayerInput{
				Account: in.Account, Digest: in.Digest, Index: i, Layer: layer.Digest, Size: layer.Size, Force: in.Force,
			})
			result.BytesRead += out.BytesRead
			if out.Reused {
				result.LayersReused++
			}
			fail(err)
		})
	}
	if len(stored) > 0 {
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			_, err := VerifyLayerAccess.Run(ctx, VerifyLayersInput{Account: in.Account, Digest: in.Digest, Layers: stored})
			fail(err)
		})
	}
	// The siblings' ends are waited for without the run's cancellation: each ends by itself once cancelled.
	all.Wait(detached(ctx))
	return first
}
