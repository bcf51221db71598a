package persistence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// A group that had at least shrinkFrom records and comes with less than half of them is more likely broken
// upstream than fixed everywhere.
const shrinkFrom = 100

// analyzeFrom is how many rows a statement may move before the planner has to hear of it at once: the first load of
// an empty database is followed by joins that are hopeless without statistics, and autovacuum comes too late.
const analyzeFrom = 1000

// CommitFeed is what a driver read, to be brought in.
type CommitFeed struct {
	Source    string
	Group     string
	Documents []FetchedDocument
	Cursor    string // where the next sync goes on
	Revision  int    // of the driver
	At        time.Time
	// Delta: records that are neither said nor in Removed stay as they are.
	Delta   bool
	Removed []string
	// Force accepts a document without records or with less than half of the records known.
	Force bool
	// Replace writes every record anew, also those that say what they said.
	Replace bool
	// Load puts in what the driver reads.
	Load func(in *Staging) error
	// Bad hears of records that are skipped; nil: nobody. All are counted.
	Bad func(id string, err error)
}

// Committed is what a commit did. Added, Changed and Removed count records.
type Committed struct {
	Generation int64 // 0 when nothing changed
	Unchanged  bool
	Records    int
	Skipped    int
	Added      int
	Changed    int
	Removed    int
}

