package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"plimsoll/internal/build"
	"plimsoll/internal/config"
	"plimsoll/internal/log"
)

// foreignVariables are below our prefix but belong to the client, the tests
// and the Makefile.
var foreignVariables = []string{"PLIMSOLL_URL", "PLIMSOLL_USERNAME", "PLIMSOLL_PASSWORD", "PLIMSOLL_ACCOUNT", "PLIMSOLL_NEW_PASSWORD", "PLIMSOLL_TEST_*"}

// program is one run of the command.
type program struct {
	environ        []string
	stdout, stderr io.Writer
	file           string // --config
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "plimsoll",
		Short:         "Tells what is inside container images, what is wrong with it, and whether it may sail",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&p.file, "config", "", "configuration file (YAML); default $"+config.FileVariable)
	root.AddCommand(p.standaloneCommand(), p.apiCommand(), p.workerCommand(), p.uiCommand(), p.feedsCommand(), p.migrateCommand(), p.configCommand(), p.healthCommand(), p.versionCommand())
	return root
}

// load reads the configuration of this run.
func (p *program) load(overrides ...config.Override) (Config, []string, error) {
	cfg := DefaultConfig()
	warnings, err := config.Load(&cfg, config.Source{
		File: p.configFile(), Environ: p.environ, Ignore: foreignVariables, Overrides: overrides,
	})
	return cfg, warnings, err
}

func (p *program) configFile() string {
	if p.file != "" {
		return p.file
	}
	i := slices.IndexFunc(p.environ, func(entry string) bool { return strings.HasPrefix(entry, config.FileVariable+"=") })
	if i < 0 {
		return ""
	}
	return strings.TrimPrefix(p.environ[i], config.FileVariable+"=")
}

// begin loads the configuration of a role and returns a context that carries
// its logger.
func (p *program) begin(ctx context.Context, role string, overrides ...config.Override) (context.Context, Config, error) {
	cfg, warnings, err := p.load(overrides...)
	if err != nil {
		return ctx, cfg, err
	}
	logger, err := log.New(cfg.Log, p.stderr)
	if err != nil {
		return ctx, cfg, err
	}
	ctx = log.With(log.Into(ctx, logger), zap.String(log.KeyRole, role))
	for _, warning := range warnings {
		log.From(ctx).Warn("setting ignored", zap.String(log.KeySetting, warning))
	}
	info := build.Current()
	log.From(ctx).Info("starting", zap.String(log.KeyVersion, info.Version), zap.String(log.KeyCommit, info.Commit))
	return ctx, cfg, nil
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.stdout, build.Current())
			return err
		},
	}
}

func (p *program) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Inspect the configuration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "check", Short: "Validate the configuration and print what is in effect, without secrets", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, warnings, err := p.load()
			for _, warning := range warnings {
				fmt.Fprintf(p.stderr, "warning: %s\n", warning)
			}
			if err != nil {
				return err
			}
			return config.Render(p.stdout, &cfg)
		},
	})
	return cmd
}
