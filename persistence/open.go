package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/persistence/statement"
)

const (
	applicationName = "plimsoll"
	// minServer is the oldest PostgreSQL with gen_random_uuid() built in, as server_version_num.
	minServer = 130000
	// idleInTransaction ends sessions whose program hangs inside a transaction; a feed commit may parse for a
	// while between two batches.
	idleInTransaction = 15 * time.Minute
	connIdle          = 5 * time.Minute
	connLifetime      = time.Hour
	healthCheck       = 30 * time.Second
)

var serverFacts = statement.Query("server.facts", `
SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name,
       pg_encoding_to_char(encoding)::text AS encoding
FROM pg_catalog.pg_database WHERE datname = current_database()`)

// Open connects to the database and makes sure it can be worked with: ErrUnsuitable. It does not look at the
// schema, see CheckSchema.
func Open(ctx context.Context, url string, cfg Config) (*pgxpool.Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("database settings: %w", err)
	}
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read database address: %w", err)
	}
	pc.MaxConns = int32(min(cfg.MaxConns, 10_000)) // #nosec G115 -- bounded on the same line
	pc.MaxConnIdleTime = connIdle
	pc.MaxConnLifetime = connLifetime
	pc.HealthCheckPeriod = healthCheck
	pc.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	pc.ConnConfig.Tracer = queryTracer{}
	params := pc.ConnConfig.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = applicationName
	}
	params["statement_timeout"] = milliseconds(cfg.StatementTimeout)
	params["idle_in_transaction_session_timeout"] = milliseconds(idleInTransaction)
	pc.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		useUTC(conn)
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := checkServer(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// OpenBoth opens the database and that of the feeds. Both pools are to be closed, even where they are of one database:
// whoever holds a connection of one may wait for one of the other.
func OpenBoth(ctx context.Context, cfg Config) (pool, feeds *pgxpool.Pool, err error) {
	if pool, err = Open(ctx, cfg.URL.Reveal(), cfg); err != nil {
		return nil, nil, err
	}
	cfg.MaxConns = max(2, cfg.MaxConns/2)
	if feeds, err = Open(ctx, cmp.Or(cfg.FeedsURL, cfg.URL).Reveal(), cfg); err != nil {
		pool.Close()
		return nil, nil, fmt.Errorf("database of the feeds: %w", err)
	}
	return pool, feeds, nil
}

// useUTC makes times read from the database independent of the zones of server and process.
func useUTC(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

func checkServer(ctx context.Context, pool *pgxpool.Pool) error {
	var (
		version        int
		name, encoding string
	)
	if err := pool.QueryRow(ctx, serverFacts).Scan(&version, &name, &encoding); err != nil {
		return fmt.Errorf("connect to database: %w", err)
	}
	var faults []error
	if version < minServer {
		faults = append(faults, fmt.Errorf("PostgreSQL is %s, need %d or later", name, minServer/10000))
	}
	if encoding != "UTF8" {
		faults = append(faults, fmt.Errorf("database encoding is %s, need UTF8 (createdb -E UTF8 -T template0)", encoding))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %w", ErrUnsuitable, errors.Join(faults...))
	}
	return nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
