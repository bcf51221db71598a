package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"plimsoll/activities"
	"plimsoll/internal/build"
	"plimsoll/internal/log"
	"plimsoll/workflows"
)

// Deps is what a worker works with. The client stays the caller's to close.
type Deps struct {
	Client     client.Client
	Namespace  string
	Activities *activities.Activities
}

// Worker serves task queues.
type Worker struct {
	deps    Deps
	cfg     Config
	metrics *metrics
	queues  []string
}

// New returns a worker; cfg must be valid.
func New(deps Deps, cfg Config) *Worker {
	queues := slices.Clone(cfg.Queues)
	slices.Sort(queues)
	return &Worker{deps: deps, cfg: cfg, metrics: newMetrics(), queues: slices.Compact(queues)}
}

// Collectors returns the worker's metrics, those of its activities included.
func (w *Worker) Collectors() []prometheus.Collector {
	return append(w.metrics.collectors(), w.deps.Activities.Collectors()...)
}

// Run serves until ctx ends, then stops gently and returns nil. It returns an error when Temporal refuses the
// worker for good.
func (w *Worker) Run(ctx context.Context) error {
	started := time.Now()
	if err := w.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	outer := ctx
	ctx, fail := context.WithCancelCause(outer)
	defer fail(nil)
	stop, err := w.start(ctx, fail)
	if err != nil {
		return err
	}
	defer stop()
	log.From(ctx).Info("worker serves", zap.Strings(log.KeyQueue, w.queues))

	var g errgroup.Group
	g.Go(func() error { return w.report(ctx, started) })
	if w.deps.Activities.KeepsSignatures() {
		g.Go(func() error { return w.keepSignatures(ctx) })
	}
	if slices.Contains(w.queues, workflows.QueueControl) {
		g.Go(func() error { return w.dispatch(ctx) })
		g.Go(func() error { return w.collect(ctx) })
		g.Go(func() error { return w.revive(ctx) })
		g.Go(func() error { return w.repair(ctx) })
	}
	if slices.Contains(w.queues, workflows.QueueRescan) {
		g.Go(func() error { return w.followTime(ctx) })
	}
	if slices.Contains(w.queues, workflows.QueueFeeds) {
		g.Go(func() error { return w.schedule(ctx) })
		g.Go(func() error { return w.tidy(ctx) })
	}
	err = g.Wait()
	<-ctx.Done()
	if outer.Err() == nil { // not asked to stop: a Temporal worker gave up
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// start brings up one Temporal worker per queue and returns how to stop them all.
func (w *Worker) start(ctx context.Context, fail context.CancelCauseFunc) (stop func(), err error) {
	var running []sdk.Worker
	stop = func() {
		var all sync.WaitGroup // together, as each may take the whole timeout
		for _, r := range running {
			all.Go(r.Stop)
		}
		all.Wait()
	}
	for _, queue := range w.queues {
		one := sdk.New(w.deps.Client, queue, w.options(ctx, queue, fail))
		workflows.Register(one, queue)
		w.deps.Activities.Register(one, queue)
		if err := one.Start(); err != nil {
			stop()
			return nil, fmt.Errorf("start worker of queue %s: %w", queue, err)
		}
		running = append(running, one)
	}
	return stop, nil
}

// heartbeatEvery lets people see progress move in Temporal's pages; the SDK would wait most of the heartbeat
// timeout.
const heartbeatEvery = 3 * time.Second

func (w *Worker) options(ctx context.Context, queue string, fail context.CancelCauseFunc) sdk.Options {
	options := sdk.Options{
		MaxConcurrentActivityExecutionSize: w.cfg.Slots.of(queue),
		MaxHeartbeatThrottleInterval:       heartbeatEvery,
		DefaultHeartbeatThrottleInterval:   heartbeatEvery,
		WorkerStopTimeout:                  w.cfg.StopTimeout,
		// Activities keep their logger when the process is asked to stop: the SDK ends them after the timeout.
		BackgroundActivityContext: context.WithoutCancel(log.With(ctx, zap.String(log.KeyQueue, queue))),
		Interceptors:              []interceptor.WorkerInterceptor{&observer{metrics: w.metrics}},
		OnFatalError: func(err error) {
			fail(fmt.Errorf("worker of queue %s: %w", queue, err))
		},
	}
	// Without a deployment every worker takes every task, and replay tests guard the histories that are under
	// way. With one, an analysis ends on the version that began it, since a new analyzer set may come with a
	// new version, while feed syncs and rescans move on to the newest.
	if w.cfg.Deployment != "" {
		behavior := workflow.VersioningBehaviorAutoUpgrade
		if queue == workflows.QueueControl {
			behavior = workflow.VersioningBehaviorPinned
		}
		options.DeploymentOptions = sdk.DeploymentOptions{
			UseVersioning:             true,
			Version:                   sdk.WorkerDeploymentVersion{DeploymentName: w.cfg.Deployment, BuildID: buildID()},
			DefaultVersioningBehavior: behavior,
		}
	}
	return options
}

// buildID tells builds apart that claim the same version.
func buildID() string {
	info := build.Current()
	if info.Commit == "" {
		return info.Version
	}
	return info.Version + "-" + info.Commit
}
