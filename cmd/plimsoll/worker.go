package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"plimsoll/activities"
	"plimsoll/internal/build"
	"plimsoll/internal/config"
	"plimsoll/internal/log"
	"plimsoll/internal/serve"
	"plimsoll/worker"
)

func (p *program) workerCommand() *cobra.Command {
	var queues string
	cmd := &cobra.Command{
		Use: "worker", Short: "Do the background work", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var overrides []config.Override
			if queues != "" {
				overrides = append(overrides, config.Override{Key: "worker.queues", Value: queues, Origin: "--queues"})
			}
			ctx, cfg, err := p.begin(cmd.Context(), "worker", overrides...)
			if err != nil {
				return err
			}
			shared, err := openParts(ctx, cfg)
			if err != nil {
				return err
			}
			defer shared.close()
			return serveWorker(ctx, cfg, shared)
		},
	}
	cmd.Flags().StringVar(&queues, "queues", "", "task queues to serve, separated by commas (default: all)")
	return cmd
}

// serveWorker does the work and answers probes until ctx ends.
func serveWorker(ctx context.Context, cfg Config, p *parts) error {
	l, err := serve.Listen(ctx, cfg.Operation.Addr, "PLIMSOLL_OPERATION_ADDR")
	if err != nil {
		return err
	}
	log.From(ctx).Info("listening", zap.String(log.KeyAddress, l.Addr().String()))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return serve.HTTP(ctx, l, serve.Operate(p.metrics, build.Current(), p.checks()...), cfg.Server)
	})
	group.Go(func() error { return runWorker(ctx, cfg, p) })
	return group.Wait()
}

// runWorker serves the configured task queues until ctx ends.
func runWorker(ctx context.Context, cfg Config, p *parts) error {
	trust, err := cfg.FeedBundles.trust()
	if err != nil {
		return err
	}
	acts, err := activities.New(activities.Deps{
		Pool: p.pool, Feeds: p.feeds, Trust: trust, Sealer: p.sealer, Blobs: p.blobs, Access: p.access, Host: p.host, Version: build.Current().Version,
		Schedules: p.temporal.ScheduleClient(), Watch: cfg.Worker.Watch, Events: cfg.Worker.Events, WhatIf: cfg.Worker.WhatIf, MaxImageMiB: cfg.API.MaxCompressedMiB,
		UserBaseImages: cfg.API.UserBaseImages,
	}, cfg.Worker.Analysis, cfg.Feeds)
	if err != nil {
		return err
	}
	w := worker.New(worker.Deps{Client: p.temporal, Namespace: cfg.Temporal.Namespace, Activities: acts}, cfg.Worker)
	for _, c := range w.Collectors() {
		if err := p.metrics.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return w.Run(ctx)
}
