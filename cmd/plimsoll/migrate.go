package main

import (
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
)

func (p *program) migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database schema and the Temporal namespace up to date", Args: cobra.NoArgs,
		Long: "Bring the database schema up to date, and, when temporal.address is set, register the namespace and its search attributes.\nSeveral at once are safe: one migrates, the others wait.\nOnly this command and standalone change the schema.\nWith sealing.previous_keys set, what they have sealed is sealed anew with sealing.key.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cfg, err := p.begin(cmd.Context(), "migrate")
			if err != nil {
				return err
			}
			if err := need(cfg.needDatabase()); err != nil {
				return err
			}
			if err := persistence.Migrate(ctx, cfg.Database.URL.Reveal(), cfg.Database.FeedsURL.Reveal()); err != nil {
				return err
			}
			log.From(ctx).Info("schema is up to date")
			if err := reseal(ctx, cfg); err != nil {
				return err
			}
			if cfg.Temporal.Address == "" {
				return nil
			}
			c, err := openTemporal(cfg.Temporal, log.From(ctx))
			if err != nil {
				return err
			}
			defer c.Close()
			if err := prepareTemporal(ctx, cfg.Temporal, c); err != nil {
				return err
			}
			log.From(ctx).Info("namespace is ready", zap.String(log.KeyNamespace, cfg.Temporal.Namespace))
			return nil
		},
	}
}
