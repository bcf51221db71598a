package persistence

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
)

// Counters are kept by what moved: a rematch notes the difference of each package in the transaction that moves its
// matches, and the differences of many packages are added to all images that hold them in one statement. A counter
// that is made from nothing holds all differences there are, and says so.

// counterSums counts matches. Severities as in feed.Severity.
const counterSums = `
  count(*) FILTER (WHERE m.severity = 5) AS critical, count(*) FILTER (WHERE m.severity = 4) AS high,
  count(*) FILTER (WHERE m.severity = 3) AS medium, count(*) FILTER (WHERE m.severity = 2) AS low,
  count(*) FILTER (WHERE m.severity = 1) AS negligible, count(*) FILTER (WHERE m.severity = 0) AS unknown,
  count(*) FILTER (WHERE m.fix_version <> '') AS fixable`

const counterColumns = `analysis_id, generation, critical, high, medium, low, negligible, unknown, fixable, updated_at`

var (
	counterGet = query("counter.get", `SELECT `+counterColumns+` FROM plimsoll.analysis_counter WHERE analysis_id = @analysis_id`)

	counterLock = query("counter.lock", `
SELECT id FROM plimsoll.analysis WHERE id = ANY (@analyses::bigint[]) ORDER BY id FOR NO KEY UPDATE`)

	counterCount = query("counter.count", `
INSERT INTO plimsoll.analysis_counter AS k (analysis_id, generation, critical, high, medium, low, negligible, unknown, fixable, delta_id)
SELECT a.id, @generation::bigint, c.critical, c.high, c.medium, c.low, c.negligible, c.unknown, c.fixable,
  (SELECT coalesce(max(id), 0) FROM plimsoll.counter_delta)
FROM plimsoll.analysis a CROSS JOIN LATERAL (
  SELECT `+counterSums+`
  FROM plimsoll.image_package e JOIN plimsoll.package_match m ON m.package_id = e.package_id AND m.valid_to IS NULL
  WHERE e.analysis_id = a.id AND e.counted) c
WHERE a.id = ANY (@analyses::bigint[]) ORDER BY a.id
ON CONFLICT (analysis_id) DO UPDATE SET generation = excluded.generation, critical = excluded.critical,
  high = excluded.high, medium = excluded.medium, low = excluded.low, negligible = excluded.negligible,
  unknown = excluded.unknown, fixable = excluded.fixable, delta_id = excluded.delta_id, updated_at = now()
WHERE (k.critical, k.high, k.medium, k.low, k.negligible, k.unknown, k.fixable, k.delta_id)
  <> (excluded.critical, excluded.high, excluded.medium, excluded.low, excluded.negligible, excluded.unknown, excluded.fixable, excluded.delta_id)`)

	deltaColumns = []string{"package_id", "critical", "high", "medium", "low", "negligible", "unknown", "fixable"}

	deltaPending = query("counter.pending", `SELECT EXISTS (SELECT FROM plimsoll.counter_delta)`)

	// Everything there is by now: the statement that adds and the one that removes must mean the same rows.
	deltaNewest = query("counter.newest", `SELECT coalesce(max(id), 0) FROM plimsoll.counter_delta`)

	deltaAdd = query("counter.add", `
UPDATE plimsoll.analysis_counter k SET critical = k.critical + s.critical, high = k.high + s.high,
  medium = k.medium + s.medium, low = k.low + s.low, negligible = k.negligible + s.negligible,
  unknown = k.unknown + s.unknown, fixable = k.fixable + s.fixable, updated_at = now(),
  generation = greatest(k.generation, @generation::bigint)
FROM (
  SELECT e.analysis_id, c.delta_id, sum(d.critical) AS critical, sum(d.high) AS high, sum(d.medium) AS medium, sum(d.low) AS low,
    sum(d.negligible) AS negligible, sum(d.unknown) AS unknown, sum(d.fixable) AS fixable
  FROM plimsoll.counter_delta d
  JOIN plimsoll.image_package e ON e.package_id = d.package_id AND e.counted
  JOIN plimsoll.analysis_counter c ON c.analysis_id = e.analysis_id AND c.delta_id < d.id
  WHERE d.id <= @newest
  GROUP BY e.analysis_id, c.delta_id) s
WHERE k.analysis_id = s.analysis_id AND k.delta_id = s.delta_id -- not one that was made from nothing meanwhile
  AND (s.critical, s.high, s.medium, s.low, s.negligible, s.unknown, s.fixable) <> (0, 0, 0, 0, 0, 0, 0)`)

	deltaRemove = query("counter.remove", `DELETE FROM plimsoll.counter_delta WHERE id <= @newest`)

	deltaStatistics = command("counter.analyze", `ANALYZE plimsoll.counter_delta`)

	// Sorting and hashing a few million edges.
	roomy = query("session.roomy", `SELECT set_config('work_mem', '64MB', true)`)

	// Counters are everybody's. What an account has corrected makes a difference: what the counter holds of the package, which
	// is its matches without what is not added yet, for the matches of what it was corrected to.
	counterOfImages = query("counter.of_images", `
SELECT i.digest, k.analysis_id, k.generation, k.updated_at, k.critical + coalesce(d.critical, 0)::int AS critical,
  k.high + coalesce(d.high, 0)::int AS high, k.medium + coalesce(d.medium, 0)::int AS medium, k.low + coalesce(d.low, 0)::int AS low,
  k.negligible + coalesce(d.negligible, 0)::int AS negligible, k.unknown + coalesce(d.unknown, 0)::int AS unknown,
  k.fixable + coalesce(d.fixable, 0)::int AS fixable
FROM plimsoll.image i JOIN plimsoll.analysis_counter k ON k.analysis_id = i.analysis_id
LEFT JOIN LATERAL (
  SELECT sum(x.critical) AS critical, sum(x.high) AS high, sum(x.medium) AS medium, sum(x.low) AS low,
    sum(x.negligible) AS negligible, sum(x.unknown) AS unknown, sum(x.fixable) AS fixable
  FROM plimsoll.image_package e
  JOIN plimsoll.package_correction c ON c.account = @account AND c.package_id = e.package_id AND c.valid_to IS NULL
  CROSS JOIN LATERAL (
    SELECT `+counterSums+` FROM plimsoll.package_match m WHERE m.package_id = c.replacement_id AND m.valid_to IS NULL
    UNION ALL
    SELECT -critical, -high, -medium, -low, -negligible, -unknown, -fixable FROM (
      SELECT `+counterSums+` FROM plimsoll.package_match m WHERE m.package_id = c.package_id AND m.valid_to IS NULL) own
    UNION ALL
    SELECT critical, high, medium, low, negligible, unknown, fixable
    FROM plimsoll.counter_delta p WHERE p.package_id = c.package_id AND p.id > k.delta_id) x
  WHERE e.analysis_id = k.analysis_id AND e.counted
    AND (SELECT EXISTS (SELECT FROM plimsoll.package_correction any_of WHERE any_of.account = @account AND any_of.valid_to IS NULL))
) d ON true
WHERE i.account = @account AND i.digest = ANY (@digests::text[])`)
)

