package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Names that exist from the beginning and cannot be created, disabled or deleted.
const (
	AdminAccount  = "admin"
	AdminUser     = "admin"
	SystemAccount = "anchore-system" // internal; users of the API never see it
	SystemDomain  = "system"         // domain of grants that concern the whole installation
)

// Account types and states in the words of the API.
const (
	AccountTypeAdmin   = "admin"
	AccountTypeUser    = "user"
	AccountTypeService = "service"

	AccountEnabled  = "enabled"
	AccountDisabled = "disabled"
	AccountDeleting = "deleting"
)

// Account is a tenant.
type Account struct {
	Name      string
	Type      string
	State     string
	Email     string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewAccount describes an account to create. Policy becomes its active policy, More are stored beside it; their Account is
// ignored.
type NewAccount struct {
	Name   string
	Email  string
	Policy NewPolicy
	More   []NewPolicy
}

// Bootstrap is what an empty database starts with.
type Bootstrap struct {
	AdminEmail        string
	AdminPasswordHash string // PHC string
	Policy            NewPolicy
	More              []NewPolicy // of the admin account, beside the active one
}

// Accounts stores tenants.
type Accounts struct{ pool *pgxpool.Pool }

// NewAccounts returns the store.
func NewAccounts(pool *pgxpool.Pool) *Accounts { return &Accounts{pool} }

const accountColumns = `name, type, state, email, created_at, updated_at`

var (
	accountInsert = query("account.insert", `
INSERT INTO plimsoll.account (name, type, email) VALUES (@name, @type, @email)
ON CONFLICT (name) DO NOTHING RETURNING `+accountColumns)

	accountEmpty = query("account.empty", `
SELECT NOT EXISTS (SELECT FROM plimsoll.account WHERE name = @name)`)

	accountGet = query("account.get", `
SELECT `+accountColumns+` FROM plimsoll.account WHERE name = @name AND type <> 'service'`)

	accountList = query("account.list", `
SELECT `+accountColumns+` FROM plimsoll.account
WHERE type <> 'service' AND (@state = '' OR state = @state) ORDER BY name`)

	accountSetState = query("account.set_state", `
UPDATE plimsoll.account SET state = @state, updated_at = now()
WHERE name = @name AND type = 'user' AND state = ANY (@from::text[]) RETURNING `+accountColumns)

	accountSetEmail = query("account.set_email", `
UPDATE plimsoll.account SET email = @email, updated_at = now()
WHERE name = @name AND type <> 'service' RETURNING `+accountColumns)

	accountDropUsers = query("account.drop_users", `DELETE FROM plimsoll.app_user WHERE account = @name`)

	accountDropGrants = query("account.drop_grants", `DELETE FROM plimsoll.role_grant WHERE domain = @name`)

	accountDelete = query("account.delete", `
DELETE FROM plimsoll.account WHERE name = @name AND state = 'deleting'`)
)

// Empty reports whether the database has not been bootstrapped.
func (s *Accounts) Empty(ctx context.Context) (bool, error) {
	empty, err := value[bool](ctx, s.pool, accountEmpty, args{"name": AdminAccount})
	return empty, wrap(err, "look for account %s", AdminAccount)
}

// Bootstrap creates the admin account with its user and policy, and the system account. What exists stays as it
// is, the password included; created tells whether the admin account was new.
func (s *Accounts) Bootstrap(ctx context.Context, b Bootstrap) (created bool, err error) {
	created, err = InTx(ctx, s.pool, func(tx pgx.Tx) (bool, error) {
		_, err := insertAccount(ctx, tx, SystemAccount, AccountTypeService, "")
		if err != nil && !errors.Is(err, ErrExists) {
			return false, err
		}
		_, err = insertAccount(ctx, tx, AdminAccount, AccountTypeAdmin, b.AdminEmail)
		if errors.Is(err, ErrExists) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		admin := NewUser{Username: AdminUser, Account: AdminAccount, PasswordHash: b.AdminPasswordHash}
		if _, err := insertUser(ctx, tx, admin); err != nil {
			return false, err
		}
		return true, firstPolicies(ctx, tx, AdminAccount, b.Policy, b.More)
	})
	return created, wrap(err, "bootstrap accounts")
}

// firstPolicies stores what an account begins with.
func firstPolicies(ctx context.Context, tx pgx.Tx, account string, active NewPolicy, more []NewPolicy) error {
	active.Account = account
	if _, err := insertPolicy(ctx, tx, active, true); err != nil {
		return err
	}
	for _, p := range more {
		p.Account = account
		if _, err := insertPolicy(ctx, tx, p, false); err != nil {
			return fmt.Errorf("policy %s: %w", p.ID, err)
		}
	}
	return nil
}

// Create adds an account of type user with its active policy: ErrExists.
func (s *Accounts) Create(ctx context.Context, n NewAccount) (Account, error) {
	a, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Account, error) {
		a, err := insertAccount(ctx, tx, n.Name, AccountTypeUser, n.Email)
		if err != nil {
			return Account{}, err
		}
		return a, firstPolicies(ctx, tx, n.Name, n.Policy, n.More)
	})
	return a, wrap(err, "create account %s", n.Name)
}

