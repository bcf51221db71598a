package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"plimsoll/engine/feed"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// listFeedGroups makes every group known, notes that a sync begins, and lists what it is about: of a deletion what was chosen, of a
// sync what is enabled of it.
func (a *Activities) listFeedGroups(ctx context.Context, in workflows.SyncFeedsInput) (workflows.FeedGroups, error) {
	var out workflows.FeedGroups
	groups, err := a.ensureGroups(ctx)
	if err != nil {
		return out, err
	}
	kind := persistence.RunSync
	switch {
	case in.Delete:
		kind = persistence.RunDelete
		if groups, err = a.feedStore.Groups(ctx); err != nil { // also of what is not offered any more
			return out, err
		}
	case in.Flush:
		kind = persistence.RunFlush
	}
	err = a.feedStore.BeginSync(ctx, persistence.SyncRun{
		WorkflowRun: workflowRun(ctx), Kind: kind, Scheduled: in.Scheduled, Force: in.Force, Source: in.Source, Group: in.Group, StartedAt: a.now(),
	})
	if err != nil {
		return out, err
	}
	on, err := a.feedStore.On(ctx)
	if err != nil {
		return out, err
	}
	chosen := persistence.FeedChoice{Source: in.Source, Group: in.Group}
	for _, g := range groups {
		if chosen.Has(g) && (in.Delete || on && g.Enabled && (!in.Scheduled || a.due(g))) {
			out.Groups = append(out.Groups, workflows.FeedGroup{Source: g.Source, Name: g.Name})
		}
	}
	if len(out.Groups) == 0 {
		return out, nil
	}
	names := make([]string, len(out.Groups))
	for i, g := range out.Groups {
		names[i] = g.Source + "/" + g.Name
	}
	return out, a.events.SyncStarted(ctx, workflowRun(ctx), names)
}

// workflowRun names the run an activity works for.
func workflowRun(ctx context.Context) string { return activity.GetInfo(ctx).WorkflowExecution.RunID }

func (a *Activities) endFeedSync(ctx context.Context, in workflows.EndSyncInput) (workflows.Done, error) {
	status := persistence.RunCompleted
	if in.Failed {
		status = persistence.RunFailed
	}
	if err := a.feedStore.EndSync(ctx, workflowRun(ctx), status, in.Message, a.now()); err != nil {
		return workflows.Done{}, err
	}
	return workflows.Done{}, a.events.SyncEnded(ctx, workflowRun(ctx), in.Failed, in.Message)
}

// early is how much before its time a group is synced: schedules do not tick to the second.
const early = 30 * time.Second

// due reports whether a scheduled sync of a group is to be done now. A last attempt in the future is a clock that was set back.
func (a *Activities) due(g persistence.FeedGroup) bool {
	now := a.now()
	return g.LastAttempt == nil || g.LastAttempt.After(now) || !now.Before(g.LastAttempt.Add(a.feeds.interval(g.Source)-early))
}

// EnsureRules puts in force what the configuration says about matching, and makes a generation when matches were made by
// other rules; 0: they were not.
func (a *Activities) EnsureRules(ctx context.Context) (int64, error) {
	err := a.matches.Configure(ctx, persistence.ConfiguredRules{
		WithoutSources: a.feeds.Exclude.Sources, WithoutTypes: a.feeds.Exclude.PackageTypes, Priorities: a.feeds.priorities(),
	})
	if err != nil {
		return 0, err
	}
	return a.matches.EnsureRules(ctx)
}

// ensureGroups makes the known groups those the drivers have under the configuration, enabled or not, and returns them in the
// drivers' order.
func (a *Activities) ensureGroups(ctx context.Context) ([]persistence.FeedGroup, error) {
	var named []workflows.FeedGroup
	for _, d := range a.drivers {
		settings := a.feeds.settings(d.Name)
		offer := persistence.Offer{Source: d.Name, Enabled: settings.Enabled, StaleAfter: a.feeds.staleAfter(d.Name)}
		for _, g := range d.Groups(settings) {
			offer.Groups = append(offer.Groups, g.Name)
			named = append(named, workflows.FeedGroup{Source: d.Name, Name: g.Name})
		}
		if err := a.feedStore.Ensure(ctx, offer); err != nil {
			return nil, err
		}
	}
	known, err := a.feedStore.Groups(ctx)
	if err != nil {
		return nil, err
	}
	index := make(map[workflows.FeedGroup]persistence.FeedGroup, len(known))
	for _, g := range known {
		index[workflows.FeedGroup{Source: g.Source, Name: g.Name}] = g
	}
	var out []persistence.FeedGroup
	for _, n := range named {
		if g, ok := index[n]; ok {
			out = append(out, g)
		}
	}
	return out, nil
}

