package api

import (
	"context"
	"encoding/json"
	"fmt"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/persistence"
)

// GetImageAnalysis tells how the published analysis came to be and what it could not read.
func (h *handlers) GetImageAnalysis(ctx context.Context, req oas.GetImageAnalysisRequestObject) (oas.GetImageAnalysisResponseObject, error) {
	analysis, err := h.analysis(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	content, err := h.contentsOf(ctx, analysis)
	if err != nil {
		return nil, err
	}
	run, err := h.deps.Analyses.RunOf(ctx, callerOf(ctx).Account, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	origins, err := h.deps.Analyses.LayerOrigins(ctx, analysis.AnalyzerSet, analysis.LayerDigests)
	if err != nil {
		return nil, err
	}
	answer := oas.GetImageAnalysis200JSONResponse{
		ImageDigest: analysis.ImageDigest, ImageId: analysis.ImageID, AnalyzerSet: analysis.AnalyzerSet,
		ContentCreatedAt: utc(analysis.AnalyzedAt),
		Layers:           each(content.Layers, func(l image.LayerSummary) oas.AnalysisLayer { return layerBody(l, origins[l.Digest]) }),
		Incomplete:       each(content.Incomplete, incompleteBody),
	}
	if run != nil && run.AnalysisID == analysis.ID {
		body := runBody(*run)
		answer.Run = &body
		if answer.Setup, err = setupBody(*run, analysis.AnalyzerSet); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

func runBody(r persistence.AnalysisRun) oas.AnalysisRun {
	return oas.AnalysisRun{
		RunId: r.RunID, HostId: r.Host, Version: r.Version, SetupDigest: r.SetupDigest, StartedAt: utc(r.StartedAt), EndedAt: utc(r.EndedAt),
		Layers: r.Layers, LayersReused: r.LayersReused, BytesRead: r.BytesRead,
	}
}

// setupBody is nil when the run's own analyzers did not make the content, as with imports.
func setupBody(r persistence.AnalysisRun, set string) (*map[string]any, error) {
	var setup map[string]any
	if err := json.Unmarshal(r.Setup, &setup); err != nil {
		return nil, fmt.Errorf("decode setup %s: %w", r.SetupDigest, err)
	}
	if setup["analyzer_set"] != set {
		return nil, nil
	}
	return &setup, nil
}

func layerBody(l image.LayerSummary, from persistence.LayerOrigin) oas.AnalysisLayer {
	return oas.AnalysisLayer{
		Digest: l.Digest, DiffId: l.DiffID, CompressedSize: l.CompressedSize, Size: l.Size,
		HostId: given(from.Host), Version: given(from.Version), AnalyzedAt: utcOrNil(&from.AnalyzedAt),
	}
}

func incompleteBody(i catalog.Incompleteness) oas.IncompleteContent {
	return oas.IncompleteContent{Path: i.Path, Analyzer: i.Analyzer, Reason: i.Reason, Detail: i.Detail}
}

// incompleteness warns of an analysis that could not read everything; nil when it could.
func incompleteness(image persistence.Image) *oas.AnalysisIncomplete {
	if image.Content == nil || image.Content.Incomplete == 0 {
		return nil
	}
	n := image.Content.Incomplete
	files := "files or databases"
	if n == 1 {
		files = "file or database"
	}
	return &oas.AnalysisIncomplete{Count: n, Message: fmt.Sprintf(
		"The analysis is incomplete: %d %s could not be read completely, so packages and vulnerabilities may be missing; GET /images/%s/analysis lists them.", n, files, image.Digest)}
}
