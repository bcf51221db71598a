package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/clamav"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Feeds tells the state of the vulnerability data.
type Feeds interface {
	Groups(ctx context.Context) ([]persistence.FeedGroup, error)
	Generation(ctx context.Context) (int64, error)
	Records(ctx context.Context, q persistence.RecordQuestion, after persistence.RecordKey, limit int) ([]persistence.VulnerabilityRecord, error)
	Files(ctx context.Context, source string) ([]persistence.FeedFile, error)
	OpenFile(ctx context.Context, digest string) (*persistence.FileReader, error)
	History(ctx context.Context, q persistence.HistoryQuestion) ([]persistence.RecordChange, error)
	// Lifecycle tells how long a distribution is supported: persistence.ErrNotFound.
	Lifecycle(ctx context.Context, d *catalog.Distro) (feed.Lifecycle, error)
	// LatestBundle tells which data set was imported last: persistence.ErrNotFound.
	LatestBundle(ctx context.Context) (persistence.FeedBundle, error)
	On(ctx context.Context) (bool, error)
	Switch(ctx context.Context, c persistence.FeedChoice, enabled bool, at time.Time) error
	SyncRuns(ctx context.Context, f persistence.RunFilter) ([]persistence.SyncRun, error)
	DriverRuns(ctx context.Context, f persistence.RunFilter) ([]persistence.DriverRun, error)
}

// Feeds clients look for by name: the sources all together, and the one that is no vulnerability data.
const (
	vulnerabilityFeed = "vulnerabilities"
	signatureFeed     = clamav.Name
)

// ListFeeds answers a feed with the groups of all sources, and one of malware signatures where these are wanted or there.
func (h *handlers) ListFeeds(ctx context.Context, _ oas.ListFeedsRequestObject) (oas.ListFeedsResponseObject, error) {
	groups, on, err := h.feedGroups(ctx, persistence.FeedChoice{})
	if err != nil {
		return nil, err
	}
	var signatures, others []persistence.FeedGroup
	used := false
	for _, g := range groups {
		if g.Source == clamav.Name {
			signatures, used = append(signatures, g), used || g.Enabled || g.LastSync != nil
		} else {
			others = append(others, g)
		}
	}
	out := oas.ListFeeds200JSONResponse{feedBody(vulnerabilityFeed, others, on)}
	if !used {
		return out, nil
	}
	files, err := h.deps.Feeds.Files(ctx, clamav.Name)
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", signatureFeed, err)
	}
	return append(out, signatureBody(feedBody(signatureFeed, signatures, on), files)), nil
}

// feedState is the one feed with the chosen groups.
func (h *handlers) feedState(ctx context.Context, chosen persistence.FeedChoice) (oas.FeedMetadata, error) {
	groups, on, err := h.feedGroups(ctx, chosen)
	if err != nil {
		return oas.FeedMetadata{}, err
	}
	return feedBody(vulnerabilityFeed, groups, on), nil
}

// feedGroups are the chosen groups, and whether anything is synchronised at all.
func (h *handlers) feedGroups(ctx context.Context, chosen persistence.FeedChoice) ([]persistence.FeedGroup, bool, error) {
	groups, err := h.deps.Feeds.Groups(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("list feed groups: %w", err)
	}
	on, err := h.deps.Feeds.On(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("load feed switch: %w", err)
	}
	return slices.DeleteFunc(groups, func(g persistence.FeedGroup) bool { return !chosen.Has(g) }), on, nil
}

func feedBody(name string, groups []persistence.FeedGroup, on bool) oas.FeedMetadata {
	now := time.Now()
	state := oas.FeedMetadata{Name: name, Enabled: on, LastFullSync: lastFullSync(groups)}
	state.Groups = each(groups, func(g persistence.FeedGroup) oas.FeedGroupMetadata { return groupBody(g, now) })
	for _, g := range groups {
		created := utc(g.CreatedAt)
		if state.CreatedAt == nil || created.Before(*state.CreatedAt) {
			state.CreatedAt = &created
		}
		if at := utcOrNil(g.LastSync); at != nil && (state.UpdatedAt == nil || at.After(*state.UpdatedAt)) {
			state.UpdatedAt = at
		}
	}
	return state
}

func groupBody(g persistence.FeedGroup, now time.Time) oas.FeedGroupMetadata {
	body := oas.FeedGroupMetadata{
		Name: g.Name, Source: g.Source, Enabled: g.Enabled, RecordCount: g.RecordCount, SkippedCount: g.SkippedCount, LastSync: utcOrNil(g.LastSync),
		CreatedAt: utcOrNil(&g.CreatedAt), LastError: given(g.LastError),
	}
	if alarms := g.Alarms(now); len(alarms) > 0 {
		body.Alarms = new(each(alarms, func(a persistence.FeedAlarm) oas.FeedGroupMetadataAlarms { return oas.FeedGroupMetadataAlarms(a) }))
	}
	return body
}

// choice reads which groups a request is about.
func choice(name, group *string) persistence.FeedChoice {
	c := persistence.FeedChoice{Source: orElse(name, ""), Group: orElse(group, "")}
	if c.Source == vulnerabilityFeed {
		c.Source = ""
	}
	return c
}

