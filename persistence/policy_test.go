package persistence_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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
			if _, _, err := w.policies.Activate(ctx, admin, []string{"one", "two"}[i%2], judgePolicy); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := w.count(`SELECT count(*) FROM plimsoll.policy WHERE account = 'admin' AND active`); n != 1 {
		t.Errorf("%d active policies", n)
	}
	if _, _, err := w.policies.Activate(ctx, admin, "nonesuch", judgePolicy); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Activate: %v", err)
	}
	active, err := w.policies.Active(ctx, admin)
	w.must(err)
	if err := w.policies.Delete(ctx, admin, active.ID); !errors.Is(err, persistence.ErrActive) {
		t.Errorf("delete of the active one: %v, want ErrActive", err)
	}
	n := policyNamed("default")
	n.Account, n.Document = admin, json.RawMessage(`{"version":"2","id":"default"}`)
	updated, _, err := w.policies.Update(ctx, n, true, judgePolicy)
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
	if changed, _, err := w.policies.Update(ctx, n, false, judgePolicy); err != nil || changed.Digest == updated.Digest {
		t.Errorf("digest did not follow the document: %v", err)
	}
	if list, err := w.policies.List(ctx, admin); err != nil || len(list) != 2 {
		t.Errorf("%d policies, %v", len(list), err)
	}
}

func judgePolicy(account string, edit int64) persistence.Start {
	return persistence.Start{Workflow: "JudgePolicy", WorkflowID: fmt.Sprintf("policy/%s/%d", account, edit), Input: map[string]any{"account": account, "edit": edit}}
}

func TestWhatChangesTheActivePolicyIsToldAndHasImagesJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("theirs")
	n := policyNamed("strict")
	n.Account = admin
	_, err := w.policies.Create(ctx, n)
	w.must(err)
	edited := func(id, document string) persistence.NewPolicy {
		return persistence.NewPolicy{Account: admin, ID: id, Name: "new name", Document: json.RawMessage(document)}
	}
	var last int64
	for _, step := range []struct {
		name   string
		change func() (persistence.Policy, int64, error)
		event  string // type and, of the details, what it is about; empty: nothing to tell
	}{
		{"activation", func() (persistence.Policy, int64, error) {
			return w.policies.Activate(ctx, admin, "strict", judgePolicy)
		},
			`active.updated strict {"last_policy_id": "default", "current_policy_id": "strict"}`},
		{"activation again", func() (persistence.Policy, int64, error) {
			return w.policies.Activate(ctx, admin, "strict", judgePolicy)
		}, ""},
		{"another name", func() (persistence.Policy, int64, error) {
			return w.policies.Update(ctx, edited("strict", `{"version":"2","id":"strict"}`), false, judgePolicy)
		}, ""},
		{"another document", func() (persistence.Policy, int64, error) {
			return w.policies.Update(ctx, edited("strict", `{"version":"2","id":"strict","x":1}`), true, judgePolicy)
		}, "active.content_change strict"},
		{"a document of an inactive one", func() (persistence.Policy, int64, error) {
			return w.policies.Update(ctx, edited("default", `{"version":"2","id":"default","x":1}`), false, judgePolicy)
		}, ""},
		{"a document with activation", func() (persistence.Policy, int64, error) {
			return w.policies.Update(ctx, edited("default", `{"version":"2","id":"default","x":2}`), true, judgePolicy)
		}, `active.updated default {"last_policy_id": "strict", "current_policy_id": "default"}`},
	} {
		before := len(w.happened(admin, persistence.EventFilter{}))
		p, outboxID, err := step.change()
		w.must(err)
		told := w.happened(admin, persistence.EventFilter{})
		if step.event == "" {
			if outboxID != 0 || len(told) != before {
				t.Errorf("%s: outbox row %d, %d events more", step.name, outboxID, len(told)-before)
			}
			continue
		}
		if len(told) != before+1 || !strings.HasPrefix(told[0], "INFO user.policy."+strings.Replace(step.event, " ", " policy:", 1)) {
			t.Errorf("%s: events %v", step.name, told)
		}
		start, err := w.outbox.Get(ctx, outboxID)
		w.must(err)
		if want := fmt.Sprintf("policy/admin/%d", p.Edit); start.WorkflowID != want || p.Edit <= last {
			t.Errorf("%s: %s, want %s after %d", step.name, start.WorkflowID, want, last)
		}
		last = p.Edit
	}
	if told := w.happened("theirs", persistence.EventFilter{}); len(told) != 0 {
		t.Errorf("another account hears of it: %v", told)
	}
}

