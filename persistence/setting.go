package persistence

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Settings stores single values that all processes must agree on.
type Settings struct{ pool *pgxpool.Pool }

// NewSettings returns the store.
func NewSettings(pool *pgxpool.Pool) *Settings { return &Settings{pool} }

var (
	settingGet = query("setting.get", `SELECT value FROM plimsoll.setting WHERE key = @key`)

	settingSet = query("setting.set", `
INSERT INTO plimsoll.setting (key, value) VALUES (@key, @value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()`)
)

// Get decodes a value: ErrNotFound.
func (s *Settings) Get(ctx context.Context, key string, into any) error {
	return readSetting(ctx, s.pool, key, into)
}

func readSetting(ctx context.Context, db session, key string, into any) error {
	raw, err := value[[]byte](ctx, db, settingGet, args{"key": key})
	if err != nil {
		return fmt.Errorf("load setting %s: %w", key, err)
	}
	return wrap(json.Unmarshal(raw, into), "decode setting %s", key)
}

// Set stores a value.
func (s *Settings) Set(ctx context.Context, key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode setting %s: %w", key, err)
	}
	_, err = exec(ctx, s.pool, settingSet, args{"key": key, "value": raw})
	return wrap(err, "store setting %s", key)
}
