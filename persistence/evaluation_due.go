package persistence

import (
	"context"
	"errors"
	"time"
)

var (
	evaluationDue = query("evaluation.due", `
SELECT id, account, image_digest AS digest FROM plimsoll.evaluation WHERE due_at <= @now ORDER BY due_at, id LIMIT @limit`)

	evaluationNextDue = query("evaluation.next_due", `
SELECT due_at FROM plimsoll.evaluation WHERE due_at IS NOT NULL ORDER BY due_at, id LIMIT 1`)

	// Those that were judged have another time, or none.
	evaluationSettle = query("evaluation.settle", `
UPDATE plimsoll.evaluation SET due_at = NULL WHERE id = ANY (@ids::bigint[]) AND due_at <= @now`)
)

// Due is a verdict that time may have changed.
type Due struct {
	ID int64
	ImageRef
}

// Due returns up to limit official verdicts, of all accounts, that time may have changed by now, longest due first.
func (s *Evaluations) Due(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	list, err := many[Due](ctx, s.pool, evaluationDue, args{"now": now, "limit": limit})
	return list, wrap(err, "list verdicts that are due")
}

// NextDue returns when the next verdict is due: ErrNotFound when none is.
func (s *Evaluations) NextDue(ctx context.Context) (time.Time, error) {
	at, err := value[time.Time](ctx, s.pool, evaluationNextDue, args{})
	if errors.Is(err, ErrNotFound) {
		return at, err
	}
	return at, wrap(err, "find out when a verdict is due")
}

// Settle makes verdicts that were due at a time no longer be: those that nobody judged anew, because their tag or policy is
// not current any more, or because their image cannot be read.
func (s *Evaluations) Settle(ctx context.Context, list []Due, now time.Time) error {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	_, err := exec(ctx, s.pool, evaluationSettle, args{"ids": ids, "now": now})
	return wrap(err, "settle %d verdicts", len(list))
}
