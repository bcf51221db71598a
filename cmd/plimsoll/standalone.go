package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"plimsoll/internal/build"
	"plimsoll/internal/config"
	"plimsoll/internal/log"
	"plimsoll/internal/serve"
	"plimsoll/internal/standalone"
	"plimsoll/persistence"
)

func (p *program) standaloneCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "standalone", Short: "Run everything on this machine, with nothing configured", Args: cobra.NoArgs,
		Long: `Run everything on this machine: PostgreSQL, Temporal and Redis unless their addresses are configured, and the roles api, worker and ui.
All data is kept in one folder, so that the next start goes on where this one ended.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var overrides []config.Override
			if dir != "" {
				overrides = append(overrides, config.Override{Key: "standalone.data_dir", Value: dir, Origin: "--data-dir"})
			}
			return p.runStandalone(cmd.Context(), overrides)
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "folder for all data (default: a folder of the current user)")
	return cmd
}

func (p *program) runStandalone(ctx context.Context, overrides []config.Override) (err error) {
	began := time.Now()
	cfg, warnings, err := p.load(overrides...)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		p.say("Warning      %s", warning)
	}
	stack, err := standalone.Open(cfg.Standalone)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	apiListener, uiListener, err := listenBoth(ctx, cfg)
	if err != nil {
		return err
	}
	defer apiListener.Close()
	defer uiListener.Close()
	var feedListener net.Listener
	if cfg.FeedService.Addr != "" {
		if feedListener, err = serve.Listen(ctx, cfg.FeedService.Addr, "PLIMSOLL_FEED_SERVICE_ADDR"); err != nil {
			return err
		}
		defer feedListener.Close()
	}

	p.say("%s", build.Current())
	err = stack.Start(ctx, standalone.Servers{
		DatabaseURL: cfg.Database.URL, TemporalAddress: cfg.Temporal.Address, RedisURL: cfg.Redis.URL,
		TemporalUIAddr: cfg.Temporal.UIAddr, Namespace: cfg.Temporal.Namespace,
	}, p.say)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end(stack)) }()
	passwordFile, err := fill(&cfg, stack, apiListener.Addr())
	if err != nil {
		return err
	}
	logPath := filepath.Join(stack.Dir, "log", "plimsoll.log")
	ctx, err = logToFile(ctx, cfg.Log, logPath)
	if err != nil {
		return err
	}
	shared, err := p.join(ctx, cfg)
	if err != nil {
		return err
	}
	defer shared.close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return fault("api", serveAPI(ctx, cfg, shared, apiListener)) })
	group.Go(func() error { return fault("worker", runWorker(ctx, cfg, shared)) })
	group.Go(func() error { return fault("ui", serveUI(ctx, cfg, uiListener)) })
	if feedListener != nil {
		group.Go(func() error { return fault("feeds", serveFeeds(ctx, cfg, shared.feeds, shared.metrics, feedListener)) })
	}
	group.Go(func() error {
		select {
		case err := <-stack.Failed():
			return err
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		<-ctx.Done()
		p.say("Stopping ... work under way gets %s to end; what does not goes on at the next start", cfg.Worker.StopTimeout)
		return nil
	})
	group.Go(func() error {
		if err := awaitReady(ctx, browserURL(apiListener.Addr())+"/ready", cfg.Standalone.StartTimeout); err != nil {
			return err
		}
		if ctx.Err() == nil {
			p.summary(cfg, stack, uiListener.Addr(), passwordFile, logPath, time.Since(began))
		}
		return nil
	})
	return group.Wait()
}

// say writes one line of progress for people.
func (p *program) say(format string, args ...any) { fmt.Fprintf(p.stderr, format+"\n", args...) }

// end stops the servers and tells so.
func (p *program) end(stack *standalone.Stack) error {
	if err := stack.Close(); err != nil {
		return err
	}
	p.say("Stopped; the data stays in %s", stack.Dir)
	return nil
}

// listenBoth takes our own addresses before anything slow happens.
func listenBoth(ctx context.Context, cfg Config) (apiListener, uiListener net.Listener, err error) {
	apiListener, err = serve.Listen(ctx, cfg.API.Addr, "PLIMSOLL_API_ADDR")
	if err != nil {
		return nil, nil, err
	}
	uiListener, err = serve.Listen(ctx, cfg.UI.Addr, "PLIMSOLL_UI_ADDR")
	if err != nil {
		return nil, nil, errors.Join(err, apiListener.Close())
	}
	return apiListener, uiListener, nil
}

// fill completes the configuration with what the stack started or keeps. It
// returns the file with the administrator's password, empty if it was given.
func fill(cfg *Config, stack *standalone.Stack, apiAddr net.Addr) (passwordFile string, err error) {
	cfg.Database.URL, cfg.Temporal.Address, cfg.Redis.URL = stack.DatabaseURL, stack.TemporalAddress, stack.RedisURL
	if cfg.UI.APIURL == "" {
		cfg.UI.APIURL = browserURL(apiAddr)
	}
	if cfg.UI.TemporalURL == "" {
		cfg.UI.TemporalURL = stack.TemporalUI
	}
	if cfg.Sealing.Key == "" {
		if cfg.Sealing.Key, err = stack.SealingKey(); err != nil {
			return "", err
		}
	}
	if cfg.Admin.Password == "" {
		cfg.Admin.Password, passwordFile, err = stack.AdminPassword()
	}
	return passwordFile, err
}

// logToFile returns a context whose logger writes to path, so that the
// terminal keeps what is meant for people. The file stays open until the
// process ends: activities that outlast their grace still log.
func logToFile(ctx context.Context, cfg log.Config, path string) (context.Context, error) {
	f, err := standalone.OpenLog(path)
	if err != nil {
		return ctx, fmt.Errorf("open log: %w", err)
	}
	logger, err := log.New(cfg, f)
	if err != nil {
		return ctx, errors.Join(err, f.Close())
	}
	return log.With(log.Into(ctx, logger), zap.String(log.KeyRole, "standalone")), nil
}

// join brings database and namespace up to date and connects the parts.
func (p *program) join(ctx context.Context, cfg Config) (*parts, error) {
	began := time.Now()
	if err := persistence.Migrate(ctx, cfg.Database.URL.Reveal(), cfg.Database.FeedsURL.Reveal()); err != nil {
		return nil, err
	}
	if err := reseal(ctx, cfg); err != nil {
		return nil, err
	}
	shared, err := openParts(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := prepareTemporal(ctx, cfg.Temporal, shared.temporal); err != nil {
		shared.close()
		return nil, err
	}
	p.say("Schema       up to date after %s", time.Since(began).Round(10*time.Millisecond))
	return shared, nil
}

// awaitReady polls the address until it answers 200.
func awaitReady(ctx context.Context, address string, limit time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		err := askHealth(waiting, address)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		select {
		case <-waiting.Done():
			return fmt.Errorf("the API did not become ready within %s: %w", limit, err)
		case <-tick.C:
		}
	}
}

// readyPoll is how often awaitReady asks.
const readyPoll = 100 * time.Millisecond

// fault names the role an error comes from.
func fault(role string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", role, err)
}

// browserURL is where a browser on this machine reaches a listener.
func browserURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func (p *program) summary(cfg Config, stack *standalone.Stack, uiAddr net.Addr, passwordFile, logPath string, took time.Duration) {
	whereabouts := "as given in PLIMSOLL_ADMIN_PASSWORD when the database was new"
	if passwordFile != "" {
		whereabouts = "in " + passwordFile
	}
	p.say("\nPlimsoll is ready after %s.\n", took.Round(100*time.Millisecond))
	p.say("  API          %s", cfg.UI.APIURL)
	p.say("  Pages        %s", browserURL(uiAddr))
	if stack.TemporalUI != "" {
		p.say("  Workflows    %s", stack.TemporalUI)
	}
	p.say("  User         admin, password %s", whereabouts)
	p.say("  Log          %s", logPath)
	p.say("\n  export PLIMSOLL_URL=%s PLIMSOLL_USERNAME=admin", cfg.UI.APIURL)
	if passwordFile != "" {
		p.say("  export PLIMSOLL_PASSWORD=\"$(cat %s)\"", shellQuote(passwordFile))
	}
	p.say("  plimsollctl image add alpine:3.20\n\nCtrl-C ends it.")
}

// shellQuote makes one word of a path for a POSIX shell.
func shellQuote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
