// Package pgtest gives each test a migrated PostgreSQL database of its own.
//
// The server is the one TEST_DATABASE_URL names (a role that may create databases), or a private one, started
// from installed binaries on first use and shared by the tests of one test binary. The schema is migrated once
// into a template; a test gets a clone, in a time zone other than UTC, dropped when it ends. A missing server
// fails the test and never skips it.
package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/persistence"
)

const (
	// zone is not UTC, so that code which drops zones does not pass.
	zone = "Asia/Kathmandu"
	// start bounds the first use: initdb, server, template.
	start = 2 * time.Minute
	// templateLock keeps test binaries that share a server from making the template twice.
	templateLock = 0x504c7465
)

var (
	cluster = sync.OnceValues(startCluster)
	serial  atomic.Int64
)

// server is where test databases are made.
type server struct {
	admin    string // address of a database to issue CREATE DATABASE from
	template string // name of the migrated template
}

// New returns a pool on a migrated database of this test's own.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	cfg := persistence.DefaultConfig()
	cfg.MaxConns = 8
	pool, err := persistence.Open(context.Background(), URL(t), cfg)
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// URL returns the address of a migrated database of this test's own.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, func(s server) string { return s.template })
}

// Empty returns the address of a database without any schema.
func Empty(t testing.TB) string {
	t.Helper()
	return create(t, func(server) string { return "template0" })
}

func create(t testing.TB, from func(server) string) string {
	t.Helper()
	s, err := cluster()
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	name := fmt.Sprintf("plimsoll_test_%d_%d", os.Getpid(), serial.Add(1))
	if err := s.clone(name, from(s)); err != nil {
		t.Fatalf("create test database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE " + quote(name) + " WITH (FORCE)"); err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	return s.address(name)
}

func startCluster() (server, error) {
	admin := os.Getenv("TEST_DATABASE_URL")
	if admin == "" {
		var err error
		if admin, err = startPrivate(); err != nil {
			return server{}, err
		}
	}
	return prepare(admin)
}

// prepare makes the template unless another test binary has; its name tells which migrations it holds.
func prepare(admin string) (server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), start)
	defer cancel()
	digest, err := persistence.MigrationsDigest()
	if err != nil {
		return server{}, err
	}
	sum := sha256.Sum256([]byte(digest + zone))
	s := server{admin: admin, template: "plimsoll_template_" + hex.EncodeToString(sum[:6])}
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return server{}, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(templateLock)); err != nil {
		return server{}, fmt.Errorf("lock template: %w", err)
	}
	var ready bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", s.template).Scan(&ready); err != nil {
		return server{}, fmt.Errorf("look for template: %w", err)
	}
	if ready {
		return s, nil
	}
	// Made under another name first: a template that exists is complete.
	fresh := s.template + "_new"
	if err := s.exec("DROP DATABASE IF EXISTS " + quote(fresh) + " WITH (FORCE)"); err != nil {
		return server{}, err
	}
	if err := s.clone(fresh, "template0"); err != nil {
		return server{}, err
	}
	if err := persistence.Migrate(ctx, s.address(fresh), ""); err != nil {
		return server{}, err
	}
	return s, s.exec("ALTER DATABASE " + quote(fresh) + " RENAME TO " + quote(s.template))
}

func (s server) clone(name, template string) error {
	if err := s.exec("CREATE DATABASE " + quote(name) + " ENCODING 'UTF8' TEMPLATE " + quote(template)); err != nil {
		return err
	}
	return s.exec("ALTER DATABASE " + quote(name) + " SET timezone = '" + zone + "'")
}

func (s server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), start)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", strings.SplitN(sql, "\n", 2)[0], err)
	}
	return nil
}

// address is the admin address with another database.
func (s server) address(database string) string {
	u, err := url.Parse(s.admin)
	if err != nil || u.Host == "" { // a keyword list: the last dbname wins
		return s.admin + " dbname=" + database
	}
	u.Path = "/" + database
	return u.String()
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
