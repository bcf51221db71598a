package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// FeedRetention is how long the past of the feeds is kept; 0 keeps it for ever.
type FeedRetention struct {
	History time.Duration // of records, since they were replaced or withdrawn
	Runs    time.Duration // since a sync began
}

// Forgotten counts rows.
type Forgotten struct{ Records, Changes, Runs int64 }

// forgetBatch is how many rows one transaction removes, so that nothing else waits for long.
const forgetBatch = 10_000

var (
	// Everything closed by a generation below this one was closed before the time.
	generationBefore = query("generation.before", `
SELECT coalesce((SELECT min(id) FROM plimsoll_feeds.generation WHERE committed_at >= @at),
  (SELECT max(id) + 1 FROM plimsoll_feeds.generation), 0)`)

	// Whoever asks for what changed since a generation has to know that not all of it is there.
	forgetUpTo = query("feed.forget_up_to", `UPDATE plimsoll_feeds.origin SET swept = @before::bigint - 1 WHERE swept < @before::bigint - 1`)

	forgetVulnerabilities = query("feed.forget_vulnerabilities", `
DELETE FROM plimsoll_feeds.vulnerability WHERE id IN (
  SELECT id FROM plimsoll_feeds.vulnerability WHERE valid_to < @before ORDER BY valid_to LIMIT @limit)`)

	forgetAdvisories = query("feed.forget_advisories", `
DELETE FROM plimsoll_feeds.advisory WHERE id IN (
  SELECT id FROM plimsoll_feeds.advisory WHERE valid_to < @before ORDER BY valid_to LIMIT @limit)`)

	forgetFacts = query("feed.forget_facts", `
DELETE FROM plimsoll_feeds.fact WHERE id IN (
  SELECT id FROM plimsoll_feeds.fact WHERE valid_to < @before ORDER BY valid_to LIMIT @limit)`)

	forgetChanges = query("feed.forget_changes", `
DELETE FROM plimsoll_feeds.change WHERE (generation, namespace, package) IN (
  SELECT generation, namespace, package FROM plimsoll_feeds.change WHERE generation < @before
  ORDER BY generation, namespace, package LIMIT @limit)`)

	forgetRuns = query("sync.forget", `
DELETE FROM plimsoll_feeds.sync_run WHERE id IN (
  SELECT id FROM plimsoll_feeds.sync_run WHERE started_at < @at AND status <> 'running' ORDER BY id LIMIT @limit)`)
)

// Forget removes what is older than the retention says, in batches. rescanned is the newest generation whose rescan, with those
// before it, has been started: work lists of later ones stay. Only one process does it at a time; another one does nothing.
func (s *Feeds) Forget(ctx context.Context, keep FeedRetention, rescanned int64, now time.Time) (Forgotten, error) {
	var out Forgotten
	if keep.History > 0 {
		before, err := value[int64](ctx, s.pool, generationBefore, args{"at": now.Add(-keep.History)})
		if err != nil {
			return out, wrap(err, "find old generations")
		}
		if _, err := exec(ctx, s.pool, forgetUpTo, args{"before": before}); err != nil {
			return out, wrap(err, "note what is forgotten")
		}
		for _, part := range []struct {
			statement string
			before    int64
			count     *int64
		}{
			{forgetVulnerabilities, before, &out.Records}, {forgetAdvisories, before, &out.Records}, {forgetFacts, before, &out.Records},
			{forgetChanges, min(before, rescanned+1), &out.Changes},
		} {
			if err := s.forget(ctx, part.statement, args{"before": part.before}, part.count); err != nil {
				return out, err
			}
		}
	}
	if keep.Runs > 0 {
		if err := s.forget(ctx, forgetRuns, args{"at": now.Add(-keep.Runs)}, &out.Runs); err != nil {
			return out, err
		}
	}
	return out, nil
}

// forget runs a statement until it finds nothing more.
func (s *Feeds) forget(ctx context.Context, statement string, a args, count *int64) error {
	for {
		n, err := InTx(ctx, s.pool, func(tx pgx.Tx) (int64, error) {
			mine, err := value[bool](ctx, tx, sweepLock, args{"lock": lockForget})
			if err != nil || !mine {
				return 0, err
			}
			return exec(ctx, tx, statement, merge(a, args{"limit": forgetBatch}))
		})
		if err != nil {
			return wrap(err, "forget old feed data")
		}
		*count += n
		if n < forgetBatch {
			return nil
		}
	}
}
