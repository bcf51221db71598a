package persistence

import (
	"context"
	"fmt"

	"plimsoll/engine/feed"

	"github.com/jackc/pgx/v5"
)

// A group that had at least shrinkFrom records and comes with less than half of them is more likely broken
// upstream than fixed everywhere.
const shrinkFrom = 100

// analyzeFrom is how many rows a statement may move before the planner has to hear of it at once: the first load of
// an empty database is followed by joins that are hopeless without statistics, and autovacuum comes too late.
const analyzeFrom = 1000

var (
	groupLock = query("feed.lock_group", `
SELECT record_count FROM plimsoll_feeds.feed_group WHERE source = @source AND group_name = @group FOR UPDATE`)

	differenceFind = query("feed.find_difference", `
INSERT INTO stage_difference (kind, record, namespace, package, added, removed)
SELECT 'vulnerability', coalesce(s.vulnerability_id, v.vulnerability_id), NULL, NULL,
  v.vulnerability_id IS NULL, s.vulnerability_id IS NULL
FROM stage_vulnerability s FULL JOIN (
  SELECT vulnerability_id, content_hash FROM plimsoll_feeds.vulnerability
  WHERE source = @source AND group_name = @group AND valid_to IS NULL) v USING (vulnerability_id)
WHERE s.content_hash IS DISTINCT FROM v.content_hash
UNION ALL
SELECT 'advisory', coalesce(s.advisory_id, v.advisory_id), coalesce(s.namespace, v.namespace),
  coalesce(s.package, v.package), v.advisory_id IS NULL, s.advisory_id IS NULL
FROM stage_advisory s FULL JOIN (
  SELECT advisory_id, namespace, package, content_hash FROM plimsoll_feeds.advisory
  WHERE source = @source AND group_name = @group AND valid_to IS NULL) v USING (advisory_id, namespace, package)
WHERE s.content_hash IS DISTINCT FROM v.content_hash`)

	differenceCount = query("feed.count_difference", `
SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added AND NOT removed) AS changed,
  count(*) FILTER (WHERE removed) AS removed
FROM (SELECT record, bool_or(added AND kind = 'vulnerability') AS added, bool_or(removed AND kind = 'vulnerability') AS removed
  FROM stage_difference GROUP BY record) r`)

	generationInsert = query("feed.insert_generation", `
INSERT INTO plimsoll_feeds.generation (source, group_name, added, changed, removed)
VALUES (@source, @group, @added, @changed, @removed) RETURNING id`)

	// What is said about a vulnerability matters to all packages it names, before and after.
	changeInsert = query("feed.insert_change", `
INSERT INTO plimsoll_feeds.change (generation, namespace, package)
SELECT @generation::bigint, n.namespace, n.package FROM (
  SELECT namespace, package FROM stage_difference WHERE kind = 'advisory'
  UNION SELECT s.namespace, s.package FROM stage_advisory s
    JOIN stage_difference d ON d.kind = 'vulnerability' AND d.record = s.advisory_id
  UNION SELECT v.namespace, v.package FROM plimsoll_feeds.advisory v
    JOIN stage_difference d ON d.kind = 'vulnerability' AND d.record = v.advisory_id
    WHERE v.source = @source AND v.group_name = @group AND v.valid_to IS NULL) n
ORDER BY n.namespace, n.package`)

	vulnerabilityClose = query("feed.close_vulnerability", `
UPDATE plimsoll_feeds.vulnerability v SET valid_to = @generation FROM stage_difference d
WHERE d.kind = 'vulnerability' AND NOT d.added AND v.vulnerability_id = d.record
  AND v.source = @source AND v.group_name = @group AND v.valid_to IS NULL`)

	vulnerabilityOpen = query("feed.open_vulnerability", `
INSERT INTO plimsoll_feeds.vulnerability (source, group_name, vulnerability_id, aliases, severity, withdrawn, published,
  detail, content_hash, valid_from)
SELECT @source::text, @group::text, s.vulnerability_id, s.aliases, s.severity, s.withdrawn, s.published,
  s.detail, s.content_hash, @generation::bigint
FROM stage_vulnerability s JOIN stage_difference d ON d.kind = 'vulnerability' AND d.record = s.vulnerability_id
WHERE NOT d.removed ORDER BY s.vulnerability_id`)

	advisoryClose = query("feed.close_advisory", `
UPDATE plimsoll_feeds.advisory v SET valid_to = @generation FROM stage_difference d
WHERE d.kind = 'advisory' AND NOT d.added
  AND v.advisory_id = d.record AND v.namespace = d.namespace AND v.package = d.package
  AND v.source = @source AND v.group_name = @group AND v.valid_to IS NULL`)

	advisoryOpen = query("feed.open_advisory", `
INSERT INTO plimsoll_feeds.advisory (source, group_name, advisory_id, namespace, package, ranges, versions, state,
  content_hash, valid_from)
SELECT @source::text, @group::text, s.advisory_id, s.namespace, s.package, s.ranges, s.versions, s.state,
  s.content_hash, @generation::bigint
FROM stage_advisory s JOIN stage_difference d
  ON d.kind = 'advisory' AND d.record = s.advisory_id AND d.namespace = s.namespace AND d.package = s.package
WHERE NOT d.removed ORDER BY s.advisory_id, s.namespace, s.package`)

	feedStatistics = command("feed.analyze", `ANALYZE plimsoll_feeds.advisory, plimsoll_feeds.vulnerability`)

	groupCommitted = query("feed.committed", `
UPDATE plimsoll_feeds.feed_group SET url = @url, etag = @etag, last_modified = @last_modified,
  body_sha256 = @body_sha256, record_count = @records, skipped_count = @skipped, last_sync = @at, last_attempt = @at,
  last_error = ''
WHERE source = @source AND group_name = @group`)
)

