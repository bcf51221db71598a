package persistence

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Withdrawal is what taking an analysis back did.
type Withdrawal struct {
	Image    Image
	OutboxID int64 // of the message that stops the workflow; 0 when there was nothing to take back
}

// Withdraw takes back the analysis an image waits for or is under: from here on nothing of it can be published,
// wherever its steps are, and the image waits for nothing until it is submitted again. What an earlier analysis
// found stays. stop names the message that makes the workflow of the given request let go. Repeating it does
// nothing; ErrNotFound, and ErrState when the analysis has ended or the image is being deleted.
func (s *Images) Withdraw(ctx context.Context, account, digest string, by Origin, stop func(request int64) Start) (Withdrawal, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Withdrawal, error) {
		var out Withdrawal
		f, err := one[fence](ctx, tx, runLock, args{"account": account, "digest": digest})
		if err != nil {
			return out, err
		}
		waits := f.AnalysisStatus == NotAnalyzed || f.AnalysisStatus == Analyzing
		if f.ImageStatus != ImageActive || !waits {
			return out, ErrState
		}
		if out.Image, err = getImage(ctx, tx, account, digest); err != nil || out.Image.CancelledAt != nil {
			return out, err
		}
		if err := move(ctx, tx, Run{Account: account, Digest: digest}, f, outcome{status: NotAnalyzed, withdrawn: true}, by); err != nil {
			return out, err
		}
		if err := clearProgress(ctx, tx, account, digest); err != nil {
			return out, err
		}
		if out.OutboxID, err = enqueue(ctx, tx, stop(f.Requested)); err != nil {
			return out, err
		}
		out.Image, err = getImage(ctx, tx, account, digest)
		return out, err
	})
	return out, wrap(err, "cancel analysis of %s", digest)
}
