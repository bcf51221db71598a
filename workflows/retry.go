package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Retry policies. What must not be retried says so itself (a non-retryable ApplicationError), so no policy
// lists failure types.
var (
	// retryShort is for what a person waits for: two more tries within a second or two, then the answer.
	retryShort = &temporal.RetryPolicy{
		InitialInterval: 400 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 2 * time.Second, MaximumAttempts: 3,
	}
	// retryRegistry outlasts a registry's restart or a worker's loss, not an outage of an hour: eight tries
	// over about three minutes. A Retry-After of the registry replaces the interval.
	retryRegistry = &temporal.RetryPolicy{
		InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 8,
	}
	// retryDatabase is for steps that touch nothing but our own store: they go on until its outage ends, as
	// giving up would leave a record half way. A day bounds it.
	retryDatabase = &temporal.RetryPolicy{
		InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: time.Minute,
	}
	// retryCompute is for work over stored documents, where the same input mostly fails the same way again:
	// five tries cover a lost worker and a database restart.
	retryCompute = &temporal.RetryPolicy{
		InitialInterval: time.Second, BackoffCoefficient: 3, MaximumInterval: time.Minute, MaximumAttempts: 5,
	}
	// retryFeed spreads six tries over about ten minutes; the next scheduled sync follows in hours anyway.
	retryFeed = &temporal.RetryPolicy{
		InitialInterval: 5 * time.Second, BackoffCoefficient: 3, MaximumInterval: 5 * time.Minute, MaximumAttempts: 6,
	}
)

// Heartbeat is how long an activity that reports progress may stay silent before another worker takes its
// work over. Implementations report several times within it.
const Heartbeat = 20 * time.Second

// Options by kind of step; every one names its queue.
var (
	// A person waits: all tries together end before the look-up itself does (resolveLimit).
	foreground = workflow.ActivityOptions{
		TaskQueue: QueueControl, StartToCloseTimeout: 15 * time.Second, ScheduleToCloseTimeout: 18 * time.Second, RetryPolicy: retryShort,
	}
	// One or two transactions.
	record = workflow.ActivityOptions{
		TaskQueue: QueueControl, StartToCloseTimeout: 30 * time.Second, ScheduleToCloseTimeout: 24 * time.Hour, RetryPolicy: retryDatabase,
	}
	// Many small requests to a registry: one HEAD per layer, several at a time.
	registryChecks = workflow.ActivityOptions{
		TaskQueue: QueueControl, StartToCloseTimeout: 3 * time.Minute, HeartbeatTimeout: Heartbeat, RetryPolicy: retryRegistry,
	}
	// A layer may be tens of gigabytes behind a slow line, or wait for another worker that reads the same
	// one. This is only the outer bound: worker.analysis.layer_timeout is what operators set, and a lost
	// worker is noticed by its missing heartbeats.
	layerWork = workflow.ActivityOptions{
		TaskQueue: QueueAnalysis, StartToCloseTimeout: 12 * time.Hour, HeartbeatTimeout: Heartbeat, RetryPolicy: retryRegistry,
	}
	// Work over stored documents: seconds for common images, minutes for the largest.
	compute = workflow.ActivityOptions{
		TaskQueue: QueueAnalysis, StartToCloseTimeout: 30 * time.Minute, HeartbeatTimeout: Heartbeat, RetryPolicy: retryCompute,
	}
	// A dozen small requests about what is attached to an image; its analysis waits for them, but not for long and
	// not for their success.
	listing = workflow.ActivityOptions{
		TaskQueue: QueueControl, StartToCloseTimeout: 30 * time.Second, ScheduleToCloseTimeout: time.Minute, RetryPolicy: retryShort,
	}
	// A look at a registry for a watcher. What goes wrong there is recorded and left to the next look; retries are for
	// our own store and lost workers.
	look = workflow.ActivityOptions{
		TaskQueue: QueueControl, StartToCloseTimeout: 2 * time.Minute, ScheduleToCloseTimeout: 10 * time.Minute, RetryPolicy: retryDatabase,
	}
	// A few images of a watched repository, one after the other.
	portion = workflow.ActivityOptions{
		TaskQueue: QueueControl, StartToCloseTimeout: 10 * time.Minute, HeartbeatTimeout: 2 * Heartbeat, ScheduleToCloseTimeout: 2 * time.Hour, RetryPolicy: retryDatabase,
	}
	// Garbage collection scans.
	cleaning = workflow.ActivityOptions{
		TaskQueue: QueueControl, StartToCloseTimeout: 5 * time.Minute, RetryPolicy: retryDatabase, ScheduleToCloseTimeout: 24 * time.Hour,
	}
	// The first load of a large group takes minutes, and longer through a slow mirror.
	feedWork = workflow.ActivityOptions{
		TaskQueue: QueueFeeds, StartToCloseTimeout: 4 * time.Hour, HeartbeatTimeout: Heartbeat, RetryPolicy: retryFeed,
	}
	// What is due on the feeds queue before the first group starts.
	feedPlan = workflow.ActivityOptions{
		TaskQueue: QueueFeeds, StartToCloseTimeout: 30 * time.Second, ScheduleToCloseTimeout: time.Hour, RetryPolicy: retryDatabase,
	}
	// One portion of a rescan; small enough that losing one costs seconds.
	rescanWork = workflow.ActivityOptions{
		TaskQueue: QueueRescan, StartToCloseTimeout: 30 * time.Minute, HeartbeatTimeout: Heartbeat, ScheduleToCloseTimeout: 24 * time.Hour, RetryPolicy: retryDatabase,
	}
)
