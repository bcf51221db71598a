package activities

import (
	"context"
	"fmt"

	"plimsoll/activities/registry"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func runOf(r workflows.Run) persistence.Run {
	return persistence.Run{Account: r.Account, Digest: r.Digest, Request: r.Request, RunID: r.RunID}
}

func (a *Activities) beginAnalysis(ctx context.Context, in workflows.Run) (workflows.AnalysisPlan, error) {
	plan := workflows.AnalysisPlan{AnalyzerSet: a.pass.Set(), TimeLimit: a.analysis.Timeout}
	record, err := a.images.Begin(ctx, runOf(in), a.origin)
	if err != nil {
		return plan, err
	}
	if record.ImportOperation != "" {
		return a.planImport(ctx, record)
	}
	layers, err := a.layersOf(ctx, record)
	if err != nil {
		return plan, err
	}
	digests := make([]string, len(layers))
	for i, l := range layers {
		digests[i] = l.Digest
	}
	known, err := a.layers.Known(ctx, plan.AnalyzerSet, digests)
	if err != nil {
		return plan, err
	}
	repositories := repositoriesOf(record)
	var lines []persistence.Progress // for every layer, so that totals are right from the start
	seen := make(map[string]bool, len(layers))
	for i, l := range layers {
		plan.Layers = append(plan.Layers, workflows.PlannedLayer{Digest: l.Digest, Size: l.Size, Stored: a.vouched(l, known[l.Digest], repositories)})
		if seen[l.Digest] {
			continue
		}
		seen[l.Digest] = true
		line := persistence.Progress{Stage: workflows.StageWaiting, Layer: i, BytesTotal: l.Size}
		if plan.Layers[i].Stored && !in.Force {
			line.Stage, line.BytesDone, line.Done = workflows.StageAnalyze, l.Size, true
		}
		lines = append(lines, line)
	}
	return plan, a.progress.Report(ctx, in.Account, in.Digest, lines)
}

// layersOf reads the layers from the stored manifest.
func (a *Activities) layersOf(ctx context.Context, record persistence.Image) ([]registry.Layer, error) {
	manifest, err := a.blobs.Get(ctx, record.ManifestBlob)
	if err != nil {
		return nil, fmt.Errorf("load manifest of %s: %w", record.Digest, err)
	}
	return registry.Layers(manifest)
}

func (a *Activities) failAnalysis(ctx context.Context, in workflows.FailInput) (workflows.Done, error) {
	return workflows.Done{}, a.images.Fail(ctx, runOf(in.Run), in.Code, in.Message, a.origin)
}

func (a *Activities) cancelAnalysis(ctx context.Context, in workflows.Run) (workflows.Done, error) {
	return workflows.Done{}, a.images.Cancel(ctx, runOf(in), a.origin)
}
