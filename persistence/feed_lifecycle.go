package persistence

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/lifecycle"
)

var (
	lifecycleGet = query("feed.lifecycle", `
SELECT f.value FROM unnest(@keys::text[]) WITH ORDINALITY k (key, place)
JOIN plimsoll_feeds.fact f ON f.kind = 'lifecycle' AND f.key = k.key AND f.valid_to IS NULL
ORDER BY k.place, f.source, f.group_name LIMIT 1`)

	lifecycleChanges = query("rescan.lifecycles", `
SELECT DISTINCT key FROM plimsoll_feeds.fact WHERE kind = 'lifecycle' AND (valid_from = @generation OR valid_to = @generation)`)

	analysisDistros = query("analysis.distros", `
SELECT DISTINCT distro AS id, distro_version AS version_id, distro_like AS "like" FROM plimsoll.analysis WHERE distro <> ''`)

	distroStaging = command("rescan.stage_distros", `
CREATE TEMPORARY TABLE stage_distro (id text, version_id text) ON COMMIT DROP`)
)

// Lifecycle tells what is published about the support of a distribution's release: ErrNotFound when nothing is.
func (s *Feeds) Lifecycle(ctx context.Context, d *catalog.Distro) (feed.Lifecycle, error) {
	keys := lifecycle.Keys(d)
	if len(keys) == 0 {
		return feed.Lifecycle{}, ErrNotFound
	}
	l, err := value[feed.Lifecycle](ctx, s.pool, lifecycleGet, args{"keys": keys})
	return l, wrap(err, "load lifecycle of %s", keys[0])
}

// copyDistros stages the distributions whose lifecycle a generation changed, of those that images have.
func (s *Matches) copyDistros(ctx context.Context, tx pgx.Tx, generation int64) error {
	changed, err := column[string](ctx, s.feeds, lifecycleChanges, args{"generation": generation})
	if err != nil || len(changed) == 0 {
		return err
	}
	type distro struct {
		ID        string
		VersionID string
		Like      []string
	}
	known, err := many[distro](ctx, tx, analysisDistros, args{})
	if err != nil {
		return err
	}
	var rows [][]any
	for _, d := range known {
		about := lifecycle.Keys(&catalog.Distro{ID: d.ID, VersionID: d.VersionID, Like: d.Like})
		if slices.ContainsFunc(about, func(key string) bool { return slices.Contains(changed, key) }) {
			rows = append(rows, []any{d.ID, d.VersionID})
		}
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"stage_distro"}, []string{"id", "version_id"}, pgx.CopyFromRows(rows))
	return err
}
