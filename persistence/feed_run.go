package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// RunStatus is how a sync, or its work on one group, stands.
type RunStatus string

// The states.
const (
	RunRunning   RunStatus = "running"
	RunCompleted RunStatus = "completed"
	RunFailed    RunStatus = "failed"
)

// Kinds of sync runs.
const (
	RunSync   = "sync"
	RunFlush  = "flush"  // every record written anew
	RunDelete = "delete" // data taken back
	RunUpload = "upload" // data taken over that somebody sent
)

// interrupted is what a run says whose workflow has gone.
const interrupted = "interrupted: its workflow ended without saying how"

// SyncRun is one run of the sync workflow.
type SyncRun struct {
	ID          int64
	WorkflowRun string
	Kind        string
	Scheduled   bool
	Force       bool
	Source      string // asked for; "" all
	Group       string `db:"group_name"`
	Status      RunStatus
	Message     string
	StartedAt   time.Time
	EndedAt     *time.Time
	// Sums over its groups.
	Groups  int
	Failed  int
	Added   int
	Changed int
	Removed int
}

// DriverRun is what a sync run did to one group.
type DriverRun struct {
	ID         int64
	SyncRun    int64
	Source     string
	Group      string `db:"group_name"`
	Status     RunStatus
	Attempts   int
	StartedAt  time.Time
	EndedAt    *time.Time
	Generation int64 // 0: nothing changed
	Unchanged  bool  // upstream said so, or sent the same
	Records    int
	Skipped    int
	Added      int
	Changed    int
	Removed    int
	Error      string
}

// RunFilter narrows a list of runs; zero values do not. Newest come first.
type RunFilter struct {
	Status       RunStatus
	Source       string // of driver runs
	Group        string
	SyncRun      int64
	WorkflowRun  string // of sync runs
	FromID, ToID int64  // inclusive
	Limit        int
}

func (f RunFilter) args() args {
	return args{"status": string(f.Status), "from": f.FromID, "to": f.ToID, "limit": f.Limit}
}

var (
	runBegin = query("sync.begin", `
INSERT INTO plimsoll_feeds.sync_run (workflow_run, kind, scheduled, force, source, group_name, started_at)
VALUES (@workflow_run, @kind, @scheduled, @force, @source, @group, @at)
ON CONFLICT (workflow_run) DO NOTHING`)

	runEnd = query("sync.end", `
UPDATE plimsoll_feeds.sync_run SET status = @status, message = @message, ended_at = @at
WHERE workflow_run = @workflow_run AND status = 'running'`)

	runOpen = query("sync.open", `SELECT workflow_run FROM plimsoll_feeds.sync_run WHERE status = 'running' ORDER BY id`)

	runSettle = query("sync.settle", `
UPDATE plimsoll_feeds.driver_run d SET status = 'failed', error = @message, ended_at = @at
FROM plimsoll_feeds.sync_run r WHERE d.sync_run = r.id AND r.workflow_run = @workflow_run AND d.status = 'running'`)

	runList = query("sync.list", `
SELECT r.id, r.workflow_run, r.kind, r.scheduled, r.force, r.source, r.group_name, r.status, r.message, r.started_at, r.ended_at,
  d.groups, d.failed, d.added, d.changed, d.removed
FROM plimsoll_feeds.sync_run r CROSS JOIN LATERAL (
  SELECT count(*) AS groups, count(*) FILTER (WHERE status = 'failed') AS failed,
    coalesce(sum(added), 0)::bigint AS added, coalesce(sum(changed), 0)::bigint AS changed, coalesce(sum(removed), 0)::bigint AS removed
  FROM plimsoll_feeds.driver_run WHERE sync_run = r.id) d
WHERE (@status = '' OR r.status = @status) AND (@workflow_run = '' OR r.workflow_run = @workflow_run) AND r.id >= @from AND (@to = 0 OR r.id <= @to)
ORDER BY r.id DESC LIMIT @limit`)

	driverBegin = query("driver.begin", `
INSERT INTO plimsoll_feeds.driver_run AS d (sync_run, source, group_name, started_at)
SELECT id, @source::text, @group::text, @at::timestamptz FROM plimsoll_feeds.sync_run WHERE workflow_run = @workflow_run
ON CONFLICT (sync_run, source, group_name) DO UPDATE SET status = 'running', attempts = d.attempts + 1, ended_at = NULL`)

	driverEnd = query("driver.end", `
UPDATE plimsoll_feeds.driver_run d SET status = @status, ended_at = @at, generation = @generation, unchanged = @unchanged, records = @records,
  skipped = @skipped, added = @added, changed = @changed, removed = @removed, error = @error
FROM plimsoll_feeds.sync_run r
WHERE r.id = d.sync_run AND r.workflow_run = @workflow_run AND d.source = @source AND d.group_name = @group`)

	driverList = query("driver.list", `
SELECT id, sync_run, source, group_name, status, attempts, started_at, ended_at, generation, unchanged, records, skipped, added, changed,
  removed, error
FROM plimsoll_feeds.driver_run
WHERE (@status = '' OR status = @status) AND (@source = '' OR source = @source) AND (@group = '' OR group_name = @group)
  AND (@sync_run = 0 OR sync_run = @sync_run) AND id >= @from AND (@to = 0 OR id <= @to)
ORDER BY id DESC LIMIT @limit`)
)

