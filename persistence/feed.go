package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// FeedGroup is a part of a source and how its last sync went.
type FeedGroup struct {
	Source       string
	Name         string
	Cursor       string // where the next sync goes on
	Revision     int    // of the driver that read what is there
	Enabled      bool   // by the switches, else by the configuration; never when no driver has it any more
	RecordCount  int
	SkippedCount int
	LastSync     *time.Time // last success, changed or not
	LastAttempt  *time.Time
	LastError    string
	RefusedSince *time.Time // what the source delivers is not plausible since
	StaleAfter   int64      // seconds after the last success; 0: nobody said
	CreatedAt    time.Time
}

// FetchedDocument is what the last successful sync knows of a document: validators for the next conditional request.
type FetchedDocument struct {
	Name         string
	URL          string
	ETag         string
	LastModified string
	BodySHA256   string
}

// Feeds stores advisories and vulnerabilities as rows with [valid_from, valid_to) generations.
type Feeds struct{ pool *pgxpool.Pool }

// NewFeeds returns the store.
func NewFeeds(pool *pgxpool.Pool) *Feeds { return &Feeds{pool} }

// FeedStatus describes the data matches are made with. It converts to policy.FeedStatus.
type FeedStatus struct {
	// LastSync is the earliest of the last successful syncs of all enabled groups but those of malware signatures, which
	// match nothing; zero when there is none or one of them never succeeded.
	LastSync time.Time
	// Namespaces lists what the data has advisories for.
	Namespaces []string
	// Exploited: it has a list of exploited vulnerabilities; Predicted: it has predictions of exploitation.
	Exploited, Predicted bool
}

// effective is whether a group is enabled: what was switched last for it, else for its source, else the configuration.
const (
	effective   = `f.offered AND coalesce(own.enabled, whole.enabled, f.configured)`
	groupSource = `plimsoll_feeds.feed_group f
LEFT JOIN plimsoll_feeds.feed_switch own ON own.source = f.source AND own.group_name = f.group_name
LEFT JOIN plimsoll_feeds.feed_switch whole ON whole.source = f.source AND whole.group_name = ''`
	groupColumns = `f.source, f.group_name AS name, f.cursor, f.revision, ` + effective + ` AS enabled, f.record_count, f.skipped_count,
  f.last_sync, f.last_attempt, f.last_error, f.refused_since, f.stale_after_seconds AS stale_after, f.created_at`
)

