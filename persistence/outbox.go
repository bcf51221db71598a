package persistence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Start names a workflow to start. Input is encoded as JSON.
type Start struct {
	Workflow   string
	WorkflowID string
	Input      any
	// Unattended: nobody but the dispatcher starts it, so it is due at once.
	Unattended bool
}

// Pending is a start that has been claimed and not confirmed yet.
type Pending struct {
	ID         int64
	Workflow   string
	WorkflowID string
	Input      json.RawMessage
	Attempts   int // including this one
	CreatedAt  time.Time
}

// Outbox stores workflow starts until they are confirmed.
type Outbox struct{ pool *pgxpool.Pool }

// NewOutbox returns the store.
func NewOutbox(pool *pgxpool.Pool) *Outbox { return &Outbox{pool} }

const (
	// dispatchDelay lets whoever wrote a row start the workflow itself before the dispatcher looks at it.
	dispatchDelay = 15 * time.Second
	// backoffFirst doubles with each attempt up to backoffMost.
	backoffFirst = 5 * time.Second
	backoffMost  = 10 * time.Minute
	// maxMessage bounds error texts that are kept, in bytes.
	maxMessage = 4 << 10
)

const pendingColumns = `id, workflow, workflow_id, input, attempts, created_at`

var (
	outboxInsert = query("outbox.insert", `
INSERT INTO plimsoll.outbox (workflow, workflow_id, input, next_attempt)
VALUES (@workflow, @workflow_id, @input, now() + @delay::interval) RETURNING id`)

	outboxGet = query("outbox.get", `
SELECT `+pendingColumns+` FROM plimsoll.outbox WHERE id = @id`)

	outboxDue = query("outbox.due", `
UPDATE plimsoll.outbox SET attempts = attempts + 1, next_attempt = now() + @lease::interval
WHERE id IN (
  SELECT id FROM plimsoll.outbox WHERE next_attempt <= now()
  ORDER BY next_attempt, id LIMIT @limit FOR UPDATE SKIP LOCKED)
RETURNING `+pendingColumns)

	outboxDone = query("outbox.done", `DELETE FROM plimsoll.outbox WHERE id = @id`)

	outboxFailed = query("outbox.failed", `
UPDATE plimsoll.outbox SET last_error = @message,
  next_attempt = now() + least(@first::interval * power(2, least(greatest(attempts - 1, 0), 20)), @most::interval)
WHERE id = @id`)
)

// enqueue writes the row as part of a transaction.
func enqueue(ctx context.Context, tx pgx.Tx, start Start) (int64, error) {
	input, err := json.Marshal(start.Input)
	if err != nil {
		return 0, fmt.Errorf("encode input of %s: %w", start.WorkflowID, err)
	}
	delay := dispatchDelay
	if start.Unattended {
		delay = 0
	}
	return value[int64](ctx, tx, outboxInsert, args{
		"workflow": start.Workflow, "workflow_id": start.WorkflowID, "input": input, "delay": delay,
	})
}

// Get returns a row: ErrNotFound when the start has been confirmed.
func (s *Outbox) Get(ctx context.Context, id int64) (Pending, error) {
	p, err := one[Pending](ctx, s.pool, outboxGet, args{"id": id})
	return p, wrap(err, "load outbox row %d", id)
}

// Due claims rows for the time of the lease; without Done or Failed they become due again after it.
func (s *Outbox) Due(ctx context.Context, limit int, lease time.Duration) ([]Pending, error) {
	list, err := many[Pending](ctx, s.pool, outboxDue, args{"limit": limit, "lease": lease})
	slices.SortFunc(list, func(a, b Pending) int { return cmp.Compare(a.ID, b.ID) })
	return list, wrap(err, "claim outbox rows")
}

// Done removes a row whose workflow runs; a missing one is not an error.
func (s *Outbox) Done(ctx context.Context, id int64) error {
	_, err := exec(ctx, s.pool, outboxDone, args{"id": id})
	return wrap(err, "confirm outbox row %d", id)
}

// Failed puts a row off, longer with each attempt.
func (s *Outbox) Failed(ctx context.Context, id int64, message string) error {
	_, err := exec(ctx, s.pool, outboxFailed, args{
		"id": id, "message": clip(message), "first": backoffFirst, "most": backoffMost,
	})
	return wrap(err, "put off outbox row %d", id)
}

// clip keeps a text that came from outside storable: bounded, valid UTF-8 and without the NUL that PostgreSQL
// does not take.
func clip(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "")
}
