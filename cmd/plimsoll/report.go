package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"plimsoll/internal/build"
	"plimsoll/internal/log"
	"plimsoll/persistence"
)

const (
	// reportInterval is how often a process says that it lives; readers take
	// several missed reports for its death.
	reportInterval = 20 * time.Second
	// reportTimeout bounds one report.
	reportTimeout = 5 * time.Second
)

// report keeps this process in the list of services until ctx ends, and takes
// it out then. A report that fails is only logged: the next one may succeed.
func (p *parts) report(ctx context.Context, role, address string) error {
	services := persistence.NewServices(p.pool)
	entry := persistence.Service{HostID: p.host, Name: role, BaseURL: address, Version: build.Current().Version, StartedAt: time.Now()}
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		entry.HeartbeatAt = time.Now()
		once, cancel := context.WithTimeout(ctx, reportTimeout)
		err := services.Heartbeat(once, entry)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.From(ctx).Warn("report to the list of services failed", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
			defer cancel()
			if err := services.Delete(last, p.host, role, time.Now().Add(time.Second)); err != nil {
				log.From(ctx).Warn("leave the list of services failed", zap.Error(err))
			}
			return nil
		case <-tick.C:
		}
	}
}
