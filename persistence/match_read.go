package persistence

import (
	"context"
	"slices"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

var (
	imageVulnerabilities = query("match.of_image", vulnerabilitiesOf(current))

	vulnerabilityDetails = query("feed.details", detailsOf(`u.valid_to IS NULL`, `v.valid_to IS NULL`))
)

// current says of a table, by its alias, which rows hold now.
func current(alias string) string { return alias + `.valid_to IS NULL` }

// vulnerabilitiesOf lists the findings of an image among what holds in a state. A package that the account has corrected is
// another one there; what was found before the correction keeps its date. What the image holds comes first and by itself:
// joined by an expression, the planner reads the whole dictionary.
func vulnerabilitiesOf(holds func(alias string) string) string {
	return `
WITH held AS MATERIALIZED (
  SELECT e.path, coalesce(c.replacement_id, e.package_id) AS package_id, c.package_id AS corrected, c.valid_from AS corrected_at, a.analyzed_at
  FROM plimsoll.image i
  JOIN plimsoll.analysis a ON a.id = i.analysis_id
  JOIN plimsoll.image_package e ON e.analysis_id = a.id AND NOT e.suppressed
  LEFT JOIN plimsoll.package_correction c ON c.account = i.account AND c.package_id = e.package_id AND ` + holds("c") + `
  WHERE i.account = @account AND i.digest = @digest
)
SELECT m.vulnerability, m.source, m.group_name, m.namespace, m.target, m.scope, m.severity::int AS severity,
  m.fix_version, m.fix_state, m.also, m.confidence, m.valid_from,
  greatest(h.analyzed_at, CASE WHEN h.corrected IS NULL THEN m.since ELSE coalesce((
    SELECT o.since FROM plimsoll.package_match o
    WHERE o.package_id = h.corrected AND o.vulnerability = m.vulnerability AND ` + holds("o") + `), greatest(m.since, h.corrected_at)) END) AS detected_at,
  p.type AS package_type, p.name AS package_name, p.version AS package_version, p.arch AS package_arch,
  p.purl, h.path
FROM held h
JOIN plimsoll.package_match m ON m.package_id = h.package_id AND ` + holds("m") + `
JOIN plimsoll.package p ON p.id = h.package_id
WHERE @wont_fix OR m.fix_state <> 'wont-fix'
ORDER BY m.severity DESC, m.vulnerability, p.name, p.version, p.arch, p.type, h.path, m.source, p.id`
}

// detailsOf reads what is said in a state of the feeds. The advisory tells since when the feed carries the fix as it is.
func detailsOf(vulnerabilities, advisories string) string {
	return `
SELECT k.source, k.group_name, k.vulnerability, k.namespace, k.target, k.scope,
  CASE WHEN @description THEN u.detail ELSE u.detail - '{description,references}'::text[] END AS detail,
  g.committed_at, v.detail AS advisory
FROM unnest(@sources::text[], @groups::text[], @vulnerabilities::text[], @namespaces::text[], @targets::text[], @scopes::text[])
  k (source, group_name, vulnerability, namespace, target, scope)
LEFT JOIN plimsoll_feeds.vulnerability u ON u.source = k.source AND u.group_name = k.group_name
  AND u.vulnerability_id = k.vulnerability AND ` + vulnerabilities + `
LEFT JOIN plimsoll_feeds.advisory v ON v.source = k.source AND v.group_name = k.group_name
  AND v.advisory_id = k.vulnerability AND v.namespace = k.namespace AND v.package = k.target AND v.scope = k.scope AND ` + advisories + `
LEFT JOIN plimsoll_feeds.generation g ON g.id = v.valid_from`
}

// basis names what a match rests on.
type basis struct {
	Source        string
	GroupName     string
	Vulnerability string
	Namespace     string
	Target        string
	Scope         string
}

type vulnerabilityRow struct {
	basis
	Severity       int
	FixVersion     string
	FixState       string
	Also           []string
	Confidence     string
	DetectedAt     time.Time
	ValidFrom      time.Time
	PackageType    string
	PackageName    string
	PackageVersion string
	PackageArch    string
	PURL           string
	Path           string
}

// detailRow is what the feeds say about a statement now; nothing when it has just gone.
type detailRow struct {
	basis
	Detail      *feed.Vulnerability
	CommittedAt *time.Time
	Advisory    *advisoryDetail
}

// Vulnerabilities returns the findings of an image with what is said about them, worst first: ErrNotFound, ErrNotAnalyzed.
func (s *Matches) Vulnerabilities(ctx context.Context, account, digest string, f VulnerabilityFilter) ([]ImageVulnerability, error) {
	list, err := s.findings(ctx, account, digest, f, imageVulnerabilities, args{}, vulnerabilityDetails, args{})
	if err == nil {
		err = s.annotate(ctx, account, digest, list)
	}
	if err == nil && f.HideSuppressed {
		list = slices.DeleteFunc(list, func(v ImageVulnerability) bool { return v.Suppressed() })
	}
	return list, wrap(err, "load vulnerabilities of %s", digest)
}

// findings reads the matches of a state of ours, and what the feeds say of them in a state of theirs.
func (s *Matches) findings(ctx context.Context, account, digest string, f VulnerabilityFilter, matches string, state args, details string, said args) ([]ImageVulnerability, error) {
	if _, err := analysisOf(ctx, s.pool, account, digest); err != nil {
		return nil, err
	}
	list, err := many[vulnerabilityRow](ctx, s.pool, matches, merge(state, args{"account": account, "digest": digest, "wont_fix": f.IncludeWontFix}))
	if err != nil {
		return nil, err
	}
	known, err := s.details(ctx, list, details, merge(said, args{"description": f.Description}))
	if err != nil {
		return nil, err
	}
	out := make([]ImageVulnerability, 0, len(list))
	for _, row := range list {
		os := catalog.IsOS(row.PackageType)
		if f.Kind == KindOS && !os || f.Kind == KindNonOS && os {
			continue
		}
		out = append(out, row.vulnerability(known[row.basis]))
	}
	return out, nil
}

// details reads what the feeds say about what the findings rest on, each once.
func (s *Matches) details(ctx context.Context, list []vulnerabilityRow, statement string, said args) (map[basis]detailRow, error) {
	out := make(map[basis]detailRow, len(list))
	var asked []basis
	for _, row := range list {
		if _, there := out[row.basis]; !there {
			out[row.basis] = detailRow{}
			asked = append(asked, row.basis)
		}
	}
	remember := s.said != nil && statement == vulnerabilityDetails && said["description"] == false
	if remember {
		asked = s.said.recall(asked, out)
	}
	if len(asked) == 0 {
		return out, nil
	}
	rows, err := many[detailRow](ctx, s.feeds, statement, merge(said, basisArgs(asked)))
	for _, r := range rows {
		out[r.basis] = r
	}
	if remember {
		s.said.keep(rows)
	}
	return out, err
}

// basisArgs passes keys column by column.
func basisArgs(list []basis) args {
	columns := make([][]string, 6)
	for i := range columns {
		columns[i] = make([]string, len(list))
	}
	for i, k := range list {
		for c, v := range []string{k.Source, k.GroupName, k.Vulnerability, k.Namespace, k.Target, k.Scope} {
			columns[c][i] = v
		}
	}
	return args{
		"sources": columns[0], "groups": columns[1], "vulnerabilities": columns[2], "namespaces": columns[3], "targets": columns[4], "scopes": columns[5],
	}
}

func (r vulnerabilityRow) vulnerability(known detailRow) ImageVulnerability {
	out := ImageVulnerability{
		Vulnerability: r.Vulnerability, Source: r.Source, Group: r.GroupName, Namespace: r.Namespace,
		Severity: feed.Severity(r.Severity), FixVersion: r.FixVersion, FixState: feed.FixState(r.FixState), Also: r.Also, Confidence: r.Confidence,
		DetectedAt: r.DetectedAt, PackageType: r.PackageType, PackageName: r.PackageName,
		PackageVersion: r.PackageVersion, PackageArch: r.PackageArch, PURL: r.PURL, Path: r.Path,
	}
	if known.Detail != nil {
		out.Detail = *known.Detail
	}
	if known.Advisory != nil {
		out.Reason, out.Notices = known.Advisory.Reason, known.Advisory.Notices
	}
	// Where the match is older than the advisory as it is now, it knew the same fix before.
	if r.FixVersion != "" && known.CommittedAt != nil {
		out.FixObservedAt = *known.CommittedAt
		if r.ValidFrom.Before(out.FixObservedAt) {
			out.FixObservedAt = r.ValidFrom
		}
	}
	return out
}
