package persistence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"plimsoll/internal/config"
	"plimsoll/persistence/statement"
)

//go:embed migrations
var migrations embed.FS

const versionTable = "schema_version"

// schema is one PostgreSQL schema with its own migrations and version.
type schema struct{ name, dir string }

var (
	coreSchema = schema{"plimsoll", "migrations/core"}
	feedSchema = schema{"plimsoll_feeds", "migrations/feeds"}
)

var (
	versionCore = statement.Query("schema.core_version", `
SELECT coalesce(max(version_id), 0) FROM plimsoll.schema_version WHERE is_applied`)
	versionFeeds = statement.Query("schema.feeds_version", `
SELECT coalesce(max(version_id), 0) FROM plimsoll_feeds.schema_version WHERE is_applied`)
)

// Migrate brings both schemas to the version this program knows, and creates them in an empty database. The feeds may
// have a database of their own; an empty address means the same one. Two programs that migrate at once wait for each
// other. ErrSchemaNew, ErrUnsuitable.
func Migrate(ctx context.Context, url, feedsURL string) error {
	cfg := DefaultConfig()
	cfg.MaxConns, cfg.StatementTimeout = 2, 0
	cfg.URL, cfg.FeedsURL = config.SecretURL(url), config.SecretURL(feedsURL)
	pool, feeds, err := OpenBoth(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	defer feeds.Close()
	// A schema from the future must not be "migrated"; an old or missing one is what we are here for.
	if err := CheckSchema(ctx, pool, feeds); err != nil && !errors.Is(err, ErrSchemaOld) {
		return err
	}
	if err := coreSchema.migrate(ctx, url); err != nil {
		return fmt.Errorf("migrate schema %s: %w", coreSchema.name, err)
	}
	if err := feedSchema.migrate(ctx, cmp.Or(feedsURL, url)); err != nil {
		return fmt.Errorf("migrate schema %s: %w", feedSchema.name, err)
	}
	return nil
}

func (s schema) migrate(ctx context.Context, url string) error {
	cc, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("read database address: %w", err)
	}
	cc.RuntimeParams["application_name"] = applicationName + " migrate"
	cc.RuntimeParams["search_path"] = s.name
	db := stdlib.OpenDB(*cc)
	defer func() { _ = db.Close() }()
	provider, err := s.provider(db)
	if err != nil {
		return err
	}
	// Two sessions may both find the schema missing; the loser of IF NOT EXISTS gets a unique violation.
	_, err = db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{s.name}.Sanitize())
	if err != nil && !isViolation(err, codeUnique) {
		return fmt.Errorf("create schema: %w", err)
	}
	_, err = provider.Up(ctx)
	return err
}

func (s schema) provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, s.dir)
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("prepare lock: %w", err)
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(s.name+"."+versionTable), goose.WithSessionLocker(locker))
}

// known is the newest version this program brings.
func (s schema) known() (int64, error) {
	entries, err := fs.ReadDir(migrations, s.dir)
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	newest := int64(0)
	for _, e := range entries {
		version, err := goose.NumericComponent(path.Base(e.Name()))
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", e.Name(), err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}

// SchemaVersion returns the versions of both schemas; 0 for one that does not exist.
func SchemaVersion(ctx context.Context, pool, feeds *pgxpool.Pool) (ofCore, ofFeeds int64, err error) {
	if ofCore, err = readVersion(ctx, pool, versionCore); err != nil {
		return 0, 0, err
	}
	if ofFeeds, err = readVersion(ctx, feeds, versionFeeds); err != nil {
		return 0, 0, err
	}
	return ofCore, ofFeeds, nil
}

func readVersion(ctx context.Context, pool *pgxpool.Pool, query string) (int64, error) {
	var version int64
	err := pool.QueryRow(ctx, query).Scan(&version)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && (pgErr.Code == codeNoTable || pgErr.Code == codeNoSchema) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// CheckSchema refuses to work on a schema this program does not know: ErrSchemaOld, ErrSchemaNew.
func CheckSchema(ctx context.Context, pool, feeds *pgxpool.Pool) error {
	ofCore, ofFeeds, err := SchemaVersion(ctx, pool, feeds)
	if err != nil {
		return err
	}
	return errors.Join(coreSchema.check(ofCore), feedSchema.check(ofFeeds))
}

// CheckFeedSchema is CheckSchema for whoever works with the feeds alone.
func CheckFeedSchema(ctx context.Context, feeds *pgxpool.Pool) error {
	found, err := readVersion(ctx, feeds, versionFeeds)
	if err != nil {
		return err
	}
	return feedSchema.check(found)
}

func (s schema) check(found int64) error {
	known, err := s.known()
	switch {
	case err != nil:
		return err
	case found < known:
		return fmt.Errorf("%w: %s is at version %d, need %d: run `plimsoll migrate`", ErrSchemaOld, s.name, found, known)
	case found > known:
		return fmt.Errorf("%w: %s is at version %d, know %d: run a newer plimsoll", ErrSchemaNew, s.name, found, known)
	}
	return nil
}

// MigrationsDigest identifies the migrations this program brings; tests name their template database after it.
func MigrationsDigest() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := migrations.ReadFile(name)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read migrations: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
