package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
)

// What an OS package owns is judged as that package: the distribution knows what it patched. The advisory tells since when the feed carries the fix as it is now; where the match is older than that, it
// knew the same fix version before.
var imageVulnerabilities = query("match.of_image", `
SELECT m.vulnerability, m.source, m.group_name, m.namespace, coalesce(u.severity, 0)::int AS severity,
  m.fix_version, m.fix_state, greatest(m.since, a.analyzed_at) AS detected_at,
  CASE WHEN m.fix_version <> '' THEN least(m.valid_from, g.committed_at) END AS fix_observed_at,
  CASE WHEN @description THEN u.detail ELSE u.detail - '{description,references}'::text[] END AS detail,
  p.type AS package_type, p.name AS package_name, p.version AS package_version, p.arch AS package_arch,
  p.purl, e.path
FROM plimsoll.image i
JOIN plimsoll.analysis a ON a.id = i.analysis_id
JOIN plimsoll.image_package e ON e.analysis_id = a.id
JOIN plimsoll.package p ON p.id = e.package_id
JOIN plimsoll.package_match m ON m.package_id = p.id AND m.valid_to IS NULL
LEFT JOIN plimsoll_feeds.vulnerability u ON u.source = m.source AND u.group_name = m.group_name
  AND u.vulnerability_id = m.vulnerability AND u.valid_to IS NULL
LEFT JOIN plimsoll_feeds.advisory v ON v.source = m.source AND v.group_name = m.group_name
  AND v.advisory_id = m.vulnerability AND v.namespace = m.namespace AND v.package = p.match_name AND v.valid_to IS NULL
LEFT JOIN plimsoll_feeds.generation g ON g.id = v.valid_from
WHERE i.account = @account AND i.digest = @digest AND NOT e.owned AND (@wont_fix OR m.fix_state <> 'wont-fix')
ORDER BY severity DESC, m.vulnerability, p.name, p.version, p.arch, p.type, e.path, m.source, p.id`)

type vulnerabilityRow struct {
	Vulnerability  string
	Source         string
	GroupName      string
	Namespace      string
	Severity       int
	FixVersion     string
	FixState       string
	DetectedAt     time.Time
	FixObservedAt  *time.Time
	Detail         *feed.Vulnerability
	PackageType    string
	PackageName    string
	PackageVersion string
	PackageArch    string
	PURL           string
	Path           string
}

// Vulnerabilities returns the findings of an image, worst first: ErrNotFound, ErrNotAnalyzed.
func (s *Matches) Vulnerabilities(ctx context.Context, account, digest string, f VulnerabilityFilter) ([]ImageVulnerability, error) {
	if _, err := analysisOf(ctx, s.pool, account, digest); err != nil {
		return nil, fmt.Errorf("load vulnerabilities of %s: %w", digest, err)
	}
	rows, err := s.pool.Query(ctx, imageVulnerabilities, args{
		"account": account, "digest": digest, "wont_fix": f.IncludeWontFix, "description": f.Description,
	})
	if err != nil {
		return nil, fmt.Errorf("load vulnerabilities of %s: %w", digest, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[vulnerabilityRow])
	if err != nil {
		return nil, fmt.Errorf("load vulnerabilities of %s: %w", digest, err)
	}
	out := make([]ImageVulnerability, 0, len(list))
	for _, row := range list {
		os := catalog.IsOS(row.PackageType)
		if f.Kind == KindOS && !os || f.Kind == KindNonOS && os {
			continue
		}
		out = append(out, row.vulnerability())
	}
	return out, nil
}

func (r vulnerabilityRow) vulnerability() ImageVulnerability {
	out := ImageVulnerability{
		Vulnerability: r.Vulnerability, Source: r.Source, Group: r.GroupName, Namespace: r.Namespace,
		Severity: feed.Severity(r.Severity), FixVersion: r.FixVersion, FixState: feed.FixState(r.FixState),
		DetectedAt: r.DetectedAt, PackageType: r.PackageType, PackageName: r.PackageName,
		PackageVersion: r.PackageVersion, PackageArch: r.PackageArch, PURL: r.PURL, Path: r.Path,
	}
	if r.FixObservedAt != nil {
		out.FixObservedAt = *r.FixObservedAt
	}
	if r.Detail != nil {
		out.Detail = *r.Detail
	}
	return out
}
