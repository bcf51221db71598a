package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"plimsoll/engine/feed"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// listFeedGroups makes every group of the enabled sources known, and lists those nobody has switched off.
func (a *Activities) listFeedGroups(ctx context.Context, in workflows.SyncFeedsInput) (workflows.FeedGroups, error) {
	var out workflows.FeedGroups
	groups, err := a.ensureGroups(ctx)
	if err != nil {
		return out, err
	}
	for _, g := range groups {
		if g.Enabled && (in.Source == "" || in.Source == g.Source) && (!in.Scheduled || a.due(g)) {
			out.Groups = append(out.Groups, workflows.FeedGroup{Source: g.Source, Name: g.Name})
		}
	}
	return out, nil
}

// early is how much before its time a group is synced: schedules do not tick to the second.
const early = 30 * time.Second

// due reports whether a scheduled sync of a group is to be done now.
func (a *Activities) due(g persistence.FeedGroup) bool {
	return g.LastAttempt == nil || !a.now().Before(g.LastAttempt.Add(a.feeds.interval(g.Source)-early))
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

// ensureGroups makes the known groups those the configuration names, and returns them in the drivers' order.
func (a *Activities) ensureGroups(ctx context.Context) ([]persistence.FeedGroup, error) {
	var named []workflows.FeedGroup
	for _, d := range a.drivers {
		names := []string{}
		if settings := a.feeds.settings(d.Name); settings.Enabled {
			for _, g := range d.Groups(settings) {
				names = append(names, g.Name)
				named = append(named, workflows.FeedGroup{Source: d.Name, Name: g.Name})
			}
		}
		if err := a.feedStore.Ensure(ctx, d.Name, names); err != nil {
			return nil, err
		}
	}
	known, err := a.feedStore.Groups(ctx)
	if err != nil {
		return nil, err
	}
	var out []persistence.FeedGroup
	for _, n := range named {
		for _, g := range known {
			if g.Source == n.Source && g.Name == n.Name {
				out = append(out, g)
			}
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
	err := a.feedStore.Failed(ctx, in.Source, in.Group, code+": "+message, a.now())
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

// FeedInterval is the time between two looks at which sources are due; 0 when scheduled syncs are off.
func (a *Activities) FeedInterval() time.Duration {
	if !a.feeds.Enabled {
		return 0
	}
	shortest := a.feeds.Interval
	for name := range a.feeds.sources() {
		if a.feeds.settings(name).Enabled {
			shortest = min(shortest, a.feeds.interval(name))
		}
	}
	return shortest
}
