package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// GrantChannel is notified by the database whenever a grant appears or goes, for whatever reason.
const GrantChannel = "plimsoll_grants"

// Grant gives a user a role in a domain: an account name or SystemDomain.
type Grant struct {
	Username  string
	Role      string
	Domain    string
	GrantedBy string
	CreatedAt time.Time
}

// Grants stores who may act as what where.
type Grants struct{ pool *pgxpool.Pool }

// NewGrants returns the store.
func NewGrants(pool *pgxpool.Pool) *Grants { return &Grants{pool} }

const grantColumns = `username, role, domain, granted_by, created_at`

var (
	grantList = query("grant.list", `
SELECT `+grantColumns+` FROM plimsoll.role_grant ORDER BY username, domain, role`)

	grantOfUser = query("grant.of_user", `
SELECT `+grantColumns+` FROM plimsoll.role_grant WHERE username = @username ORDER BY domain, role`)

	grantMembers = query("grant.members", `
SELECT `+grantColumns+` FROM plimsoll.role_grant
WHERE role = @role AND (@domain = '' OR domain = @domain) ORDER BY username, domain`)

	grantInsert = query("grant.insert", `
INSERT INTO plimsoll.role_grant (username, role, domain, granted_by)
VALUES (@username, @role, @domain, @granted_by)
ON CONFLICT (username, role, domain) DO NOTHING RETURNING `+grantColumns)

	grantDelete = query("grant.delete", `
DELETE FROM plimsoll.role_grant WHERE username = @username AND role = @role AND domain = @domain`)

	grantListen = command("grant.listen", `LISTEN `+GrantChannel)
)

// List returns all grants, for the authorisation tables of a process.
func (s *Grants) List(ctx context.Context) ([]Grant, error) {
	list, err := many[Grant](ctx, s.pool, grantList, args{})
	return list, wrap(err, "list grants")
}

// OfUser returns the grants of one user.
func (s *Grants) OfUser(ctx context.Context, username string) ([]Grant, error) {
	list, err := many[Grant](ctx, s.pool, grantOfUser, args{"username": username})
	return list, wrap(err, "list grants of user %s", username)
}

// Members returns who holds a role in the domain, or in any for "".
func (s *Grants) Members(ctx context.Context, role, domain string) ([]Grant, error) {
	list, err := many[Grant](ctx, s.pool, grantMembers, args{"role": role, "domain": domain})
	return list, wrap(err, "list members of role %s", role)
}

// Add gives a role: ErrExists, ErrNotFound without such a user.
func (s *Grants) Add(ctx context.Context, g Grant) (Grant, error) {
	added, err := one[Grant](ctx, s.pool, grantInsert, args{
		"username": g.Username, "role": g.Role, "domain": g.Domain, "granted_by": g.GrantedBy,
	})
	switch {
	case isViolation(err, codeForeignKey):
		err = ErrNotFound
	case errors.Is(err, ErrNotFound):
		err = ErrExists
	}
	return added, wrap(err, "give role %s in %s to user %s", g.Role, g.Domain, g.Username)
}

// Remove takes a role away: ErrNotFound.
func (s *Grants) Remove(ctx context.Context, username, role, domain string) error {
	err := found(exec(ctx, s.pool, grantDelete, args{"username": username, "role": role, "domain": domain}))
	return wrap(err, "take role %s in %s from user %s", role, domain, username)
}

// Listen calls changed once it listens and then for every change of a grant by any process. It returns when ctx
// ends or the connection breaks; what changed in between shows with the first call of the next Listen.
func (s *Grants) Listen(ctx context.Context, changed func()) error {
	conn, err := connect(ctx, s.pool)
	if err != nil {
		return fmt.Errorf("listen for grants: %w", err)
	}
	defer disconnect(ctx, conn)
	if _, err := conn.Exec(ctx, grantListen); err != nil {
		return fmt.Errorf("listen for grants: %w", err)
	}
	for {
		changed()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listen for grants: %w", err)
		}
	}
}