// difference is what a package's moved matches add to the counters of its images.
type difference [7]int

// add counts a match in or out.
func (d *difference) add(m shifted, by int) {
	at := int(feed.Critical) - m.Severity
	d[at] += by
	if m.Fixable {
		d[6] += by
	}
}

// noteDeltas keeps what moved until addDeltas. Differences are numbered in the order in which they become visible: the
// lock is held until the transaction ends.
func noteDeltas(ctx context.Context, tx pgx.Tx, opened, closed []shifted) error {
	sums := map[int64]*difference{}
	var order []int64
	note := func(list []shifted, by int) {
		for _, m := range list {
			if sums[m.PackageID] == nil {
				sums[m.PackageID] = &difference{}
				order = append(order, m.PackageID)
			}
			sums[m.PackageID].add(m, by)
		}
	}
	note(closed, -1)
	note(opened, 1)
	var rows [][]any
	for _, id := range order {
		if d := sums[id]; *d != (difference{}) {
			rows = append(rows, []any{id, d[0], d[1], d[2], d[3], d[4], d[5], d[6]})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockDelta}); err != nil {
		return err
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"plimsoll", "counter_delta"}, deltaColumns, pgx.CopyFromRows(rows))
	if err != nil {
		return fmt.Errorf("note differences: %w", err)
	}
	return nil
}

// addDeltas brings the counters up to what is noted. It may run at any time, and again.
func (s *Matches) addDeltas(ctx context.Context) error {
	pending, err := value[bool](ctx, s.pool, deltaPending, args{})
	if err != nil || !pending {
		return err
	}
	err = inTx(ctx, s.pool, func(tx pgx.Tx) error {
		for _, setting := range []string{unlimited, roomy} {
			if _, err := exec(ctx, tx, setting, args{}); err != nil {
				return err
			}
		}
		if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockCount}); err != nil {
			return err
		}
		newest, err := value[int64](ctx, tx, deltaNewest, args{})
		if err != nil {
			return err
		}
		generation, err := value[int64](ctx, s.feeds, generationCurrent, args{})
		if err != nil {
			return err
		}
		if err := run(ctx, tx, deltaStatistics); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, deltaAdd, args{"newest": newest, "generation": generation}); err != nil {
			return err
		}
		_, err = exec(ctx, tx, deltaRemove, args{"newest": newest})
		return err
	})
	return wrap(err, "renew counters")
}

// count makes the counters of analyses from nothing. The lock comes first and in a statement of its own, so that the
// count sees everything that whoever held it before has committed.
func count(ctx context.Context, tx pgx.Tx, analyses []int64, generation int64) error {
	if _, err := exec(ctx, tx, counterLock, args{"analyses": analyses}); err != nil {
		return err
	}
	_, err := exec(ctx, tx, counterCount, args{"analyses": analyses, "generation": generation})
	return err
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
