package persistence

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/match"
)

const (
	// rescanBatch is how many dictionary rows one transaction of a rescan handles; matching waits as long.
	rescanBatch = 2000
	// CauseAnalysis marks matches found when a package was matched for the first time.
	CauseAnalysis = "analysis"
	// settingRules holds what an operator decided about matching.
	settingRules = "match_rules"
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

	matchStaging = command("match.stage", `
CREATE TEMPORARY TABLE stage_match (
  package_id bigint, source text, group_name text, vulnerability text, namespace text, target text, scope text,
  fix_version text, fix_state text, severity smallint, also text[], confidence text, since timestamptz
) ON COMMIT DROP`)

	matchInherit = query("match.inherit", `
UPDATE stage_match s SET since = m.since FROM plimsoll.package_match m
WHERE m.package_id = s.package_id AND m.vulnerability = s.vulnerability AND m.valid_to IS NULL`)

	matchClose = query("match.close", `
UPDATE plimsoll.package_match m SET valid_to = @at, to_generation = @generation, end_cause = @cause
WHERE m.valid_to IS NULL AND m.package_id = ANY (@packages::bigint[]) AND NOT EXISTS (
  SELECT FROM stage_match s WHERE s.package_id = m.package_id AND s.vulnerability = m.vulnerability
    AND (s.source, s.group_name, s.namespace, s.target, s.scope, s.fix_version, s.fix_state, s.severity, s.also, s.confidence)
    = (m.source, m.group_name, m.namespace, m.target, m.scope, m.fix_version, m.fix_state, m.severity, m.also, m.confidence))
RETURNING m.package_id, m.severity::int AS severity, m.fix_version <> '' AS fixable`)

	matchOpen = query("match.open", `
INSERT INTO plimsoll.package_match (package_id, source, group_name, vulnerability, namespace, target, scope, fix_version,
  fix_state, severity, also, confidence, since, valid_from, from_generation, cause)
SELECT s.package_id, s.source, s.group_name, s.vulnerability, s.namespace, s.target, s.scope, s.fix_version,
  s.fix_state, s.severity, s.also, s.confidence, coalesce(s.since, @at), @at, @generation, @cause
FROM stage_match s WHERE NOT EXISTS (
  SELECT FROM plimsoll.package_match m WHERE m.package_id = s.package_id
    AND m.vulnerability = s.vulnerability AND m.valid_to IS NULL)
ORDER BY s.package_id, s.vulnerability
RETURNING package_id, severity::int AS severity, fix_version <> '' AS fixable`)

	matchDone = query("match.done", `
UPDATE plimsoll.package SET matched_generation = @generation WHERE id = ANY (@packages::bigint[])`)
)

// MatchAnalysis decides for every package of the analysis that was never matched, and counts the findings of the
// analysis, and of others that hold what moved; then for what accounts that have the analysis make of its packages. A rescan that follows a feed commit waits for it, or it for the rescan.
func (s *Matches) MatchAnalysis(ctx context.Context, analysisID int64, at time.Time) (Matched, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Matched, error) { return s.matchAnalysis(ctx, tx, analysisID, at) })
	if err == nil {
		err = s.correctAnalysis(ctx, analysisID, at)
	}
	if err == nil {
		err = s.addDeltas(ctx)
	}
	return out, wrap(err, "match analysis %d", analysisID)
}

func (s *Matches) matchAnalysis(ctx context.Context, tx pgx.Tx, analysisID int64, at time.Time) (Matched, error) {
	var out Matched
	if _, err := exec(ctx, tx, unlimited, args{}); err != nil { // the wait for a rescan takes minutes
		return out, err
	}
	// The feeds are read after the lock is held: whatever is committed later has its rescan still to come.
	if _, err := exec(ctx, tx, lockShared, args{"lock": lockRescan}); err != nil {
		return out, err
	}
	generation, err := value[int64](ctx, s.feeds, generationCurrent, args{})
	if err != nil {
		return out, err
	}
	out.Generation = generation
	packages, err := column[int64](ctx, tx, matchUnmatched, args{"analysis_id": analysisID})
	if err != nil {
		return out, err
	}
	out.Packages = len(packages)
	if len(packages) > 0 {
		moved, err := s.rematch(ctx, tx, packages, interval{at, generation, CauseAnalysis})
		if err != nil {
			return out, err
		}
		out.Opened = moved.opened
		if _, err := exec(ctx, tx, matchDone, args{"generation": generation, "packages": packages}); err != nil {
			return out, err
		}
	}
	if err := count(ctx, tx, []int64{analysisID}, generation); err != nil {
		return out, err
	}
	out.Counter, err = one[Counter](ctx, tx, counterGet, args{"analysis_id": analysisID})
	return out, err
}

