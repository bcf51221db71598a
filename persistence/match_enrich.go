package persistence

import (
	"context"
	"time"

	"plimsoll/engine/feed"
)

var (
	flawList = query("feed.flaws", flawsOf(`n.valid_to IS NULL`, `f.valid_to IS NULL`, `LEFT JOIN plimsoll_feeds.score s ON s.id = k.id`))

	// Scores are those of the day: yesterday's are not kept.
	flawListThen = query("feed.flaws_then", flawsOf(
		`n.valid_from <= @generation AND (n.valid_to IS NULL OR n.valid_to > @generation)`,
		`f.valid_from <= @generation AND (f.valid_to IS NULL OR f.valid_to > @generation)`,
		`LEFT JOIN plimsoll_feeds.score s ON false`))
)

func flawsOf(records, facts, scores string) string {
	return `
SELECT k.id, n.detail - 'references' AS nvd, s.probability::text::float8 AS probability, s.percentile::text::float8 AS percentile,
  x.value AS exploited
FROM unnest(@ids::text[]) k (id)
LEFT JOIN plimsoll_feeds.vulnerability n ON n.vulnerability_id = k.id AND n.source = 'nvd' AND ` + records + `
` + scores + `
LEFT JOIN LATERAL (
  SELECT f.value FROM plimsoll_feeds.fact f WHERE f.kind = 'exploited' AND f.key = k.id AND ` + facts + `
  ORDER BY f.source, f.group_name LIMIT 1) x ON true
WHERE n.id IS NOT NULL OR s.id IS NOT NULL OR x.value IS NOT NULL`
}

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
	return s.flaws(ctx, ids, flawList, args{})
}

// FlawsThen is Flaws as of a time, without scores, which only today has.
func (s *Matches) FlawsThen(ctx context.Context, ids []string, at time.Time) (map[string]Flaw, error) {
	generation, err := value[int64](ctx, s.feeds, generationThen, args{"at": at})
	if err != nil {
		return nil, wrap(err, "load what was known at %s", at.Format(time.RFC3339))
	}
	return s.flaws(ctx, ids, flawListThen, args{"generation": generation})
}

func (s *Matches) flaws(ctx context.Context, ids []string, statement string, state args) (map[string]Flaw, error) {
	out := make(map[string]Flaw, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	list, err := many[Flaw](ctx, s.feeds, statement, merge(state, args{"ids": ids}))
	for _, f := range list {
		out[f.ID] = f
	}
	return out, wrap(err, "load what is known of %d vulnerabilities", len(ids))
}