var (
	groupLock = query("feed.lock_group", `
SELECT record_count FROM plimsoll_feeds.feed_group WHERE source = @source AND group_name = @group FOR UPDATE`)

	// What a delta does not name is not compared.
	differenceFind = query("feed.find_difference", `
WITH named AS (SELECT vulnerability_id AS record FROM stage_vulnerability UNION SELECT record FROM stage_removed)
INSERT INTO stage_difference (kind, record, namespace, package, scope, added, removed)
SELECT 'vulnerability', coalesce(s.vulnerability_id, v.vulnerability_id), NULL, NULL, NULL,
  v.vulnerability_id IS NULL, s.vulnerability_id IS NULL
FROM stage_vulnerability s FULL JOIN (
  SELECT vulnerability_id, content_hash FROM plimsoll_feeds.vulnerability
  WHERE source = @source AND group_name = @group AND valid_to IS NULL
    AND (NOT @delta OR vulnerability_id IN (SELECT record FROM named))) v USING (vulnerability_id)
WHERE (@replace OR s.content_hash IS DISTINCT FROM v.content_hash)
UNION ALL
SELECT 'advisory', coalesce(s.advisory_id, v.advisory_id), coalesce(s.namespace, v.namespace),
  coalesce(s.package, v.package), coalesce(s.scope, v.scope), v.advisory_id IS NULL, s.advisory_id IS NULL
FROM stage_advisory s FULL JOIN (
  SELECT advisory_id, namespace, package, scope, content_hash FROM plimsoll_feeds.advisory
  WHERE source = @source AND group_name = @group AND valid_to IS NULL
    AND (NOT @delta OR advisory_id IN (SELECT record FROM named))) v USING (advisory_id, namespace, package, scope)
WHERE (@replace OR s.content_hash IS DISTINCT FROM v.content_hash)
UNION ALL
SELECT 'fact', coalesce(s.key, v.key), coalesce(s.kind, v.kind), NULL, NULL, v.key IS NULL, s.key IS NULL
FROM stage_fact s FULL JOIN (
  SELECT kind, key, content_hash FROM plimsoll_feeds.fact
  WHERE source = @source AND group_name = @group AND valid_to IS NULL AND NOT @delta) v USING (kind, key)
WHERE (@replace OR s.content_hash IS DISTINCT FROM v.content_hash)
UNION ALL
SELECT 'file', coalesce(s.name, v.name), NULL, NULL, NULL, v.name IS NULL, s.name IS NULL
FROM stage_file s FULL JOIN (
  SELECT name, digest FROM plimsoll_feeds.file WHERE source = @source AND group_name = @group
    AND (NOT @delta OR name IN (SELECT name FROM stage_file UNION SELECT record FROM stage_removed))) v USING (name)
WHERE s.digest IS DISTINCT FROM v.digest
UNION ALL
SELECT 'score', coalesce(s.id, v.id), NULL, NULL, NULL, v.id IS NULL, s.id IS NULL
FROM stage_score s FULL JOIN (
  SELECT id, probability, percentile FROM plimsoll_feeds.score WHERE source = @source AND group_name = @group) v USING (id)
WHERE @replace OR s.id IS NULL OR v.id IS NULL OR (s.probability, s.percentile) <> (v.probability, v.percentile)`)

	differenceCount = query("feed.count_difference", `
SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added AND NOT removed) AS changed,
  count(*) FILTER (WHERE removed) AS removed
FROM (SELECT record, bool_or(added AND kind <> 'advisory') AS added, bool_or(removed AND kind <> 'advisory') AS removed
  FROM stage_difference GROUP BY record, kind IN ('fact', 'score', 'file'), CASE WHEN kind = 'fact' THEN namespace END) r`)

	generationInsert = query("feed.insert_generation", `
INSERT INTO plimsoll_feeds.generation (source, group_name, added, changed, removed)
VALUES (@source, @group, @added, @changed, @removed) RETURNING id`)

	// What is said about a vulnerability matters to all packages it names, before and after. An exclusion matters to
	// the packages of the vulnerabilities it names, whoever publishes those. What NVD says rates the records that others
	// leave unrated.
	changeInsert = query("feed.insert_change", `
WITH excluded AS (
  SELECT DISTINCT jsonb_array_elements_text(x.value -> 'vulnerabilities') AS id FROM (
    SELECT value FROM stage_fact s JOIN stage_difference d ON d.kind = 'fact' AND d.record = s.key AND d.namespace = s.kind
    WHERE s.kind = 'exclusion'
    UNION ALL SELECT value FROM plimsoll_feeds.fact f
    JOIN stage_difference d ON d.kind = 'fact' AND d.record = f.key AND d.namespace = f.kind
    WHERE f.kind = 'exclusion' AND f.source = @source AND f.group_name = @group AND f.valid_to IS NULL) x
)
INSERT INTO plimsoll_feeds.change (generation, namespace, package)
SELECT @generation::bigint, n.namespace, n.package FROM (
  SELECT namespace, package FROM stage_difference WHERE kind = 'advisory'
  UNION SELECT s.namespace, s.package FROM stage_advisory s
    JOIN stage_difference d ON d.kind = 'vulnerability' AND d.record = s.advisory_id
  UNION SELECT v.namespace, v.package FROM plimsoll_feeds.advisory v
    JOIN stage_difference d ON d.kind = 'vulnerability' AND d.record = v.advisory_id
    WHERE v.source = @source AND v.group_name = @group AND v.valid_to IS NULL
  UNION SELECT v.namespace, v.package FROM excluded x
    JOIN plimsoll_feeds.vulnerability u ON u.valid_to IS NULL AND (u.vulnerability_id = x.id OR u.aliases @> ARRAY[x.id])
    JOIN plimsoll_feeds.advisory v ON v.source = u.source AND v.group_name = u.group_name
      AND v.advisory_id = u.vulnerability_id AND v.valid_to IS NULL
  UNION SELECT v.namespace, v.package FROM plimsoll_feeds.vulnerability u
    CROSS JOIN LATERAL unnest(u.aliases || u.vulnerability_id) i (id)
    JOIN stage_difference d ON d.kind = 'vulnerability' AND d.record = i.id
    JOIN plimsoll_feeds.advisory v ON v.source = u.source AND v.group_name = u.group_name
      AND v.advisory_id = u.vulnerability_id AND v.valid_to IS NULL
    WHERE @source = 'nvd' AND u.source <> 'nvd' AND u.valid_to IS NULL AND (u.severity = 0 OR v.detail ->> 'severity' = '0')) n
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
  AND v.advisory_id = d.record AND v.namespace = d.namespace AND v.package = d.package AND v.scope = d.scope
  AND v.source = @source AND v.group_name = @group AND v.valid_to IS NULL`)

	advisoryOpen = query("feed.open_advisory", `
INSERT INTO plimsoll_feeds.advisory (source, group_name, advisory_id, namespace, package, scope, ranges, versions, state,
  detail, content_hash, valid_from)
SELECT @source::text, @group::text, s.advisory_id, s.namespace, s.package, s.scope, s.ranges, s.versions, s.state,
  s.detail, s.content_hash, @generation::bigint
FROM stage_advisory s JOIN stage_difference d ON d.kind = 'advisory'
  AND d.record = s.advisory_id AND d.namespace = s.namespace AND d.package = s.package AND d.scope = s.scope
WHERE NOT d.removed ORDER BY s.advisory_id, s.namespace, s.package, s.scope`)

	factClose = query("feed.close_fact", `
UPDATE plimsoll_feeds.fact f SET valid_to = @generation FROM stage_difference d
WHERE d.kind = 'fact' AND NOT d.added AND f.key = d.record AND f.kind = d.namespace
  AND f.source = @source AND f.group_name = @group AND f.valid_to IS NULL`)

	factOpen = query("feed.open_fact", `
INSERT INTO plimsoll_feeds.fact (source, group_name, kind, key, value, content_hash, valid_from)
SELECT @source::text, @group::text, s.kind, s.key, s.value, s.content_hash, @generation::bigint
FROM stage_fact s JOIN stage_difference d ON d.kind = 'fact' AND d.record = s.key AND d.namespace = s.kind
WHERE NOT d.removed ORDER BY s.kind, s.key`)

	scoreRemove = query("feed.remove_scores", `
DELETE FROM plimsoll_feeds.score v USING stage_difference d
WHERE d.kind = 'score' AND d.removed AND v.id = d.record AND v.source = @source AND v.group_name = @group`)

	scoreWrite = query("feed.write_scores", `
INSERT INTO plimsoll_feeds.score AS v (id, source, group_name, probability, percentile, scored_on)
SELECT s.id, @source::text, @group::text, s.probability, s.percentile, s.scored_on
FROM stage_score s JOIN stage_difference d ON d.kind = 'score' AND d.record = s.id WHERE NOT d.removed ORDER BY s.id
ON CONFLICT (id) DO UPDATE SET source = excluded.source, group_name = excluded.group_name,
  probability = excluded.probability, percentile = excluded.percentile, scored_on = excluded.scored_on`)

	feedStatistics = command("feed.analyze", `ANALYZE plimsoll_feeds.advisory, plimsoll_feeds.vulnerability, plimsoll_feeds.fact, plimsoll_feeds.score`)

	recordCount = query("feed.count_records", `
SELECT (SELECT count(*) FROM plimsoll_feeds.vulnerability WHERE source = @source AND group_name = @group AND valid_to IS NULL)
  + (SELECT count(*) FROM plimsoll_feeds.fact WHERE source = @source AND group_name = @group AND valid_to IS NULL)
  + (SELECT count(*) FROM plimsoll_feeds.file WHERE source = @source AND group_name = @group)`)

	groupCommitted = query("feed.committed", `
UPDATE plimsoll_feeds.feed_group SET cursor = @cursor, revision = @revision, record_count = @records, skipped_count = @skipped,
  last_sync = @at, last_attempt = @at, last_error = '', refused_since = NULL
WHERE source = @source AND group_name = @group`)
)

