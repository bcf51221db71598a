package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	runLock = query("run.lock", `
SELECT image_status, analysis_status, requested, run_id, analysis_id
FROM plimsoll.image WHERE account = @account AND digest = @digest FOR UPDATE`)

	runMove = query("run.move", `
UPDATE plimsoll.image SET analysis_status = @status, run_id = @run_id,
  requested = CASE WHEN @withdrawn THEN nextval('plimsoll.request') ELSE requested END,
  cancelled_at = CASE WHEN @withdrawn THEN now() END, error_code = @error_code,
  error_message = @error_message, analysis_id = coalesce(@analysis_id, analysis_id),
  analyzed_at = coalesce(@analyzed_at, analyzed_at), updated_at = now()
WHERE account = @account AND digest = @digest`)

	runRecord = query("run.record", `
INSERT INTO plimsoll.image_transition (account, digest, from_status, to_status, host, service, version)
VALUES (@account, @digest, @from, @to, @host, @service, @version)`)

	runTags = query("run.tags", `
SELECT DISTINCT registry || '/' || repository || ':' || tag AS full_tag FROM plimsoll.image_tag
WHERE account = @account AND digest = @digest ORDER BY full_tag`)
)

// fence is what decides whether a run may still write.
type fence struct {
	ImageStatus    string
	AnalysisStatus string
	Requested      int64
	RunID          string
	AnalysisID     *int64
}

// holds tells whether the run is the one the record waits for.
func (f fence) holds(run Run) bool {
	return f.ImageStatus == ImageActive && f.Requested == run.Request && f.RunID == run.RunID
}

// outcome is what a run wants to write.
type outcome struct {
	status     string
	runID      string
	code       string
	message    string
	analysisID *int64
	analyzedAt *time.Time
	// withdrawn: the submission is answered for good, so that a late duplicate of the run's begin finds another one.
	withdrawn bool
}

// Begin gives the record to a run. A run that repeats itself or takes over from a lost one is welcome as long
// as its request is the latest and has not ended: else ErrSuperseded, as for a record that is gone or being
// deleted.
func (s *Images) Begin(ctx context.Context, run Run, by Origin) (Image, error) {
	image, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Image, error) {
		f, err := lockRun(ctx, tx, run)
		if err != nil {
			return Image{}, err
		}
		open := f.AnalysisStatus == NotAnalyzed || f.AnalysisStatus == Analyzing
		if f.ImageStatus != ImageActive || f.Requested != run.Request || !open {
			return Image{}, ErrSuperseded
		}
		if f.RunID != run.RunID || f.AnalysisStatus != Analyzing {
			if err := move(ctx, tx, run, f, outcome{status: Analyzing, runID: run.RunID}, by); err != nil {
				return Image{}, err
			}
			if err := clearProgress(ctx, tx, run.Account, run.Digest); err != nil {
				return Image{}, err
			}
		}
		return getImage(ctx, tx, run.Account, run.Digest)
	})
	return image, wrap(err, "begin analysis of %s", run.Digest)
}

// Complete publishes the analysis: ErrSuperseded unless the run holds the record.
func (s *Images) Complete(ctx context.Context, run Run, analysisID int64, at time.Time, by Origin) error {
	o := outcome{status: Analyzed, runID: run.RunID, analysisID: &analysisID, analyzedAt: &at}
	return wrap(s.end(ctx, run, o, by), "complete analysis of %s", run.Digest)
}

// Fail ends the run with an error; what was known before stays: ErrSuperseded.
func (s *Images) Fail(ctx context.Context, run Run, code, message string, by Origin) error {
	o := outcome{status: AnalysisFailed, runID: run.RunID, code: code, message: clip(message)}
	return wrap(s.end(ctx, run, o, by), "fail analysis of %s", run.Digest)
}

// Cancel ends the run as if it had not begun; the next submission counts as a new one. ErrSuperseded, also when
// it is repeated.
func (s *Images) Cancel(ctx context.Context, run Run, by Origin) error {
	return wrap(s.end(ctx, run, outcome{status: NotAnalyzed, withdrawn: true}, by), "cancel analysis of %s", run.Digest)
}

func (s *Images) end(ctx context.Context, run Run, o outcome, by Origin) error {
	return inTx(ctx, s.pool, func(tx pgx.Tx) error {
		f, err := lockRun(ctx, tx, run)
		if err != nil {
			return err
		}
		mine := f.ImageStatus == ImageActive && f.Requested == run.Request
		switch {
		case mine && o.withdrawn && f.AnalysisStatus == NotAnalyzed: // the run's begin is still on its way
		case mine && f.AnalysisStatus == o.status && f.RunID == o.runID: // repeated
			return nil
		case !f.holds(run) || f.AnalysisStatus != Analyzing:
			return ErrSuperseded
		}
		if err := move(ctx, tx, run, f, o, by); err != nil {
			return err
		}
		if err := announce(ctx, tx, run, o); err != nil {
			return err
		}
		if o.status == AnalysisFailed {
			return nil // how far it came is part of the answer to why it failed
		}
		return clearProgress(ctx, tx, run.Account, run.Digest)
	})
}

// announce records the end of an analysis, once for each tag of the image.
func announce(ctx context.Context, tx pgx.Tx, run Run, o outcome) error {
	h := happening{Account: run.Account, Type: EventAnalysisCompleted}
	details := map[string]any{"image_digest": run.Digest}
	switch o.status {
	case Analyzed:
	case AnalysisFailed:
		h.Type = EventAnalysisFailed
		details["error_code"], details["error_message"] = o.code, o.message
	default:
		return nil
	}
	h.Details = details
	tags, err := column[string](ctx, tx, runTags, args{"account": run.Account, "digest": run.Digest})
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		h.Resource, h.Untagged = run.Digest, true
		return emit(ctx, tx, h)
	}
	all := make([]happening, len(tags))
	for i, tag := range tags {
		all[i] = h
		all[i].Resource = tag
	}
	return emit(ctx, tx, all...)
}

func lockRun(ctx context.Context, tx pgx.Tx, run Run) (fence, error) {
	f, err := one[fence](ctx, tx, runLock, args{"account": run.Account, "digest": run.Digest})
	if errors.Is(err, ErrNotFound) {
		return fence{}, ErrSuperseded
	}
	return f, err
}

func move(ctx context.Context, tx pgx.Tx, run Run, from fence, to outcome, by Origin) error {
	_, err := exec(ctx, tx, runMove, args{
		"account": run.Account, "digest": run.Digest, "status": to.status, "run_id": to.runID,
		"error_code": to.code, "error_message": to.message, "analysis_id": to.analysisID, "analyzed_at": to.analyzedAt, "withdrawn": to.withdrawn,
	})
	if isViolation(err, codeForeignKey) {
		return fmt.Errorf("analysis %d: %w", *to.analysisID, ErrNotFound)
	}
	if err != nil || from.AnalysisStatus == to.status {
		return err
	}
	_, err = exec(ctx, tx, runRecord, args{
		"account": run.Account, "digest": run.Digest, "from": from.AnalysisStatus, "to": to.status,
		"host": by.HostID, "service": by.Service, "version": by.Version,
	})
	return err
}
