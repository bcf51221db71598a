package persistence

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/persistence/statement"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Conditions of the server that have a meaning here (PostgreSQL documentation, appendix A).
const (
	codeUnique     = "23505"
	codeForeignKey = "23503"
	codeNoTable    = "42P01"
	codeNoSchema   = "3F000"
)

// session is what a pool, a connection and a transaction have in common.
type session interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// args are the named arguments of a statement; a missing or superfluous one is an error.
type args = pgx.StrictNamedArgs

func isViolation(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}

// one reads exactly one row by column names: ErrNotFound.
func one[T any](ctx context.Context, s session, query string, a args) (T, error) {
	var none T
	rows, err := s.Query(ctx, query, a)
	if err != nil {
		return none, err
	}
	out, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return none, ErrNotFound
	}
	return out, err
}

// many reads all rows by column names.
func many[T any](ctx context.Context, s session, query string, a args) ([]T, error) {
	rows, err := s.Query(ctx, query, a)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// column reads the only column of all rows.
func column[T any](ctx context.Context, s session, query string, a args) ([]T, error) {
	rows, err := s.Query(ctx, query, a)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// value reads the only column of the only row: ErrNotFound.
func value[T any](ctx context.Context, s session, query string, a args) (T, error) {
	var out T
	err := s.QueryRow(ctx, query, a).Scan(&out)
	if errors.Is(err, pgx.ErrNoRows) {
		return out, ErrNotFound
	}
	return out, err
}

// exec runs a statement and returns how many rows it touched.
func exec(ctx context.Context, s session, query string, a args) (int64, error) {
	tag, err := s.Exec(ctx, query, a)
	return tag.RowsAffected(), err
}

// found turns "no row touched" into ErrNotFound.
func found(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrNotFound
	}
	return err
}

// Advisory locks of this program: the first key says what is locked.
const (
	lockFeed   int32 = 0x504c0001
	lockRescan int32 = 0x504c0002
	lockSweep  int32 = 0x504c0003
	lockLayer  int32 = 0x504c0004
	lockKey    int32 = 0x504c0005 // evaluation keys
	lockTag    int32 = 0x504c0006
	lockCount  int32 = 0x504c0007 // whoever adds differences to counters
	lockDelta  int32 = 0x504c0008 // whoever notes differences

	lockCorrectionRules int32 = 0x504c0009 // rules of an account
	lockCorrections     int32 = 0x504c000a // what follows from them
	lockForget          int32 = 0x504c0020 // whoever removes old feed data
	lockFile            int32 = 0x504c0010 // contents of feed files
	lockAlerts          int32 = 0x504c0011 // what alerts of an account follow from
	lockAlertTag        int32 = 0x504c0012 // the alert of a tag
)

// wrap says what was attempted; nil stays nil.
func wrap(err error, format string, a ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(a, err)...)
}

// query and command declare statements, see package statement.
var (
	query   = statement.Query
	command = statement.Command
)

// isViolationOf tells which constraint an error is about.
func isViolationOf(err error, constraint string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.ConstraintName == constraint
}

// merge joins sets of arguments with different names.
func merge(sets ...args) args {
	out := args{}
	for _, set := range sets {
		for name, v := range set {
			out[name] = v
		}
	}
	return out
}
