package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	switchSource = query("feed.switch_source", `
INSERT INTO plimsoll_feeds.feed_switch AS w (source, group_name, enabled, changed_at)
SELECT @source::text, '', @enabled::boolean, @at::timestamptz
WHERE @source = '' OR EXISTS (SELECT FROM plimsoll_feeds.feed_group f WHERE f.source = @source AND f.offered)
ON CONFLICT (source, group_name) DO UPDATE SET enabled = excluded.enabled, changed_at = excluded.changed_at`)

	// What was switched for single groups goes: the whole source is what people talk about now.
	switchForget = query("feed.forget_switches", `
DELETE FROM plimsoll_feeds.feed_switch WHERE source = @source AND source <> '' AND group_name <> ''`)

	switchGroup = query("feed.switch_group", `
INSERT INTO plimsoll_feeds.feed_switch AS w (source, group_name, enabled, changed_at)
SELECT f.source, f.group_name, @enabled::boolean, @at::timestamptz FROM plimsoll_feeds.feed_group f
WHERE (@source = '' OR f.source = @source) AND f.group_name = @group AND f.offered ORDER BY f.source
ON CONFLICT (source, group_name) DO UPDATE SET enabled = excluded.enabled, changed_at = excluded.changed_at`)

	switchAll = query("feed.switch_all", `SELECT enabled FROM plimsoll_feeds.feed_switch WHERE source = '' AND group_name = ''`)

	groupEmpty = query("feed.empty_group", `
UPDATE plimsoll_feeds.feed_group SET cursor = '', record_count = 0, skipped_count = 0, last_sync = NULL, last_error = '', refused_since = NULL
WHERE source = @source AND group_name = @group`)

	documentClear = query("feed.clear_documents", `
DELETE FROM plimsoll_feeds.feed_document WHERE source = @source AND group_name = @group`)
)

// FeedChoice names groups. Source "" means every source, Group "" every group.
type FeedChoice struct{ Source, Group string }

// Has reports whether the choice holds a group.
func (c FeedChoice) Has(g FeedGroup) bool {
	return (c.Source == "" || c.Source == g.Source) && (c.Group == "" || c.Group == g.Name)
}

// Switch decides for the chosen groups whether they are synced, whatever the configuration says; their data stays. For all
// sources at once it decides whether anything is, see On. ErrNotFound: no driver has such a group.
func (s *Feeds) Switch(ctx context.Context, c FeedChoice, enabled bool, at time.Time) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		a := args{"source": c.Source, "enabled": enabled, "at": at}
		if c.Group != "" {
			return found(exec(ctx, tx, switchGroup, merge(a, args{"group": c.Group})))
		}
		if err := found(exec(ctx, tx, switchSource, a)); err != nil {
			return err
		}
		_, err := exec(ctx, tx, switchForget, args{"source": c.Source})
		return err
	})
	return wrap(err, "switch feed %q group %q", c.Source, c.Group)
}

// On reports whether anything is synced at all; it is unless somebody switched that off.
func (s *Feeds) On(ctx context.Context) (bool, error) {
	on, err := value[bool](ctx, s.pool, switchAll, args{})
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return on, wrap(err, "load feed switch")
}

// Clear takes back everything a group says, as one generation, so that a rescan takes back what rests on it. The next sync of
// the group, if there is one, reads everything anew. ErrNotFound.
func (s *Feeds) Clear(ctx context.Context, source, group string) (Committed, error) {
	c := CommitFeed{Source: source, Group: group, Force: true, Load: func(*Staging) error { return nil }}
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Committed, error) {
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
			return Committed{}, err
		}
		out, err := c.load(ctx, tx)
		if err != nil {
			return out, err
		}
		if _, err := value[int](ctx, tx, groupLock, c.key()); err != nil {
			return out, err
		}
		if _, err := exec(ctx, tx, lockExclusive, args{"lock": lockFeed}); err != nil {
			return out, err
		}
		if err := c.merge(ctx, tx, &out); err != nil {
			return out, err
		}
		for _, statement := range []string{documentClear, groupEmpty} {
			if _, err := exec(ctx, tx, statement, c.key()); err != nil {
				return out, err
			}
		}
		return out, nil
	})
	return out, wrap(err, "delete data of feed group %s/%s", source, group)
}
