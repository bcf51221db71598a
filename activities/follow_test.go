package activities_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

// denying is a policy that stops every image, unless there is an allowlist, which lets pass until it expires.
func denying(expires *time.Time) json.RawMessage {
	items := []any{}
	if expires != nil {
		items = append(items, map[string]any{"id": "i", "gate": "always", "trigger_id": "always", "expires_on": expires.UTC().Format(time.RFC3339)})
	}
	rule := func(id, action string) map[string]any {
		return map[string]any{"id": id, "gate": "always", "trigger": "always", "action": action, "params": []any{}}
	}
	document, err := json.Marshal(map[string]any{
		"id": "default", "name": "Default", "version": "2",
		"rule_sets":  []any{map[string]any{"id": "r", "name": "r", "version": "2", "rules": []any{rule("stop", "STOP")}}},
		"allowlists": []any{map[string]any{"id": "a", "name": "a", "version": "2", "items": items}},
		"mappings": []any{map[string]any{
			"id": "m", "name": "m", "registry": "*", "repository": "*", "image": map[string]any{"type": "tag", "value": "*"},
			"rule_set_ids": []any{"r"}, "allowlist_ids": []any{"a"},
		}},
	})
	if err != nil {
		panic(err)
	}
	return document
}

// edit changes the active policy of an account and returns what judges its images then.
func (s *system) edit(account string, document json.RawMessage) (asked workflows.JudgePolicyInput) {
	s.t.Helper()
	n := persistence.NewPolicy{Account: account, ID: "default", Name: "Default", Document: document}
	_, outboxID, err := persistence.NewPolicies(s.pool).Update(s.t.Context(), n, true, func(account string, edit int64) persistence.Start {
		asked = workflows.JudgePolicyInput{Account: account, Edit: edit}
		return persistence.Start{Workflow: workflows.JudgePolicyName, WorkflowID: workflows.JudgePolicyID(account, edit), Input: asked}
	})
	if err != nil || outboxID == 0 {
		s.t.Fatalf("outbox row %d, %v", outboxID, err)
	}
	return asked
}

// due looks once for what time may have changed.
func (s *system) due() (out workflows.DueProgress) {
	s.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	env := suite.NewTestActivityEnvironment()
	for _, queue := range workflows.Queues() {
		s.acts.Register(env, queue)
	}
	value, err := env.ExecuteActivity(workflows.DueVerdicts.Name, workflows.DuePortion{})
	if err == nil {
		err = value.Get(&out)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func TestVerdictsFollowTheActivePolicyAndTheTime(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"a": "b"}))
	s.push("team/app:2", layer(t, map[string]string{"a": "c"}))
	one, two, theirs := s.add("acme", "team/app", "1"), s.add("acme", "team/app", "2"), s.add("globex", "team/app", "1")
	for _, in := range []workflows.AnalyzeImageInput{one, two, theirs} {
		s.analyze(in)
	}
	if out := s.due(); out.Images != 0 || out.Wait <= 0 {
		t.Errorf("nothing depends on the time: %+v", out)
	}
	judge := func(in workflows.JudgePolicyInput) (out workflows.JudgeResult) {
		t.Helper()
		if err := s.run(workflows.JudgePolicyName, in, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	verdicts := func(what string, in workflows.AnalyzeImageInput, tag string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, s.verdicts(in, tag)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	first := s.verdicts(one, "team/app:1")
	if len(first) != 1 || strings.HasPrefix(first[0], "stop") {
		t.Fatalf("the first verdict: %v", first)
	}

	stop := s.edit("acme", denying(nil))
	if out := judge(stop); out != (workflows.JudgeResult{Images: 2, Verdicts: 2}) {
		t.Errorf("after an edit: %+v", out)
	}
	if out := judge(stop); out != (workflows.JudgeResult{Images: 2}) {
		t.Errorf("the same again: %+v", out)
	}
	expires := time.Now().Add(time.Hour)
	until := s.edit("acme", denying(&expires))
	if out := judge(stop); out != (workflows.JudgeResult{}) {
		t.Errorf("a change that another one followed: %+v, want nothing done", out)
	}
	judge(until)
	verdicts("of the edited policy", one, "team/app:1", "go by policy", "stop by policy", first[0])
	if v := s.verdicts(theirs, "team/app:1"); len(v) != 1 {
		t.Errorf("another account's image was judged: %v", v)
	}

	if out := s.due(); out.Images != 0 || out.Wait <= 59*time.Minute || out.Wait > time.Hour {
		t.Errorf("an hour before the allowlist expires: %+v", out)
	}
	// The hour passes: the item is a past one, and the verdicts are due.
	past := time.Now().Add(-time.Minute)
	if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.policy SET document = $1 WHERE account = 'acme'`, denying(&past)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.evaluation SET due_at = $1 WHERE due_at IS NOT NULL`, past); err != nil {
		t.Fatal(err)
	}
	if out := s.due(); out.Images != 2 || out.Verdicts != 2 {
		t.Errorf("when it expired: %+v", out)
	}
	verdicts("when the allowlist expired", two, "team/app:2", "stop by time", "go by policy", "stop by policy", first[0])
	if out := s.due(); out.Images != 0 {
		t.Errorf("once more: %+v", out)
	}
}

func TestAnAnalysedImageHasVerdictsUnderEveryTagThatComesToMeanIt(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"a": "b"}))
	in := s.add("acme", "team/app", "1")
	s.analyze(in)
	record := s.status(in)
	var asked workflows.JudgeImageInput
	_, err := persistence.NewImages(s.pool).Submit(t.Context(), persistence.SubmitImage{
		Account: "acme", Digest: in.Digest, ImageID: record.ImageID, MediaType: record.MediaType,
		ManifestBlob: record.ManifestBlob, ConfigBlob: record.ConfigBlob,
		Registry: s.host, Repository: "team/app", Tag: "latest", PullDigest: in.Digest, DetectedAt: time.Now(),
		Judge: func(move int64) persistence.Start {
			asked = workflows.JudgeImageInput{Account: "acme", Digest: in.Digest, Move: move}
			return persistence.Start{Workflow: workflows.JudgeImageName, WorkflowID: workflows.JudgeImageID("acme", in.Digest, move), Input: asked}
		},
	})
	if err != nil || asked.Move == 0 {
		t.Fatalf("asked to judge %+v, %v", asked, err)
	}
	var out workflows.JudgeResult
	if err := s.run(workflows.JudgeImageName, asked, &out); err != nil {
		t.Fatal(err)
	}
	if v := s.verdicts(in, "team/app:latest"); out.Images != 1 || len(v) != 1 || !strings.HasSuffix(v[0], " by tag") {
		t.Errorf("%+v, verdicts %v", out, v)
	}
	if v := s.verdicts(in, "team/app:1"); len(v) != 1 || !strings.HasSuffix(v[0], " by analysis") {
		t.Errorf("the tag it had: %v", v)
	}
	in.Digest = "sha256:" + strings.Repeat("0", 64)
	if err := s.run(workflows.JudgeImageName, workflows.JudgeImageInput{Account: "acme", Digest: in.Digest, Move: 1}, &out); err != nil {
		t.Errorf("an image that was deleted meanwhile: %v", err)
	}
}
