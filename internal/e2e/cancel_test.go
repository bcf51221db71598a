package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/jackc/pgx/v5/pgxpool"
	enumspb "go.temporal.io/api/enums/v1"
	temporalclient "go.temporal.io/sdk/client"

	"plimsoll/api/client"
	"plimsoll/workflows"
)

// cancel cancels an image's analysis and returns the answer's record.
func cancel(t testing.TB, c *client.ClientWithResponses, digest string) *client.AnchoreImage {
	t.Helper()
	r, err := c.CancelImageAnalysisWithResponse(t.Context(), digest, &client.CancelImageAnalysisParams{})
	if err != nil {
		t.Fatal(err)
	}
	if r.JSON200 == nil {
		t.Fatalf("cancel: %v", client.Failure(r.StatusCode(), r.Body))
	}
	return r.JSON200
}

// cancellation is an installation in which analyses are cancelled.
type cancellation struct {
	i        *installation
	c        *client.ClientWithResponses
	db       *pgxpool.Pool
	temporal temporalclient.Client
}

func newCancellation(t *testing.T) cancellation {
	t.Helper()
	i := newInstallation(t)
	db, err := pgxpool.New(t.Context(), i.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	flow, err := temporalclient.Dial(temporalclient.Options{HostPort: i.flow.addr(), Namespace: i.want.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(flow.Close)
	return cancellation{i, admin(t, i.api), db, flow}
}

// An analysis can be cancelled wherever it is: the record is free at once, what works on it stops, and the image can
// be submitted again.
func TestAnAnalysisCanBeCancelledInEveryState(t *testing.T) { //nolint:tparallel // its cases share tables, one after the other
	t.Parallel()
	at := newCancellation(t)
	at.i.worker(t)
	ready(t, at.c)
	// One after the other: some of the states are made by holding tables that others need.
	t.Run("while a layer is read", at.reading)
	t.Run("while it waits for another reader of its layer", at.waiting)
	t.Run("while it is assembled", func(t *testing.T) { at.locked(t, "assembled", "plimsoll.image_package", "assemble") })
	t.Run("while it is matched", func(t *testing.T) { at.locked(t, "matched", "plimsoll.analysis_counter", "match") })
	wantNothingPending(t, at.db)
}

// over cancels twice, checks the record, and wants the image to be analysed when it is submitted again.
func (a cancellation) over(t *testing.T, image, digest string, let func()) {
	t.Helper()
	for range 2 {
		if got := cancel(t, a.c, digest); got.AnalysisStatus != "not_analyzed" || got.AnalysisProgress != nil || got.AnalysisCancelledAt == nil {
			t.Errorf("after the cancellation %s, progress %+v", got.AnalysisStatus, got.AnalysisProgress)
		}
	}
	a.idle(t, digest)
	let()
	if got := status(t, a.c, digest, "not_analyzed"); got.AnalysisCancelledAt == nil {
		t.Error("the record moved on although it was cancelled")
	}
	submit(t, a.c, image, false)
	status(t, a.c, digest, "analyzed")
	if n := count(t, a.db, "analysis WHERE image_digest = $1", digest); n != 1 {
		t.Errorf("%d analyses, want one", n)
	}
	r, err := a.c.CancelImageAnalysisWithResponse(t.Context(), digest, &client.CancelImageAnalysisParams{})
	if err != nil || r.StatusCode() != http.StatusConflict {
		t.Errorf("cancelling what has ended: %v %d", err, r.StatusCode())
	}
}

// idle waits until no workflow of the image runs.
func (a cancellation) idle(t *testing.T, digest string) {
	t.Helper()
	eventually(t, answerTimeout, "workflow over", func() (bool, error) {
		d, err := a.temporal.DescribeWorkflowExecution(t.Context(), workflows.AnalyzeImageID("admin", digest), "")
		return err == nil && d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, err
	})
}

// locks waits until the database holds, or keeps waiting, as many locks of the kind as wanted.
func (a cancellation) locks(t *testing.T, condition string, want int) {
	t.Helper()
	eventually(t, answerTimeout, "locks WHERE "+condition, func() (bool, error) {
		var n int
		err := a.db.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE `+condition).Scan(&n)
		return n == want, err
	})
}

// What a worker has in the database: a layer it reads, and whatever it waits for.
const (
	layerHeld = `locktype = 'advisory' AND classid = x'504c0004'::int::oid AND granted`
	waitedFor = `NOT granted`
)

func (a cancellation) reading(t *testing.T) {
	registry := newSource(t)
	img := smallImage(t, "cancelled while read", nil)
	image := registry.push(t, img, "cancel/reading:1")
	waiting, release := registry.hold(firstLayer(t, img))
	defer release()
	digest := submit(t, a.c, image, false).ImageDigest
	<-waiting
	eventually(t, answerTimeout, "progress of the layer", func() (bool, error) {
		p := status(t, a.c, digest, "analyzing").AnalysisProgress
		return p != nil && p.StartedAt != nil && p.Percentage != nil, nil
	})
	a.locks(t, layerHeld, 1)
	a.over(t, image, digest, func() {
		a.locks(t, layerHeld, 0) // the worker hears of it with its next heartbeat and lets go
		release()
	})
}

func (a cancellation) waiting(t *testing.T) {
	registry := newSource(t)
	img := smallImage(t, "cancelled while waiting", nil)
	first, second := registry.push(t, img, "cancel/first:1"), registry.push(t, sibling(t, img), "cancel/second:1")
	waiting, release := registry.hold(firstLayer(t, img))
	defer release()
	reader := submit(t, a.c, first, false).ImageDigest
	<-waiting
	digest := submit(t, a.c, second, false).ImageDigest
	a.locks(t, waitedFor, 1)
	a.over(t, second, digest, func() {
		a.locks(t, waitedFor, 0)
		release()
	})
	status(t, a.c, reader, "analyzed") // the other one has not noticed
}

// locked cancels while a step of the image as a whole waits for a table.
func (a cancellation) locked(t *testing.T, name, table, stage string) {
	registry := newSource(t)
	image := registry.push(t, smallImage(t, "cancelled while "+name, nil), "cancel/"+name+":1")
	tx, err := a.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	digest := submit(t, a.c, image, false).ImageDigest
	eventually(t, answerTimeout, "stage "+stage, func() (bool, error) {
		p := status(t, a.c, digest, "analyzing").AnalysisProgress
		return p != nil && p.Stage == stage, nil
	})
	a.locks(t, waitedFor, 1)
	a.over(t, image, digest, func() {
		a.locks(t, waitedFor, 0)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A queued image is cancelled while no worker is there; none takes it up when one comes.
func TestAQueuedAnalysisCanBeCancelled(t *testing.T) {
	t.Parallel()
	a := newCancellation(t)
	worker := a.i.worker(t)
	ready(t, a.c)
	image := newSource(t).push(t, smallImage(t, "cancelled while queued", nil), "cancel/queued:1")
	digest := submit(t, a.c, image, false).ImageDigest
	status(t, a.c, digest, "analyzed")
	worker.stop(t)
	// Its look-up needs a worker, so a forced submission is made as the API makes it after that.
	in := workflows.AnalyzeImageInput{Account: "admin", Digest: digest, Force: true}
	err := a.db.QueryRow(t.Context(), `UPDATE plimsoll.image SET analysis_status = 'not_analyzed', requested = nextval('plimsoll.request'), run_id = ''
		WHERE digest = $1 RETURNING requested`, digest).Scan(&in.Request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := workflows.StartAnalyzeImage(t.Context(), a.temporal, in); err != nil {
		t.Fatal(err)
	}
	if p := status(t, a.c, digest, "not_analyzed").AnalysisProgress; p == nil || p.Stage != "queued" || p.ImagesAhead == nil || *p.ImagesAhead != 0 {
		t.Errorf("queued image: %+v", p)
	}
	cancel(t, a.c, digest)
	a.i.worker(t)
	a.idle(t, digest)
	if got := status(t, a.c, digest, "not_analyzed"); got.AnalysisCancelledAt == nil || got.AnalysisProgress != nil {
		t.Errorf("after the worker came: %+v", got)
	}
	submit(t, a.c, image, false)
	status(t, a.c, digest, "analyzed")
	wantNothingPending(t, a.db)
}

// sibling is another image of the same layers.
func sibling(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.Config.Env = append(cfg.Config.Env, "SIBLING=1")
	return must(t)(mutate.ConfigFile(img, cfg))
}

func firstLayer(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// An analysis whose registry stalls ends at the limit, with its reason; it can be submitted again.
func TestAnAnalysisEndsAtItsTimeLimit(t *testing.T) {
	t.Parallel()
	a := newCancellation(t)
	a.i.env = append(a.i.env, "PLIMSOLL_WORKER_ANALYSIS_TIMEOUT=4s")
	a.i.worker(t)
	ready(t, a.c)
	registry := newSource(t)
	img := smallImage(t, "too slow", nil)
	image := registry.push(t, img, "limit/slow:1")
	_, release := registry.hold(firstLayer(t, img))
	defer release()
	digest := submit(t, a.c, image, false).ImageDigest
	failed := status(t, a.c, digest, "analysis_failed")
	if e := failed.AnalysisError; e == nil || e.Code != "ANALYSIS_TIMEOUT" || !strings.Contains(e.Message, "4s") {
		t.Errorf("failure %+v", failed.AnalysisError)
	}
	a.idle(t, digest)
	a.locks(t, layerHeld, 0)
	release()
	submit(t, a.c, image, false)
	status(t, a.c, digest, "analyzed")
	wantNothingPending(t, a.db)
}
