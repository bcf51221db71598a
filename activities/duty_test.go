package activities_test

import (
	"context"
	"encoding/json"
	"testing"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

// The workflow of an image was terminated, or its server has lost it: the image is analysed all the same.
func TestALostAnalysisIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status}))
	in := s.add("acme", "team/app", "1")
	run := persistence.Run{Account: in.Account, Digest: in.Digest, Request: in.Request, RunID: "lost"}
	if _, err := persistence.NewImages(s.pool).Begin(t.Context(), run, persistence.Origin{}); err != nil {
		t.Fatal(err)
	}
	dispatched := func() (names []string) {
		t.Helper()
		_, err := s.acts.Dispatch(t.Context(), func(_ context.Context, workflow string, input []byte) error {
			names = append(names, workflow)
			return s.run(workflow, json.RawMessage(input), nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if _, err := s.pool.Exec(t.Context(), `DELETE FROM plimsoll.outbox`); err != nil { // it was started
		t.Fatal(err)
	}
	if err := s.acts.Revive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := dispatched(); len(names) != 0 {
		t.Fatalf("started %v while the analysis is young", names)
	}
	if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.image SET updated_at = now() - interval '2 hours'`); err != nil {
		t.Fatal(err)
	}
	if err := s.acts.Revive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := dispatched(); len(names) != 1 || names[0] != workflows.AnalyzeImageName {
		t.Fatalf("started %v", names)
	}
	if record := s.status(in); record.AnalysisStatus != persistence.Analyzed {
		t.Errorf("the image is %s", record.AnalysisStatus)
	}
}
