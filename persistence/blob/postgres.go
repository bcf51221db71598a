package blob

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/zstd"

	"plimsoll/persistence/statement"
)

const (
	// compressFrom is the size in bytes above which compression pays.
	compressFrom = 4 << 10

	encodingIdentity = "identity"
	encodingZstd     = "zstd"
)

var (
	// A document that is there is only marked as used, and that at most every half hour: no bytes are written.
	blobPut = statement.Query("blob.put", `
INSERT INTO plimsoll.blob (digest, size, encoding, data) VALUES (@digest, @size, @encoding, @data)
ON CONFLICT (digest) DO UPDATE SET touched_at = now() WHERE blob.touched_at < now() - interval '30 minutes'`)

	// Most documents put again are there: the bytes need not travel.
	blobTouch = statement.Query("blob.touch", `
WITH known AS (SELECT touched_at FROM plimsoll.blob WHERE digest = @digest),
touched AS (
  UPDATE plimsoll.blob SET touched_at = now()
  WHERE digest = @digest AND touched_at < now() - interval '30 minutes'
)
SELECT EXISTS (SELECT FROM known)`)

	blobGet = statement.Query("blob.get", `
SELECT size, encoding, data FROM plimsoll.blob WHERE digest = @digest`)

	blobGetAll = statement.Query("blob.get_all", `
SELECT digest, size, encoding, data FROM plimsoll.blob
WHERE digest = ANY (@digests::text[]) AND size <= @limit`)

	blobDelete = statement.Query("blob.delete", `DELETE FROM plimsoll.blob WHERE digest = @digest`)
)

// session is what a pool and a transaction have in common.
type session interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Postgres keeps documents in the table plimsoll.blob, compressed with zstd above 4 KiB.
type Postgres struct{ pool *pgxpool.Pool }

var _ Store = (*Postgres)(nil)

// NewPostgres returns the store.
func NewPostgres(pool *pgxpool.Pool) *Postgres { return &Postgres{pool} }

// Put stores the bytes unless they are there: ErrTooLarge.
func (p *Postgres) Put(ctx context.Context, data []byte) (string, error) {
	return put(ctx, p.pool, data)
}

// PutTx is Put as part of a transaction, so that a document and the row that refers to it appear together.
func PutTx(ctx context.Context, tx pgx.Tx, data []byte) (string, error) { return put(ctx, tx, data) }

func put(ctx context.Context, s session, data []byte) (string, error) {
	if len(data) > MaxSize {
		return "", fmt.Errorf("store document of %d bytes: %w (limit %d)", len(data), ErrTooLarge, MaxSize)
	}
	digest := Digest(data)
	var known bool
	if err := s.QueryRow(ctx, blobTouch, pgx.StrictNamedArgs{"digest": digest}).Scan(&known); err != nil {
		return "", fmt.Errorf("look for document %s: %w", digest, err)
	}
	if known {
		return digest, nil
	}
	encoding, stored, err := encode(data)
	if err != nil {
		return "", fmt.Errorf("compress document %s: %w", digest, err)
	}
	_, err = s.Exec(ctx, blobPut, pgx.StrictNamedArgs{
		"digest": digest, "size": len(data), "encoding": encoding, "data": stored,
	})
	if err != nil {
		return "", fmt.Errorf("store document %s: %w", digest, err)
	}
	return digest, nil
}

// Get returns the bytes, proven by their digest: ErrNotFound, ErrCorrupt.
func (p *Postgres) Get(ctx context.Context, digest string) ([]byte, error) {
	var row storedRow
	err := p.pool.QueryRow(ctx, blobGet, pgx.StrictNamedArgs{"digest": digest}).Scan(&row.Size, &row.Encoding, &row.Data)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("load document %s: %w", digest, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("load document %s: %w", digest, err)
	}
	return row.document(digest)
}

// GetAll leaves out what is corrupt.
func (p *Postgres) GetAll(ctx context.Context, digests []string, limit int) (map[string][]byte, error) {
	rows, err := p.pool.Query(ctx, blobGetAll, pgx.StrictNamedArgs{"digests": digests, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("load %d documents: %w", len(digests), err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[storedRow])
	if err != nil {
		return nil, fmt.Errorf("load %d documents: %w", len(digests), err)
	}
	out := make(map[string][]byte, len(list))
	for i := range list {
		if data, err := list[i].document(list[i].Digest); err == nil {
			out[list[i].Digest] = data
		}
	}
	return out, nil
}

type storedRow struct {
	Digest   string
	Size     int64
	Encoding string
	Data     []byte
}

// document proves the bytes by the digest.
func (r *storedRow) document(digest string) ([]byte, error) {
	data, err := decode(r.Encoding, r.Data, r.Size)
	if err != nil {
		return nil, fmt.Errorf("load document %s: %w", digest, err)
	}
	if Digest(data) != digest {
		return nil, fmt.Errorf("load document %s: %w: digest differs", digest, ErrCorrupt)
	}
	return data, nil
}

// Delete removes a document; a missing one is not an error.
func (p *Postgres) Delete(ctx context.Context, digest string) error {
	if _, err := p.pool.Exec(ctx, blobDelete, pgx.StrictNamedArgs{"digest": digest}); err != nil {
		return fmt.Errorf("delete document %s: %w", digest, err)
	}
	return nil
}

// Both are safe for concurrent use through EncodeAll and DecodeAll.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(0))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxSize))
	})
)

func encode(data []byte) (encoding string, stored []byte, err error) {
	if len(data) <= compressFrom {
		if data == nil {
			data = []byte{}
		}
		return encodingIdentity, data, nil
	}
	z, err := encoder()
	if err != nil {
		return "", nil, err
	}
	small := z.EncodeAll(data, nil)
	if len(small) >= len(data) {
		return encodingIdentity, data, nil
	}
	return encodingZstd, small, nil
}

func decode(encoding string, stored []byte, size int64) ([]byte, error) {
	switch encoding {
	case encodingIdentity:
		return stored, nil
	case encodingZstd:
		if size < 0 || size > MaxSize {
			return nil, fmt.Errorf("%w: size %d", ErrCorrupt, size)
		}
		z, err := decoder()
		if err != nil {
			return nil, err
		}
		data, err := z.DecodeAll(stored, make([]byte, 0, size))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%w: unknown encoding %q", ErrCorrupt, encoding)
}