var (
	// Rows that are as they should be are not even locked: a commit that takes minutes may hold one.
	groupEnsure = query("feed.ensure", `
INSERT INTO plimsoll_feeds.feed_group (source, group_name, configured, stale_after_seconds)
SELECT @source::text, g, @enabled, @stale_after FROM unnest(@groups::text[]) g ORDER BY g ON CONFLICT DO NOTHING`)

	groupOffer = query("feed.offer", `
UPDATE plimsoll_feeds.feed_group SET configured = @enabled, offered = true, stale_after_seconds = @stale_after
WHERE source = @source AND group_name = ANY (@groups::text[]) AND (configured, offered, stale_after_seconds) <> (@enabled, true, @stale_after)`)

	groupRetire = query("feed.retire", `
UPDATE plimsoll_feeds.feed_group SET configured = false, offered = false
WHERE source = @source AND (configured OR offered) AND group_name <> ALL (@groups::text[])`)

	groupKnown = query("feed.know", `
INSERT INTO plimsoll_feeds.feed_group (source, group_name) VALUES (@source, @group) ON CONFLICT DO NOTHING`)

	generationsAfter = query("generation.after", `
SELECT id FROM plimsoll_feeds.generation WHERE id > @after ORDER BY id LIMIT @limit`)

	groupList = query("feed.groups", `
SELECT `+groupColumns+` FROM `+groupSource+` ORDER BY f.source, f.group_name`)

	groupGet = query("feed.group", `
SELECT `+groupColumns+` FROM `+groupSource+` WHERE f.source = @source AND f.group_name = @group`)

	groupUnchanged = query("feed.unchanged", `
UPDATE plimsoll_feeds.feed_group SET cursor = @cursor, last_sync = @at, last_attempt = @at, last_error = '', refused_since = NULL
WHERE source = @source AND group_name = @group`)

	documentList = query("feed.documents", `
SELECT name, url, etag, last_modified, body_sha256 FROM plimsoll_feeds.feed_document
WHERE source = @source AND group_name = @group ORDER BY name`)

	documentWrite = query("feed.write_documents", `
INSERT INTO plimsoll_feeds.feed_document AS d (source, group_name, name, url, etag, last_modified, body_sha256)
SELECT @source::text, @group::text, x.name, x.url, x.etag, x.last_modified, x.body_sha256
FROM unnest(@names::text[], @urls::text[], @etags::text[], @modified::text[], @hashes::text[])
  x (name, url, etag, last_modified, body_sha256) ORDER BY x.name
ON CONFLICT (source, group_name, name) DO UPDATE SET url = excluded.url, etag = excluded.etag,
  last_modified = excluded.last_modified, body_sha256 = excluded.body_sha256
WHERE (d.url, d.etag, d.last_modified, d.body_sha256) <> (excluded.url, excluded.etag, excluded.last_modified, excluded.body_sha256)`)

	documentForget = query("feed.forget_documents", `
DELETE FROM plimsoll_feeds.feed_document WHERE source = @source AND group_name = @group AND name <> ALL (@names::text[])`)

	groupFailed = query("feed.failed", `
UPDATE plimsoll_feeds.feed_group SET last_attempt = @at, last_error = @message,
  refused_since = CASE WHEN @refused THEN coalesce(refused_since, @at) ELSE refused_since END
WHERE source = @source AND group_name = @group`)

	// Walks from one namespace to the next through the index instead of reading all advisories.
	feedStatus = query("feed.status", `
WITH RECURSIVE walk AS (
  (SELECT namespace FROM plimsoll_feeds.advisory WHERE valid_to IS NULL ORDER BY namespace LIMIT 1)
  UNION ALL
  SELECT (SELECT v.namespace FROM plimsoll_feeds.advisory v
    WHERE v.valid_to IS NULL AND v.namespace > walk.namespace ORDER BY v.namespace LIMIT 1)
  FROM walk WHERE walk.namespace IS NOT NULL
)
SELECT (SELECT CASE WHEN count(*) = count(f.last_sync) THEN min(f.last_sync) END
  FROM `+groupSource+` WHERE `+effective+` AND f.source <> 'clamav_db') AS last_sync,
  coalesce((SELECT array_agg(namespace ORDER BY namespace) FROM walk WHERE namespace IS NOT NULL), '{}') AS namespaces,
  EXISTS (SELECT FROM plimsoll_feeds.fact WHERE kind = 'exploited' AND valid_to IS NULL) AS exploited,
  EXISTS (SELECT FROM plimsoll_feeds.score) AS predicted`)
)

// Offer is what a driver has under the current settings.
type Offer struct {
	Source     string
	Groups     []string
	Enabled    bool          // by the configuration
	StaleAfter time.Duration // after its last success a group is stale; 0: never
}

// Ensure makes a source's groups what its driver offers. Groups it offers no longer keep their data, but are neither synced
// nor counted as missing.
func (s *Feeds) Ensure(ctx context.Context, o Offer) error {
	_, err := InTx(ctx, s.pool, func(tx pgx.Tx) (int64, error) {
		a := args{"source": o.Source, "groups": append([]string{}, o.Groups...)} // an array, even without groups
		offer := merge(a, args{"enabled": o.Enabled, "stale_after": int64(o.StaleAfter / time.Second)})
		for _, statement := range []string{groupEnsure, groupOffer} {
			if _, err := exec(ctx, tx, statement, offer); err != nil {
				return 0, err
			}
		}
		return exec(ctx, tx, groupRetire, a)
	})
	return wrap(err, "register groups of feed %s", o.Source)
}

// Groups returns all groups by source and name.
func (s *Feeds) Groups(ctx context.Context) ([]FeedGroup, error) {
	list, err := many[FeedGroup](ctx, s.pool, groupList, args{})
	return list, wrap(err, "list feed groups")
}