// Commit brings in what a driver read in one transaction: rows are written for what its content hash says is new,
// changed or gone, together with a generation and the names a rescan has to look at. Documents that say what
// the last ones said write nothing but the state of the group. ErrShrunk keeps the old data.
func (s *Feeds) Commit(ctx context.Context, c CommitFeed) (Committed, error) {
	if _, err := exec(ctx, s.pool, groupKnown, c.key()); err != nil {
		return Committed{}, err
	}
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Committed, error) { return c.commit(ctx, tx) })
	return out, wrap(err, "commit feed group %s/%s", c.Source, c.Group)
}

// Plausible refuses to replace the records of a group by none, or by less than half: ErrShrunk.
func Plausible(before, now int) error {
	if now == 0 || before >= shrinkFrom && now*2 < before {
		return fmt.Errorf("%w: %d records, had %d: check the source, or use force", ErrShrunk, now, before)
	}
	return nil
}

func (c CommitFeed) key() args { return args{"source": c.Source, "group": c.Group} }

func (c CommitFeed) commit(ctx context.Context, tx pgx.Tx) (Committed, error) {
	if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
		return Committed{}, err
	}
	out, err := c.load(ctx, tx)
	if err != nil {
		return Committed{}, err
	}
	before, err := value[int](ctx, tx, groupLock, c.key())
	if err != nil {
		return Committed{}, err
	}
	if !c.Force && !c.Delta {
		if err := Plausible(before, out.Records); err != nil {
			return Committed{}, err
		}
	}
	// Analyses that are being matched now finish with the old data, later ones wait for the new.
	if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockFeed}); err != nil {
		return Committed{}, err
	}
	if err := c.merge(ctx, tx, &out); err != nil {
		return Committed{}, err
	}
	if c.Delta {
		if out.Records, err = value[int](ctx, tx, recordCount, c.key()); err != nil {
			return Committed{}, err
		}
	}
	if err := noteDocuments(ctx, tx, c.Source, c.Group, c.Documents); err != nil {
		return Committed{}, err
	}
	_, err = exec(ctx, tx, groupCommitted, merge(c.key(), args{
		"cursor": whole(c.Cursor), "revision": c.Revision, "records": out.Records, "skipped": out.Skipped, "at": c.At,
	}))
	return out, err
}

