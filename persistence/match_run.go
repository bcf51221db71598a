package persistence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
)

const (
	// rescanBatch is how many dictionary rows one transaction of a rescan handles; matching waits as long.
	rescanBatch = 5000
	// recountBatch is how many analyses one transaction recounts, and keeps others from recounting.
	recountBatch = 20_000
	// CauseAnalysis marks matches found when a package was matched for the first time.
	CauseAnalysis = "analysis"
)

var (
	lockShared    = query("lock.shared", `SELECT pg_advisory_xact_lock_shared(@lock::int, 0)`)
	lockExclusive = query("lock.exclusive", `SELECT pg_advisory_xact_lock(@lock::int, 0)`)

	generationCurrent = query("generation.current", `SELECT coalesce(max(id), 0) FROM plimsoll_feeds.generation`)

	matchUnmatched = query("match.unmatched", `
SELECT p.id FROM plimsoll.package p
WHERE p.matched_generation IS NULL AND p.id IN (
  SELECT package_id FROM plimsoll.image_package WHERE analysis_id = @analysis_id)
ORDER BY p.id FOR NO KEY UPDATE`)

	matchCandidates = query("match.candidates", `
SELECT p.id AS package_id, p.match_namespace, p.match_name, p.match_version, v.source, v.group_name, v.advisory_id,
  v.ranges, v.versions, v.state
FROM plimsoll.package p
JOIN plimsoll_feeds.advisory v
  ON v.namespace = p.match_namespace AND v.package = p.match_name AND v.valid_to IS NULL
JOIN plimsoll_feeds.vulnerability u
  ON u.source = v.source AND u.group_name = v.group_name AND u.vulnerability_id = v.advisory_id AND u.valid_to IS NULL
WHERE p.id = ANY (@packages::bigint[]) AND p.match_namespace <> '' AND NOT u.withdrawn`)

	matchStaging = command("match.stage", `
CREATE TEMPORARY TABLE stage_match (
  package_id bigint, source text, group_name text, vulnerability text, namespace text, fix_version text,
  fix_state text, since timestamptz
) ON COMMIT DROP`)

	matchInherit = query("match.inherit", `
UPDATE stage_match s SET since = m.since FROM plimsoll.package_match m
WHERE m.package_id = s.package_id AND m.source = s.source AND m.vulnerability = s.vulnerability AND m.valid_to IS NULL`)

	matchClose = query("match.close", `
UPDATE plimsoll.package_match m SET valid_to = @at, to_generation = @generation, end_cause = @cause
WHERE m.valid_to IS NULL AND m.package_id = ANY (@packages::bigint[]) AND NOT EXISTS (
  SELECT FROM stage_match s
  WHERE (s.package_id, s.source, s.vulnerability, s.group_name, s.namespace, s.fix_version, s.fix_state)
    = (m.package_id, m.source, m.vulnerability, m.group_name, m.namespace, m.fix_version, m.fix_state))
RETURNING m.package_id`)

	matchOpen = query("match.open", `
INSERT INTO plimsoll.package_match (package_id, source, group_name, vulnerability, namespace, fix_version, fix_state,
  since, valid_from, from_generation, cause)
SELECT s.package_id, s.source, s.group_name, s.vulnerability, s.namespace, s.fix_version, s.fix_state,
  coalesce(s.since, @at), @at, @generation, @cause
FROM stage_match s WHERE NOT EXISTS (
  SELECT FROM plimsoll.package_match m WHERE m.package_id = s.package_id AND m.source = s.source
    AND m.vulnerability = s.vulnerability AND m.valid_to IS NULL)
ORDER BY s.package_id, s.source, s.vulnerability
RETURNING package_id`)

	matchDone = query("match.done", `
UPDATE plimsoll.package SET matched_generation = @generation WHERE id = ANY (@packages::bigint[])`)

	matchHolders = query("match.holders", `
SELECT DISTINCT analysis_id FROM plimsoll.image_package
WHERE package_id = ANY (@packages::bigint[]) AND analysis_id <> @analysis_id ORDER BY analysis_id`)
)

// candidate is an advisory that speaks of a package by name.
type candidate struct {
	PackageID      int64
	MatchNamespace string
	MatchName      string
	MatchVersion   string
	Source         string
	GroupName      string
	AdvisoryID     string
	Ranges         []feed.Range
	Versions       []string
	State          string
}

func (c candidate) target() Target { return Target{c.MatchNamespace, c.MatchName, c.MatchVersion} }

func (c candidate) advisory() feed.Advisory {
	return feed.Advisory{
		Source: c.Source, ID: c.AdvisoryID, Namespace: c.MatchNamespace, Package: c.MatchName,
		Ranges: c.Ranges, Versions: c.Versions, State: feed.FixState(c.State),
	}
}

// matchKey is what a package can have once: a vulnerability of a source.
type matchKey struct {
	packageID     int64
	source        string
	vulnerability string
}

