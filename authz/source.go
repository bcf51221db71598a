package authz

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/persistence"
)

// StoredGrants is the part of the store of grants that an Authorizer needs.
type StoredGrants interface {
	List(ctx context.Context) ([]persistence.Grant, error)
	Listen(ctx context.Context, changed func()) error
}

// StoredAccounts is the part of the store of accounts that an Authorizer needs.
type StoredAccounts interface {
	Get(ctx context.Context, name string) (persistence.Account, error)
}

// NewSource returns the database as a Source.
func NewSource(grants StoredGrants, accounts StoredAccounts) Source { return stored{grants, accounts} }

type stored struct {
	grants   StoredGrants
	accounts StoredAccounts
}

func (s stored) Grants(ctx context.Context) ([]Grant, error) {
	rows, err := s.grants.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	grants := make([]Grant, len(rows))
	for i, row := range rows {
		grants[i] = Grant{User: row.Username, Role: row.Role, Domain: row.Domain}
	}
	return grants, nil
}

func (s stored) Account(ctx context.Context, name string) (Account, error) {
	row, err := s.accounts.Get(ctx, name)
	if errors.Is(err, persistence.ErrNotFound) {
		return Account{}, ErrAccountNotFound
	}
	if err != nil {
		return Account{}, fmt.Errorf("load account: %w", err)
	}
	return Account{Name: row.Name, Type: row.Type, State: row.State}, nil
}

func (s stored) ListenGrants(ctx context.Context, changed func()) error {
	if err := s.grants.Listen(ctx, changed); err != nil {
		return fmt.Errorf("listen for changed grants: %w", err)
	}
	return nil
}
