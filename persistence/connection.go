package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// closeTimeout bounds the farewell of a connection of its own.
	closeTimeout = 5 * time.Second
	// cancelDelay is how long a cancelled statement may take to end by itself before the connection is cut.
	cancelDelay = 2 * time.Second
)

// connect opens a connection outside the pool for what holds one for long: waiting for a lock must not starve
// everybody else. A cancelled wait is cancelled at the server too, so that it does not go on there.
func connect(ctx context.Context, pool *pgxpool.Pool) (*pgx.Conn, error) {
	cc := pool.Config().ConnConfig.Copy()
	cc.RuntimeParams["statement_timeout"] = "0"
	cc.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelDelay}
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, fmt.Errorf("open connection: %w", err)
	}
	return conn, nil
}

// disconnect closes the connection whatever became of ctx; the server drops its locks with it.
func disconnect(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}
