package persistence

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// WhatIfOutcome is what becomes of one image under one tag.
type WhatIfOutcome struct {
	Rank        int16 // of package impact
	ImageDigest string
	Tag         string // full tag
	Before      string // actions; empty where nothing can be said
	After       string
	Reason      string          // why nothing can be said
	Causes      json.RawMessage // of a difference; nil: none
}

// WhatIfMark is where a page of outcomes ends.
type WhatIfMark struct {
	Rank        int16  `json:"r"`
	ImageDigest string `json:"d"`
	Tag         string `json:"t"`
}

var (
	// A step that is done again, or twice at a time, counts a tag once.
	outcomeSave = query("outcome.save", `
WITH saved AS (
  INSERT INTO plimsoll.what_if_outcome AS o (account, run, rank, image_digest, tag, before, after, reason, causes)
  SELECT @account, @run, u.rank, u.image_digest, u.tag, u.before, u.after, u.reason, u.causes
  FROM unnest(@ranks::smallint[], @digests::text[], @tags::text[], @befores::text[], @afters::text[], @reasons::text[], @causes::jsonb[])
    AS u (rank, image_digest, tag, before, after, reason, causes)
  ON CONFLICT (account, run, image_digest, tag) DO UPDATE SET rank = excluded.rank, before = excluded.before, after = excluded.after,
    reason = excluded.reason, causes = excluded.causes
  RETURNING xmax = 0 AS fresh
)
SELECT count(*) FILTER (WHERE fresh) FROM saved`)

	outcomeProgress = query("outcome.progress", `
UPDATE plimsoll.what_if SET done = done + @fresh::int WHERE account = @account AND id = @run`)

	outcomeCounts = query("outcome.counts", `
SELECT rank, before, after, count(*) AS tags FROM plimsoll.what_if_outcome WHERE account = @account AND run = @run
GROUP BY rank, before, after ORDER BY rank, before, after`)

	outcomePage = query("outcome.page", `
SELECT rank, image_digest, tag, before, after, reason, causes FROM plimsoll.what_if_outcome
WHERE account = @account AND run = @run AND (rank, image_digest, tag) > (@rank::smallint, @image_digest, @tag) AND rank <= @last::smallint
ORDER BY rank, image_digest, tag LIMIT @limit`)
)

// Save stores outcomes of a trial, sorted by digest and tag, each once: ErrNotFound when the trial is gone.
func (s *WhatIfs) Save(ctx context.Context, account, id string, outcomes []WhatIfOutcome) error {
	n := len(outcomes)
	ranks, digests, tags := make([]int16, n), make([]string, n), make([]string, n)
	befores, afters, reasons, causes := make([]string, n), make([]string, n), make([]string, n), make([]*string, n)
	for i, o := range outcomes {
		ranks[i], digests[i], tags[i], befores[i], afters[i], reasons[i] = o.Rank, o.ImageDigest, o.Tag, o.Before, o.After, clip(o.Reason)
		if o.Causes != nil {
			text := string(o.Causes)
			causes[i] = &text
		}
	}
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		fresh, err := value[int](ctx, tx, outcomeSave, args{
			"account": account, "run": id, "ranks": ranks, "digests": digests, "tags": tags,
			"befores": befores, "afters": afters, "reasons": reasons, "causes": causes,
		})
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, outcomeProgress, args{"account": account, "run": id, "fresh": fresh})
		return err
	})
	if isViolation(err, codeForeignKey) {
		err = ErrNotFound
	}
	return wrap(err, "store %d outcomes of trial %s", n, id)
}

func (s *WhatIfs) counts(ctx context.Context, account, id string) ([]WhatIfCount, error) {
	return many[WhatIfCount](ctx, s.pool, outcomeCounts, args{"account": account, "run": id})
}

// Outcomes pages through what came out, what matters most first: those of one rank, or of all (rank < 0). nil is the first
// page.
func (s *WhatIfs) Outcomes(ctx context.Context, account, id string, rank int16, after *WhatIfMark, limit int) ([]WhatIfOutcome, error) {
	a := args{"account": account, "run": id, "limit": limit, "rank": int16(-1), "last": int16(1<<15 - 1), "image_digest": "", "tag": ""}
	if rank >= 0 {
		a["rank"], a["last"] = rank, rank
	}
	if after != nil {
		a["rank"], a["image_digest"], a["tag"] = after.Rank, after.ImageDigest, after.Tag
	}
	list, err := many[WhatIfOutcome](ctx, s.pool, outcomePage, a)
	if err != nil {
		return nil, fmt.Errorf("list outcomes of trial %s: %w", id, err)
	}
	return list, nil
}