// interval says when, with which generation and why matches begin and end.
type interval struct {
	at         time.Time
	generation int64
	cause      string
}

func (i interval) args() args { return args{"at": i.at, "generation": i.generation, "cause": i.cause} }

// movement is what a rematch changed.
type movement struct{ opened, closed int }

// shifted is a match that began or ended, as far as counters care.
type shifted struct {
	PackageID int64
	Severity  int
	Fixable   bool
}

// rules are those in force.
func rules(ctx context.Context, db session) (match.Rules, error) {
	var r match.Rules
	err := readSetting(ctx, db, settingRules, &r)
	if errors.Is(err, ErrNotFound) {
		r, err = match.DefaultRules(), nil
	}
	if err != nil {
		return r, err
	}
	var configured ConfiguredRules
	if err := readSetting(ctx, db, settingConfigured, &configured); err != nil && !errors.Is(err, ErrNotFound) {
		return r, err
	}
	return configured.apply(r), nil
}

// rematch brings the current matches of the packages in line with what the feeds say now. The names they are looked up
// by are those the rules in force give them.
func (s *Matches) rematch(ctx context.Context, tx pgx.Tx, packages []int64, when interval) (movement, error) {
	inForce, err := rules(ctx, tx)
	if err != nil {
		return movement{}, err
	}
	subjects, err := many[subjectRow](ctx, tx, subjectList, args{"packages": packages})
	if err != nil {
		return movement{}, err
	}
	rows, err := judge(ctx, s.feeds, inForce, subjects)
	if err != nil {
		return movement{}, err
	}
	if _, err := tx.Exec(ctx, matchStaging); err != nil {
		return movement{}, err
	}
	columns := []string{
		"package_id", "source", "group_name", "vulnerability", "namespace", "target", "scope", "fix_version", "fix_state", "severity", "also", "confidence",
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"stage_match"}, columns, pgx.CopyFromRows(rows)); err != nil {
		return movement{}, err
	}
	if _, err := exec(ctx, tx, matchInherit, args{}); err != nil {
		return movement{}, err
	}
	closed, err := many[shifted](ctx, tx, matchClose, merge(when.args(), args{"packages": packages}))
	if err != nil {
		return movement{}, err
	}
	opened, err := many[shifted](ctx, tx, matchOpen, when.args())
	if err != nil {
		return movement{}, err
	}
	return movement{len(opened), len(closed)}, noteDeltas(ctx, tx, opened, closed)
}

// judge decides for every subject, and returns rows for the staging table.
func judge(ctx context.Context, feeds session, inForce match.Rules, subjects []subjectRow) ([][]any, error) {
	targets := make([][]match.Target, len(subjects))
	asked := map[match.Target]struct{}{}
	for i, p := range subjects {
		targets[i] = inForce.Targets(p.subject())
		for _, t := range targets[i] {
			asked[t] = struct{}{}
		}
	}
	known, err := statementsAbout(ctx, feeds, asked)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for i, p := range subjects {
		for _, f := range inForce.Judge(p.subject(), known.about(targets[i]), known.exclusions) {
			also := slices.Clip(f.Also)
			if also == nil {
				also = []string{}
			}
			rows = append(rows, []any{
				p.ID, f.Source, f.Group, f.ID, f.Namespace, f.Package, scopeOf(f.Scope), f.FixVersion, string(f.State), int16(f.Severity), // #nosec G115 -- 0 to 5
				also, string(f.Confidence),
			})
		}
	}
	return rows, nil
}