func TestAChangedVerdictOfATagIsToldWithTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.submit(w.submission(admin, "app", "1"))
	other := policyNamed("other")
	other.Account = admin
	_, err := w.policies.Create(ctx, other)
	w.must(err)
	at := noon
	for _, step := range []struct {
		policy, action string
		official       bool
		event          string
	}{
		{"default", "go", true, ""}, // the first is no change
		{"default", "go", true, ""},
		{"default", "stop", true, "default go -> default stop"},
		{"other", "go", false, ""}, // somebody asked what another policy says
		{"default", "stop", true, ""},
		{"other", "go", true, "default stop -> other go"}, // it became active, and says what it said
		{"default", "stop", false, ""},
		{"other", "warn", true, "other go -> other warn"},
	} {
		at = at.Add(time.Minute)
		if step.official {
			_, _, err := w.policies.Activate(ctx, admin, step.policy, judgePolicy)
			w.must(err)
		}
		before := w.verdictEvents()
		_, err := w.evaluations.Save(ctx, persistence.NewEvaluation{
			EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "docker.io/library/app:1", PolicyID: step.policy},
			PolicyDigest:  "d", FinalAction: step.action, Reason: "policy_evaluation", Status: "pass", Cause: "test", Official: step.official,
			Result: json.RawMessage(`{}`), EvaluatedAt: at,
		})
		w.must(err)
		told := w.verdictEvents()
		if step.event != "" {
			before = append(before, step.event)
		}
		if diff := cmp.Diff(before, told); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", step, diff)
		}
	}
}

