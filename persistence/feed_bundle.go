package persistence

import (
	"context"
	"time"
)

// FeedBundle is a data set that was brought in a file.
type FeedBundle struct {
	Name       string
	Checksum   string // SHA-256 of the manifest
	SignedBy   string // id of the key; empty: nobody
	BuiltAt    time.Time
	ReceivedAt time.Time
}

var (
	bundleNote = query("bundle.note", `
INSERT INTO plimsoll_feeds.bundle (name, checksum, signed_by, built_at, received_at)
VALUES (@name, @checksum, @signed_by, @built_at, @received_at)`)

	bundleLatest = query("bundle.latest", `
SELECT name, checksum, signed_by, built_at, received_at FROM plimsoll_feeds.bundle ORDER BY id DESC LIMIT 1`)

	storeState = query("feed.store_state", `
SELECT o.id::text AS origin, o.swept, coalesce((SELECT max(id) FROM plimsoll_feeds.generation), 0) AS generation, false AS whole
FROM plimsoll_feeds.origin o`)
)

// NoteBundle remembers a bundle that was taken over.
func (s *Feeds) NoteBundle(ctx context.Context, b FeedBundle) error {
	_, err := exec(ctx, s.pool, bundleNote, args{
		"name": b.Name, "checksum": b.Checksum, "signed_by": b.SignedBy, "built_at": b.BuiltAt, "received_at": b.ReceivedAt,
	})
	return wrap(err, "note feed bundle %s", b.Name)
}

// LatestBundle returns the bundle that was taken over last: ErrNotFound.
func (s *Feeds) LatestBundle(ctx context.Context) (FeedBundle, error) {
	b, err := one[FeedBundle](ctx, s.pool, bundleLatest, args{})
	return b, wrap(err, "load the latest feed bundle")
}

// StoreState tells where the store as a whole stands.
func (s *Feeds) StoreState(ctx context.Context) (GroupState, error) {
	out, err := one[GroupState](ctx, s.pool, storeState, args{})
	return out, wrap(err, "tell the state of the feeds")
}
