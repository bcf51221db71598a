package e2e

import (
	"net/http"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/jackc/pgx/v5/pgxpool"
	temporalclient "go.temporal.io/sdk/client"

	"plimsoll/api/client"
	"plimsoll/workflows"
)

// interruption happens to an image whose analysis is held in the middle.
type interruption struct {
	c        *client.ClientWithResponses
	db       *pgxpool.Pool
	temporal temporalclient.Client
	image    string // reference
	digest   string
	release  func()
}

// What people do from outside to an analysis under way never leaves an image that cannot be analysed again.
func TestAnInterruptedImageCanBeAnalysedAgain(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.worker(t)
	c := admin(t, i.api)
	ready(t, c)
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
	cases := map[string]func(*testing.T){}
	for name, interrupt := range map[string]func(*testing.T, interruption){
		"cancelled in Temporal":   cancelInTemporal,
		"terminated in Temporal":  terminateInTemporal,
		"deleted without force":   deleteWithoutForce,
		"deleted and added again": deleteWithForce,
		"deleted twice over":      deleteTwice,
	} {
		cases[name] = func(t *testing.T) {
			interruption{c: c, db: db, temporal: flow}.run(t, smallImage(t, name, nil), interrupt)
		}
	}
	together(t, cases)
	wantNothingPending(t, db)
}

// run holds the analysis of an image half way, lets it be interrupted, and wants one result in the end.
func (in interruption) run(t *testing.T, img v1.Image, interrupt func(*testing.T, interruption)) {
	registry := newSource(t)
	in.image = registry.push(t, img, "held/app:1")
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	held, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	waiting, release := registry.hold(held)
	defer release()
	in.digest, in.release = submit(t, in.c, in.image, false).ImageDigest, release
	<-waiting
	interrupt(t, in)
	status(t, in.c, in.digest, "analyzed")
	if n := count(t, in.db, "analysis WHERE image_digest = $1", in.digest); n != 1 {
		t.Errorf("%d analyses, want one", n)
	}
}

func cancelInTemporal(t *testing.T, in interruption) {
	if err := in.temporal.CancelWorkflow(t.Context(), workflows.AnalyzeImageID("admin", in.digest), ""); err != nil {
		t.Fatal(err)
	}
	if image := status(t, in.c, in.digest, "not_analyzed"); image.AnalysisProgress != nil || image.AnalysisError != nil {
		t.Errorf("after the cancellation progress %+v and error %+v, want none", image.AnalysisProgress, image.AnalysisError)
	}
	in.release()
	submit(t, in.c, in.image, false)
}

func terminateInTemporal(t *testing.T, in interruption) {
	if err := in.temporal.TerminateWorkflow(t.Context(), workflows.AnalyzeImageID("admin", in.digest), "", "test"); err != nil {
		t.Fatal(err)
	}
	in.release()
	submit(t, in.c, in.image, false)
}

func deleteImage(t testing.TB, in interruption, force bool) string {
	t.Helper()
	r, err := in.c.DeleteImageWithResponse(t.Context(), in.digest, &client.DeleteImageParams{Force: &force})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("delete: %v %+v", err, r)
	}
	return r.JSON200.Status
}

func deleteWithoutForce(t *testing.T, in interruption) {
	if got := deleteImage(t, in, false); got != "delete_failed" {
		t.Errorf("deletion of an image under analysis: %s, want delete_failed", got)
	}
	in.release()
}

func deleteWithForce(t *testing.T, in interruption) {
	if got := deleteImage(t, in, true); got != "deleting" {
		t.Errorf("forced deletion: %s, want deleting", got)
	}
	eventually(t, answerTimeout, "image gone", func() (bool, error) {
		r, err := in.c.GetImageWithResponse(t.Context(), in.digest, &client.GetImageParams{})
		return err == nil && r.StatusCode() == http.StatusNotFound && count(t, in.db, "image WHERE digest = $1", in.digest) == 0, err
	})
	for _, sql := range []string{"image_tag WHERE digest = $1", "image_transition WHERE digest = $1", "analysis_progress WHERE digest = $1", "analysis WHERE image_digest = $1"} {
		if n := count(t, in.db, sql, in.digest); n != 0 {
			t.Errorf("%d rows left in %s", n, sql)
		}
	}
	in.release()
	submit(t, in.c, in.image, false)
}

// deleteTwice lets the message of a deletion arrive once more when the image has been added again, as messages that
// are sent until they are confirmed do.
func deleteTwice(t *testing.T, in interruption) {
	again, err := workflows.StartDeleteImage(t.Context(), in.temporal, workflows.DeleteImageInput{Account: "admin", Digest: in.digest})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Get(t.Context(), nil); err == nil {
		t.Error("a record that nobody deleted was removed")
	}
	in.release()
}
