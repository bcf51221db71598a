package activities_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"plimsoll/activities"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/impact"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// tried is a policy with rules of its own for every image.
func tried(rules string) json.RawMessage {
	return json.RawMessage(`{"id":"p","name":"Tried","version":"2","mappings":[{"id":"m","name":"all","registry":"*","repository":"*",
		"image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}],"rule_sets":[{"id":"rs","name":"rules","version":"2","rules":[` + rules + `]}]}`)
}

const (
	stopAlways = `{"id":"always","gate":"always","trigger":"always","action":"STOP","params":[]}`
	stopKnown  = `{"id":"known","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"}]}`
)

// trial asks for a policy to be tried in acme.
func (s *system) trial(draft, baseline json.RawMessage, x persistence.WhatIfSelector) workflows.TryPolicyInput {
	s.t.Helper()
	id := uuid.NewString()
	in := workflows.TryPolicyInput{Account: "acme", Trial: id}
	_, _, err := persistence.NewWhatIfs(s.pool).Create(s.t.Context(), persistence.NewWhatIf{
		Account: "acme", ID: id, Draft: persistence.Policy{ID: "p", Document: draft}, Baseline: persistence.Policy{ID: "b", Document: baseline},
		Selector: x, Examples: 2, RequestedBy: "mate",
	}, persistence.Start{Workflow: workflows.TryPolicyName, WorkflowID: workflows.TryPolicyID("acme", id), Input: in})
	if err != nil {
		s.t.Fatal(err)
	}
	return in
}

