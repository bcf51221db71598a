package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"plimsoll/internal/build"
	"plimsoll/internal/log"
	"plimsoll/internal/serve"
	"plimsoll/ui"
)

func (p *program) uiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ui", Short: "Serve the pages for browsers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cfg, err := p.begin(cmd.Context(), "ui")
			if err != nil {
				return err
			}
			l, err := serve.Listen(ctx, cfg.UI.Addr, "PLIMSOLL_UI_ADDR")
			if err != nil {
				return err
			}
			return serveUI(ctx, cfg, l)
		},
	}
}

// serveUI serves the pages until ctx ends. It closes l.
func serveUI(ctx context.Context, cfg Config, l net.Listener) error {
	defer l.Close()
	info := build.Current()
	pages, err := ui.New(ui.Config{APIURL: cfg.UI.APIURL, TemporalURL: cfg.UI.TemporalURL, Version: info.String()})
	if err != nil {
		return fmt.Errorf("prepare pages (ui.api_url, ui.temporal_url): %w", err)
	}
	var checks []serve.Check
	if cfg.Redis.URL != "" {
		options, err := goredis.ParseURL(cfg.Redis.URL.Reveal())
		if err != nil {
			return fmt.Errorf("redis.url is not a Redis address such as redis://host:6379/0")
		}
		quietRedis()
		sessions := goredis.NewClient(options)
		defer sessions.Close()
		checks = append(checks, serve.Check{Name: "redis", Run: func(ctx context.Context) error { return sessions.Ping(ctx).Err() }})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.Handle("GET /ready", serve.Ready(checks...))
	mux.Handle("/", pages)
	log.From(ctx).Info("listening", zap.String(log.KeyAddress, l.Addr().String()))
	return serve.HTTP(ctx, l, mux, cfg.Server)
}

// quietRedis sends the client's own lines to our log; the library knows only
// one logger for the whole process.
var quietRedis = sync.OnceFunc(func() { goredis.SetLogger(redisLog{}) })

type redisLog struct{}

func (redisLog) Printf(ctx context.Context, format string, args ...any) {
	log.From(ctx).Debug("redis client", zap.String(log.KeyError, fmt.Sprintf(format, args...)))
}