type decided struct {
	matchKey
	group     string
	namespace string
	Finding
}

// MatchAnalysis decides for every package of the analysis that was never matched, and renews the counters of the
// analysis and of others that hold what moved. It waits for a feed commit that is under way.
func (s *Matches) MatchAnalysis(ctx context.Context, analysisID int64, at time.Time, decide Decide) (Matched, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Matched, error) {
		var out Matched
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil { // the wait for a first load takes minutes
			return out, err
		}
		for _, lock := range []int32{lockRescan, lockFeed} {
			if _, err := exec(ctx, tx, lockShared, args{"lock": lock}); err != nil {
				return out, err
			}
		}
		generation, err := value[int64](ctx, tx, generationCurrent, args{})
		if err != nil {
			return out, err
		}
		out.Generation = generation
		packages, err := column[int64](ctx, tx, matchUnmatched, args{"analysis_id": analysisID})
		if err != nil {
			return out, err
		}
		out.Packages = len(packages)
		recount := []int64{analysisID}
		if len(packages) > 0 {
			moved, err := rematch(ctx, tx, packages, generation, at, CauseAnalysis, decide)
			if err != nil {
				return out, err
			}
			out.Opened = moved.opened
			if _, err := exec(ctx, tx, matchDone, args{"generation": generation, "packages": packages}); err != nil {
				return out, err
			}
			others, err := column[int64](ctx, tx, matchHolders, args{"packages": moved.packages, "analysis_id": analysisID})
			if err != nil {
				return out, err
			}
			recount = append(recount, others...)
			slices.Sort(recount)
		}
		if err := recountAnalyses(ctx, tx, recount, generation); err != nil {
			return out, err
		}
		out.Counter, err = one[Counter](ctx, tx, counterGet, args{"analysis_id": analysisID})
		return out, err
	})
	return out, wrap(err, "match analysis %d", analysisID)
}

// movement is what a rematch changed.
type movement struct {
	opened, closed int
	packages       []int64 // whose matches moved, ascending
}

// rematch brings the current matches of the packages in line with the current advisories.
func rematch(ctx context.Context, tx pgx.Tx, packages []int64, generation int64, at time.Time, cause string, decide Decide) (movement, error) {
	findings, err := decideAll(ctx, tx, packages, decide)
	if err != nil {
		return movement{}, err
	}
	if _, err := tx.Exec(ctx, matchStaging); err != nil {
		return movement{}, err
	}
	columns := []string{"package_id", "source", "group_name", "vulnerability", "namespace", "fix_version", "fix_state"}
	rows := pgx.CopyFromSlice(len(findings), func(i int) ([]any, error) {
		f := findings[i]
		return []any{f.packageID, f.source, f.group, f.vulnerability, f.namespace, f.FixVersion, string(f.State)}, nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"stage_match"}, columns, rows); err != nil {
		return movement{}, err
	}
	if _, err := exec(ctx, tx, matchInherit, args{}); err != nil {
		return movement{}, err
	}
	facts := args{"at": at, "generation": generation, "cause": cause}
	closed, err := column[int64](ctx, tx, matchClose, merge(facts, args{"packages": packages}))
	if err != nil {
		return movement{}, err
	}
	opened, err := column[int64](ctx, tx, matchOpen, facts)
	if err != nil {
		return movement{}, err
	}
	out := movement{opened: len(opened), closed: len(closed), packages: slices.Concat(opened, closed)}
	slices.Sort(out.packages)
	out.packages = slices.Compact(out.packages)
	return out, nil
}

// decideAll streams the candidates through the decision. Of two groups of a source that carry the same
// vulnerability for a package, the first by name speaks.
func decideAll(ctx context.Context, tx pgx.Tx, packages []int64, decide Decide) ([]decided, error) {
	rows, err := tx.Query(ctx, matchCandidates, args{"packages": packages})
	if err != nil {
		return nil, err
	}
	best := make(map[matchKey]decided)
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		c, err := pgx.RowToStructByName[candidate](row)
		if err != nil {
			return struct{}{}, err
		}
		finding, affected, err := decide(c.target(), c.advisory())
		if err != nil {
			return struct{}{}, fmt.Errorf("decide %s for %s %s: %w", c.AdvisoryID, c.MatchName, c.MatchVersion, err)
		}
		key := matchKey{c.PackageID, c.Source, c.AdvisoryID}
		if known, ok := best[key]; affected && (!ok || c.GroupName < known.group) {
			best[key] = decided{key, c.GroupName, c.MatchNamespace, finding}
		}
		return struct{}{}, nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]decided, 0, len(best))
	for _, d := range best {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b decided) int {
		return cmp.Or(cmp.Compare(a.packageID, b.packageID), cmp.Compare(a.source, b.source), cmp.Compare(a.vulnerability, b.vulnerability))
	})
	return out, nil
}
