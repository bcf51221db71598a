package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

// completeAnalysis publishes the analysis, with the record of how it came to be.
func (a *Activities) completeAnalysis(ctx context.Context, in workflows.CompleteInput) (workflows.Done, error) {
	var done workflows.Done
	now, run := a.now(), runOf(in.Run)
	err := a.images.Complete(ctx, run, in.AnalysisID, now, a.origin)
	if errors.Is(err, persistence.ErrNotFound) {
		return done, fmt.Errorf("%w: %w", errAnalysisGone, err)
	}
	if err != nil {
		return done, err
	}
	if in.StartedAt.IsZero() { // a run from before there were records
		return done, nil
	}
	setup, err := json.Marshal(a.pass.Setup())
	if err != nil {
		return done, fmt.Errorf("encode setup: %w", err)
	}
	sum := sha256.Sum256(setup)
	return done, a.analyses.SaveRun(ctx, run, persistence.AnalysisRun{
		AnalysisID: in.AnalysisID, Host: a.origin.HostID, Version: a.origin.Version,
		SetupDigest: hex.EncodeToString(sum[:]), Setup: setup,
		Layers: in.Layers, LayersReused: in.LayersReused, BytesRead: in.BytesRead,
		StartedAt: in.StartedAt, EndedAt: now,
	})
}

// measureAnalysis tells how long workers have been at the image.
func (a *Activities) measureAnalysis(ctx context.Context, in workflows.Run) (workflows.MeasureResult, error) {
	elapsed, err := a.progress.Elapsed(ctx, in.Account, in.Digest)
	return workflows.MeasureResult{Elapsed: elapsed}, err
}
