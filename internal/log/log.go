// Package log carries a zap logger through a context.
//
// A process builds one logger with New, puts it into its root context with
// Into, and everything below asks From(ctx). Messages are constant phrases
// ("analysis started"); what varies goes into fields, whose keys are declared
// once in fields.go so that a log search finds every line about one image.
// Secrets never become fields.
package log

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Formats that Config.Format accepts.
const (
	FormatJSON    = "json"
	FormatConsole = "console"
)

// Config is the `log` section of the configuration.
type Config struct {
	Level  string `yaml:"level" doc:"Least severe level that is written: debug, info, warn or error."`
	Format string `yaml:"format" doc:"json for machines, console for people."`
}

// DefaultConfig returns the settings of a server in production.
func DefaultConfig() Config {
	return Config{Level: "info", Format: FormatJSON}
}

// Validate reports every fault of the section at once.
func (c Config) Validate() error {
	var faults []error
	if _, err := zapcore.ParseLevel(c.Level); err != nil {
		faults = append(faults, fmt.Errorf("level: %q is not one of debug, info, warn, error", c.Level))
	}
	if c.Format != FormatJSON && c.Format != FormatConsole {
		faults = append(faults, fmt.Errorf("format: %q is not %s or %s", c.Format, FormatJSON, FormatConsole))
	}
	return errors.Join(faults...)
}

// New returns a logger that writes to w, which must be safe for use by one
// writer at a time (New adds the lock).
func New(cfg Config, w io.Writer) (*zap.Logger, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("build logger: %w", err)
	}
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("build logger: %w", err)
	}
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey = "time"
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if cfg.Format == FormatConsole {
		enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}

type contextKey struct{}

// Into returns a context that carries logger.
func Into(ctx context.Context, logger *zap.Logger) context.Context {
	return context.WithValue(ctx, contextKey{}, logger)
}

// From returns the logger of ctx. Without one it returns a logger that writes
// nothing, so a library call outside a server stays silent.
func From(ctx context.Context) *zap.Logger {
	if logger, ok := ctx.Value(contextKey{}).(*zap.Logger); ok {
		return logger
	}
	return zap.NewNop()
}

// With returns a context whose logger adds fields to every line.
func With(ctx context.Context, fields ...zap.Field) context.Context {
	return Into(ctx, From(ctx).With(fields...))
}