// BeginSync notes that a sync runs, once however often it is told. Of those that still count as running nothing is left: only
// one runs at a time.
func (s *Feeds) BeginSync(ctx context.Context, r SyncRun) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		open, err := column[string](ctx, tx, runOpen, args{})
		if err != nil {
			return err
		}
		for _, run := range open {
			if run != r.WorkflowRun {
				if err := endSync(ctx, tx, run, RunFailed, interrupted, r.StartedAt); err != nil {
					return err
				}
			}
		}
		_, err = exec(ctx, tx, runBegin, args{
			"workflow_run": r.WorkflowRun, "kind": r.Kind, "scheduled": r.Scheduled, "force": r.Force, "source": r.Source, "group": r.Group, "at": r.StartedAt,
		})
		return err
	})
	return wrap(err, "note begin of feed sync %s", r.WorkflowRun)
}

// EndSync notes how a sync ended. What it has begun and not ended is settled with it.
func (s *Feeds) EndSync(ctx context.Context, workflowRun string, status RunStatus, message string, at time.Time) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error { return endSync(ctx, tx, workflowRun, status, message, at) })
	return wrap(err, "note end of feed sync %s", workflowRun)
}

func endSync(ctx context.Context, tx pgx.Tx, workflowRun string, status RunStatus, message string, at time.Time) error {
	if _, err := exec(ctx, tx, runEnd, args{"workflow_run": workflowRun, "status": string(status), "message": clip(message), "at": at}); err != nil {
		return err
	}
	_, err := exec(ctx, tx, runSettle, args{"workflow_run": workflowRun, "message": interrupted, "at": at})
	return err
}

// OpenSyncs lists the workflow runs of syncs that count as running.
func (s *Feeds) OpenSyncs(ctx context.Context) ([]string, error) {
	list, err := column[string](ctx, s.pool, runOpen, args{})
	return list, wrap(err, "list running feed syncs")
}

// Interrupted notes that a sync's workflow has gone.
func (s *Feeds) Interrupted(ctx context.Context, workflowRun string, at time.Time) error {
	return s.EndSync(ctx, workflowRun, RunFailed, interrupted, at)
}

// BeginDriver notes an attempt at a group.
func (s *Feeds) BeginDriver(ctx context.Context, workflowRun, source, group string, at time.Time) error {
	_, err := exec(ctx, s.pool, driverBegin, args{"workflow_run": workflowRun, "source": source, "group": group, "at": at})
	return wrap(err, "note begin of feed group %s/%s", source, group)
}

// EndDriver notes how the latest attempt at a group ended.
func (s *Feeds) EndDriver(ctx context.Context, workflowRun string, r DriverRun, at time.Time) error {
	_, err := exec(ctx, s.pool, driverEnd, args{
		"workflow_run": workflowRun, "source": r.Source, "group": r.Group, "status": string(r.Status), "at": at, "generation": r.Generation,
		"unchanged": r.Unchanged, "records": r.Records, "skipped": r.Skipped, "added": r.Added, "changed": r.Changed, "removed": r.Removed,
		"error": clip(r.Error),
	})
	return wrap(err, "note end of feed group %s/%s", r.Source, r.Group)
}

// SyncRuns lists syncs.
func (s *Feeds) SyncRuns(ctx context.Context, f RunFilter) ([]SyncRun, error) {
	list, err := many[SyncRun](ctx, s.pool, runList, merge(f.args(), args{"workflow_run": f.WorkflowRun}))
	return list, wrap(err, "list feed syncs")
}

// DriverRuns lists what syncs did to groups.
func (s *Feeds) DriverRuns(ctx context.Context, f RunFilter) ([]DriverRun, error) {
	list, err := many[DriverRun](ctx, s.pool, driverList, merge(f.args(), args{"source": f.Source, "group": f.Group, "sync_run": f.SyncRun}))
	return list, wrap(err, "list driver runs")
}
