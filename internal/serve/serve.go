// Package serve runs HTTP servers the way every role needs them: with
// timeouts against slow clients, a bounded header, an orderly end, and the
// operational routes /health, /ready, /version and /metrics.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"plimsoll/internal/log"
)

// Config bounds what one client can hold up. It is the part of a role's
// section that concerns its listener.
type Config struct {
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout" doc:"Longest time a client may take for its request headers."`
	ReadTimeout       time.Duration `yaml:"read_timeout" doc:"Longest time a client may take for a whole request; bounds uploads."`
	WriteTimeout      time.Duration `yaml:"write_timeout" doc:"Longest time from the request headers to the end of the answer."`
	IdleTimeout       time.Duration `yaml:"idle_timeout" doc:"How long an idle connection is kept."`
	MaxHeaderBytes    int           `yaml:"max_header_bytes" doc:"Largest request header in bytes."`
	DrainTimeout      time.Duration `yaml:"drain_timeout" doc:"How long running requests may go on after a signal to stop."`
}

// DefaultConfig suits an API with large uploads and with requests that wait for
// the end of background work.
func DefaultConfig() Config {
	return Config{
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Minute,
		WriteTimeout:      35 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		DrainTimeout:      25 * time.Second,
	}
}

// Validate reports every fault of the section at once.
func (c Config) Validate() error {
	var faults []error
	for _, limit := range []struct {
		key   string
		value time.Duration
	}{
		{"read_header_timeout", c.ReadHeaderTimeout}, {"read_timeout", c.ReadTimeout}, {"write_timeout", c.WriteTimeout},
		{"idle_timeout", c.IdleTimeout}, {"drain_timeout", c.DrainTimeout},
	} {
		if limit.value <= 0 {
			faults = append(faults, fmt.Errorf("%s: must be positive, is %s", limit.key, limit.value))
		}
	}
	if c.MaxHeaderBytes < 4<<10 {
		faults = append(faults, fmt.Errorf("max_header_bytes: must be at least 4096, is %d", c.MaxHeaderBytes))
	}
	return errors.Join(faults...)
}

// Listen opens the address of a role; setting names what chooses it.
func Listen(ctx context.Context, address, setting string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (choose another address with %s): %w", address, setting, err)
	}
	return l, nil
}

// HTTP serves handler on l until ctx ends, then stops accepting, lets running
// requests finish within the drain timeout, and closes what is left. Requests
// carry the logger of ctx but outlive its cancellation.
func HTTP(ctx context.Context, l net.Listener, handler http.Handler, cfg Config) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		ReadTimeout:       cfg.ReadTimeout,
		WriteTimeout:      cfg.WriteTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          zap.NewStdLog(log.From(ctx).With(zap.String(log.KeyAddress, l.Addr().String()))),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests on %s did not finish within %s: %w", l.Addr(), cfg.DrainTimeout, err), server.Close())
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
