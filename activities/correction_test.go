package activities_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/correction"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func TestACorrectionReachesStoredImagesAndTheirVerdicts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "9.0"))
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.1"))
	s.sync()
	base := layer(t, map[string]string{"etc/os-release": debian, "app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.3.0"}`})
	s.push("team/app:1", base)
	ours, theirs := s.add("acme", "team/app", "1"), s.add("globex", "team/app", "1")
	s.analyze(ours)
	s.analyze(theirs)
	was := s.found(ours)
	var input workflows.RescanInput
	edit := func(account string, number int64) persistence.Start {
		input = workflows.RescanInput{Generation: persistence.EditGeneration(number), Account: account}
		return persistence.Start{Workflow: workflows.RescanChangeSetName, WorkflowID: workflows.CorrectID(account, number), Input: input}
	}
	rules := persistence.NewCorrections(s.pool)
	c, _, err := rules.Create(t.Context(), persistence.Correction{Account: "acme", Rule: correction.Rule{
		Type: "npm", Match: []correction.Field{{Name: "package", Value: "left-pad"}}, Replace: []correction.Field{{Name: "version", Value: "1.3.1"}},
	}}, edit)
	if err != nil {
		t.Fatal(err)
	}
	var out workflows.RescanResult
	if err := s.run(workflows.RescanChangeSetName, input, &out); err != nil {
		t.Fatal(err)
	}
	if out.Packages != 1 || out.Affected != 1 || out.Images != 1 || out.Verdicts != 1 {
		t.Errorf("%+v, want one image of one package judged anew", out)
	}
	if got := s.found(ours); len(got) != 0 {
		t.Errorf("corrected: %v", got)
	}
	if diff := cmp.Diff(was, s.found(theirs)); diff != "" || len(was) != 1 {
		t.Errorf("another account: %s", diff)
	}
	if got := s.verdicts(ours, "team/app:1"); len(got) != 2 || got[0] != "warn by correction" {
		t.Errorf("verdicts %v, want a second one by correction", got)
	}
	if got := s.verdicts(theirs, "team/app:1"); len(got) != 1 {
		t.Errorf("verdicts of another account %v", got)
	}
	if err := s.run(workflows.RescanChangeSetName, input, &out); err != nil || out.Images != 0 {
		t.Errorf("repeated: %+v, %v", out, err)
	}
	if _, err := rules.Delete(t.Context(), "acme", c.ID, edit); err != nil {
		t.Fatal(err)
	}
	if err := s.run(workflows.RescanChangeSetName, input, &out); err != nil || out.Images != 1 {
		t.Errorf("without the rule: %+v, %v", out, err)
	}
	if diff := cmp.Diff(was, s.found(ours)); diff != "" {
		t.Errorf("without the rule: %s", diff)
	}
}