// outcomes tells what came out, a line a tag.
func (s *system) outcomes(in workflows.TryPolicyInput) (lines []string) {
	s.t.Helper()
	list, err := persistence.NewWhatIfs(s.pool).Outcomes(s.t.Context(), in.Account, in.Trial, -1, nil, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range list {
		_, tag, _ := strings.Cut(o.Tag, "/")
		line := fmt.Sprintf("%s %s %s>%s", impact.Rank(o.Rank), tag, o.Before, o.After)
		var causes []impact.Cause
		if o.Causes != nil {
			if err := json.Unmarshal(o.Causes, &causes); err != nil {
				s.t.Fatal(err)
			}
		}
		for _, c := range causes {
			line += fmt.Sprintf(" %s:%s %d", c.Side, c.Rule, c.Findings)
			for _, e := range c.Examples {
				line += " " + e.TriggerID
			}
		}
		if o.Reason != "" {
			line += " " + o.Reason
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAPolicyIsTriedOnTheImagesOfAnAccount(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.1"))
	s.sync()
	s.push("team/app:1", layer(t, map[string]string{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.3.0"}`}))
	s.push("team/tool:1", layer(t, map[string]string{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.3.2"}`}))
	s.push("team/later:1", layer(t, map[string]string{"etc/motd": "hello"}))
	s.analyze(s.add("acme", "team/app", "1"))
	s.analyze(s.add("acme", "team/tool", "1"))
	s.add("acme", "team/later", "1") // waits for its analysis
	theirs := s.add("globex", "team/app", "1")
	s.analyze(theirs)

	in := s.trial(tried(stopKnown), tried(""), persistence.WhatIfSelector{})
	var result workflows.TryPolicyResult
	if err := s.run(workflows.TryPolicyName, in, &result); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.TryPolicyResult{Images: 3, Tags: 3}, result); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"newly_failing team/app:1 go>stop draft:known 1 GHSA-aaaa-bbbb-cccc+left-pad",
		"not_evaluable team/later:1 > the image is not analysed",
		"unchanged team/tool:1 go>go",
	}
	if diff := cmp.Diff(want, s.outcomes(in)); diff != "" {
		t.Error(diff)
	}
	got, err := persistence.NewWhatIfs(s.pool).Get(t.Context(), "acme", in.Trial)
	if err != nil || got.State != persistence.WhatIfDone || got.Total != 3 || got.Done != 3 || got.EndedAt == nil {
		t.Errorf("%+v, %v", got, err)
	}

	back := s.trial(tried(""), tried(stopKnown), persistence.WhatIfSelector{Repository: "team/app"})
	if err := s.run(workflows.TryPolicyName, back, &result); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"newly_passing team/app:1 stop>go baseline:known 1 GHSA-aaaa-bbbb-cccc+left-pad"}, s.outcomes(back)); diff != "" {
		t.Error(diff)
	}
	if v := s.verdicts(theirs, "team/app:1"); len(v) != 1 || strings.Contains(v[0], "what") {
		t.Errorf("trying leaves a verdict: %v", v)
	}
}

// A step that ends in the middle, or runs twice, changes nothing: the next attempt does it again, and each tag counts once.
func TestATrialIsFinishedAfterAnInterruption(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for i := range 3 {
		name := fmt.Sprint("team/app", i)
		s.push(name+":1", layer(t, map[string]string{"etc/motd": name}))
		s.analyze(s.add("acme", name, "1"))
	}
	in := s.trial(tried(stopAlways), tried(""), persistence.WhatIfSelector{})
	whatIfs := persistence.NewWhatIfs(s.pool)
	// A worker was killed after it had stored a part, and before it could tell.
	refs, err := whatIfs.Targets(t.Context(), "acme", persistence.WhatIfSelector{}, "", 2)
	if err != nil || len(refs) != 2 {
		t.Fatal(refs, err)
	}
	var half []persistence.WhatIfOutcome
	for _, r := range refs {
		record, err := persistence.NewImages(s.pool).Get(t.Context(), "acme", r.Digest)
		if err != nil {
			t.Fatal(err)
		}
		half = append(half, persistence.WhatIfOutcome{ImageDigest: r.Digest, Tag: record.Tags[0].FullTag(), Before: "go", After: "stop"})
	}
	if err := whatIfs.Save(t.Context(), "acme", in.Trial, half); err != nil {
		t.Fatal(err)
	}
	var result workflows.TryPolicyResult
	if err := s.run(workflows.TryPolicyName, in, &result); err != nil {
		t.Fatal(err)
	}
	got, err := whatIfs.Get(t.Context(), "acme", in.Trial)
	if err != nil || got.Done != 3 || got.Total != 3 || len(got.Counts) != 1 || got.Counts[0].Tags != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	lines := s.outcomes(in)
	if len(lines) != 3 || !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "draft:always 1") }) {
		t.Errorf("outcomes %v", lines)
	}
}

func TestATrialThatWasDeletedEnds(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	in := s.trial(tried(stopAlways), policy.Default(), persistence.WhatIfSelector{})
	whatIfs := persistence.NewWhatIfs(s.pool)
	if err := whatIfs.Delete(t.Context(), "acme", in.Trial); err != nil {
		t.Fatal(err)
	}
	var result workflows.TryPolicyResult
	if err := s.run(workflows.TryPolicyName, in, &result); err != nil || !result.Gone {
		t.Errorf("%+v, %v", result, err)
	}
	in.Resume = &workflows.TryPolicyResume{}
	if err := s.run(workflows.TryPolicyName, in, &result); err != nil || !result.Gone {
		t.Errorf("under way: %+v, %v", result, err)
	}
}

func TestOldTrialsAreRemoved(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, func(d *activities.Deps) { d.WhatIf = activities.DefaultWhatIf() })
	old, recent := s.trial(tried(stopAlways), policy.Default(), persistence.WhatIfSelector{}), s.trial(tried(stopAlways), policy.Default(), persistence.WhatIfSelector{})
	if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.what_if SET requested_at = $1 WHERE id = $2`, time.Now().AddDate(0, 0, -31), old.Trial); err != nil {
		t.Fatal(err)
	}
	if err := s.acts.ForgetTrials(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := persistence.NewWhatIfs(s.pool).List(t.Context(), "acme", 10)
	if err != nil || len(list) != 1 || list[0].ID != recent.Trial {
		t.Errorf("%+v, %v", list, err)
	}
}
