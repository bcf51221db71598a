package api

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func pointer[T any](v T) *T { return &v }

func TestProgressOfAnImage(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	began, late := noon.Add(-10*time.Second), noon.Add(-time.Second)
	const mb = 1 << 20
	active := func(status string) persistence.Image {
		return persistence.Image{ImageStatus: persistence.ImageActive, AnalysisStatus: status}
	}
	cancelled := active(persistence.NotAnalyzed)
	cancelled.CancelledAt = &noon
	deleting := active(persistence.NotAnalyzed)
	deleting.ImageStatus = persistence.ImageDeleting
	layer := func(index int, stage string, done, total int64, since *time.Time) persistence.Progress {
		return persistence.Progress{Layer: index, Stage: stage, BytesDone: done * mb, BytesTotal: total * mb, BeganAt: since}
	}
	stored := persistence.Progress{Layer: 0, Stage: workflows.StageAnalyze, BytesDone: 60 * mb, BytesTotal: 60 * mb, Done: true}
	whole := func(stage string) persistence.Progress {
		return persistence.Progress{Layer: persistence.WholeImage, Stage: stage, BeganAt: &began}
	}
	ended := layer(1, workflows.StageAnalyze, 40, 40, &began)
	ended.Done = true
	foreign := layer(1, workflows.StageWaiting, 0, 40, &began) // read by somebody else
	foreign.Done = true
	tests := []struct {
		name  string
		image persistence.Image
		lines []persistence.Progress
		want  *oas.AnalysisProgress
	}{
		{"waits for its workflow", active(persistence.NotAnalyzed), nil, &oas.AnalysisProgress{
			Stage: "queued", Percentage: pointer(0), Message: "queued: waiting for a worker",
		}},
		{"cancelled", cancelled, nil, nil},
		{"being deleted", deleting, nil, nil},
		{"analysed", active(persistence.Analyzed), []persistence.Progress{stored}, nil},
		{"waits for a worker", active(persistence.Analyzing), []persistence.Progress{layer(0, workflows.StageWaiting, 0, 10, nil)}, &oas.AnalysisProgress{
			Stage: "waiting", LayersTotal: 1, BytesTotal: 10 * mb, Percentage: pointer(0), Message: "waiting: waiting for a worker",
		}},
		{"nothing reported yet", active(persistence.Analyzing), nil, &oas.AnalysisProgress{
			Stage: "waiting", Percentage: pointer(0), Message: "waiting: waiting for a worker",
		}},
		{
			"reads; stored layers say nothing about speed", active(persistence.Analyzing),
			[]persistence.Progress{whole(workflows.StageVerify), stored, layer(1, workflows.StageAnalyze, 10, 40, &began)},
			&oas.AnalysisProgress{
				Stage: "analyze", LayersDone: 1, LayersTotal: 2, BytesDone: 70 * mb, BytesTotal: 100 * mb, Percentage: pointer(63),
				EtaSeconds: pointer(30), StartedAt: &began, Message: "analyze: 1 of 2 layers done, 70.0 of 100.0 MiB read, 63 %, about 30s left",
			},
		},
		{
			"just begun", active(persistence.Analyzing), []persistence.Progress{layer(0, workflows.StageAnalyze, 1, 40, &late)},
			&oas.AnalysisProgress{
				Stage: "analyze", LayersTotal: 1, BytesDone: 1 * mb, BytesTotal: 40 * mb, Percentage: pointer(2),
				StartedAt: &late, Message: "analyze: 0 of 1 layers done, 1.0 of 40.0 MiB read, 2 %",
			},
		},
		{
			"a layer that another run has read counts as read", active(persistence.Analyzing), []persistence.Progress{stored, foreign},
			&oas.AnalysisProgress{
				Stage: "analyze", LayersDone: 2, LayersTotal: 2, BytesDone: 100 * mb, BytesTotal: 100 * mb, Percentage: pointer(90),
				StartedAt: &began, Message: "analyze: 2 of 2 layers done, 100.0 of 100.0 MiB read, 90 %",
			},
		},
		{
			"assembles", active(persistence.Analyzing), []persistence.Progress{whole(workflows.StageAssemble), stored, ended},
			&oas.AnalysisProgress{
				Stage: "assemble", LayersDone: 2, LayersTotal: 2, BytesDone: 100 * mb, BytesTotal: 100 * mb, Percentage: pointer(90),
				StartedAt: &began, Message: "assemble: 2 of 2 layers done, 100.0 of 100.0 MiB read, 90 %",
			},
		},
		{
			"matches", active(persistence.Analyzing), []persistence.Progress{whole(workflows.StageMatch), stored, ended},
			&oas.AnalysisProgress{
				Stage: "match", LayersDone: 2, LayersTotal: 2, BytesDone: 100 * mb, BytesTotal: 100 * mb, Percentage: pointer(95),
				StartedAt: &began, Message: "match: 2 of 2 layers done, 100.0 of 100.0 MiB read, 95 %",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, progressOf(tt.image, tt.lines, noon)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Bytes that come in never make the percentage smaller, and it never says that all is done.
func TestPercentageOnlyGrows(t *testing.T) {
	t.Parallel()
	noon := time.Now()
	last := 0
	see := func(lines ...persistence.Progress) {
		t.Helper()
		now := *progressBody(lines, noon).Percentage
		if now < last || now >= 100 {
			t.Errorf("%d %% after %d %%", now, last)
		}
		last = now
	}
	const size = 997
	for done := int64(0); done <= size; done++ {
		see(persistence.Progress{Stage: workflows.StageAnalyze, BytesDone: done, BytesTotal: size, BeganAt: &noon})
	}
	read := persistence.Progress{Stage: workflows.StageAnalyze, BytesDone: size, BytesTotal: size, Done: true, BeganAt: &noon}
	for _, stage := range []string{workflows.StageAssemble, workflows.StageMatch, workflows.StageEvaluate} {
		see(persistence.Progress{Layer: persistence.WholeImage, Stage: stage, BeganAt: &noon}, read)
	}
}
