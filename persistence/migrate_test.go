package persistence_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

func TestMigrateIsIdempotentAndSafeToRunTwiceAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	var group sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		group.Go(func() { errs[i] = persistence.Migrate(t.Context(), url, "") })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := persistence.Migrate(t.Context(), url, ""); err != nil {
		t.Fatalf("again: %v", err)
	}
}

func TestCheckSchemaRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	open := func(url string) error {
		pool, err := persistence.Open(ctx, url, persistence.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		return persistence.CheckSchema(ctx, pool, pool)
	}
	if err := open(pgtest.Empty(t)); !errors.Is(err, persistence.ErrSchemaOld) {
		t.Errorf("empty database: %v, want ErrSchemaOld", err)
	}
	pool := pgtest.New(t)
	if err := persistence.CheckSchema(ctx, pool, pool); err != nil {
		t.Errorf("migrated database: %v", err)
	}
	_, err := pool.Exec(ctx, `INSERT INTO plimsoll.schema_version (version_id, is_applied) VALUES (99999, true)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := persistence.CheckSchema(ctx, pool, pool); !errors.Is(err, persistence.ErrSchemaNew) {
		t.Errorf("newer schema: %v, want ErrSchemaNew", err)
	}
	if err := persistence.Migrate(ctx, pool.Config().ConnString(), ""); !errors.Is(err, persistence.ErrSchemaNew) {
		t.Errorf("migrate a newer schema: %v, want ErrSchemaNew", err)
	}
}
