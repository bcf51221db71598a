package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"plimsoll/activities/fetch"
	"plimsoll/engine/feed"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Stages of a feed group's sync, in heartbeats.
const (
	stageFetch = "fetch"
	stageParse = "parse"
)

// listFeedGroups makes every group of the enabled sources known, and lists those nobody has switched off.
func (a *Activities) listFeedGroups(ctx context.Context, in workflows.SyncFeedsInput) (workflows.FeedGroups, error) {
	var out workflows.FeedGroups
	groups, err := a.ensureGroups(ctx)
	if err != nil {
		return out, err
	}
	for _, g := range groups {
		if g.Enabled && (in.Source == "" || in.Source == g.Source) {
			out.Groups = append(out.Groups, workflows.FeedGroup{Source: g.Source, Name: g.Name})
		}
	}
	return out, nil
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

func (a *Activities) syncGroup(ctx context.Context, in workflows.SyncGroupInput) (out workflows.GroupResult, err error) {
	t := a.track(ctx, "", "", workflows.LayerProgress{Stage: stageFetch, Layer: persistence.WholeImage})
	defer func() {
		t.end(ctx, err)
		if err != nil && ctx.Err() == nil {
			a.recordFeedError(ctx, in, err)
		}
	}()
	driver, group, err := a.group(in.Source, in.Group)
	if err != nil {
		return out, err
	}
	known, err := a.feedStore.Group(ctx, in.Source, in.Group)
	if err != nil {
		return out, err
	}
	doc, err := a.fetcher.Fetch(ctx, in.Source, group, fetch.Known{
		URL: known.URL, ETag: known.ETag, LastModified: known.LastModified, SHA256: known.BodySHA256,
	}, in.Force, t.transfer)
	if err != nil {
		return out, err
	}
	defer doc.Close()
	fetched := persistence.Fetched{
		URL: doc.URL, ETag: doc.ETag, LastModified: doc.LastModified, BodySHA256: doc.SHA256, At: a.now(),
	}
	out = workflows.GroupResult{Source: in.Source, Group: in.Group}
	if doc.Unchanged {
		out.Unchanged, out.Records = true, known.RecordCount
		return out, a.feedStore.Unchanged(ctx, in.Source, in.Group, fetched)
	}
	t.stage(stageParse)
	done, err := a.feedStore.Commit(ctx, persistence.CommitFeed{
		Source: in.Source, Group: in.Group, Fetched: fetched, Force: in.Force,
		Load: a.load(ctx, driver, group, doc, t),
	})
	if err != nil {
		return out, err
	}
	out.Unchanged, out.Generation, out.Records = done.Unchanged, done.Generation, done.Records
	out.Added, out.Changed, out.Removed = done.Added, done.Changed, done.Removed
	return out, nil
}

// maxSkippedLines bounds the log lines about one document; the count of skipped records is exact.
const maxSkippedLines = 20

// load parses the document into the store's hands.
func (a *Activities) load(ctx context.Context, driver feed.Driver, group feed.Group, doc *fetch.Document, t *tracker) func(func(feed.Record) error) (int, error) {
	return func(emit func(feed.Record) error) (skipped int, err error) {
		var refused error // by the store: not the document's fault
		records := int64(0)
		err = driver.Parse(ctx, group, doc, doc.Size, func(r feed.Record) error {
			records++
			t.bytes(records)
			refused = emit(r)
			return refused
		}, func(id string, err error) {
			if skipped++; skipped <= maxSkippedLines {
				log.From(ctx).Warn("feed record skipped", zap.String(log.KeyFeed, driver.Name+"/"+group.Name), zap.String("id", id), zap.Error(err))
			}
		})
		if err != nil && refused == nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errDocument, err)
		}
		return skipped, err
	}
}

// transfer notes fetched bytes; the total may be unknown.
func (t *tracker) transfer(done, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.BytesDone, t.now.BytesTotal = done, max(total, 0)
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

// FeedInterval is the time between scheduled syncs; 0 when they are off.
func (a *Activities) FeedInterval() time.Duration {
	if !a.feeds.Enabled {
		return 0
	}
	return a.feeds.Interval
}
