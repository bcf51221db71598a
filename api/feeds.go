package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Feeds tells the state of the vulnerability data.
type Feeds interface {
	Groups(ctx context.Context) ([]persistence.FeedGroup, error)
	Generation(ctx context.Context) (int64, error)
	Records(ctx context.Context, q persistence.RecordQuestion, after persistence.RecordKey, limit int) ([]persistence.VulnerabilityRecord, error)
}

// vulnerabilityFeed is the one feed clients look for by name.
const vulnerabilityFeed = "vulnerabilities"

// ListFeeds answers one feed with the groups of all sources.
func (h *handlers) ListFeeds(ctx context.Context, _ oas.ListFeedsRequestObject) (oas.ListFeedsResponseObject, error) {
	groups, err := h.deps.Feeds.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list feed groups: %w", err)
	}
	feed := oas.FeedMetadata{Name: vulnerabilityFeed, Enabled: true, Groups: each(groups, groupBody), LastFullSync: lastFullSync(groups)}
	for _, g := range groups {
		created := utc(g.CreatedAt)
		if feed.CreatedAt == nil || created.Before(*feed.CreatedAt) {
			feed.CreatedAt = &created
		}
		if at := utcOrNil(g.LastSync); at != nil && (feed.UpdatedAt == nil || at.After(*feed.UpdatedAt)) {
			feed.UpdatedAt = at
		}
	}
	return oas.ListFeeds200JSONResponse{feed}, nil
}

func groupBody(g persistence.FeedGroup) oas.FeedGroupMetadata {
	return oas.FeedGroupMetadata{
		Name: g.Name, Source: g.Source, Enabled: g.Enabled, RecordCount: g.RecordCount, SkippedCount: g.SkippedCount, LastSync: utcOrNil(g.LastSync),
		CreatedAt: utcOrNil(&g.CreatedAt), LastError: given(g.LastError),
	}
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
	result, done, err := h.deps.Starter.SyncFeeds(ctx, workflows.SyncFeedsInput{Force: orElse(req.Params.ForceSync, false)}, h.config.FeedSyncWait)
	if err != nil {
		return nil, err
	}
	if !done {
		return oas.SyncFeeds200JSONResponse{Message: "The synchronisation is running; GET /system/feeds shows how far it is."}, nil
	}
	return syncAnswer(result)
}

func syncAnswer(result workflows.SyncFeedsResult) (oas.SyncFeedsResponseObject, error) {
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
		return nil, fail(codeFeedSyncFailed, message).with("failed_groups", failed)
	}
	return oas.SyncFeeds200JSONResponse{Message: message}, nil
}
