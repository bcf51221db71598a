package persistence

import (
	"context"
	"fmt"
	"time"

	"plimsoll/engine/feed"
)

// then says of a table, by its alias, which rows held at a time: from the moment they open until the moment they close.
func then(at string) func(alias string) string {
	return func(alias string) string {
		return alias + `.valid_from <= ` + at + ` AND (` + alias + `.valid_to IS NULL OR ` + alias + `.valid_to > ` + at + `)`
	}
}

var (
	generationThen = query("generation.then", `SELECT coalesce(max(id), 0) FROM plimsoll_feeds.generation WHERE committed_at <= @at`)

	imageVulnerabilitiesThen = query("match.of_image_then", vulnerabilitiesOf(then("@at")))

	vulnerabilityDetailsThen = query("feed.details_then", detailsOf(
		`u.valid_from <= @generation AND (u.valid_to IS NULL OR u.valid_to > @generation)`,
		`v.valid_from <= @generation AND (v.valid_to IS NULL OR v.valid_to > @generation)`))

	// Of a match that is gone the way it ended is told by its last form.
	changesBetween = query("match.changes_between", changesOf(then("@since"), then("@until"), `
  SELECT h.package_id AS held, m.* FROM held h JOIN plimsoll.package_match m ON m.package_id = h.was
  WHERE `+then("@since")("m"), `
  SELECT h.package_id AS held, m.* FROM held h JOIN plimsoll.package_match m ON m.package_id = h.becomes
  WHERE `+then("@until")("m"), `
  SELECT m.end_cause, m.to_generation, m.valid_to FROM plimsoll.package_match m
  WHERE m.package_id = b.package_id AND m.vulnerability = b.vulnerability AND m.valid_to <= @until ORDER BY m.valid_to DESC LIMIT 1`))

	changesWith = query("match.changes_with", changesOf(current, current, `
  SELECT h.package_id AS held, m.* FROM plimsoll.package_match m JOIN held h ON h.was = m.package_id WHERE m.to_generation = @generation`, `
  SELECT h.package_id AS held, m.* FROM plimsoll.package_match m JOIN held h ON h.becomes = m.package_id
  WHERE m.from_generation = @generation AND m.cause NOT IN ('analysis', 'correction')`,
		`SELECT b.end_cause, b.to_generation, b.valid_to`))
)

// changesOf compares the matches of an image's packages before and after, each given as a query over held packages. What
// the account corrected a package to was another one before than it is after, where the correction itself changed.
func changesOf(held, holds func(alias string) string, before, after, end string) string {
	return `
WITH image AS (
  SELECT analysis_id FROM plimsoll.image WHERE account = @account AND digest = @digest
), held AS (
  SELECT DISTINCT e.package_id, coalesce(w.replacement_id, e.package_id) AS was, coalesce(n.replacement_id, e.package_id) AS becomes,
    coalesce(n.valid_from, w.valid_to) AS corrected_at
  FROM image i JOIN plimsoll.image_package e ON e.analysis_id = i.analysis_id AND NOT e.suppressed
  LEFT JOIN plimsoll.package_correction w ON w.account = @account AND w.package_id = e.package_id AND ` + held("w") + `
  LEFT JOIN plimsoll.package_correction n ON n.account = @account AND n.package_id = e.package_id AND ` + holds("n") + `
), before AS (` + before + `
), after AS (` + after + `
)
SELECT CASE WHEN b.id IS NULL THEN 'added' WHEN a.id IS NULL THEN 'removed' ELSE 'updated' END AS kind,
  coalesce(a.vulnerability, b.vulnerability) AS vulnerability, coalesce(a.namespace, b.namespace) AS namespace,
  p.type AS package_type, p.name AS package_name, p.version AS package_version, p.arch AS package_arch, p.purl,
  b.severity::int AS old_severity, coalesce(b.fix_version, '') AS old_fix, coalesce(b.fix_state, '') AS old_state,
  a.severity::int AS new_severity, coalesce(a.fix_version, '') AS new_fix, coalesce(a.fix_state, '') AS new_state,
  CASE WHEN h.was <> h.becomes THEN 'correction' ELSE coalesce(a.cause, x.end_cause) END AS cause,
  coalesce(a.from_generation, x.to_generation, 0) AS generation,
  CASE WHEN h.was <> h.becomes THEN h.corrected_at ELSE coalesce(a.valid_from, x.valid_to) END AS changed_at
FROM before b FULL JOIN after a ON a.held = b.held AND a.vulnerability = b.vulnerability
JOIN held h ON h.package_id = coalesce(a.held, b.held)
JOIN plimsoll.package p ON p.id = coalesce(a.package_id, b.package_id)
LEFT JOIN LATERAL (` + end + `) x ON a.id IS NULL
WHERE a.id IS DISTINCT FROM b.id
  AND (a.id IS NULL OR b.id IS NULL OR (a.severity, a.fix_version, a.fix_state, a.namespace) <> (b.severity, b.fix_version, b.fix_state, b.namespace))
ORDER BY kind, coalesce(a.severity, b.severity) DESC, vulnerability, p.name, p.version, p.arch, p.type, p.id`
}

