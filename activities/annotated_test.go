package activities_test

import (
	"strings"
	"testing"

	"plimsoll/engine/vex"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func TestAChangedAnnotationHasTheImageJudgedAnew(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := t.Context()
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.1"))
	s.sync()
	app := layer(t, map[string]string{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.3.0"}`})
	s.push("team/app:1", app)
	mine, theirs := s.add("acme", "team/app", "1"), s.add("globex", "team/app", "1")
	s.analyze(mine)
	s.analyze(theirs)
	if _, err := s.pool.Exec(ctx, `DELETE FROM plimsoll.evaluation`); err != nil { // so that a new verdict tells its cause
		t.Fatal(err)
	}
	var asked workflows.JudgeAnnotatedInput
	_, err := persistence.NewAnnotations(s.pool).Add(ctx, persistence.NewAnnotation{
		Account: "acme", AnnotationKey: persistence.AnnotationKey{ImageDigest: mine.Digest, Vulnerability: "GHSA-aaaa-bbbb-cccc"},
		Assertion: vex.Assertion{Status: vex.NotAffected}, Author: "mate", By: "mate",
	}, func(change int64) persistence.Start {
		asked = workflows.JudgeAnnotatedInput{Account: "acme", Change: change}
		return persistence.Start{Workflow: workflows.JudgeAnnotatedName, WorkflowID: workflows.JudgeAnnotatedID("acme", change), Input: asked}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // judging twice is judging once
		var out workflows.JudgeAnnotatedResult
		if err := s.run(workflows.JudgeAnnotatedName, asked, &out); err != nil {
			t.Fatal(err)
		}
	}
	if v := s.verdicts(mine, "team/app:1"); len(v) != 1 || !strings.HasSuffix(v[0], "by vex") {
		t.Errorf("verdicts %v, want one because of the annotation", v)
	}
	if v := s.verdicts(theirs, "team/app:1"); len(v) != 0 {
		t.Errorf("another account's image was judged: %v", v)
	}
}
