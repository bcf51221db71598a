package main

import (
	"fmt"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
)

// openTemporal returns a client that connects when it is first used, so that a
// server starts, says it is not ready, and recovers by itself when Temporal is
// down.
func openTemporal(cfg Temporal, logger *zap.Logger) (client.Client, error) {
	settings, err := cfg.TLS.client()
	if err != nil {
		return nil, err
	}
	options := client.Options{
		HostPort: cfg.Address, Namespace: cfg.Namespace,
		Logger:            temporalLog{logger.Sugar()},
		ConnectionOptions: client.ConnectionOptions{TLS: settings},
	}
	if cfg.APIKey != "" {
		options.Credentials = client.NewAPIKeyStaticCredentials(cfg.APIKey.Reveal())
	}
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("prepare connection to Temporal at %s: %w", cfg.Address, err)
	}
	return c, nil
}

// temporalLog hands the lines of the Temporal SDK to zap.
type temporalLog struct{ logger *zap.SugaredLogger }

func (l temporalLog) Debug(msg string, pairs ...any) { l.logger.Debugw(msg, pairs...) }
func (l temporalLog) Info(msg string, pairs ...any)  { l.logger.Infow(msg, pairs...) }
func (l temporalLog) Warn(msg string, pairs ...any)  { l.logger.Warnw(msg, pairs...) }
func (l temporalLog) Error(msg string, pairs ...any) { l.logger.Errorw(msg, pairs...) }