// knownChoice makes sure that a request is about something.
func (h *handlers) knownChoice(ctx context.Context, c persistence.FeedChoice) error {
	if c == (persistence.FeedChoice{}) {
		return nil
	}
	groups, err := h.deps.Feeds.Groups(ctx)
	if err != nil {
		return fmt.Errorf("list feed groups: %w", err)
	}
	if !slices.ContainsFunc(groups, c.Has) {
		return noFeed(c)
	}
	return nil
}

func noFeed(c persistence.FeedChoice) error {
	what := fmt.Sprintf("There is no feed %q", c.Source)
	if c.Group != "" {
		what = fmt.Sprintf("No feed %q has a group %q", c.Source, c.Group)
	}
	return fail(codeNotFound, what+"; GET /system/feeds lists the sources and their groups.")
}

// GetFeed answers a feed with the data set that was imported last.
func (h *handlers) GetFeed(ctx context.Context, req oas.GetFeedRequestObject) (oas.GetFeedResponseObject, error) {
	c := choice(&req.Feed, nil)
	if err := h.knownChoice(ctx, c); err != nil {
		return nil, err
	}
	state, err := h.feedState(ctx, c)
	if err != nil {
		return nil, err
	}
	b, err := h.deps.Feeds.LatestBundle(ctx)
	if errors.Is(err, persistence.ErrNotFound) {
		return oas.GetFeed200JSONResponse(state), nil
	}
	if err != nil {
		return nil, err
	}
	state.DatasetName, state.DatasetChecksum = given(b.Name), given(b.Checksum)
	state.DataServiceBuiltAt, state.EnterpriseReceivedAt = utcOrNil(&b.BuiltAt), utcOrNil(&b.ReceivedAt)
	return oas.GetFeed200JSONResponse(state), nil
}

// SwitchFeed decides whether groups are synchronised.
func (h *handlers) SwitchFeed(ctx context.Context, req oas.SwitchFeedRequestObject) (oas.SwitchFeedResponseObject, error) {
	c := choice(&req.Feed, req.Params.Group)
	err := h.deps.Feeds.Switch(ctx, c, req.Params.Enabled, time.Now())
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, noFeed(c)
	}
	if err != nil {
		return nil, fmt.Errorf("switch feed: %w", err)
	}
	state, err := h.feedState(ctx, c)
	return oas.SwitchFeed200JSONResponse(state), err
}

// DeleteFeed takes back what groups say, and waits for it.
func (h *handlers) DeleteFeed(ctx context.Context, req oas.DeleteFeedRequestObject) (oas.DeleteFeedResponseObject, error) {
	c := choice(&req.Feed, req.Params.Group)
	result, err := h.syncFeeds(ctx, c, workflows.SyncFeedsInput{Delete: true})
	return oas.DeleteFeed200JSONResponse(result), err
}

// lastFullSync is the earliest of the enabled groups' last successes; nil until each had one.
func lastFullSync(groups []persistence.FeedGroup) *time.Time {
	var earliest *time.Time
	for _, g := range groups {
		if !g.Enabled {
			continue
		}
		at := utcOrNil(g.LastSync)
		if at == nil {
			return nil
		}
		if earliest == nil || at.Before(*earliest) {
			earliest = at
		}
	}
	return earliest
}

// SyncFeeds starts a synchronisation and waits for it.
func (h *handlers) SyncFeeds(ctx context.Context, req oas.SyncFeedsRequestObject) (oas.SyncFeedsResponseObject, error) {
	p := req.Params
	result, err := h.syncFeeds(ctx, choice(p.Feed, p.Group), workflows.SyncFeedsInput{Force: orElse(p.ForceSync, false), Flush: orElse(p.Flush, false)})
	return oas.SyncFeeds200JSONResponse(result), err
}

func (h *handlers) syncFeeds(ctx context.Context, c persistence.FeedChoice, in workflows.SyncFeedsInput) (oas.FeedSyncResult, error) {
	if err := h.knownChoice(ctx, c); err != nil {
		return oas.FeedSyncResult{}, err
	}
	in.Source, in.Group = c.Source, c.Group
	result, done, err := h.deps.Starter.SyncFeeds(ctx, in, h.config.FeedSyncWait)
	if err != nil {
		return oas.FeedSyncResult{}, err
	}
	if !done {
		return oas.FeedSyncResult{Message: "The synchronisation is running; GET /system/feeds shows how far it is."}, nil
	}
	return syncAnswer(result)
}

func syncAnswer(result workflows.SyncFeedsResult) (oas.FeedSyncResult, error) {
	var unchanged, changed int
	var failed []string
	for _, g := range result.Groups {
		switch {
		case g.Error != "":
			failed = append(failed, fmt.Sprintf("%s/%s: %s", g.Source, g.Group, g.Error))
		case g.Unchanged:
			unchanged++
		default:
			changed++
		}
	}
	message := fmt.Sprintf("%d groups changed, %d unchanged, %d failed", changed, unchanged, len(failed))
	if len(failed) > 0 {
		message += ": " + strings.Join(failed, "; ")
	}
	// A broken group fails alone: only when none of them came through is the request a failure.
	if len(failed) > 0 && unchanged+changed == 0 {
		return oas.FeedSyncResult{}, fail(codeFeedSyncFailed, message).with("failed_groups", failed)
	}
	return oas.FeedSyncResult{Message: message}, nil
}
