package persistence

import (
	"context"

	"plimsoll/engine/feed"
)

// A record is a vulnerability in one namespace; its key pages through them. Of a source that names no package its name stands
// for the namespace.
var recordQuery = query("feed.records", `
WITH wanted AS MATERIALIZED (
  SELECT DISTINCT u.id FROM plimsoll_feeds.vulnerability u
  WHERE u.valid_to IS NULL AND NOT u.withdrawn AND (u.vulnerability_id = ANY (@ids::text[]) OR u.aliases && @ids::text[])
), page AS (
  SELECT DISTINCT u.vulnerability_id, coalesce(v.namespace, u.source) AS namespace, u.source, u.group_name, u.id
  FROM wanted w JOIN plimsoll_feeds.vulnerability u ON u.id = w.id
  LEFT JOIN plimsoll_feeds.advisory v ON v.source = u.source AND v.group_name = u.group_name
    AND v.advisory_id = u.vulnerability_id AND v.valid_to IS NULL
  WHERE (cardinality(@namespaces::text[]) = 0 OR coalesce(v.namespace, u.source) = ANY (@namespaces::text[]))
    AND (@package = '' OR v.package = @package)
    AND (u.vulnerability_id, coalesce(v.namespace, u.source), u.source, u.group_name) > (@after_id, @after_namespace, @after_source, @after_group)
  ORDER BY 1, 2, 3, 4 LIMIT @limit
)
SELECT g.vulnerability_id, g.namespace, g.source, g.group_name, u.detail, coalesce(v.package, '') AS package, coalesce(v.scope, '') AS scope,
  coalesce(v.ranges, '[]') AS ranges, coalesce(v.state, '') AS state
FROM page g JOIN plimsoll_feeds.vulnerability u ON u.id = g.id
LEFT JOIN plimsoll_feeds.advisory v ON v.source = g.source AND v.group_name = g.group_name
  AND v.advisory_id = g.vulnerability_id AND v.namespace = g.namespace AND v.valid_to IS NULL
WHERE @package = '' OR v.package = @package
ORDER BY g.vulnerability_id, g.namespace, g.source, g.group_name, v.package, v.scope`)

// RecordKey names a record.
type RecordKey struct{ ID, Namespace, Source, Group string }

// RecordQuestion asks what is known of vulnerabilities, by any of their names.
type RecordQuestion struct {
	IDs        []string
	Namespaces []string // none: all
	Package    string   // as advisories name it; empty: any
}

// VulnerabilityRecord is what a source says about a vulnerability in one namespace.
type VulnerabilityRecord struct {
	RecordKey
	Detail     feed.Vulnerability
	Advisories []feed.Advisory // name, scope, ranges and state
}

// Records returns up to limit records that follow a key.
func (s *Feeds) Records(ctx context.Context, q RecordQuestion, after RecordKey, limit int) ([]VulnerabilityRecord, error) {
	type row struct {
		VulnerabilityID string
		Namespace       string
		Source          string
		GroupName       string
		Detail          feed.Vulnerability
		Package         string
		Scope           string
		Ranges          []feed.Range
		State           string
	}
	if q.Namespaces == nil {
		q.Namespaces = []string{}
	}
	rows, err := many[row](ctx, s.pool, recordQuery, args{
		"ids": q.IDs, "namespaces": q.Namespaces, "package": q.Package, "limit": limit,
		"after_id": after.ID, "after_namespace": after.Namespace, "after_source": after.Source, "after_group": after.Group,
	})
	var out []VulnerabilityRecord
	for _, r := range rows {
		key := RecordKey{r.VulnerabilityID, r.Namespace, r.Source, r.GroupName}
		if len(out) == 0 || out[len(out)-1].RecordKey != key {
			out = append(out, VulnerabilityRecord{RecordKey: key, Detail: r.Detail})
		}
		if r.Package == "" { // nothing is said of any package
			continue
		}
		last := &out[len(out)-1]
		last.Advisories = append(last.Advisories, feed.Advisory{Package: r.Package, Ranges: r.Ranges, State: feed.FixState(r.State)})
	}
	return out, wrap(err, "look up %d vulnerabilities", len(q.IDs))
}
