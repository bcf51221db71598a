package persistence

import (
	"context"

	"plimsoll/engine/feed"
)

var (
	releaseList = query("feed.releases", `
SELECT DISTINCT ON (f.key) f.value FROM plimsoll_feeds.fact f
WHERE f.kind = 'release' AND f.key = ANY (@keys::text[]) AND f.valid_to IS NULL
ORDER BY f.key, f.source, f.group_name`)

	// An index is a group, so one of its releases shows whether it is about a namespace.
	releaseKnown = query("feed.releases_known", `
SELECT EXISTS (
  SELECT FROM plimsoll_feeds.feed_group g CROSS JOIN LATERAL (
    SELECT f.key FROM plimsoll_feeds.fact f
    WHERE f.source = g.source AND f.group_name = g.group_name AND f.kind = 'release' AND f.valid_to IS NULL LIMIT 1) f
  WHERE split_part(f.key, ' ', 1) = @namespace)`)
)

// Releases returns what package indexes know of packages of a namespace ("npm", "rubygems"), by name, and whether there is an
// index of it at all.
func (s *Feeds) Releases(ctx context.Context, namespace string, names []string) (found map[string]feed.Release, known bool, err error) {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = releaseKey(namespace, name)
	}
	list, err := column[feed.Release](ctx, s.pool, releaseList, args{"keys": keys})
	if err != nil {
		return nil, false, wrap(err, "load releases of %d packages", len(names))
	}
	if len(list) == 0 {
		known, err = value[bool](ctx, s.pool, releaseKnown, args{"namespace": namespace})
		return nil, known, wrap(err, "look for an index of %s", namespace)
	}
	found = make(map[string]feed.Release, len(list))
	for _, r := range list {
		found[r.Package] = r
	}
	return found, true, nil
}
