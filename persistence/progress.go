package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// WholeImage is the Layer of a progress line about the image as a whole.
const WholeImage = -1

// Progress is how far a part of a running analysis is.
type Progress struct {
	Stage      string
	Layer      int // index from the bottom, or WholeImage
	BytesDone  int64
	BytesTotal int64
	Done       bool
	Begun      bool       `db:"-"` // reported by the worker that works on it
	BeganAt    *time.Time // when a worker took it up; nil while nobody has
	UpdatedAt  time.Time
}

// Progresses stores how far running analyses are. The table does not survive a crash of the database.
type Progresses struct{ pool *pgxpool.Pool }

// NewProgresses returns the store.
func NewProgresses(pool *pgxpool.Pool) *Progresses { return &Progresses{pool} }

var (
	// A step that outlives its run, as one that has not heard of its cancellation, has nothing to tell any more.
	progressReport = query("progress.report", `
INSERT INTO plimsoll.analysis_progress AS old (account, digest, stage, layer, bytes_done, bytes_total, done, began_at)
SELECT @account::text, @digest::text, p.stage, p.layer, p.bytes_done, p.bytes_total, p.done, CASE WHEN p.begun THEN now() END
FROM unnest(@stages::text[], @layers::int[], @bytes_done::bigint[], @bytes_total::bigint[], @done::boolean[],
  @begun::boolean[]) AS p (stage, layer, bytes_done, bytes_total, done, begun)
WHERE EXISTS (SELECT FROM plimsoll.image WHERE account = @account AND digest = @digest AND analysis_status = 'analyzing')
ORDER BY p.layer
ON CONFLICT (account, digest, layer) DO UPDATE SET stage = excluded.stage, bytes_done = excluded.bytes_done,
  bytes_total = excluded.bytes_total, done = excluded.done, began_at = coalesce(old.began_at, excluded.began_at), updated_at = now()`)

	progressRead = query("progress.read", `
SELECT digest, stage, layer, bytes_done, bytes_total, done, began_at, updated_at
FROM plimsoll.analysis_progress WHERE account = @account AND digest = ANY (@digests::text[]) ORDER BY digest, layer`)

	progressElapsed = query("progress.elapsed", `
SELECT coalesce(now() - min(began_at), '0') FROM plimsoll.analysis_progress WHERE account = @account AND digest = @digest`)

	// Images nobody works on yet and whose submissions are older, of all accounts: they share the workers.
	progressAhead = query("progress.ahead", `
SELECT count(*) FROM plimsoll.image i
WHERE i.analysis_status IN ('not_analyzed', 'analyzing') AND i.image_status = 'active' AND i.cancelled_at IS NULL
  AND i.requested < @request AND NOT EXISTS (
    SELECT FROM plimsoll.analysis_progress p
    WHERE p.account = i.account AND p.digest = i.digest AND p.began_at IS NOT NULL)`)

	progressClear = query("progress.clear", `
DELETE FROM plimsoll.analysis_progress WHERE account = @account AND digest = @digest`)
)

// Report replaces the lines of the given layers; a layer must not occur twice. Nothing is stored unless the image
// is under analysis.
func (s *Progresses) Report(ctx context.Context, account, digest string, lines []Progress) error {
	n := len(lines)
	stages, layers, done, begun := make([]string, n), make([]int, n), make([]bool, n), make([]bool, n)
	bytesDone, bytesTotal := make([]int64, n), make([]int64, n)
	for i, l := range lines {
		stages[i], layers[i], bytesDone[i], bytesTotal[i], done[i], begun[i] = l.Stage, l.Layer, l.BytesDone, l.BytesTotal, l.Done, l.Begun
	}
	_, err := exec(ctx, s.pool, progressReport, args{
		"account": account, "digest": digest, "stages": stages, "layers": layers,
		"bytes_done": bytesDone, "bytes_total": bytesTotal, "done": done, "begun": begun,
	})
	return wrap(err, "report progress of %s", digest)
}

// Read returns the lines of each image, the whole image first, then layers from the bottom.
func (s *Progresses) Read(ctx context.Context, account string, digests []string) (map[string][]Progress, error) {
	type row struct {
		Digest string
		Progress
	}
	rows, err := many[row](ctx, s.pool, progressRead, args{"account": account, "digests": digests})
	if err != nil {
		return nil, fmt.Errorf("load progress: %w", err)
	}
	out := make(map[string][]Progress)
	for _, r := range rows {
		out[r.Digest] = append(out[r.Digest], r.Progress)
	}
	return out, nil
}

// Elapsed is how long workers have been at an image's analysis; 0 while it waits for one.
func (s *Progresses) Elapsed(ctx context.Context, account, digest string) (time.Duration, error) {
	elapsed, err := value[time.Duration](ctx, s.pool, progressElapsed, args{"account": account, "digest": digest})
	return elapsed, wrap(err, "measure analysis of %s", digest)
}

// Ahead counts the images that wait for a worker and were submitted before the given request.
func (s *Progresses) Ahead(ctx context.Context, request int64) (int, error) {
	n, err := value[int](ctx, s.pool, progressAhead, args{"request": request})
	return n, wrap(err, "count waiting images")
}

// Clear forgets how far an analysis was.
func (s *Progresses) Clear(ctx context.Context, account, digest string) error {
	return wrap(clearProgress(ctx, s.pool, account, digest), "clear progress of %s", digest)
}

func clearProgress(ctx context.Context, db session, account, digest string) error {
	_, err := exec(ctx, db, progressClear, args{"account": account, "digest": digest})
	return err
}
