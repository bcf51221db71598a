package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
)

// Events is the configuration section of events.
type Events struct {
	RetentionDays int `yaml:"retention_days" doc:"Events older than this many days, and alerts closed longer ago, are removed; 0 keeps them for ever."`
}

// DefaultEvents keeps half a year.
func DefaultEvents() Events { return Events{RetentionDays: 180} }

// Validate reports every fault of the section at once.
func (e Events) Validate() error {
	if e.RetentionDays < 0 {
		return errors.New("retention_days: must not be negative")
	}
	return nil
}

// ForgetEvents removes events and closed alerts that are old enough.
func (a *Activities) ForgetEvents(ctx context.Context) error {
	if a.eventConfig.RetentionDays == 0 {
		return nil
	}
	before := a.now().Add(-time.Duration(a.eventConfig.RetentionDays) * 24 * time.Hour)
	events, err := a.events.Forget(ctx, before)
	closed, fault := a.alerts.Forget(ctx, before)
	if events+closed > 0 {
		log.From(ctx).Info("old events removed", zap.Int64("events", events), zap.Int64("alerts", closed))
	}
	return errors.Join(err, fault)
}

// sourced makes what a step records tell who did it.
func sourced(ctx context.Context, queue, host string) context.Context {
	by := persistence.Source{Host: host, RequestID: activity.GetInfo(ctx).WorkflowExecution.RunID}
	if names := ServiceNames(queue); len(names) > 0 {
		by.Service = names[0]
	}
	return persistence.WithSource(ctx, by)
}
