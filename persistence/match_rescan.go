package persistence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// namePage is how many changed names are looked up in the dictionary at a time.
	namePage = 20_000
	// Causes of changes that come from elsewhere than feeds.
	CauseRules = "rules"
)

var (
	changePage = query("rescan.names", `
SELECT namespace, package FROM plimsoll_feeds.change
WHERE generation = @generation AND (namespace, package) > (@namespace, @package)
ORDER BY namespace, package LIMIT @limit`)

	// Entries that were never matched, or are to be matched anew, belong here too: the analysis that should do it
	// may have ended before, and images of others hold them.
	changePackages = query("rescan.packages", `
SELECT DISTINCT t.package_id FROM unnest(@namespaces::text[], @names::text[]) n (namespace, name)
JOIN plimsoll.package_target t ON t.namespace = n.namespace AND t.name = n.name ORDER BY t.package_id`)

	// What is said about a vulnerability may have changed without moving a match. Without a source: whoever reports it. Known
	// exploitation is news that policies are to follow at once; scores and predictions change for every CVE every day, and
	// count from when an image is judged for another reason or asked for.
	changeRecords = query("rescan.records", `
SELECT source, vulnerability_id FROM plimsoll_feeds.vulnerability WHERE valid_from = @generation
UNION SELECT '', key FROM plimsoll_feeds.fact WHERE kind = 'exploited' AND (valid_from = @generation OR valid_to = @generation)
ORDER BY source, vulnerability_id`)

	recordStaging = command("rescan.stage_records", `
CREATE TEMPORARY TABLE stage_record (source text, vulnerability text) ON COMMIT DROP`)

	recordStatistics = command("rescan.analyze_records", `ANALYZE stage_record`)

	rescanNote = query("rescan.note_images", `
WITH moved AS (
  SELECT package_id FROM plimsoll.package_match WHERE from_generation = @generation AND cause NOT IN ('analysis', 'correction')
  UNION SELECT package_id FROM plimsoll.package_match WHERE to_generation = @generation
  UNION SELECT m.package_id FROM stage_record r
    JOIN plimsoll.package_match m ON m.vulnerability = r.vulnerability AND m.source = r.source AND m.valid_to IS NULL
  UNION SELECT m.package_id FROM stage_record r
    JOIN plimsoll.package_match m ON m.vulnerability = r.vulnerability AND m.valid_to IS NULL WHERE r.source = ''
  UNION SELECT m.package_id FROM stage_record r
    JOIN plimsoll.package_match m ON m.also @> ARRAY[r.vulnerability] AND m.also <> '{}' AND m.valid_to IS NULL WHERE r.source = ''
), affected AS (
  SELECT DISTINCT e.analysis_id FROM moved JOIN plimsoll.image_package e USING (package_id) WHERE e.counted
  UNION SELECT a.id FROM plimsoll.analysis a JOIN stage_distro d ON d.id = a.distro AND d.version_id = a.distro_version
), corrected AS (
  SELECT DISTINCT c.account, e.analysis_id FROM moved
  JOIN plimsoll.package_correction c ON c.replacement_id = moved.package_id AND c.valid_to IS NULL
  JOIN plimsoll.image_package e ON e.package_id = c.package_id AND e.counted
)
INSERT INTO plimsoll.rescan_image (generation, account, digest)
SELECT @generation::bigint, i.account, i.digest FROM (
  SELECT i.account, i.digest FROM affected f JOIN plimsoll.image i ON i.analysis_id = f.analysis_id WHERE i.image_status = 'active'
  UNION
  SELECT i.account, i.digest FROM corrected f JOIN plimsoll.image i ON i.analysis_id = f.analysis_id AND i.account = f.account WHERE i.image_status = 'active'
) i ORDER BY i.account, i.digest
ON CONFLICT DO NOTHING`)

	rescanImages = query("rescan.images", `
SELECT account, digest FROM plimsoll.rescan_image
WHERE generation = @generation AND (account, digest) > (@account, @digest)
ORDER BY account, digest LIMIT @limit`)

	rescanForget = query("rescan.forget_images", `DELETE FROM plimsoll.rescan_image WHERE generation = @generation`)

	matchStatistics = command("match.analyze", `ANALYZE plimsoll.package_match`)
)

// Rescan applies the change set of a generation: dictionary entries of the changed names are matched anew, in
// transactions of their own, and only what differs is closed or opened; then the counters of the images that hold what
// moved are brought up to date. It can be repeated: what is done is found done. progress hears of the packages done and
// of how many there are.
func (s *Matches) Rescan(ctx context.Context, generation int64, at time.Time, cause string, progress func(done, of int)) (Rescanned, error) {
	var out Rescanned
	source, err := value[string](ctx, s.feeds, generationSource, args{"generation": generation})
	if err != nil {
		return out, fmt.Errorf("rescan generation %d: %w", generation, err)
	}
	if source == SourceRules {
		err = s.rescanAll(ctx, generation, at, progress, &out)
	} else {
		err = s.rescanChanged(ctx, interval{at, generation, cause}, progress, &out)
	}
	if err != nil {
		return out, fmt.Errorf("rescan generation %d: %w", generation, err)
	}
	if out.Images, err = s.noteImages(ctx, generation); err != nil {
		return out, fmt.Errorf("rescan generation %d: %w", generation, err)
	}
	return out, nil
}

