package persistence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"plimsoll/persistence/blob"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Layer is the stored result of analysing one layer blob with one analyzer set.
type Layer struct {
	Digest         string // compressed blob, as the manifest names it
	AnalyzerSet    string
	DiffID         string
	CompressedSize int64
	Size           int64 // decompressed bytes
	EntryCount     int
	EntriesBlob    string // image.EncodeEntries
	EvidenceBlob   string // image.EncodeEvidence
	AnalyzedAt     time.Time
}

// NewLayer is a result to store.
type NewLayer struct {
	Digest         string
	Registry       string // that delivered the blob
	AnalyzerSet    string
	DiffID         string
	CompressedSize int64
	Size           int64
	EntryCount     int
	Entries        []byte
	Evidence       []byte
	Host           string // that read it
	Version        string // of the program
}

// Layers stores layer results, fleet-wide.
type Layers struct{ pool *pgxpool.Pool }

// NewLayers returns the store.
func NewLayers(pool *pgxpool.Pool) *Layers { return &Layers{pool} }

var (
	// What is planned with is marked as used, at most every half hour, so that it is not collected meanwhile.
	// Somebody else who holds a row is marking it too.
	layerFind = query("layer.find", `
WITH known AS (
  SELECT digest, registries FROM plimsoll.layer WHERE analyzer_set = @set AND digest = ANY (@digests::text[])
), used AS (
  UPDATE plimsoll.layer SET used_at = now() WHERE analyzer_set = @set AND digest IN (
    SELECT digest FROM plimsoll.layer
    WHERE analyzer_set = @set AND digest = ANY (@digests::text[]) AND used_at < now() - interval '30 minutes'
    FOR NO KEY UPDATE SKIP LOCKED)
)
SELECT digest, registries FROM known`)

	layerGet = query("layer.get", `
SELECT digest, analyzer_set, diff_id, compressed_size, size, entry_count, entries_blob, evidence_blob, analyzed_at
FROM plimsoll.layer WHERE analyzer_set = @set AND digest = ANY (@digests::text[])`)

	layerSave = query("layer.save", `
INSERT INTO plimsoll.layer (digest, analyzer_set, diff_id, compressed_size, size, entry_count, entries_blob, evidence_blob,
  registries, host, version)
VALUES (@digest, @set, @diff_id, @compressed_size, @size, @entry_count, @entries_blob, @evidence_blob, ARRAY[@registry::text],
  @host, @version)
ON CONFLICT (digest, analyzer_set) DO UPDATE SET diff_id = excluded.diff_id, compressed_size = excluded.compressed_size,
  size = excluded.size, entry_count = excluded.entry_count, entries_blob = excluded.entries_blob,
  evidence_blob = excluded.evidence_blob, host = excluded.host, version = excluded.version, analyzed_at = now(), used_at = now(),
  registries = array_remove(plimsoll.layer.registries, @registry) || excluded.registries`)

	layerLock = query("layer.lock", `SELECT pg_advisory_lock(@lock::int, hashtext(concat_ws(' ', @digest::text, @registries::text)))`)
)

// Known returns which of the layers have a result under the analyzer set, each with the registries that have
// delivered the whole blob. Another registry's word that an account may read the blob is worth nothing: whoever
// runs it can say so of any digest.
func (s *Layers) Known(ctx context.Context, set string, digests []string) (map[string][]string, error) {
	rows, err := many[struct {
		Digest     string
		Registries []string
	}](ctx, s.pool, layerFind, args{"set": set, "digests": digests})
	if err != nil {
		return nil, fmt.Errorf("look for layer results: %w", err)
	}
	known := make(map[string][]string, len(rows))
	for _, row := range rows {
		known[row.Digest] = row.Registries
	}
	return known, nil
}

// Get returns the results in the order asked for: ErrNotFound when one is missing.
func (s *Layers) Get(ctx context.Context, set string, digests []string) ([]Layer, error) {
	rows, err := many[Layer](ctx, s.pool, layerGet, args{"set": set, "digests": digests})
	if err != nil {
		return nil, fmt.Errorf("load layer results: %w", err)
	}
	byDigest := make(map[string]Layer, len(rows))
	for _, l := range rows {
		byDigest[l.Digest] = l
	}
	out := make([]Layer, 0, len(digests))
	for _, digest := range digests {
		l, ok := byDigest[digest]
		if !ok {
			return nil, fmt.Errorf("load result of layer %s: %w", digest, ErrNotFound)
		}
		out = append(out, l)
	}
	return out, nil
}

// Save stores a result with its documents; a result that is there is replaced, and the registry counts among those
// that have delivered the blob.
func (s *Layers) Save(ctx context.Context, n NewLayer) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		entries, err := blob.PutTx(ctx, tx, n.Entries)
		if err != nil {
			return err
		}
		evidence, err := blob.PutTx(ctx, tx, n.Evidence)
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, layerSave, args{
			"digest": n.Digest, "set": n.AnalyzerSet, "diff_id": n.DiffID, "compressed_size": n.CompressedSize,
			"size": n.Size, "entry_count": n.EntryCount, "entries_blob": entries, "evidence_blob": evidence, "registry": n.Registry,
			"host": n.Host, "version": n.Version,
		})
		return err
	})
	return wrap(err, "store result of layer %s", n.Digest)
}

// Lock waits until no other process of the fleet reads the layer from the same registries, on a connection of its
// own. Who reads it from elsewhere is not waited for: a result from there could not be used without the blob anyway,
// and a registry may be as slow as whoever runs it likes. release lets the next one in; it must be called, and may be
// called again. A broken connection releases too, which is safe: storing a result twice is storing it once.
func (s *Layers) Lock(ctx context.Context, digest string, registries ...string) (release func(), err error) {
	conn, err := connect(ctx, s.pool)
	if err != nil {
		return nil, fmt.Errorf("lock layer %s: %w", digest, err)
	}
	from := slices.Compact(slices.Sorted(slices.Values(registries)))
	if _, err := conn.Exec(ctx, layerLock, args{"lock": lockLayer, "digest": digest, "registries": strings.Join(from, " ")}); err != nil {
		disconnect(ctx, conn)
		if ctx.Err() != nil { // the server only says that the statement was cancelled
			err = ctx.Err()
		}
		return nil, fmt.Errorf("lock layer %s: %w", digest, err)
	}
	return sync.OnceFunc(func() { disconnect(ctx, conn) }), nil
}
