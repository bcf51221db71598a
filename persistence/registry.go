package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/internal/config"
	"plimsoll/persistence/seal"
)

// Registry is how an account signs in to a registry. It never carries the password.
type Registry struct {
	Account   string
	Registry  string // host[:port], with a repository part or wildcard if the account wrote one
	Name      string
	Type      string // docker_v2 or awsecr
	Username  string
	VerifyTLS bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// RegistryWrite is what an account may set. Registry is the key.
type RegistryWrite struct {
	Account   string
	Registry  string
	Name      string // empty: the registry itself
	Type      string
	Username  string
	Password  config.Secret
	VerifyTLS bool
}

// Credential is a registry with its opened password, for the worker that talks to it.
type Credential struct {
	Registry
	Password config.Secret
}

// Registries stores registry credentials; passwords are sealed at rest.
type Registries struct {
	pool   *pgxpool.Pool
	sealer *seal.Sealer
}

// NewRegistries returns the store.
func NewRegistries(pool *pgxpool.Pool, sealer *seal.Sealer) *Registries {
	return &Registries{pool, sealer}
}

const registryColumns = `account, registry, name, type, username, verify_tls, created_at, updated_at`

// sealedRegistry is a row with its password as it lies in the database.
type sealedRegistry struct {
	Registry
	SealedPassword []byte
}

var (
	registryInsert = query("registry.insert", `
INSERT INTO plimsoll.registry (account, registry, name, type, username, sealed_password, verify_tls)
VALUES (@account, @registry, @name, @type, @username, @sealed_password, @verify_tls)
ON CONFLICT (account, registry) DO NOTHING RETURNING `+registryColumns)

	registryUpdate = query("registry.update", `
UPDATE plimsoll.registry SET name = @name, type = @type, username = @username, sealed_password = @sealed_password,
  verify_tls = @verify_tls, updated_at = now()
WHERE account = @account AND registry = @registry RETURNING `+registryColumns)

	registryGet = query("registry.get", `
SELECT `+registryColumns+` FROM plimsoll.registry WHERE account = @account AND registry = @registry`)

	registryList = query("registry.list", `
SELECT `+registryColumns+` FROM plimsoll.registry WHERE account = @account ORDER BY registry`)

	registryDelete = query("registry.delete", `
DELETE FROM plimsoll.registry WHERE account = @account AND registry = @registry`)

	registryCredentials = query("registry.credentials", `
SELECT `+registryColumns+`, sealed_password FROM plimsoll.registry WHERE account = @account ORDER BY registry`)

	registrySealed = query("registry.sealed", `
SELECT `+registryColumns+`, sealed_password FROM plimsoll.registry ORDER BY account, registry FOR UPDATE`)

	registryReseal = query("registry.reseal", `
UPDATE plimsoll.registry SET sealed_password = @sealed_password WHERE account = @account AND registry = @registry`)
)

// place ties a sealed password to its row.
func place(account, registry string) []string { return []string{"registry", account, registry} }

func (s *Registries) write(ctx context.Context, statement string, w RegistryWrite) (Registry, error) {
	if w.Name == "" {
		w.Name = w.Registry
	}
	return one[Registry](ctx, s.pool, statement, args{
		"account": w.Account, "registry": w.Registry, "name": w.Name, "type": w.Type, "username": w.Username,
		"verify_tls":      w.VerifyTLS,
		"sealed_password": s.sealer.Seal([]byte(w.Password.Reveal()), place(w.Account, w.Registry)...),
	})
}

// Create adds a registry: ErrExists.
func (s *Registries) Create(ctx context.Context, w RegistryWrite) (Registry, error) {
	r, err := s.write(ctx, registryInsert, w)
	if errors.Is(err, ErrNotFound) {
		err = ErrExists
	}
	return r, wrap(err, "add registry %s", w.Registry)
}

// Update replaces everything but the key: ErrNotFound.
func (s *Registries) Update(ctx context.Context, w RegistryWrite) (Registry, error) {
	r, err := s.write(ctx, registryUpdate, w)
	return r, wrap(err, "change registry %s", w.Registry)
}

// Get returns a registry of the account: ErrNotFound.
func (s *Registries) Get(ctx context.Context, account, registry string) (Registry, error) {
	r, err := one[Registry](ctx, s.pool, registryGet, args{"account": account, "registry": registry})
	return r, wrap(err, "load registry %s", registry)
}

// List returns the registries of the account by name.
func (s *Registries) List(ctx context.Context, account string) ([]Registry, error) {
	list, err := many[Registry](ctx, s.pool, registryList, args{"account": account})
	return list, wrap(err, "list registries")
}

// Delete removes a registry: ErrNotFound.
func (s *Registries) Delete(ctx context.Context, account, registry string) error {
	err := found(exec(ctx, s.pool, registryDelete, args{"account": account, "registry": registry}))
	return wrap(err, "delete registry %s", registry)
}

// Credentials opens the passwords of an account: seal.ErrUnknownKey, seal.ErrTampered.
func (s *Registries) Credentials(ctx context.Context, account string) ([]Credential, error) {
	rows, err := many[sealedRegistry](ctx, s.pool, registryCredentials, args{"account": account})
	if err != nil {
		return nil, fmt.Errorf("load registry credentials: %w", err)
	}
	out := make([]Credential, 0, len(rows))
	for _, row := range rows {
		plain, err := s.sealer.Open(row.SealedPassword, place(row.Account, row.Registry.Registry)...)
		if err != nil {
			return nil, fmt.Errorf("open password of registry %s: %w", row.Registry.Registry, err)
		}
		out = append(out, Credential{row.Registry, config.Secret(plain)})
	}
	return out, nil
}

// Reseal seals every password with the current key that an earlier one has sealed, and returns how many.
func (s *Registries) Reseal(ctx context.Context) (int, error) {
	n, err := InTx(ctx, s.pool, func(tx pgx.Tx) (int, error) {
		rows, err := many[sealedRegistry](ctx, tx, registrySealed, args{})
		if err != nil {
			return 0, err
		}
		batch := &pgx.Batch{}
		for _, row := range rows {
			if s.sealer.Current(row.SealedPassword) {
				continue
			}
			where := place(row.Account, row.Registry.Registry)
			plain, err := s.sealer.Open(row.SealedPassword, where...)
			if err != nil {
				return 0, fmt.Errorf("open password of registry %s: %w", row.Registry.Registry, err)
			}
			batch.Queue(registryReseal, args{
				"account": row.Account, "registry": row.Registry.Registry, "sealed_password": s.sealer.Seal(plain, where...),
			})
		}
		return batch.Len(), tx.SendBatch(ctx, batch).Close()
	})
	return n, wrap(err, "seal registry passwords anew")
}
