package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"plimsoll/authz"
	"plimsoll/internal/config"
	"plimsoll/internal/log"
	"plimsoll/internal/registryhttp"
	"plimsoll/internal/serve"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/seal"
)

// parts is what the roles api and worker share in one process.
type parts struct {
	pool     *pgxpool.Pool
	feeds    *pgxpool.Pool
	temporal client.Client
	sealer   *seal.Sealer
	blobs    *blob.Postgres
	hasher   *authz.Hasher
	metrics  *prometheus.Registry
	access   *registryhttp.Access
	host     string
}

// openParts connects the stores and refuses a database that this build does
// not fit or that has no administrator yet and gets none.
func openParts(ctx context.Context, cfg Config) (*parts, error) {
	if err := need(cfg.needDatabase(), cfg.needTemporal(), cfg.needSealing()); err != nil {
		return nil, err
	}
	sealer, err := seal.New(cfg.Sealing.Key.Reveal(), reveal(cfg.Sealing.PreviousKeys)...)
	if err != nil {
		return nil, fmt.Errorf("sealing.key: %w", err)
	}
	access, err := registryhttp.Open(cfg.Registries)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("ask for the name of this host: %w", err)
	}
	pool, feeds, err := persistence.OpenBoth(ctx, cfg.Database)
	if err != nil {
		return nil, err
	}
	p := &parts{
		pool: pool, feeds: feeds, sealer: sealer, blobs: blob.NewPostgres(pool), hasher: authz.NewHasher(),
		metrics: serve.NewRegistry(), access: access, host: fmt.Sprintf("%s-%d", host, os.Getpid()),
	}
	p.metrics.MustRegister(persistence.Collectors()...)
	err = persistence.CheckSchema(ctx, pool, feeds)
	if err == nil {
		err = p.bootstrap(ctx, cfg.Admin, cfg.Policies)
	}
	if err == nil {
		p.temporal, err = openTemporal(cfg.Temporal, log.From(ctx))
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func reveal(secrets []config.Secret) []string {
	revealed := make([]string, len(secrets))
	for i, secret := range secrets {
		revealed[i] = secret.Reveal()
	}
	return revealed
}

func (p *parts) close() {
	if p.temporal != nil {
		p.temporal.Close()
	}
	p.pool.Close()
	p.feeds.Close()
}

// bootstrap gives an empty database its administrator. A password that nobody
// chose would be one that everybody knows, so there is no default.
func (p *parts) bootstrap(ctx context.Context, admin Admin, policies Policies) error {
	accounts := persistence.NewAccounts(p.pool)
	empty, err := accounts.Empty(ctx)
	if err != nil || !empty {
		return err
	}
	if admin.Password == "" {
		return errors.New("the database has no users yet: set admin.password (PLIMSOLL_ADMIN_PASSWORD or PLIMSOLL_ADMIN_PASSWORD_FILE) for the user admin")
	}
	hash, err := p.hasher.Hash(ctx, admin.Password.Reveal())
	if err != nil {
		return fmt.Errorf("hash admin.password: %w", err)
	}
	first, err := policies.first()
	if err != nil {
		return err
	}
	created, err := accounts.Bootstrap(ctx, persistence.Bootstrap{AdminEmail: admin.Email, AdminPasswordHash: hash, Policy: first.active, More: first.more})
	if err != nil {
		return err
	}
	if created {
		log.From(ctx).Info("administrator created", zap.String(log.KeyUser, "admin"))
	}
	return nil
}

// ready is the readiness check that api and worker share.
func (p *parts) ready(ctx context.Context) error {
	return persistence.CheckSchema(ctx, p.pool, p.feeds)
}

// checks lists what a role cannot work without.
func (p *parts) checks() []serve.Check {
	return []serve.Check{
		{Name: "database", Run: p.ready},
		{Name: "temporal", Run: func(ctx context.Context) error {
			_, err := p.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		}},
	}
}
