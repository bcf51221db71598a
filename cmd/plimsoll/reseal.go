package main

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/seal"
)

// reseal seals with the current key what an earlier one has sealed, so that the earlier one may go from the
// configuration. Without previous keys there is nothing to do.
func reseal(ctx context.Context, cfg Config) error {
	if cfg.Sealing.Key == "" || len(cfg.Sealing.PreviousKeys) == 0 {
		return nil
	}
	sealer, err := seal.New(cfg.Sealing.Key.Reveal(), reveal(cfg.Sealing.PreviousKeys)...)
	if err != nil {
		return fmt.Errorf("sealing.key: %w", err)
	}
	pool, err := persistence.Open(ctx, cfg.Database.URL.Reveal(), cfg.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	n, err := persistence.NewRegistries(pool, sealer).Reseal(ctx)
	if err != nil {
		return err
	}
	log.From(ctx).Info("credentials are sealed with the current key; sealing.previous_keys can go once no process runs without it", zap.Int("resealed", n))
	return nil
}
