package api

import (
	"context"
	"encoding/json"
	"fmt"

	"plimsoll/api/oas"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

// Entries of a list nobody limited.
const (
	defaultTasks       = 100
	defaultGenerations = 50
)

// ListFeedSyncTasks lists synchronisations and deletions.
func (h *handlers) ListFeedSyncTasks(ctx context.Context, req oas.ListFeedSyncTasksRequestObject) (oas.ListFeedSyncTasksResponseObject, error) {
	p := req.Params
	runs, err := h.deps.Feeds.SyncRuns(ctx, persistence.RunFilter{
		WorkflowRun: orElse(p.WorkflowRun, ""),
		Status:      persistence.RunStatus(orElse(p.Status, "")), FromID: orElse(p.FromId, 0), ToID: orElse(p.ToId, 0), Limit: orElse(p.Limit, defaultTasks),
	})
	if err != nil {
		return nil, fmt.Errorf("list feed tasks: %w", err)
	}
	return oas.ListFeedSyncTasks200JSONResponse(each(runs, func(r persistence.SyncRun) oas.FeedSyncTask {
		return oas.FeedSyncTask{
			Id: r.ID, Kind: oas.FeedSyncTaskKind(r.Kind), Status: oas.FeedSyncTaskStatus(r.Status), Scheduled: r.Scheduled, Force: r.Force,
			Feed: given(r.Source), Group: given(r.Group), Message: given(r.Message), StartedAt: utc(r.StartedAt), EndedAt: utcOrNil(r.EndedAt),
			WorkflowRun: given(r.WorkflowRun), Groups: r.Groups, FailedGroups: r.Failed, Added: r.Added, Changed: r.Changed, Removed: r.Removed,
		}
	})), nil
}

// ListDriverExecutionTasks lists what tasks did to groups.
func (h *handlers) ListDriverExecutionTasks(ctx context.Context, req oas.ListDriverExecutionTasksRequestObject) (oas.ListDriverExecutionTasksResponseObject, error) {
	p := req.Params
	runs, err := h.deps.Feeds.DriverRuns(ctx, persistence.RunFilter{
		Source: orElse(p.Driver, ""), Group: orElse(p.Group, ""), SyncRun: orElse(p.Task, 0), Status: persistence.RunStatus(orElse(p.Status, "")),
		FromID: orElse(p.FromId, 0), ToID: orElse(p.ToId, 0), Limit: orElse(p.Limit, defaultTasks),
	})
	if err != nil {
		return nil, fmt.Errorf("list driver executions: %w", err)
	}
	return oas.ListDriverExecutionTasks200JSONResponse(each(runs, func(r persistence.DriverRun) oas.DriverExecutionTask {
		return oas.DriverExecutionTask{
			Id: r.ID, Task: r.SyncRun, Driver: r.Source, Group: r.Group, Status: oas.DriverExecutionTaskStatus(r.Status), Attempts: r.Attempts,
			StartedAt: utc(r.StartedAt), EndedAt: utcOrNil(r.EndedAt), Generation: given(r.Generation), Unchanged: r.Unchanged,
			Records: r.Records, Skipped: r.Skipped, Added: r.Added, Changed: r.Changed, Removed: r.Removed, Error: given(r.Error),
		}
	})), nil
}

// GetVulnerabilityHistory tells how a record came to say what it says.
func (h *handlers) GetVulnerabilityHistory(ctx context.Context, req oas.GetVulnerabilityHistoryRequestObject) (oas.GetVulnerabilityHistoryResponseObject, error) {
	p := req.Params
	q := persistence.HistoryQuestion{
		ID: p.Id, Source: orElse(p.Source, ""), Package: orElse(p.AffectedPackage, ""), Before: orElse(p.Before, 0), Limit: orElse(p.Limit, defaultGenerations),
	}
	if namespace := orElse(p.Namespace, ""); namespace != "" {
		q.Namespaces = []string{match.Namespace(namespace)}
	}
	changes, err := h.deps.Feeds.History(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("load history: %w", err)
	}
	out := oas.GetVulnerabilityHistory200JSONResponse{Id: p.Id, Changes: each(changes, recordChangeBody)}
	generations := map[int64]bool{}
	for _, c := range changes {
		generations[c.Generation] = true
	}
	if len(generations) == q.Limit {
		out.NextBefore = given(changes[len(changes)-1].Generation)
	}
	return out, nil
}

func recordChangeBody(c persistence.RecordChange) oas.RecordChange {
	return oas.RecordChange{
		Source: c.Source, Group: c.Group, Namespace: given(c.Namespace), Package: given(c.Package), Scope: given(c.Scope), Generation: c.Generation,
		CommittedAt: utc(c.CommittedAt), Kind: oas.RecordChangeKind(c.Kind),
		Fields: each(c.Fields, func(f persistence.FieldChange) oas.FieldChange {
			return oas.FieldChange{Name: f.Name, Before: anyValue(f.Before), After: anyValue(f.After)}
		}),
	}
}

// anyValue keeps a value that is missing from being written as null.
func anyValue(raw json.RawMessage) any {
	if raw == nil {
		return nil
	}
	return raw
}
