package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Stalled is an image that waits for work nobody has reported about for long.
type Stalled struct {
	Account   string
	Digest    string
	Requested int64
	Deleting  bool // what it waits for is its removal, otherwise its analysis
}

// reviveMost is how many images are looked after at a time, those that have waited longest first.
const reviveMost = 10_000

var (
	imageStalled = query("image.stalled", `
SELECT i.account, i.digest, i.requested, i.image_status = 'deleting' AS deleting FROM plimsoll.image i
WHERE i.updated_at < now() - @quiet::interval
  AND (i.image_status = 'deleting' OR i.cancelled_at IS NULL AND i.analysis_status IN ('not_analyzed', 'analyzing'))
  AND NOT EXISTS (SELECT FROM plimsoll.analysis_progress p
    WHERE p.account = i.account AND p.digest = i.digest AND p.updated_at >= now() - @quiet::interval)
ORDER BY i.updated_at, i.account, i.digest LIMIT @most::int`)

	// What is asked for already is not asked for again.
	outboxRevive = query("outbox.revive", `
INSERT INTO plimsoll.outbox (workflow, workflow_id, input)
SELECT w.workflow, w.workflow_id, w.input::jsonb
FROM unnest(@workflows::text[], @workflow_ids::text[], @inputs::text[]) WITH ORDINALITY AS w (workflow, workflow_id, input, n)
WHERE NOT EXISTS (SELECT FROM plimsoll.outbox o WHERE o.workflow = w.workflow AND o.workflow_id = w.workflow_id)
ORDER BY w.n`)
)

// Revive asks again for the analysis or the removal of images that have waited for the quiet time without a sign of
// work, and returns how many it asked for. A workflow that runs takes no notice of being started again; one that was
// terminated, or gave up on the database, leaves a record that would wait for ever.
func (s *Images) Revive(ctx context.Context, quiet time.Duration, start func(Stalled) Start) (int, error) {
	stalled, err := many[Stalled](ctx, s.pool, imageStalled, args{"quiet": quiet, "most": reviveMost})
	if err != nil || len(stalled) == 0 {
		return 0, wrap(err, "look for stalled images")
	}
	names, ids, inputs := make([]string, len(stalled)), make([]string, len(stalled)), make([]string, len(stalled))
	for i, image := range stalled {
		again := start(image)
		input, err := json.Marshal(again.Input)
		if err != nil {
			return 0, fmt.Errorf("encode input of %s: %w", again.WorkflowID, err)
		}
		names[i], ids[i], inputs[i] = again.Workflow, again.WorkflowID, string(input)
	}
	n, err := exec(ctx, s.pool, outboxRevive, args{"workflows": names, "workflow_ids": ids, "inputs": inputs})
	return int(n), wrap(err, "ask for stalled images again")
}
