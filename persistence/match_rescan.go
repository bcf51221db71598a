package persistence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// movedPackages are the dictionary entries whose answer a generation changed: a match began or ended, or what is
// said about its vulnerability changed.
const movedPackages = `
WITH moved AS (
  SELECT package_id FROM plimsoll.package_match WHERE from_generation = @generation AND cause <> 'analysis'
  UNION SELECT package_id FROM plimsoll.package_match WHERE to_generation = @generation
  UNION SELECT m.package_id FROM plimsoll_feeds.vulnerability u
    JOIN plimsoll.package_match m ON m.vulnerability = u.vulnerability_id AND m.source = u.source
      AND m.group_name = u.group_name AND m.valid_to IS NULL
    WHERE u.valid_from = @generation
), affected AS (
  SELECT DISTINCT e.analysis_id FROM moved JOIN plimsoll.image_package e USING (package_id)
)`

const (
	// counterCounts counts the findings of each package. Severities as in feed.Severity.
	counterCounts = `
WITH per_package AS MATERIALIZED (
  SELECT m.package_id,
    count(*) FILTER (WHERE u.severity = 5) AS critical, count(*) FILTER (WHERE u.severity = 4) AS high,
    count(*) FILTER (WHERE u.severity = 3) AS medium, count(*) FILTER (WHERE u.severity = 2) AS low,
    count(*) FILTER (WHERE u.severity = 1) AS negligible,
    count(*) FILTER (WHERE coalesce(u.severity, 0) NOT BETWEEN 1 AND 5) AS unknown,
    count(*) FILTER (WHERE m.fix_version <> '') AS fixable
  FROM plimsoll.package_match m
  LEFT JOIN plimsoll_feeds.vulnerability u ON u.source = m.source AND u.group_name = m.group_name
    AND u.vulnerability_id = m.vulnerability AND u.valid_to IS NULL
  WHERE m.valid_to IS NULL`

	// counterWrite adds the counts up per analysis, a package at several paths once, and writes what moved.
	counterWrite = `
  GROUP BY m.package_id
), held AS (
  SELECT DISTINCT e.analysis_id, e.package_id
  FROM unnest(@analyses::bigint[]) a (id)
  JOIN plimsoll.image_package e ON e.analysis_id = a.id AND NOT e.owned
  JOIN per_package c ON c.package_id = e.package_id
)
INSERT INTO plimsoll.analysis_counter AS k (analysis_id, generation, critical, high, medium, low, negligible, unknown, fixable)
SELECT a.id, @generation::bigint, coalesce(sum(c.critical), 0), coalesce(sum(c.high), 0), coalesce(sum(c.medium), 0),
  coalesce(sum(c.low), 0), coalesce(sum(c.negligible), 0), coalesce(sum(c.unknown), 0), coalesce(sum(c.fixable), 0)
FROM plimsoll.analysis a
LEFT JOIN held h ON h.analysis_id = a.id LEFT JOIN per_package c ON c.package_id = h.package_id
WHERE a.id = ANY (@analyses::bigint[]) GROUP BY a.id ORDER BY a.id
ON CONFLICT (analysis_id) DO UPDATE SET generation = excluded.generation, critical = excluded.critical,
  high = excluded.high, medium = excluded.medium, low = excluded.low, negligible = excluded.negligible,
  unknown = excluded.unknown, fixable = excluded.fixable, updated_at = now()
WHERE (k.critical, k.high, k.medium, k.low, k.negligible, k.unknown, k.fixable)
  <> (excluded.critical, excluded.high, excluded.medium, excluded.low, excluded.negligible, excluded.unknown, excluded.fixable)`

	// recountMany is from how many analyses on restricting the packages costs more than it saves.
	recountMany = 1000
)

var (
	// Entries that were never matched, or are to be matched anew, belong here too: the analysis that should do it
	// may have ended before, and images of others hold them.
	rescanPackages = query("rescan.packages", `
SELECT p.id FROM plimsoll_feeds.change c
JOIN plimsoll.package p ON p.match_namespace = c.namespace AND p.match_name = c.package
WHERE c.generation = @generation AND p.match_namespace <> '' ORDER BY p.id`)

	rescanAnalyses = query("rescan.analyses", movedPackages+` SELECT analysis_id FROM affected ORDER BY analysis_id`)

	rescanImages = query("rescan.images", movedPackages+`
SELECT i.account, i.digest FROM affected f JOIN plimsoll.image i ON i.analysis_id = f.analysis_id
WHERE i.image_status = 'active' AND (i.account, i.digest) > (@account, @digest)
ORDER BY i.account, i.digest LIMIT @limit`)

	matchStatistics = command("match.analyze", `ANALYZE plimsoll.package_match`)

	counterGet = query("counter.get", `
SELECT analysis_id, generation, critical, high, medium, low, negligible, unknown, fixable, updated_at
FROM plimsoll.analysis_counter WHERE analysis_id = @analysis_id`)

	counterLock = query("counter.lock", `
SELECT id FROM plimsoll.analysis WHERE id = ANY (@analyses::bigint[]) ORDER BY id FOR NO KEY UPDATE`)

	counterRenew = query("counter.renew", counterCounts+`
  AND m.package_id IN (SELECT package_id FROM plimsoll.image_package WHERE analysis_id = ANY (@analyses::bigint[]))`+counterWrite)

	// For many analyses at once: they hold most packages between them.
	counterRenewMany = query("counter.renew_many", counterCounts+counterWrite)

	// Sorting and hashing a few million edges.
	roomy = query("session.roomy", `SELECT set_config('work_mem', '64MB', true)`)

	counterOfImages = query("counter.of_images", `
SELECT i.digest, k.analysis_id, k.generation, k.critical, k.high, k.medium, k.low, k.negligible, k.unknown, k.fixable, k.updated_at
FROM plimsoll.image i JOIN plimsoll.analysis_counter k ON k.analysis_id = i.analysis_id
WHERE i.account = @account AND i.digest = ANY (@digests::text[])`)
)

