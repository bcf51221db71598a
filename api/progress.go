package api

import (
	"context"
	"fmt"
	"time"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// stageQueued is the stage of an image whose analysis no workflow has begun.
const stageQueued = "queued"

// Shares of an analysis, in percent of the whole: nearly all of it is reading layers, and what follows cannot be
// counted in bytes.
const (
	percentRead  = 90
	percentMatch = 95
	percentJudge = 98
)

// shortestSample is how long layers must have been read before their speed says anything.
const shortestSample = 2 * time.Second

// progressOf says how far an image is; nil when no analysis of it is wanted.
func progressOf(image persistence.Image, lines []persistence.Progress, now time.Time) *oas.AnalysisProgress {
	switch {
	case image.ImageStatus != persistence.ImageActive:
		return nil
	case image.AnalysisStatus == persistence.NotAnalyzed && image.CancelledAt == nil:
		return &oas.AnalysisProgress{Stage: stageQueued, Percentage: new(int), Message: stageQueued + ": waiting for a worker"}
	case image.AnalysisStatus == persistence.Analyzing:
		return progressBody(lines, now)
	}
	return nil
}

// progressBody sums up the lines of the layers; that of the image as a whole says what follows them.
func progressBody(lines []persistence.Progress, now time.Time) *oas.AnalysisProgress {
	body := &oas.AnalysisProgress{Stage: stageOf(lines)}
	for _, line := range lines {
		if line.BeganAt != nil && (body.StartedAt == nil || line.BeganAt.Before(*body.StartedAt)) {
			body.StartedAt = utcOrNil(line.BeganAt)
		}
		if line.Layer == persistence.WholeImage {
			continue
		}
		body.LayersTotal++
		body.BytesTotal += line.BytesTotal
		if line.Done { // be it that somebody else has read it
			body.LayersDone++
			line.BytesDone = line.BytesTotal
		}
		body.BytesDone += min(line.BytesDone, line.BytesTotal)
	}
	percent := percentOf(body)
	body.Percentage = &percent
	if body.StartedAt == nil {
		body.Message = body.Stage + ": waiting for a worker"
		return body
	}
	body.Message = fmt.Sprintf("%s: %d of %d layers done, %.1f of %.1f MiB read, %d %%",
		body.Stage, body.LayersDone, body.LayersTotal, mebibytes(body.BytesDone), mebibytes(body.BytesTotal), percent)
	if left, ok := remaining(lines, now); ok {
		seconds := int(left.Round(time.Second) / time.Second)
		body.EtaSeconds = &seconds
		body.Message += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return body
}

// stageOf names what is going on: the step of the image as a whole, else that of the layers that move. That the
// right to read stored layers is checked counts only when nothing is read beside it. Lines come with the whole
// image first.
func stageOf(lines []persistence.Progress) string {
	whole, layers, open := "", "", false
	for _, line := range lines {
		if line.Layer == persistence.WholeImage {
			whole = line.Stage
			continue
		}
		open = open || !line.Done
		if layers == "" || layers == workflows.StageWaiting && !line.Done || line.Stage == workflows.StageAnalyze && !line.Done {
			layers = line.Stage
		}
	}
	switch {
	case whole == workflows.StageVerify && open:
		return layers
	case whole != "":
		return whole
	case layers != "":
		return layers
	}
	return workflows.StageWaiting
}

func percentOf(body *oas.AnalysisProgress) int {
	switch body.Stage {
	case workflows.StageAssemble:
		return percentRead
	case workflows.StageMatch:
		return percentMatch
	case workflows.StageEvaluate:
		return percentJudge
	}
	if body.BytesTotal == 0 {
		return 0
	}
	return int(percentRead * float64(body.BytesDone) / float64(body.BytesTotal))
}

// remaining estimates how long the layers will still be read, at the speed since the first of them was begun.
// Layers that were stored already say nothing about speed, nor does one whose reader is somebody else.
func remaining(lines []persistence.Progress, now time.Time) (time.Duration, bool) {
	var began time.Time
	var read, left int64
	for _, line := range lines {
		if line.Layer == persistence.WholeImage {
			continue
		}
		if !line.Done {
			left += max(line.BytesTotal-line.BytesDone, 0)
		}
		if line.BeganAt == nil || line.BytesDone == 0 {
			continue
		}
		read += line.BytesDone
		if began.IsZero() || line.BeganAt.Before(began) {
			began = *line.BeganAt
		}
	}
	spent := now.Sub(began)
	if read == 0 || left == 0 || spent < shortestSample {
		return 0, false
	}
	return time.Duration(float64(spent) * float64(left) / float64(read)), true
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// countAhead says how many images come first, of one that waits for a worker.
func (h *handlers) countAhead(ctx context.Context, image persistence.Image, body *oas.AnchoreImage) error {
	p := body.AnalysisProgress
	if p == nil || p.StartedAt != nil {
		return nil
	}
	ahead, err := h.deps.Progress.Ahead(ctx, image.Requested)
	if err != nil {
		return err
	}
	p.ImagesAhead = &ahead
	switch ahead {
	case 0:
		p.Message += "; it is the next one"
	case 1:
		p.Message += "; one image comes first"
	default:
		p.Message += fmt.Sprintf("; %d images come first", ahead)
	}
	return nil
}
