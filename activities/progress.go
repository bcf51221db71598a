package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

const (
	// reportEvery bounds how often progress is stored, per layer.
	reportEvery = time.Second
	// reportTimeout keeps a slow database from holding up heartbeats.
	reportTimeout = 5 * time.Second
)

// tracker reports how far one step is: to Temporal as heartbeat, to the API through the store. It lives for
// one activity.
type tracker struct {
	store           *persistence.Progresses
	account, digest string

	mu  sync.Mutex
	now workflows.LayerProgress

	last workflows.LayerProgress // as stored; of the reporting goroutine
	stop chan struct{}           // closed by end; a report under way is let through
	done chan struct{}
}

// track begins to report; call end. An empty account keeps the progress between worker and Temporal.
func (a *Activities) track(ctx context.Context, account, digest string, start workflows.LayerProgress) *tracker {
	t := &tracker{store: a.progress, account: account, digest: digest, now: start, stop: make(chan struct{}), done: make(chan struct{})}
	go t.run(ctx)
	return t
}

func (t *tracker) run(ctx context.Context) {
	defer close(t.done)
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	t.report(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.stop:
			return
		case <-tick.C:
			t.report(ctx)
		}
	}
}

// report heartbeats, which is also how an activity learns that it is cancelled, and stores what changed.
func (t *tracker) report(ctx context.Context) {
	t.mu.Lock()
	now := t.now
	t.mu.Unlock()
	activity.RecordHeartbeat(ctx, now)
	if now != t.last && t.account != "" {
		t.last = now
		t.save(ctx, now, false)
	}
}

func (t *tracker) save(ctx context.Context, p workflows.LayerProgress, done bool) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	err := t.store.Report(ctx, t.account, t.digest, []persistence.Progress{{
		Stage: p.Stage, Layer: p.Layer, BytesDone: p.BytesDone, BytesTotal: p.BytesTotal, Done: done, Begun: true,
	}})
	if err != nil && ctx.Err() == nil {
		// Progress is for those who watch; the work does not depend on it.
		log.From(ctx).Warn("progress not stored", zap.String(log.KeyImageDigest, t.digest), zap.Error(err))
	}
}

func (t *tracker) stage(stage string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Stage = stage
}

func (t *tracker) bytes(done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.BytesDone = done
}

func (t *tracker) read() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now.BytesDone
}

// end stops reporting. When the step succeeded its last state is stored as done.
func (t *tracker) end(ctx context.Context, err error) {
	close(t.stop)
	<-t.done
	if err == nil && t.account != "" {
		t.save(ctx, t.now, true)
	}
}

// whole is the start of a step that works on the image as a whole.
func whole(stage string) workflows.LayerProgress {
	return workflows.LayerProgress{Stage: stage, Layer: persistence.WholeImage}
}