func (s *Matches) rescanChanged(ctx context.Context, when interval, progress func(done, of int), out *Rescanned) error {
	packages, err := s.changedPackages(ctx, when.generation)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(packages, rescanBatch) {
		moved, err := s.underRescanLock(ctx, func(tx pgx.Tx) (movement, error) { return s.rematch(ctx, tx, batch, when) })
		if err != nil {
			return err
		}
		out.Opened, out.Closed, out.Packages = out.Opened+moved.opened, out.Closed+moved.closed, out.Packages+len(batch)
		progress(out.Packages, len(packages))
	}
	return s.settle(ctx, out)
}

// settle brings the counters up to what moved. Much that moved has to be known to the planner at once: counting over
// matches it believes few takes ten times as long.
func (s *Matches) settle(ctx context.Context, out *Rescanned) error {
	if out.Opened+out.Closed >= analyzeFrom {
		if _, err := s.pool.Exec(ctx, matchStatistics); err != nil {
			return err
		}
	}
	return s.addDeltas(ctx)
}

// changedPackages finds the dictionary entries behind the names a generation changed, ascending.
func (s *Matches) changedPackages(ctx context.Context, generation int64) ([]int64, error) {
	type name struct{ Namespace, Package string }
	var last name
	var out []int64
	for {
		page, err := many[name](ctx, s.feeds, changePage, args{
			"generation": generation, "namespace": last.Namespace, "package": last.Package, "limit": namePage,
		})
		if err != nil || len(page) == 0 {
			slices.Sort(out)
			return slices.Compact(out), err
		}
		last = page[len(page)-1]
		namespaces, names := make([]string, len(page)), make([]string, len(page))
		for i, n := range page {
			namespaces[i], names[i] = n.Namespace, n.Package
		}
		found, err := InTx(ctx, s.pool, func(tx pgx.Tx) ([]int64, error) {
			if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
				return nil, err
			}
			return column[int64](ctx, tx, changePackages, args{"namespaces": namespaces, "names": names})
		})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
}

// underRescanLock runs a batch: two rescans that looked at different states of the feeds must not merge the older one
// last.
func (s *Matches) underRescanLock(ctx context.Context, batch func(pgx.Tx) (movement, error)) (movement, error) {
	return InTx(ctx, s.pool, func(tx pgx.Tx) (movement, error) {
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
			return movement{}, err
		}
		if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockRescan}); err != nil {
			return movement{}, err
		}
		return batch(tx)
	})
}

// noteImages writes down the images whose answers a generation changed, and returns how many there are.
func (s *Matches) noteImages(ctx context.Context, generation int64) (int, error) {
	n, err := InTx(ctx, s.pool, func(tx pgx.Tx) (int64, error) {
		for _, setting := range []string{unlimited, roomy} {
			if _, err := exec(ctx, tx, setting, args{}); err != nil {
				return 0, err
			}
		}
		if err := run(ctx, tx, recordStaging, distroStaging); err != nil {
			return 0, err
		}
		if err := s.copyDistros(ctx, tx, generation); err != nil {
			return 0, err
		}
		if err := s.copyRecords(ctx, tx, generation); err != nil {
			return 0, err
		}
		if err := run(ctx, tx, recordStatistics); err != nil {
			return 0, err
		}
		return exec(ctx, tx, rescanNote, args{"generation": generation})
	})
	return int(n), wrap(err, "note images")
}

// copyRecords brings the names of changed records from the feed store, which may be another database.
func (s *Matches) copyRecords(ctx context.Context, tx pgx.Tx, generation int64) error {
	if generation == 0 {
		return nil
	}
	type record struct{ Source, VulnerabilityID string }
	changed, err := many[record](ctx, s.feeds, changeRecords, args{"generation": generation})
	if err != nil {
		return err
	}
	rows := pgx.CopyFromSlice(len(changed), func(i int) ([]any, error) {
		return []any{changed[i].Source, changed[i].VulnerabilityID}, nil
	})
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"stage_record"}, []string{"source", "vulnerability"}, rows)
	return err
}

// Affected pages through the images of all accounts whose answers a generation changed, by account and digest; after is
// the last one of the page before.
func (s *Matches) Affected(ctx context.Context, generation int64, after ImageRef, limit int) ([]ImageRef, error) {
	list, err := many[ImageRef](ctx, s.pool, rescanImages, args{
		"generation": generation, "account": after.Account, "digest": after.Digest, "limit": limit,
	})
	return list, wrap(err, "list images generation %d affects", generation)
}

// Judged forgets the images of a generation: they are judged anew.
func (s *Matches) Judged(ctx context.Context, generation int64) error {
	_, err := exec(ctx, s.pool, rescanForget, args{"generation": generation})
	return wrap(err, "forget images of generation %d", generation)
}
