package persistence_test

import (
	"errors"
	"testing"
	"time"

	"plimsoll/persistence"
)

func stopOf(request *int64) func(int64) persistence.Start {
	return func(n int64) persistence.Start {
		*request = n
		return persistence.Start{Workflow: "stop", WorkflowID: "x", Input: n}
	}
}

func TestWithdrawnSubmissionNeverPublishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, digest := t.Context(), digestOf("app")
	by := persistence.Origin{Service: "test"}
	first := w.submit(w.submission(admin, "app", "1")).Image
	run := persistence.Run{Account: admin, Digest: digest, Request: first.Requested, RunID: "a"}
	_, err := w.images.Begin(ctx, run, by)
	w.must(err)
	var stopped int64
	out, err := w.images.Withdraw(ctx, admin, digest, by, stopOf(&stopped))
	w.must(err)
	if stopped != first.Requested || out.OutboxID == 0 || out.Image.AnalysisStatus != persistence.NotAnalyzed || out.Image.CancelledAt == nil {
		t.Errorf("withdrawal of %d: %+v", stopped, out)
	}
	if again, err := w.images.Withdraw(ctx, admin, digest, by, stopOf(&stopped)); err != nil || again.OutboxID != 0 {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	id := w.save("app")
	_, begun := w.images.Begin(ctx, run, by)
	for name, err := range map[string]error{
		"begin": begun, "complete": w.images.Complete(ctx, run, id, noon, by), "fail": w.images.Fail(ctx, run, "X", "y", by), "cancel": w.images.Cancel(ctx, run, by),
	} {
		if !errors.Is(err, persistence.ErrSuperseded) {
			t.Errorf("%s of a withdrawn submission: %v", name, err)
		}
	}

	// Submitted again it is a submission like any other, and what it was analysed as stays while it is withdrawn.
	second := w.submit(w.submission(admin, "app", "1"))
	if !second.Due || second.Image.CancelledAt != nil || second.Image.Requested == first.Requested {
		t.Errorf("submitted again: %+v", second)
	}
	run.Request, run.RunID = second.Image.Requested, "b"
	_, err = w.images.Begin(ctx, run, by)
	w.must(err)
	w.must(w.images.Complete(ctx, run, id, noon, by))
	if _, err := w.images.Withdraw(ctx, admin, digest, by, stopOf(&stopped)); !errors.Is(err, persistence.ErrState) {
		t.Errorf("withdrawal of an ended analysis: %v", err)
	}
	forced := w.submission(admin, "app", "1")
	forced.Force = true
	w.submit(forced)
	_, err = w.images.Withdraw(ctx, admin, digest, by, stopOf(&stopped))
	w.must(err)
	if a, err := w.analyses.OfImage(ctx, admin, digest); err != nil || a.ID != id {
		t.Errorf("the earlier analysis is gone: %+v, %v", a, err)
	}
}

func TestTimeOfAnAnalysisBeginsWithItsFirstWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, digest := t.Context(), digestOf("app")
	image := w.submit(w.submission(admin, "app", "1")).Image
	later := w.submit(w.submission(admin, "later", "2")).Image
	_, err := w.images.Begin(ctx, persistence.Run{Account: admin, Digest: digest, Request: image.Requested, RunID: "a"}, persistence.Origin{})
	w.must(err)
	report := func(p persistence.Progress) { w.must(w.progress.Report(ctx, admin, digest, []persistence.Progress{p})) }
	see := func(what string, running bool, ahead int) {
		t.Helper()
		elapsed, err := w.progress.Elapsed(ctx, admin, digest)
		w.must(err)
		n, err := w.progress.Ahead(ctx, later.Requested)
		w.must(err)
		if elapsed > 0 != running || n != ahead || elapsed > time.Minute {
			t.Errorf("%s: %s, %d ahead; want running %t, %d ahead", what, elapsed, n, running, ahead)
		}
	}
	report(persistence.Progress{Stage: "waiting", Layer: 0})
	see("planned", false, 1)
	report(persistence.Progress{Stage: "analyze", Layer: 0, Begun: true})
	report(persistence.Progress{Stage: "analyze", Layer: 1})
	see("begun", true, 0)
	if _, err := w.images.Withdraw(ctx, admin, digestOf("later"), persistence.Origin{}, stopOf(new(int64))); err != nil {
		t.Fatal(err)
	}
	if n, err := w.progress.Ahead(ctx, later.Requested+10); err != nil || n != 0 {
		t.Errorf("%d ahead (%v), want none: a cancelled image waits for nobody", n, err)
	}
}
