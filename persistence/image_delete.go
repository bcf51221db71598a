package persistence

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

var (
	imageMark = query("image.mark_deleting", `
UPDATE plimsoll.image SET image_status = 'deleting', requested = nextval('plimsoll.request'), run_id = '',
  analysis_status = CASE WHEN analysis_status = 'analyzing' THEN 'not_analyzed' ELSE analysis_status END,
  updated_at = now()
WHERE account = @account AND digest = @digest`)

	imageDelete = query("image.delete", `
DELETE FROM plimsoll.image WHERE account = @account AND digest = @digest AND image_status = 'deleting'
RETURNING analysis_id`)

	// An image of the same digest that waits for its analysis, in any account, may be about to refer to it.
	analysisDrop = query("analysis.drop_unused", `
DELETE FROM plimsoll.analysis a WHERE a.id = @id AND NOT EXISTS (
  SELECT FROM plimsoll.image i WHERE i.digest = a.image_digest
    AND (i.analysis_id = a.id OR i.analysis_status IN ('not_analyzed', 'analyzing')))`)
)

// MarkDeleting hides an image and asks for its removal. A running analysis loses the right to commit, and active
// subscriptions of tags whose newest image it is end. ErrNotFound; ErrAnalyzing and ErrSubscribed without force.
func (s *Images) MarkDeleting(ctx context.Context, account, digest string, force bool, start Start, sync SyncWatch) (Deletion, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Deletion, error) {
		f, err := one[fence](ctx, tx, runLock, args{"account": account, "digest": digest})
		if err != nil {
			return Deletion{}, err
		}
		out := Deletion{Already: f.ImageStatus == ImageDeleting}
		if !out.Already {
			if f.AnalysisStatus == Analyzing && !force {
				return Deletion{}, ErrAnalyzing
			}
			if err := release(ctx, tx, account, digest, force, sync); err != nil {
				return Deletion{}, err
			}
			if _, err := exec(ctx, tx, imageMark, args{"account": account, "digest": digest}); err != nil {
				return Deletion{}, err
			}
			if err := settleImage(ctx, tx, account, digest); err != nil {
				return Deletion{}, err
			}
		}
		out.OutboxID, err = enqueue(ctx, tx, start)
		return out, err
	})
	return out, wrap(err, "delete image %s", digest)
}

// Delete removes an image that is marked, with its tags, transitions, evaluations, annotations and progress, and its analysis
// unless another image has it. Removing what is gone is no error; ErrSuperseded when the image was added again.
func (s *Images) Delete(ctx context.Context, account, digest string) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		key := args{"account": account, "digest": digest}
		if _, err := exec(ctx, tx, annotationsWithImage, key); err != nil {
			return err
		}
		analysisID, err := value[*int64](ctx, tx, imageDelete, key)
		if errors.Is(err, ErrNotFound) {
			_, err := one[fence](ctx, tx, runLock, key)
			switch {
			case errors.Is(err, ErrNotFound):
				return nil
			case err == nil:
				return ErrSuperseded
			}
			return err
		}
		if err != nil {
			return err
		}
		if err := clearProgress(ctx, tx, account, digest); err != nil {
			return err
		}
		if analysisID != nil {
			_, err = exec(ctx, tx, analysisDrop, args{"id": *analysisID})
		}
		return err
	})
	return wrap(err, "remove image %s", digest)
}
