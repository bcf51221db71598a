package main

import (
	"cmp"
	"context"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"plimsoll/api/feedservice"
	"plimsoll/internal/build"
	"plimsoll/internal/log"
	"plimsoll/internal/serve"
	"plimsoll/persistence"
)

// feedsCommand is a role that needs nothing but the database of the feeds: it may be all that other installations see.
func (p *program) feedsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "feeds", Short: "Serve the vulnerability data to other installations", Args: cobra.NoArgs,
		Long: "Serve the vulnerability data to other installations, which read it with feeds.upstream.\nIt only reads, and asks for no credentials: bind it where only they can reach it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cfg, err := p.begin(cmd.Context(), "feeds")
			if err != nil {
				return err
			}
			if err := need(cfg.needFeedsDatabase(), setting{"feed_service.addr", "PLIMSOLL_FEED_SERVICE_ADDR", cfg.FeedService.Addr != ""}); err != nil {
				return err
			}
			pool, err := persistence.Open(ctx, cmp.Or(cfg.Database.FeedsURL, cfg.Database.URL).Reveal(), cfg.Database)
			if err != nil {
				return err
			}
			defer pool.Close()
			if err := persistence.CheckFeedSchema(ctx, pool); err != nil {
				return err
			}
			l, err := serve.Listen(ctx, cfg.FeedService.Addr, "PLIMSOLL_FEED_SERVICE_ADDR")
			if err != nil {
				return err
			}
			return serveFeeds(ctx, cfg, pool, serve.NewRegistry(), l)
		},
	}
	cmd.AddCommand(p.exportCommand(), p.importCommand(), p.publishCommand(), p.keygenCommand())
	return cmd
}

// serveFeeds serves the data until ctx ends. It closes l.
func serveFeeds(ctx context.Context, cfg Config, pool *pgxpool.Pool, metrics *prometheus.Registry, l net.Listener) error {
	defer l.Close()
	mux := http.NewServeMux()
	check := serve.Check{Name: "database", Run: func(ctx context.Context) error { return persistence.CheckFeedSchema(ctx, pool) }}
	operate := serve.Operate(metrics, build.Current(), check)
	for _, path := range []string{"GET /health", "GET /ready", "GET /version", "GET /metrics"} {
		mux.Handle(path, operate)
	}
	mux.Handle("/", feedservice.New(ctx, persistence.NewFeeds(pool), cfg.FeedService.BundlesDir))
	log.From(ctx).Info("listening", zap.String(log.KeyAddress, l.Addr().String()))
	return serve.HTTP(ctx, l, mux, cfg.Server)
}
