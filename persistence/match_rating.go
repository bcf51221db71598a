package persistence

import (
	"context"
	"sync"

	"plimsoll/engine/feed"
)

// ratingList reads what flawList does, as far as it can be counted with.
var ratingList = query("feed.ratings", `
SELECT k.id, n.detail -> 'cvss' AS cvss, s.probability::text::float8 AS probability, s.percentile::text::float8 AS percentile,
  EXISTS (SELECT FROM plimsoll_feeds.fact f WHERE f.kind = 'exploited' AND f.key = k.id AND f.valid_to IS NULL) AS exploited
FROM unnest(@ids::text[]) k (id)
LEFT JOIN plimsoll_feeds.vulnerability n ON n.vulnerability_id = k.id AND n.source = 'nvd' AND n.valid_to IS NULL
LEFT JOIN plimsoll_feeds.score s ON s.id = k.id`)

// Rating is how bad and how likely a CVE is.
type Rating struct {
	ID          string
	CVSS        []feed.CVSS // as the National Vulnerability Database has them
	Probability *float64    // of exploitation within 30 days (EPSS)
	Percentile  *float64
	Exploited   bool // known to be
}

// Ratings returns the ratings of CVEs, by id. Those nothing is known of have one that says so.
func (s *Matches) Ratings(ctx context.Context, ids []string) (map[string]Rating, error) {
	out := make(map[string]Rating, len(ids))
	unknown := s.ratings.recall(ids, out)
	if len(unknown) == 0 {
		return out, nil
	}
	list, err := many[Rating](ctx, s.feeds, ratingList, args{"ids": unknown})
	if err != nil {
		return nil, wrap(err, "load ratings of %d vulnerabilities", len(unknown))
	}
	for _, r := range list {
		out[r.ID] = r
	}
	s.ratings.keep(list)
	return out, nil
}

// rememberedRatings is how many ratings are remembered: some 30 MB.
const rememberedRatings = 50_000

// ratingMemory keeps ratings while many images are looked at; nil keeps nothing.
type ratingMemory struct {
	mu    sync.Mutex
	known map[string]Rating
}

// recall adds what is known to out, and returns what is not.
func (m *ratingMemory) recall(ids []string, out map[string]Rating) (unknown []string) {
	if m == nil {
		return ids
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if r, ok := m.known[id]; ok {
			out[id] = r
		} else {
			unknown = append(unknown, id)
		}
	}
	return unknown
}

func (m *ratingMemory) keep(list []Rating) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known)+len(list) > rememberedRatings {
		m.known = make(map[string]Rating, len(list))
	}
	for _, r := range list {
		m.known[r.ID] = r
	}
}