// MatchChange is how the answer about a package moved.
type MatchChange struct {
	Kind           string // "added", "updated" or "removed"
	Vulnerability  string
	Namespace      string
	PackageType    string
	PackageName    string
	PackageVersion string
	PackageArch    string
	PURL           string
	Old, New       *MatchState // nil where there was or is none
	Cause          string      // "feed", "rules", "analysis", ...
	Generation     int64       // of the feeds with which it moved last
	ChangedAt      time.Time   // when it did
}

// MatchState is what a match says.
type MatchState struct {
	Severity   feed.Severity
	FixVersion string
	FixState   feed.FixState
}

type changeRow struct {
	Kind           string
	Vulnerability  string
	Namespace      string
	PackageType    string
	PackageName    string
	PackageVersion string
	PackageArch    string
	PURL           string
	OldSeverity    *int
	OldFix         string
	OldState       string
	NewSeverity    *int
	NewFix         string
	NewState       string
	Cause          string
	Generation     int64
	ChangedAt      time.Time
}

func (r changeRow) change() MatchChange {
	state := func(severity *int, fix, state string) *MatchState {
		if severity == nil {
			return nil
		}
		return &MatchState{feed.Severity(*severity), fix, feed.FixState(state)}
	}
	return MatchChange{
		Kind: r.Kind, Vulnerability: r.Vulnerability, Namespace: r.Namespace, PackageType: r.PackageType, PackageName: r.PackageName,
		PackageVersion: r.PackageVersion, PackageArch: r.PackageArch, PURL: r.PURL, Cause: r.Cause, Generation: r.Generation, ChangedAt: r.ChangedAt,
		Old: state(r.OldSeverity, r.OldFix, r.OldState), New: state(r.NewSeverity, r.NewFix, r.NewState),
	}
}

// ChangesBetween compares what was known at two times of the packages an image holds now: ErrNotFound, ErrNotAnalyzed.
func (s *Matches) ChangesBetween(ctx context.Context, account, digest string, since, until time.Time) ([]MatchChange, error) {
	list, err := s.changes(ctx, account, digest, changesBetween, args{"since": since, "until": until})
	return list, wrap(err, "compare vulnerabilities of %s", digest)
}

// ChangesWith lists what a generation of the feeds changed in the answer about an image: ErrNotFound, ErrNotAnalyzed.
func (s *Matches) ChangesWith(ctx context.Context, account, digest string, generation int64) ([]MatchChange, error) {
	list, err := s.changes(ctx, account, digest, changesWith, args{"generation": generation})
	return list, wrap(err, "list what generation %d changed of %s", generation, digest)
}

func (s *Matches) changes(ctx context.Context, account, digest, statement string, a args) ([]MatchChange, error) {
	if _, err := analysisOf(ctx, s.pool, account, digest); err != nil {
		return nil, err
	}
	rows, err := many[changeRow](ctx, s.pool, statement, merge(a, args{"account": account, "digest": digest}))
	out := make([]MatchChange, len(rows))
	for i, r := range rows {
		out[i] = r.change()
	}
	return out, err
}

// VulnerabilitiesThen returns what was known at a time of the packages an image holds now, worst first, with what the
// feeds said then as far as they remember: ErrNotFound, ErrNotAnalyzed.
func (s *Matches) VulnerabilitiesThen(ctx context.Context, account, digest string, f VulnerabilityFilter, at time.Time) ([]ImageVulnerability, error) {
	generation, err := value[int64](ctx, s.feeds, generationThen, args{"at": at})
	if err != nil {
		return nil, fmt.Errorf("load vulnerabilities of %s: %w", digest, err)
	}
	list, err := s.findings(ctx, account, digest, f, imageVulnerabilitiesThen, args{"at": at}, vulnerabilityDetailsThen, args{"generation": generation})
	return list, wrap(err, "load vulnerabilities of %s as of %s", digest, at.Format(time.RFC3339))
}
