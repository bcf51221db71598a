package persistence

import (
	"context"

	"plimsoll/engine/feed"
)

var flawList = query("feed.flaws", `
SELECT k.id, n.detail - 'references' AS nvd, s.probability::float8 AS probability, s.percentile::float8 AS percentile,
  x.value AS exploited
FROM unnest(@ids::text[]) k (id)
LEFT JOIN plimsoll_feeds.vulnerability n ON n.vulnerability_id = k.id AND n.source = 'nvd' AND n.valid_to IS NULL
LEFT JOIN plimsoll_feeds.score s ON s.id = k.id
LEFT JOIN LATERAL (
  SELECT f.value FROM plimsoll_feeds.fact f WHERE f.kind = 'exploited' AND f.key = k.id AND f.valid_to IS NULL
  ORDER BY f.source, f.group_name LIMIT 1) x ON true
WHERE n.id IS NOT NULL OR s.id IS NOT NULL OR x.value IS NOT NULL`)

// Flaw is what is known of a CVE, whoever reported it.
type Flaw struct {
	ID          string
	NVD         *feed.Vulnerability // as the National Vulnerability Database has it
	Probability *float64            // of exploitation within 30 days (EPSS)
	Percentile  *float64
	Exploited   *feed.Exploited `db:"exploited"` // known to be
}

// Flaws returns what is known of CVEs, by id; those nothing is known of are missing.
func (s *Matches) Flaws(ctx context.Context, ids []string) (map[string]Flaw, error) {
	out := make(map[string]Flaw, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	list, err := many[Flaw](ctx, s.feeds, flawList, args{"ids": ids})
	for _, f := range list {
		out[f.ID] = f
	}
	return out, wrap(err, "load what is known of %d vulnerabilities", len(ids))
}
