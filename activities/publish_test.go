package activities_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"plimsoll/engine/image"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func TestRecordOfAnAnalysisTellsHowItCameToBe(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	base := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status})
	s.push("team/base:1", base)
	s.push("team/app:1", base, layer(t, map[string]string{"a": "b"}))
	first, second := s.add("acme", "team/base", "1"), s.add("acme", "team/app", "1")
	read, shared := s.analyze(first), s.analyze(second)
	analyses := persistence.NewAnalyses(s.pool)
	recorded := func(in workflows.AnalyzeImageInput) *persistence.AnalysisRun {
		run, err := analyses.RunOf(t.Context(), in.Account, in.Digest)
		if err != nil || run == nil {
			t.Fatalf("record of %s: %v, %v", in.Digest, run, err)
		}
		return run
	}
	a, b := recorded(first), recorded(second)
	want := persistence.AnalysisRun{AnalysisID: read.AnalysisID, Host: "test", Version: "v0", Layers: 1, BytesRead: read.BytesRead}
	loose := cmpopts.IgnoreFields(persistence.AnalysisRun{}, "RunID", "SetupDigest", "Setup", "StartedAt", "EndedAt")
	if diff := cmp.Diff(want, *a, loose); diff != "" || a.BytesRead == 0 || a.EndedAt.Before(a.StartedAt) {
		t.Errorf("first: %s%+v", diff, a)
	}
	want = persistence.AnalysisRun{AnalysisID: shared.AnalysisID, Host: "test", Version: "v0", Layers: 2, LayersReused: 1, BytesRead: shared.BytesRead}
	if diff := cmp.Diff(want, *b, loose); diff != "" || b.SetupDigest != a.SetupDigest {
		t.Errorf("second: %s%+v", diff, b)
	}
	var setup image.Setup
	if err := json.Unmarshal(a.Setup, &setup); err != nil {
		t.Fatal(err)
	}
	dpkg := slices.ContainsFunc(setup.Analyzers, func(a image.SetupAnalyzer) bool { return a.Name == "dpkg-status" && a.Version > 0 })
	if !dpkg || setup.AnalyzerSet == "" || setup.Limits.FileBytes == 0 {
		t.Errorf("setup %s", a.Setup)
	}
	origins, err := analyses.LayerOrigins(t.Context(), setup.AnalyzerSet, []string{digestOfLayer(t, base)})
	if got := origins[digestOfLayer(t, base)]; err != nil || got.Host != "test" || got.Version != "v0" || got.AnalyzedAt.IsZero() {
		t.Errorf("origin of the layer %+v (%v)", got, err)
	}
}

func digestOfLayer(t *testing.T, l v1.Layer) string {
	t.Helper()
	digest, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// An analysis that nobody refers to may be collected at any time. A run that was about to refer to it has to end with
// a reason, not to ask for it again and again.
func TestAnAnalysisThatIsGoneEndsItsRun(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"etc/os-release": debian}))
	in := s.add("acme", "team/app", "1")
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	env := suite.NewTestActivityEnvironment()
	s.acts.Register(env, workflows.QueueControl)
	run := workflows.Run{Account: in.Account, Digest: in.Digest, Request: in.Request, RunID: "run"}
	if _, err := env.ExecuteActivity(workflows.BeginAnalysis.Name, run); err != nil {
		t.Fatal(err)
	}
	_, err := env.ExecuteActivity(workflows.CompleteAnalysis.Name, workflows.CompleteInput{Run: run, AnalysisID: 1 << 40})
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || !failed.NonRetryable() || failed.Type() != workflows.FailInternal {
		t.Fatalf("%v", err)
	}
}