// Commit brings in a parsed document in one transaction: rows are written for what its content hash says is new,
// changed or gone, together with a generation and the names a rescan has to look at. A document that says what
// the last one said writes nothing but the state of the group. ErrShrunk keeps the old data.
func (s *Feeds) Commit(ctx context.Context, c CommitFeed) (Committed, error) {
	if _, err := exec(ctx, s.pool, groupEnsure, args{"source": c.Source, "groups": []string{c.Group}}); err != nil {
		return Committed{}, err
	}
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Committed, error) { return c.commit(ctx, tx) })
	return out, wrap(err, "commit feed group %s/%s", c.Source, c.Group)
}

func (c CommitFeed) commit(ctx context.Context, tx pgx.Tx) (Committed, error) {
	if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
		return Committed{}, err
	}
	out, err := c.load(ctx, tx)
	if err != nil {
		return Committed{}, err
	}
	key := args{"source": c.Source, "group": c.Group}
	before, err := value[int](ctx, tx, groupLock, key)
	if err != nil {
		return Committed{}, err
	}
	if !c.Force && (out.Records == 0 || before >= shrinkFrom && out.Records*2 < before) {
		return Committed{}, fmt.Errorf("%w: %d records, had %d: check the source, or sync with force", ErrShrunk, out.Records, before)
	}
	// Analyses that are being matched now finish with the old data, later ones wait for the new.
	if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockFeed}); err != nil {
		return Committed{}, err
	}
	if err := c.merge(ctx, tx, &out); err != nil {
		return Committed{}, err
	}
	_, err = exec(ctx, tx, groupCommitted, merge(key, c.Fetched.args(), args{"records": out.Records, "skipped": out.Skipped}))
	return out, err
}

// load fills the temporary tables.
func (c CommitFeed) load(ctx context.Context, tx pgx.Tx) (Committed, error) {
	if err := run(ctx, tx, vulnerabilityStaging, advisoryStaging, differenceStaging); err != nil {
		return Committed{}, err
	}
	staged := &stage{tx: tx, seen: make(map[string]struct{})}
	skipped, err := c.Load(func(r feed.Record) error { return staged.add(ctx, r) })
	if err != nil {
		return Committed{}, err
	}
	if err := staged.flush(ctx); err != nil {
		return Committed{}, err
	}
	out := Committed{Records: len(staged.seen), Skipped: skipped + staged.skipped}
	return out, run(ctx, tx, vulnerabilityStatistics, advisoryStatistics)
}

// merge writes what differs, under a new generation if anything does.
func (c CommitFeed) merge(ctx context.Context, tx pgx.Tx, out *Committed) error {
	key := args{"source": c.Source, "group": c.Group}
	differs, err := exec(ctx, tx, differenceFind, key)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if differs == 0 {
		out.Unchanged = true
		return nil
	}
	if err := run(ctx, tx, differenceStatistics); err != nil {
		return err
	}
	count, err := one[struct{ Added, Changed, Removed int }](ctx, tx, differenceCount, args{})
	if err != nil {
		return fmt.Errorf("count differences: %w", err)
	}
	out.Added, out.Changed, out.Removed = count.Added, count.Changed, count.Removed
	out.Generation, err = value[int64](ctx, tx, generationInsert, merge(key, args{
		"added": count.Added, "changed": count.Changed, "removed": count.Removed,
	}))
	if err != nil {
		return fmt.Errorf("open generation: %w", err)
	}
	key["generation"] = out.Generation
	for _, statement := range []string{changeInsert, vulnerabilityClose, vulnerabilityOpen, advisoryClose, advisoryOpen} {
		if _, err := exec(ctx, tx, statement, key); err != nil {
			return fmt.Errorf("write generation: %w", err)
		}
	}
	if differs < analyzeFrom {
		return nil
	}
	return run(ctx, tx, feedStatistics)
}

// run executes commands in order.
func run(ctx context.Context, tx pgx.Tx, commands ...string) error {
	for _, sql := range commands {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