func TestAVerdictUnderWhatThePolicySaidBeforeIsNotStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.submit(w.submission(admin, "app", "1"))
	other := policyNamed("other")
	other.Account = admin
	_, err := w.policies.Create(ctx, other)
	w.must(err)
	before, err := w.policies.Active(ctx, admin)
	w.must(err)
	n := policyNamed("default")
	n.Account, n.Document = admin, json.RawMessage(`{"version":"2","id":"default","x":1}`)
	now, _, err := w.policies.Update(ctx, n, true, judgePolicy)
	w.must(err)
	save := func(p persistence.Policy, action string, at time.Time) {
		t.Helper()
		_, err := w.evaluations.Save(ctx, persistence.NewEvaluation{
			EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "docker.io/library/app:1", PolicyID: p.ID},
			PolicyDigest:  p.Digest, FinalAction: action, Reason: "policy_evaluation", Result: json.RawMessage(`{}`), EvaluatedAt: at, ValidUntil: &at, Official: true,
		})
		w.must(err)
	}
	save(before, "go", noon) // one that is out of date is better than none
	save(now, "stop", noon)
	save(before, "go", noon.Add(time.Hour)) // begun before the edit, by a clock that is wrong
	if e, err := w.evaluations.Latest(ctx, persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("app"), Tag: "docker.io/library/app:1", PolicyID: "default"}); err != nil || e.FinalAction != "stop" {
		t.Errorf("%s by the document before, %v", e.FinalAction, err)
	}
	active, _, err := w.policies.Activate(ctx, admin, "other", judgePolicy)
	w.must(err)
	save(active, "go", noon)
	save(now, "warn", noon.Add(time.Hour)) // begun while it was the active one
	if diff := cmp.Diff([]string{"default go -> default stop", "default stop -> other go"}, w.verdictEvents()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// verdictEvents renders the events about verdicts, oldest first.
func (w *world) verdictEvents() (out []string) {
	w.t.Helper()
	list, err := persistence.NewEvents(w.pool).List(w.t.Context(), admin, persistence.EventFilter{Type: persistence.EventVerdict.Type}, 0, 100)
	w.must(err)
	type said struct {
		PolicyID    string `json:"policy_id"`
		FinalAction string `json:"final_action"`
		Reason      string `json:"final_action_reason"`
	}
	for _, e := range slices.Backward(list) {
		var d struct {
			Current said `json:"curr_eval"`
			Last    said `json:"last_eval"`
		}
		w.must(json.Unmarshal(e.Details, &d))
		if e.ResourceID != "docker.io/library/app:1" || d.Current.Reason == "" || d.Last.Reason == "" {
			w.t.Errorf("event %+v", e)
		}
		out = append(out, fmt.Sprintf("%s %s -> %s %s", d.Last.PolicyID, d.Last.FinalAction, d.Current.PolicyID, d.Current.FinalAction))
	}
	return out
}

func TestVerdictsAreDueWhenTimeMayChangeThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	hours := func(n int) *time.Time { at := noon.Add(time.Duration(n) * time.Hour); return &at }
	save := func(image, policy, action string, official bool, begun int, until *time.Time) {
		t.Helper()
		_, err := w.evaluations.Save(ctx, persistence.NewEvaluation{
			EvaluationKey: persistence.EvaluationKey{Account: admin, ImageDigest: digestOf(image), Tag: "t", PolicyID: policy},
			FinalAction:   action, Official: official, Result: json.RawMessage(`{}`), EvaluatedAt: *hours(begun), ValidUntil: until,
		})
		w.must(err)
	}
	due := func(at int) []string {
		t.Helper()
		list, err := w.evaluations.Due(ctx, *hours(at), 10)
		w.must(err)
		var out []string
		for _, d := range list {
			out = append(out, map[string]string{digestOf("a"): "a", digestOf("b"): "b", digestOf("c"): "c"}[d.Digest])
		}
		return out
	}
	if _, err := w.evaluations.NextDue(ctx); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("without verdicts: %v", err)
	}
	for _, image := range []string{"a", "b", "c"} {
		w.submit(w.submission(admin, image, image))
	}
	save("a", "default", "go", true, 0, hours(5))
	save("b", "default", "go", true, 0, hours(3))
	save("c", "default", "go", true, 0, nil)
	save("c", "asked for", "go", false, 0, hours(1)) // nobody's verdict but the asker's
	if at, err := w.evaluations.NextDue(ctx); err != nil || !at.Equal(*hours(3)) {
		t.Errorf("next at %s, %v", at, err)
	}
	for at, want := range map[int][]string{2: nil, 3: {"b"}, 5: {"b", "a"}} {
		if diff := cmp.Diff(want, due(at)); diff != "" {
			t.Errorf("after %d hours (-want +got):\n%s", at, diff)
		}
	}
	listed, err := w.evaluations.Due(ctx, *hours(5), 10)
	w.must(err)
	save("b", "default", "stop", true, 5, hours(8)) // another row; the one before is history
	w.must(w.evaluations.Settle(ctx, listed, *hours(5)))
	if diff := cmp.Diff([]string{"b"}, due(9)); diff != "" {
		t.Errorf("when b was judged and a could not be (-want +got):\n%s", diff)
	}
	save("b", "default", "stop", true, 6, nil)
	if diff := cmp.Diff([]string(nil), due(9)); diff != "" {
		t.Errorf("after time stopped mattering (-want +got):\n%s", diff)
	}
	if e, err := w.evaluations.Latest(ctx, persistence.EvaluationKey{Account: admin, ImageDigest: digestOf("a"), Tag: "t", PolicyID: "default"}); err != nil || e.ValidUntil == nil || !e.ValidUntil.Equal(*hours(5)) {
		t.Errorf("the settled verdict forgot until when it holds: %v, %v", e.ValidUntil, err)
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