// load fills the temporary tables.
func (c CommitFeed) load(ctx context.Context, tx pgx.Tx) (Committed, error) {
	tables := slices.Sorted(maps.Keys(staging))
	for _, t := range tables {
		if err := run(ctx, tx, staging[t].create); err != nil {
			return Committed{}, err
		}
	}
	var out Committed
	in := newStaging(ctx, tx, func(id string, err error) {
		out.Skipped++
		if c.Bad != nil {
			c.Bad(id, err)
		}
	})
	if err := c.Load(in); err != nil {
		return Committed{}, err
	}
	for _, id := range c.Removed {
		if err := in.put("stage_removed", []any{id}); err != nil {
			return Committed{}, err
		}
	}
	if err := in.finish(); err != nil {
		return Committed{}, err
	}
	out.Records = in.total
	for _, t := range tables {
		if err := run(ctx, tx, staging[t].statistics); err != nil {
			return Committed{}, err
		}
	}
	return out, nil
}

// merge writes what differs, under a new generation if anything does.
func (c CommitFeed) merge(ctx context.Context, tx pgx.Tx, out *Committed) error {
	differs, err := exec(ctx, tx, differenceFind, merge(c.key(), args{"delta": c.Delta, "replace": c.Replace}))
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if differs == 0 {
		out.Unchanged = true
		return nil
	}
	if err := run(ctx, tx, staging["stage_difference"].statistics); err != nil {
		return err
	}
	count, err := one[struct{ Added, Changed, Removed int }](ctx, tx, differenceCount, args{})
	if err != nil {
		return fmt.Errorf("count differences: %w", err)
	}
	out.Added, out.Changed, out.Removed = count.Added, count.Changed, count.Removed
	key := c.key()
	out.Generation, err = value[int64](ctx, tx, generationInsert, merge(key, args{
		"added": count.Added, "changed": count.Changed, "removed": count.Removed,
	}))
	if err != nil {
		return fmt.Errorf("open generation: %w", err)
	}
	key["generation"] = out.Generation
	for _, statement := range []string{
		changeInsert, vulnerabilityClose, vulnerabilityOpen, advisoryClose, advisoryOpen, factClose, factOpen,
	} {
		if _, err := exec(ctx, tx, statement, key); err != nil {
			return fmt.Errorf("write generation: %w", err)
		}
	}
	for _, statement := range []string{scoreRemove, scoreWrite} {
		if _, err := exec(ctx, tx, statement, c.key()); err != nil {
			return fmt.Errorf("write scores: %w", err)
		}
	}
	if err := c.mergeFiles(ctx, tx); err != nil {
		return fmt.Errorf("write files: %w", err)
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