// Group returns one group: ErrNotFound.
func (s *Feeds) Group(ctx context.Context, source, group string) (FeedGroup, error) {
	g, err := one[FeedGroup](ctx, s.pool, groupGet, args{"source": source, "group": group})
	return g, wrap(err, "load feed group %s/%s", source, group)
}

// Documents returns what is known of a group's documents, by name.
func (s *Feeds) Documents(ctx context.Context, source, group string) (map[string]FetchedDocument, error) {
	list, err := many[FetchedDocument](ctx, s.pool, documentList, args{"source": source, "group": group})
	out := make(map[string]FetchedDocument, len(list))
	for _, d := range list {
		out[d.Name] = d
	}
	return out, wrap(err, "list documents of feed group %s/%s", source, group)
}

// Unchanged notes a successful sync that brought nothing new: ErrNotFound.
func (s *Feeds) Unchanged(ctx context.Context, source, group, cursor string, documents []FetchedDocument, at time.Time) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		err := found(exec(ctx, tx, groupUnchanged, args{"source": source, "group": group, "cursor": whole(cursor), "at": at}))
		if err != nil {
			return err
		}
		return noteDocuments(ctx, tx, source, group, documents)
	})
	return wrap(err, "note sync of feed group %s/%s", source, group)
}

// whole is a cursor that can be stored as it is; without one the next sync reads everything.
func whole(cursor string) string {
	if clip(cursor) != cursor {
		return ""
	}
	return cursor
}

// noteDocuments keeps what a sync learned of its documents. A delta has none worth remembering.
func noteDocuments(ctx context.Context, tx pgx.Tx, source, group string, documents []FetchedDocument) error {
	if len(documents) == 0 {
		return nil
	}
	columns := map[string][]string{}
	for _, d := range documents {
		for name, text := range map[string]string{
			"names": d.Name, "urls": d.URL, "etags": d.ETag, "modified": d.LastModified, "hashes": d.BodySHA256,
		} {
			columns[name] = append(columns[name], clip(text))
		}
	}
	a := args{"source": source, "group": group}
	for name, texts := range columns {
		a[name] = texts
	}
	if _, err := exec(ctx, tx, documentWrite, a); err != nil {
		return err
	}
	_, err := exec(ctx, tx, documentForget, args{"source": source, "group": group, "names": columns["names"]})
	return err
}

// Failed notes a sync that did not succeed; the data stays as it is. refused: what came was not plausible. ErrNotFound.
func (s *Feeds) Failed(ctx context.Context, source, group, message string, refused bool, at time.Time) error {
	err := found(exec(ctx, s.pool, groupFailed, args{"source": source, "group": group, "message": clip(message), "refused": refused, "at": at}))
	return wrap(err, "note failed sync of feed group %s/%s", source, group)
}

// Generation returns the newest committed generation; 0 before the first.
func (s *Feeds) Generation(ctx context.Context) (int64, error) {
	g, err := value[int64](ctx, s.pool, generationCurrent, args{})
	return g, wrap(err, "load feed generation")
}

// GenerationsAfter returns up to limit generations that follow one, oldest first. Their numbers have gaps: those
// of commits that failed.
func (s *Feeds) GenerationsAfter(ctx context.Context, after int64, limit int) ([]int64, error) {
	list, err := column[int64](ctx, s.pool, generationsAfter, args{"after": after, "limit": limit})
	return list, wrap(err, "list feed generations")
}

// Status describes the data as a whole.
func (s *Feeds) Status(ctx context.Context) (FeedStatus, error) {
	row, err := one[struct {
		LastSync             *time.Time
		Namespaces           []string
		Exploited, Predicted bool
	}](ctx, s.pool, feedStatus, args{})
	if err != nil {
		return FeedStatus{}, fmt.Errorf("load feed status: %w", err)
	}
	out := FeedStatus{Namespaces: row.Namespaces, Exploited: row.Exploited, Predicted: row.Predicted}
	if row.LastSync != nil {
		out.LastSync = *row.LastSync
	}
	return out, nil
}