func insertAccount(ctx context.Context, tx pgx.Tx, name, accountType, email string) (Account, error) {
	a, err := one[Account](ctx, tx, accountInsert, args{"name": name, "type": accountType, "email": email})
	if errors.Is(err, ErrNotFound) {
		return Account{}, ErrExists
	}
	return a, err
}

// Get returns an account other than the system account: ErrNotFound.
func (s *Accounts) Get(ctx context.Context, name string) (Account, error) {
	a, err := one[Account](ctx, s.pool, accountGet, args{"name": name})
	return a, wrap(err, "load account %s", name)
}

// List returns the accounts in the state, or in any for "", by name and without the system account.
func (s *Accounts) List(ctx context.Context, state string) ([]Account, error) {
	list, err := many[Account](ctx, s.pool, accountList, args{"state": state})
	return list, wrap(err, "list accounts")
}

// SetState enables or disables an account: ErrNotFound, ErrState for the admin account, for an account that is
// being deleted and for other states.
func (s *Accounts) SetState(ctx context.Context, name, state string) (Account, error) {
	if state != AccountEnabled && state != AccountDisabled {
		return Account{}, fmt.Errorf("set account %s to %q: %w", name, state, ErrState)
	}
	a, err := s.setState(ctx, s.pool, name, state, []string{AccountEnabled, AccountDisabled})
	return a, wrap(err, "set account %s to %s", name, state)
}

func (s *Accounts) setState(ctx context.Context, db session, name, state string, from []string) (Account, error) {
	a, err := one[Account](ctx, db, accountSetState, args{"name": name, "state": state, "from": from})
	if !errors.Is(err, ErrNotFound) {
		return a, err
	}
	if _, err := one[Account](ctx, db, accountGet, args{"name": name}); err != nil {
		return Account{}, err
	}
	return Account{}, ErrState
}

// SetEmail changes the address of an account: ErrNotFound.
func (s *Accounts) SetEmail(ctx context.Context, name, email string) (Account, error) {
	a, err := one[Account](ctx, s.pool, accountSetEmail, args{"name": name, "email": email})
	return a, wrap(err, "change account %s", name)
}

// MarkDeleting closes a disabled account for good and removes its users and all grants in it: ErrNotFound,
// ErrState. Its data goes with Delete.
func (s *Accounts) MarkDeleting(ctx context.Context, name string) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := s.setState(ctx, tx, name, AccountDeleting, []string{AccountDisabled}); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, accountDropGrants, args{"name": name}); err != nil {
			return err
		}
		_, err := exec(ctx, tx, accountDropUsers, args{"name": name})
		return err
	})
	return wrap(err, "delete account %s", name)
}

// Delete removes a closed account with everything it owns and frees its name: ErrNotFound unless it is being
// deleted.
func (s *Accounts) Delete(ctx context.Context, name string) error {
	err := found(exec(ctx, s.pool, accountDelete, args{"name": name}))
	return wrap(err, "remove account %s", name)
}
