package blob_test

import (
	"errors"
	"testing"

	"plimsoll/persistence/blob"
	"plimsoll/persistence/blob/blobtest"
	"plimsoll/persistence/pgtest"
)

func TestPostgresConforms(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	blobtest.Run(t, blob.NewPostgres(pool), func(t *testing.T, digest string) {
		_, err := pool.Exec(t.Context(),
			`UPDATE plimsoll.blob SET data = set_byte(data, length(data) - 1, get_byte(data, length(data) - 1) # 255) WHERE digest = $1`, digest)
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestPostgresWritesNothingForAKnownDocument(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	store := blob.NewPostgres(pool)
	version := func() (v string) {
		if err := pool.QueryRow(t.Context(), `SELECT string_agg(xmin::text || ctid::text, ',') FROM plimsoll.blob`).Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if _, err := store.Put(t.Context(), []byte("once")); err != nil {
		t.Fatal(err)
	}
	before := version()
	if _, err := store.Put(t.Context(), []byte("once")); err != nil {
		t.Fatal(err)
	}
	if after := version(); after != before {
		t.Errorf("row went from %s to %s", before, after)
	}
}

func TestPostgresRefusesTooMuch(t *testing.T) {
	t.Parallel()
	if _, err := blob.NewPostgres(pgtest.New(t)).Put(t.Context(), make([]byte, blob.MaxSize+1)); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("Put: %v, want ErrTooLarge", err)
	}
}
