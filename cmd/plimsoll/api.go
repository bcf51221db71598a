package main

import (
	"context"
	"net"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"plimsoll/api"
	"plimsoll/authz"
	"plimsoll/engine/policy/gates"
	"plimsoll/internal/log"
	"plimsoll/internal/serve"
	"plimsoll/persistence"
	"plimsoll/persistence/facts"
)

func (p *program) apiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "api", Short: "Serve the REST API", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cfg, err := p.begin(cmd.Context(), "api")
			if err != nil {
				return err
			}
			shared, err := openParts(ctx, cfg)
			if err != nil {
				return err
			}
			defer shared.close()
			l, err := serve.Listen(ctx, cfg.API.Addr, "PLIMSOLL_API_ADDR")
			if err != nil {
				return err
			}
			return serveAPI(ctx, cfg, shared, l)
		},
	}
}

// serveAPI serves the REST API until ctx ends. It closes l.
func serveAPI(ctx context.Context, cfg Config, p *parts, l net.Listener) error {
	defer l.Close()
	authorizer, err := authz.New(ctx, authz.NewSource(persistence.NewGrants(p.pool), persistence.NewAccounts(p.pool)), authz.DefaultConfig())
	if err != nil {
		return err
	}
	handler, err := newAPI(ctx, cfg, p, authorizer)
	if err != nil {
		return err
	}
	log.From(ctx).Info("listening", zap.String(log.KeyAddress, l.Addr().String()))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return authorizer.Run(ctx) })
	group.Go(func() error { return p.report(ctx, "api", browserURL(l.Addr())) })
	group.Go(func() error { return serve.HTTP(ctx, l, handler, cfg.Server) })
	return group.Wait()
}

func newAPI(ctx context.Context, cfg Config, p *parts, authorizer *authz.Authorizer) (*api.API, error) {
	first, err := cfg.Policies.first()
	if err != nil {
		return nil, err
	}
	cfg.API.VexAuthor = cfg.VEX.Author
	cfg.API.SquashedFindings = cfg.Worker.Analysis.Search.Squashed()
	exchange, err := cfg.exchange(p)
	if err != nil {
		return nil, err
	}
	matches := persistence.NewMatches(p.pool, p.feeds)
	return api.New(ctx, api.Deps{
		Logger:        log.From(ctx),
		Authorizer:    authorizer,
		Hasher:        p.hasher,
		Accounts:      persistence.NewAccounts(p.pool),
		Users:         persistence.NewUsers(p.pool),
		Grants:        persistence.NewGrants(p.pool),
		Registries:    persistence.NewRegistries(p.pool, p.sealer),
		Images:        persistence.NewImages(p.pool),
		Progress:      persistence.NewProgresses(p.pool),
		Referrers:     persistence.NewReferrers(p.pool),
		Analyses:      persistence.NewAnalyses(p.pool),
		Imports:       persistence.NewImports(p.pool),
		Layers:        persistence.NewLayers(p.pool),
		Matches:       matches,
		Annotations:   persistence.NewAnnotations(p.pool),
		Fleet:         matches,
		Subscriptions: persistence.NewSubscriptions(p.pool),
		Corrections:   persistence.NewCorrections(p.pool),
		Alerts:        persistence.NewAlerts(p.pool),
		Actions:       persistence.NewActions(p.pool),
		Events:        persistence.NewEvents(p.pool),
		Scanner:       matches,
		Policies:      persistence.NewPolicies(p.pool),
		Evaluations:   persistence.NewEvaluations(p.pool),
		WhatIfs:       persistence.NewWhatIfs(p.pool),
		Feeds:         persistence.NewFeeds(p.feeds),
		Exchange:      exchange,
		Services:      persistence.NewServices(p.pool),
		Blobs:         p.blobs,
		Facts:         facts.New(p.pool, p.feeds, p.blobs, facts.Config{UserBaseImages: cfg.API.UserBaseImages}),
		Starter:       api.NewStarter(p.temporal, persistence.NewOutbox(p.pool), cfg.API),
		Access:        p.access,

		Gates:         gates.All(),
		DefaultPolicy: first.active,
		MorePolicies:  first.more,
		Host:          p.host,
		SchemaVersion: func(ctx context.Context) (core, feeds int64, err error) {
			return persistence.SchemaVersion(ctx, p.pool, p.feeds)
		},
		Ready:   p.ready,
		Metrics: promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}),
	}, cfg.API)
}
