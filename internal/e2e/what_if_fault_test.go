package e2e

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/api/client"
)

// stopAll is a policy that stops every image.
const stopAll = `{"id":"stop-all","name":"Stop all","version":"2","mappings":[{"id":"m","name":"all","registry":"*","repository":"*",
	"image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}],"rule_sets":[{"id":"rs","name":"rules","version":"2",
	"rules":[{"id":"r","gate":"always","trigger":"always","action":"STOP","params":[]}]}]}`

// goAll is a policy that lets every image go.
const goAll = `{"id":"go-all","name":"Go all","version":"2","mappings":[{"id":"m","name":"all","registry":"*","repository":"*",
	"image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}],"rule_sets":[{"id":"rs","name":"rules","version":"2","rules":[]}]}`

// A worker may die while it stores what becomes of images: another one does the step again, and each tag counts once.
func TestATrialSurvivesItsWorker(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	worker := i.worker(t)
	c := admin(t, i.api)
	ready(t, c)
	registry := newSource(t)
	digest := submit(t, c, registry.push(t, sampleImage(t), "sample/app:1"), false).ImageDigest
	status(t, c, digest, "analyzed")
	db, err := pgxpool.New(t.Context(), i.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	held := feedFault{name: "while outcomes are stored", lock: `LOCK TABLE plimsoll.what_if_outcome IN EXCLUSIVE MODE`, waiting: "outcome.save"}
	release := held.hold(t, db)
	started, err := c.StartWhatIfWithResponse(t.Context(), &client.StartWhatIfParams{}, client.WhatIfRequest{Policy: []byte(stopAll), Baseline: []byte(goAll)})
	if err != nil || started.JSON202 == nil {
		t.Fatalf("start: %v, %s", err, started.Body)
	}
	held.await(t, db)
	worker.kill(t)
	release()
	i.worker(t)
	trial := started.JSON202
	eventually(t, startTimeout, "the trial ends", func() (bool, error) {
		got, err := c.GetWhatIfWithResponse(t.Context(), trial.TrialId, &client.GetWhatIfParams{})
		if err != nil || got.JSON200 == nil {
			return false, err
		}
		trial = got.JSON200
		return trial.State != client.WhatIfStateWaiting && trial.State != client.WhatIfStateRunning, nil
	})
	if trial.State != client.WhatIfStateDone || trial.Total != 1 || trial.Done != 1 || trial.NewlyFailing != 1 {
		t.Errorf("trial %+v", trial)
	}
	outcomes, err := c.ListWhatIfOutcomesWithResponse(t.Context(), trial.TrialId, &client.ListWhatIfOutcomesParams{})
	if err != nil || outcomes.JSON200 == nil || len(outcomes.JSON200.Items) != 1 || len(outcomes.JSON200.Items[0].Causes) != 1 {
		t.Fatalf("outcomes: %v, %+v", err, outcomes)
	}
	if deleted, err := c.DeleteWhatIfWithResponse(t.Context(), trial.TrialId, &client.DeleteWhatIfParams{}); err != nil || deleted.StatusCode() != 204 {
		t.Errorf("delete: %v, %+v", err, deleted)
	}
}
