package persistence

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// InTx runs do in one transaction (read committed): committed when do succeeds, rolled back otherwise.
func InTx[T any](ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) (T, error)) (T, error) {
	var out T
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var err error
		out, err = do(tx)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// inTx is InTx for work without a result.
func inTx(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, do)
}
