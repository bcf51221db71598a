package persistence_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plimsoll/persistence"
)

func TestExactlyOnePolicyIsActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	create := func(id string) {
		n := policyNamed(id)
		n.Account = admin
		p, err := w.policies.Create(ctx, n)
		w.must(err)
		if p.Active || p.Source != persistence.PolicyLocal {
			t.Errorf("created %+v", p)
		}
	}
	create("one")
	create("two")
	if _, err := w.policies.Create(ctx, persistence.NewPolicy{Account: admin, ID: "one", Name: "x", Document: json.RawMessage(`{}`)}); !errors.Is(err, persistence.ErrExists) {
		t.Errorf("Create twice: %v", err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if _, err := w.policies.Activate(ctx, admin, []string{"one", "two"}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := w.count(`SELECT count(*) FROM plimsoll.policy WHERE account = 'admin' AND active`); n != 1 {
		t.Errorf("%d active policies", n)
	}
	if _, err := w.policies.Activate(ctx, admin, "nonesuch"); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Activate: %v", err)
	}
	active, err := w.policies.Active(ctx, admin)
	w.must(err)
	if err := w.policies.Delete(ctx, admin, active.ID); !errors.Is(err, persistence.ErrActive) {
		t.Errorf("delete of the active one: %v, want ErrActive", err)
	}
	n := policyNamed("default")
	n.Account, n.Document = admin, json.RawMessage(`{"version":"2","id":"default"}`)
	updated, err := w.policies.Update(ctx, n, true)
	w.must(err)
	w.must(w.policies.Delete(ctx, admin, active.ID))
	if !updated.Active {
		t.Error("update with activate left it inactive")
	}
	before, err := w.policies.Get(ctx, admin, "default")
	if err != nil || before.Digest != updated.Digest {
		t.Errorf("digest %s, %v, want %s", before.Digest, err, updated.Digest)
	}
	n.Document = json.RawMessage(`{"version":"2","id":"default","x":1}`)
	if changed, err := w.policies.Update(ctx, n, false); err != nil || changed.Digest == updated.Digest {
		t.Errorf("digest did not follow the document: %v", err)
	}
	if list, err := w.policies.List(ctx, admin); err != nil || len(list) != 2 {
		t.Errorf("%d policies, %v", len(list), err)
	}
}

func TestPolicyDigestDoesNotDependOnKeyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var digests []string
	for i, document := range []string{`{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"d":3,"c":2},"a":1}`} {
		p, err := w.policies.Create(t.Context(), persistence.NewPolicy{Account: admin, ID: fmt.Sprint(i), Name: "x", Document: json.RawMessage(document)})
		w.must(err)
		digests = append(digests, p.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %v", digests)
	}
}

func TestEvaluationHistoryShowsChangesOfTheVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.submit(w.submission(admin, "app", "1"))
	key := persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "docker.io/library/app:1", PolicyID: "default"}
	for i, action := range []string{"go", "go", "stop", "stop", "go"} {
		changed, err := w.evaluations.Save(ctx, persistence.NewEvaluation{
			EvaluationKey: key, PolicyDigest: "d", FinalAction: action, Status: "pass", Cause: fmt.Sprintf("cause %d", i),
			Result: json.RawMessage(fmt.Sprintf(`{"run":%d}`, i)), EvaluatedAt: noon.Add(time.Duration(i) * time.Hour),
		})
		w.must(err)
		if want := i == 0 || i == 2 || i == 4; changed != want {
			t.Errorf("run %d: changed %t, want %t", i, changed, want)
		}
	}
	history, err := w.evaluations.History(ctx, key, 10)
	w.must(err)
	var got []string
	for _, e := range history {
		got = append(got, fmt.Sprintf("%s %s %s", e.FinalAction, e.Cause, e.Result))
	}
	want := []string{`go cause 4 {"run":4}`, `stop cause 2 {"run":3}`, `go cause 0 {"run":1}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	latest, err := w.evaluations.Latest(ctx, key)
	if err != nil || latest.ID != history[0].ID || !latest.EvaluatedAt.Equal(noon.Add(4*time.Hour)) {
		t.Errorf("latest %+v, %v", latest, err)
	}
	key.ImageDigest = digestOf("gone")
	if _, err := w.evaluations.Save(ctx, persistence.NewEvaluation{EvaluationKey: key, Result: json.RawMessage(`{}`)}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("evaluation of a missing image: %v", err)
	}
}

func TestEvaluationsSavedAtOnceMakeOneRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.submit(w.submission(admin, "app", "1"))
	key := persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "t", PolicyID: "default"}
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			_, err := w.evaluations.Save(t.Context(), persistence.NewEvaluation{EvaluationKey: key, FinalAction: "stop", Result: json.RawMessage(`{}`), EvaluatedAt: noon})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := w.count(`SELECT count(*) FROM plimsoll.evaluation`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestVerdictsSavedTogetherAreWhatTheyAreOneByOne(t *testing.T) {
	t.Parallel()
	const images = 150 // more than one transaction takes
	together, alone := newWorld(t), newWorld(t)
	ctx := t.Context()
	verdict := func(i, run int) persistence.NewEvaluation {
		actions := []string{"go", "warn", "stop"}
		return persistence.NewEvaluation{
			EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf(fmt.Sprint("app", i)), Tag: "t", PolicyID: "default"},
			PolicyDigest:  "d", Generation: int64(1 + (i+run)%2), AnalysisID: int64(i), FinalAction: actions[(i*run)%3], Status: "pass", Cause: fmt.Sprint("run ", run),
			Result: fmt.Appendf(nil, `{"says":%d}`, i*(run/2)), EvaluatedAt: noon.Add(time.Duration(run) * time.Second),
		}
	}
	for _, w := range []*world{together, alone} {
		for i := range images {
			w.submit(w.submission(admin, fmt.Sprint("app", i), fmt.Sprint(i)))
		}
	}
	for run := range 4 {
		var list []persistence.NewEvaluation
		var want []persistence.Saved
		for i := range images + 1 { // the last one is not there
			n := verdict(i, run)
			list = append(list, n)
			changed, err := alone.evaluations.Save(ctx, n)
			if err != nil && !errors.Is(err, persistence.ErrNotFound) {
				t.Fatal(err)
			}
			want = append(want, persistence.Saved{Changed: changed, Gone: err != nil})
		}
		got, err := together.evaluations.SaveAll(ctx, list)
		together.must(err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("run %d (-one by one +together):\n%s", run, diff)
		}
	}
	if got, err := together.evaluations.SaveAll(ctx, nil); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", got, err)
	}
	for i := range images {
		key := verdict(i, 0).EvaluationKey
		want, err := alone.evaluations.History(ctx, key, 10)
		alone.must(err)
		got, err := together.evaluations.History(ctx, key, 10)
		together.must(err)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(persistence.Evaluation{}, "ID", "CreatedAt")); diff != "" {
			t.Errorf("image %d (-one by one +together):\n%s", i, diff)
		}
	}
}

func TestAVerdictThatSaysTheSameAgainIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.submit(w.submission(admin, "app", "1"))
	var result json.RawMessage
	stored := func() (toast string) { // where the text lies
		w.must(w.pool.QueryRow(ctx, `SELECT pg_relation_size(reltoastrelid) || ' bytes' FROM pg_class WHERE oid = 'plimsoll.evaluation'::regclass`).Scan(&toast))
		return toast
	}
	n := persistence.NewEvaluation{
		EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "t", PolicyID: "default"},
		FinalAction:   "stop", Result: result, EvaluatedAt: noon,
	}
	for range 400 {
		result = append(result, rand.Text()...) // nothing to compress
	}
	n.Result = result
	_, err := w.evaluations.Save(ctx, n)
	w.must(err)
	before := stored()
	for i := range 20 {
		n.EvaluatedAt, n.Generation = noon.Add(time.Duration(i)*time.Second), int64(i)
		_, err := w.evaluations.Save(ctx, n)
		w.must(err)
	}
	if after := stored(); after != before || before == "0 bytes" {
		t.Errorf("%s of text before, %s after", before, after)
	}
	if e, err := w.evaluations.Latest(ctx, n.EvaluationKey); err != nil || e.Generation != 19 || string(e.Result) != string(result) {
		t.Errorf("generation %d, %d bytes, %v", e.Generation, len(e.Result), err)
	}
}
