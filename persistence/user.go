package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// User types in the words of the API.
const (
	UserNative = "native"
	UserSAML   = "saml"
)

// User belongs to one account.
type User struct {
	ID                string
	Username          string
	Account           string
	Type              string
	PasswordHash      string // PHC string; empty when the user has no password
	PasswordUpdatedAt *time.Time
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// NewUser describes a user to create.
type NewUser struct {
	Username     string
	Account      string
	Type         string // empty: native
	PasswordHash string // empty: no password
}

// Login is a user with what authentication needs to know about the home account.
type Login struct {
	User
	AccountType  string
	AccountState string
}

// Users stores the people and programs that sign in.
type Users struct{ pool *pgxpool.Pool }

// NewUsers returns the store.
func NewUsers(pool *pgxpool.Pool) *Users { return &Users{pool} }

const userColumns = `u.id::text AS id, u.username, u.account, u.type, coalesce(u.password_hash, '') AS password_hash,
  u.password_updated_at, u.created_at, u.updated_at`

var (
	userInsert = query("user.insert", `
INSERT INTO plimsoll.app_user AS u (username, account, type, password_hash, password_updated_at)
SELECT @username::text, a.name, @type::text, nullif(@password_hash::text, ''), CASE WHEN @password_hash::text <> '' THEN now() END
FROM plimsoll.account a WHERE a.name = @account AND a.state <> 'deleting'
ON CONFLICT (username) DO NOTHING RETURNING `+userColumns)

	userExists = query("user.exists", `
SELECT EXISTS (SELECT FROM plimsoll.app_user WHERE username = @username)`)

	userGet = query("user.get", `
SELECT `+userColumns+` FROM plimsoll.app_user u WHERE u.account = @account AND u.username = @username`)

	userLogin = query("user.login", `
SELECT `+userColumns+`, a.type AS account_type, a.state AS account_state
FROM plimsoll.app_user u JOIN plimsoll.account a ON a.name = u.account WHERE u.username = @username`)

	userList = query("user.list", `
SELECT `+userColumns+` FROM plimsoll.app_user u WHERE u.account = @account ORDER BY u.username`)

	userListAll = query("user.list_all", `
SELECT `+userColumns+` FROM plimsoll.app_user u JOIN plimsoll.account a ON a.name = u.account
WHERE a.type <> 'service' ORDER BY u.username`)

	userSetPassword = query("user.set_password", `
UPDATE plimsoll.app_user SET password_hash = nullif(@password_hash, ''), password_updated_at = now(), updated_at = now()
WHERE account = @account AND username = @username`)

	userDelete = query("user.delete", `
DELETE FROM plimsoll.app_user WHERE account = @account AND username = @username`)
)

// Create adds a user: ErrExists when the name is taken in any account, ErrNotFound without such an account.
func (s *Users) Create(ctx context.Context, n NewUser) (User, error) {
	u, err := insertUser(ctx, s.pool, n)
	return u, wrap(err, "create user %s in account %s", n.Username, n.Account)
}

func insertUser(ctx context.Context, db session, n NewUser) (User, error) {
	if n.Type == "" {
		n.Type = UserNative
	}
	u, err := one[User](ctx, db, userInsert, args{
		"username": n.Username, "account": n.Account, "type": n.Type, "password_hash": n.PasswordHash,
	})
	if !errors.Is(err, ErrNotFound) {
		return u, err
	}
	taken, err := value[bool](ctx, db, userExists, args{"username": n.Username})
	switch {
	case err != nil:
		return User{}, err
	case taken:
		return User{}, ErrExists
	}
	return User{}, ErrNotFound
}

// Get returns a user of the account: ErrNotFound.
func (s *Users) Get(ctx context.Context, account, username string) (User, error) {
	u, err := one[User](ctx, s.pool, userGet, args{"account": account, "username": username})
	return u, wrap(err, "load user %s of account %s", username, account)
}

// Login returns what authentication needs to know about a user of any account: ErrNotFound.
func (s *Users) Login(ctx context.Context, username string) (Login, error) {
	l, err := one[Login](ctx, s.pool, userLogin, args{"username": username})
	return l, wrap(err, "load user %s", username)
}

// List returns the users of an account by name.
func (s *Users) List(ctx context.Context, account string) ([]User, error) {
	list, err := many[User](ctx, s.pool, userList, args{"account": account})
	return list, wrap(err, "list users of account %s", account)
}

// ListAll returns the users of all accounts but the system account by name.
func (s *Users) ListAll(ctx context.Context) ([]User, error) {
	list, err := many[User](ctx, s.pool, userListAll, args{})
	return list, wrap(err, "list users")
}

// SetPassword replaces the password hash, or removes the password with an empty one: ErrNotFound.
func (s *Users) SetPassword(ctx context.Context, account, username, hash string) error {
	err := found(exec(ctx, s.pool, userSetPassword, args{"account": account, "username": username, "password_hash": hash}))
	return wrap(err, "set password of user %s", username)
}

// Delete removes a user with all grants: ErrNotFound.
func (s *Users) Delete(ctx context.Context, account, username string) error {
	err := found(exec(ctx, s.pool, userDelete, args{"account": account, "username": username}))
	return wrap(err, "delete user %s of account %s", username, account)
}
