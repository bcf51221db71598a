package persistence_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"plimsoll/persistence/pgtest"
	"plimsoll/persistence/statement"
)

// TestEveryStatementCanBePrepared is to SQL what the compiler is to Go: names, types and syntax hold on a migrated
// database.
func TestEveryStatementCanBePrepared(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn, err := pgtest.New(t).Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	names := make(map[string]string)
	named := regexp.MustCompile(`^[a-z]+(\.[a-z_]+)$`)
	for _, s := range statement.All() {
		if where, twice := names[s.Name]; twice {
			t.Errorf("%s: name %s is taken by %s", s.Source, s.Name, where)
		}
		names[s.Name] = s.Source
		if !named.MatchString(s.Name) {
			t.Errorf("%s: name %q is not of the form aggregate.action", s.Source, s.Name)
		}
		if s.Command {
			if _, err := tx.Exec(ctx, s.SQL); err != nil {
				t.Fatalf("%s: %s: %v", s.Source, s.Name, err)
			}
		}
	}
	if len(names) < 100 {
		t.Errorf("only %d statements are declared", len(names))
	}
	for i, s := range statement.All() {
		if s.Command {
			continue
		}
		sql, _, err := pgx.NamedArgs{}.RewriteQuery(ctx, nil, s.SQL, nil)
		if err != nil {
			t.Errorf("%s: %s: %v", s.Source, s.Name, err)
			continue
		}
		if err := prepare(t, tx, fmt.Sprintf("s%d", i), sql); err != nil {
			t.Errorf("%s: %s: %v", s.Source, s.Name, err)
		}
	}
}

// prepare keeps a failure from ending the transaction the temporary tables live in.
func prepare(t *testing.T, tx pgx.Tx, name, sql string) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), tx, func(inner pgx.Tx) error {
		_, err := inner.Prepare(t.Context(), name, sql)
		return err
	})
}
