package persistence_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

// A workflow that somebody terminates leaves nothing behind that would go on with its image.
func TestImagesNobodyWorksOnAreAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, by := t.Context(), persistence.Origin{Service: "test"}
	add := func(image string) persistence.Image { return w.submit(w.submission(admin, image, image)).Image }
	begin := func(i persistence.Image) persistence.Run {
		run := persistence.Run{Account: admin, Digest: i.Digest, Request: i.Requested, RunID: "r"}
		_, err := w.images.Begin(ctx, run, by)
		w.must(err)
		return run
	}
	waiting, begun, worked := add("waiting"), add("begun"), add("worked")
	begin(begun)
	begin(worked)
	w.must(w.progress.Report(ctx, admin, worked.Digest, []persistence.Progress{{Stage: "analyze", Layer: 0}}))
	failed, analyzed, cancelled, removed := add("failed"), add("analyzed"), add("cancelled"), add("removed")
	w.must(w.images.Fail(ctx, begin(failed), "X", "y", by))
	w.must(w.images.Complete(ctx, begin(analyzed), w.save("analyzed"), noon, by))
	var request int64
	_, err := w.images.Withdraw(ctx, admin, cancelled.Digest, by, stopOf(&request))
	w.must(err)
	_, err = w.pool.Exec(ctx, `UPDATE plimsoll.image SET image_status = 'deleting' WHERE digest = $1`, removed.Digest)
	w.must(err)
	_, err = w.pool.Exec(ctx, `UPDATE plimsoll.image SET updated_at = now() - interval '2 hours'`)
	w.must(err)
	fresh := add("fresh")
	_, err = w.pool.Exec(ctx, `DELETE FROM plimsoll.outbox`)
	w.must(err)

	got := map[string]persistence.Stalled{}
	revive := func() int {
		t.Helper()
		n, err := w.images.Revive(ctx, time.Hour, func(s persistence.Stalled) persistence.Start {
			got[s.Digest] = s
			return persistence.Start{Workflow: "again", WorkflowID: s.Digest, Input: map[string]int64{"request": s.Requested}}
		})
		w.must(err)
		return n
	}
	n := revive()
	want := map[string]persistence.Stalled{
		waiting.Digest: {Account: admin, Digest: waiting.Digest, Requested: waiting.Requested},
		begun.Digest:   {Account: admin, Digest: begun.Digest, Requested: begun.Requested},
		removed.Digest: {Account: admin, Digest: removed.Digest, Requested: removed.Requested, Deleting: true},
	}
	if diff := cmp.Diff(want, got); diff != "" || n != len(want) {
		t.Errorf("%d asked for again (not %s): %s", n, fresh.Digest, diff)
	}
	if n := revive(); n != 0 {
		t.Errorf("%d asked for although they are asked for already", n)
	}
	due, err := w.outbox.Due(ctx, 10, time.Minute)
	w.must(err)
	if len(due) != len(want) {
		t.Errorf("%d rows are due", len(due))
	}
}