// group finds a group's driver and document.
func (a *Activities) group(source, name string) (feed.Driver, feed.Group, error) {
	for _, d := range a.drivers {
		if d.Name != source {
			continue
		}
		for _, g := range d.Groups(a.feeds.settings(d.Name)) {
			if g.Name == name {
				return d, g, nil
			}
		}
	}
	return feed.Driver{}, feed.Group{}, fmt.Errorf("%s/%s: %w", source, name, errGroup)
}

// recordFeedError leaves the failure on the group, beside its last good data. The message is the one clients
// may see.
func (a *Activities) recordFeedError(ctx context.Context, in workflows.SyncGroupInput, failed error) {
	code, message := workflows.GroupFailure(outward(ctx, failed))
	refused := code == workflows.FailFeedRefused
	if refused {
		log.From(ctx).Error("feed refused as not plausible", zap.String(log.KeyFeed, in.Source+"/"+in.Group), zap.Error(failed))
	}
	err := a.feedStore.Failed(ctx, in.Source, in.Group, code+": "+message, refused, a.now())
	if err != nil && !errors.Is(err, persistence.ErrNotFound) {
		log.From(ctx).Warn("feed error not recorded", zap.String(log.KeyFeed, in.Source+"/"+in.Group), zap.Error(err))
	}
}

// settingRescans holds the newest generation whose rescan, with those before it, has been started.
const settingRescans = "rescans_started_through"

func (a *Activities) pendingRescans(ctx context.Context, in workflows.PendingInput) (workflows.PendingResult, error) {
	var out workflows.PendingResult
	var through int64
	if err := a.settings.Get(ctx, settingRescans, &through); err != nil && !errors.Is(err, persistence.ErrNotFound) {
		return out, err
	}
	var err error
	out.Generations, err = a.feedStore.GenerationsAfter(ctx, through, in.Limit)
	return out, err
}

func (a *Activities) rescansStarted(ctx context.Context, in workflows.StartedInput) (workflows.Done, error) {
	return workflows.Done{}, a.settings.Set(ctx, settingRescans, in.Through)
}

// RegisterFeeds makes the groups the configuration names visible, and reports whether one of them has never been
// tried: a new installation, or an ecosystem that was added.
func (a *Activities) RegisterFeeds(ctx context.Context) (untried bool, err error) {
	groups, err := a.ensureGroups(ctx)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(groups, func(g persistence.FeedGroup) bool { return g.Enabled && g.LastAttempt == nil }), nil
}

// OpenSyncs lists the workflow runs of syncs that count as running.
func (a *Activities) OpenSyncs(ctx context.Context) ([]string, error) {
	return a.feedStore.OpenSyncs(ctx)
}

// SyncInterrupted notes that the workflow of a sync has gone without saying how it ended.
func (a *Activities) SyncInterrupted(ctx context.Context, run string) error {
	return a.feedStore.Interrupted(ctx, run, a.now())
}

// ForgetFeedHistory removes what is older than the configuration says.
func (a *Activities) ForgetFeedHistory(ctx context.Context) error {
	var rescanned int64
	if err := a.settings.Get(ctx, settingRescans, &rescanned); err != nil && !errors.Is(err, persistence.ErrNotFound) {
		return err
	}
	if err := a.feedStore.ForgetUploads(ctx, a.now()); err != nil {
		return err
	}
	forgotten, err := a.feedStore.Forget(ctx, persistence.FeedRetention(a.feeds.Retention), rescanned, a.now())
	if err == nil && forgotten != (persistence.Forgotten{}) {
		log.From(ctx).Info("old feed data removed", zap.Int64("records", forgotten.Records), zap.Int64("changes", forgotten.Changes), zap.Int64("runs", forgotten.Runs))
	}
	return err
}

// ReportFeedAlarms logs the groups somebody should look at.
func (a *Activities) ReportFeedAlarms(ctx context.Context) error {
	groups, err := a.feedStore.Groups(ctx)
	for _, g := range groups {
		for _, alarm := range g.Alarms(a.now()) {
			log.From(ctx).Warn("feed group raises an alarm", zap.String(log.KeyFeed, g.Source+"/"+g.Name), zap.String("alarm", string(alarm)),
				zap.Timep("last_sync", g.LastSync), zap.Int("records", g.RecordCount), zap.Int("skipped", g.SkippedCount), zap.String("last_error", g.LastError))
		}
	}
	return err
}

// FeedInterval is the time between two looks at which sources are due; 0 when scheduled syncs are off.
func (a *Activities) FeedInterval() time.Duration {
	if !a.feeds.Enabled {
		return 0
	}
	shortest := a.feeds.Interval
	for name := range a.feeds.sources() { // also of those that are off: they may be switched on
		shortest = min(shortest, a.feeds.interval(name))
	}
	return shortest
}