// Rescan applies the change set of a generation: dictionary entries of the changed names are matched anew, in
// transactions of their own, and only what differs is closed or opened; then the counters of the analyses whose
// answers moved are renewed. It can be repeated: what is done is found done.
func (s *Matches) Rescan(ctx context.Context, generation int64, at time.Time, cause string, decide Decide) (Rescanned, error) {
	var out Rescanned
	packages, err := s.longList(ctx, rescanPackages, generation)
	if err != nil {
		return out, fmt.Errorf("rescan generation %d: %w", generation, err)
	}
	out.Packages = len(packages)
	for batch := range slices.Chunk(packages, rescanBatch) {
		moved, err := s.rescanBatch(ctx, batch, generation, at, cause, decide)
		if err != nil {
			return out, fmt.Errorf("rescan generation %d: %w", generation, err)
		}
		out.Opened, out.Closed = out.Opened+moved.opened, out.Closed+moved.closed
	}
	if out.Opened+out.Closed >= analyzeFrom {
		if _, err := s.pool.Exec(ctx, matchStatistics); err != nil {
			return out, fmt.Errorf("rescan generation %d: %w", generation, err)
		}
	}
	analyses, err := s.longList(ctx, rescanAnalyses, generation)
	if err != nil {
		return out, fmt.Errorf("rescan generation %d: %w", generation, err)
	}
	out.Analyses = len(analyses)
	for batch := range slices.Chunk(analyses, recountBatch) {
		err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
			for _, setting := range []string{unlimited, roomy} {
				if _, err := exec(ctx, tx, setting, args{}); err != nil {
					return err
				}
			}
			return recountAnalyses(ctx, tx, batch, generation)
		})
		if err != nil {
			return out, fmt.Errorf("rescan generation %d: count: %w", generation, err)
		}
	}
	return out, nil
}

// longList reads ids with a statement that may run longer than what somebody waits for.
func (s *Matches) longList(ctx context.Context, statement string, generation int64) ([]int64, error) {
	return InTx(ctx, s.pool, func(tx pgx.Tx) ([]int64, error) {
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
			return nil, err
		}
		return column[int64](ctx, tx, statement, args{"generation": generation})
	})
}

// rescanBatch holds the rescan lock: two rescans that looked at different states of the feeds must not merge the
// older one last.
func (s *Matches) rescanBatch(ctx context.Context, batch []int64, generation int64, at time.Time, cause string, decide Decide) (movement, error) {
	return InTx(ctx, s.pool, func(tx pgx.Tx) (movement, error) {
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
			return movement{}, err
		}
		if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockRescan}); err != nil {
			return movement{}, err
		}
		return rematch(ctx, tx, batch, generation, at, cause, decide)
	})
}

// recountAnalyses renews counters. The lock comes first and in a statement of its own, so that the count sees
// everything that whoever held it before has committed.
func recountAnalyses(ctx context.Context, tx pgx.Tx, analyses []int64, generation int64) error {
	if _, err := exec(ctx, tx, counterLock, args{"analyses": analyses}); err != nil {
		return err
	}
	statement := counterRenew
	if len(analyses) >= recountMany {
		statement = counterRenewMany
	}
	_, err := exec(ctx, tx, statement, args{"analyses": analyses, "generation": generation})
	return err
}

// Affected pages through the images of all accounts whose answers a generation changed, by account and digest;
// after is the last one of the page before. Each page works out the whole set: ask for thousands.
func (s *Matches) Affected(ctx context.Context, generation int64, after ImageRef, limit int) ([]ImageRef, error) {
	list, err := many[ImageRef](ctx, s.pool, rescanImages, args{
		"generation": generation, "account": after.Account, "digest": after.Digest, "limit": limit,
	})
	return list, wrap(err, "list images generation %d affects", generation)
}

// Counters returns the counters of those images of the account that have been matched, by digest.
func (s *Matches) Counters(ctx context.Context, account string, digests []string) (map[string]Counter, error) {
	type row struct {
		Digest string
		Counter
	}
	rows, err := many[row](ctx, s.pool, counterOfImages, args{"account": account, "digests": digests})
	if err != nil {
		return nil, fmt.Errorf("load counters: %w", err)
	}
	out := make(map[string]Counter, len(rows))
	for _, r := range rows {
		out[r.Digest] = r.Counter
	}
	return out, nil
}
