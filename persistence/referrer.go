package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Referrer is something attached to an image in its registry: a signature, an attestation, an SBOM. It is listed,
// not verified.
type Referrer struct {
	Subject      string            `json:"subject"`  // digest it is attached to: the image's or its index's
	Referrer     string            `json:"referrer"` // digest of its manifest
	ArtifactType string            `json:"artifact_type"`
	MediaType    string            `json:"media_type"`
	Size         int64             `json:"size"` // bytes of its manifest
	Annotations  map[string]string `json:"annotations"`
	FoundBy      string            `json:"found_by"` // the way it was found
}

// ReferrerListing is what a registry said last. ListedAt is zero when it was never asked.
type ReferrerListing struct {
	ListedAt  time.Time
	Problem   string // what could not be listed, for people; empty: nothing
	Referrers []Referrer
}

// Referrers stores what is attached to images.
type Referrers struct{ pool *pgxpool.Pool }

// NewReferrers returns the store.
func NewReferrers(pool *pgxpool.Pool) *Referrers { return &Referrers{pool} }

var (
	referrerListed = query("referrer.listed", `
INSERT INTO plimsoll.referrer_listing (account, digest, listed_at, problem) VALUES (@account, @digest, @listed_at, @problem)
ON CONFLICT (account, digest) DO UPDATE SET listed_at = excluded.listed_at, problem = excluded.problem`)

	referrerForget = query("referrer.forget", `DELETE FROM plimsoll.referrer WHERE account = @account AND digest = @digest`)

	referrerStore = query("referrer.store", `
INSERT INTO plimsoll.referrer (account, digest, subject, referrer, artifact_type, media_type, size, annotations, found_by)
SELECT @account, @digest, r.subject, r.referrer, r.artifact_type, r.media_type, r.size, coalesce(r.annotations, '{}'), r.found_by
FROM jsonb_to_recordset(@referrers::jsonb) AS r(subject text, referrer text, artifact_type text, media_type text, size bigint,
  annotations jsonb, found_by text)
ON CONFLICT (account, digest, subject, referrer) DO UPDATE SET artifact_type = excluded.artifact_type,
  media_type = excluded.media_type, size = excluded.size, annotations = excluded.annotations, found_by = excluded.found_by`)

	referrerListing = query("referrer.listing", `
SELECT listed_at, problem FROM plimsoll.referrer_listing WHERE account = @account AND digest = @digest`)

	referrerList = query("referrer.list", `
SELECT subject, referrer, artifact_type, media_type, size, annotations, found_by FROM plimsoll.referrer
WHERE account = @account AND digest = @digest ORDER BY subject = @digest DESC, subject, artifact_type, referrer`)
)

// Store keeps a listing. One with a problem adds to what was known, as what it lacks may still be there; any other
// replaces it. ErrNotFound without the image.
func (s *Referrers) Store(ctx context.Context, account, digest string, l ReferrerListing) error {
	encoded, err := json.Marshal(append([]Referrer{}, l.Referrers...))
	if err != nil {
		return fmt.Errorf("store referrers of %s: encode: %w", digest, err)
	}
	key := args{"account": account, "digest": digest}
	err = inTx(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := exec(ctx, tx, referrerListed, args{"account": account, "digest": digest, "listed_at": l.ListedAt, "problem": clip(l.Problem)})
		if err != nil {
			return err
		}
		if l.Problem == "" {
			if _, err := exec(ctx, tx, referrerForget, key); err != nil {
				return err
			}
		}
		_, err = exec(ctx, tx, referrerStore, args{"account": account, "digest": digest, "referrers": storableJSON(encoded)})
		return err
	})
	if isViolation(err, codeForeignKey) {
		err = ErrNotFound
	}
	return wrap(err, "store referrers of %s", digest)
}

// List returns the listing of an image of the account, those of the image itself first. An image that is not
// there, or was never asked about, has an empty one.
func (s *Referrers) List(ctx context.Context, account, digest string) (ReferrerListing, error) {
	key := args{"account": account, "digest": digest}
	head, err := one[referrerHead](ctx, s.pool, referrerListing, key)
	if errors.Is(err, ErrNotFound) {
		return ReferrerListing{}, nil
	}
	if err != nil {
		return ReferrerListing{}, wrap(err, "list referrers of %s", digest)
	}
	found, err := many[Referrer](ctx, s.pool, referrerList, key)
	return ReferrerListing{ListedAt: head.ListedAt, Problem: head.Problem, Referrers: found}, wrap(err, "list referrers of %s", digest)
}

type referrerHead struct {
	ListedAt time.Time
	Problem  string
}

// encodeMap makes an object for a jsonb column.
func encodeMap(m map[string]string) ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	text, err := json.Marshal(m)
	return storableJSON(text), err
}
