package activities_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/testsuite"

	"plimsoll/activities"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

func TestImageFromRegistryToVerdict(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "3.0.11-1~deb12u3"), advisory("DSA-2", "Debian:12", "curl", "9.0"))
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.1"))
	synced := s.sync()
	if g := synced["Debian"]; g.Added != 2 || g.Error != "" || g.Generation == 0 {
		t.Fatalf("first sync of Debian: %+v", g)
	}
	base := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status, "usr/bin/bash": "#!"})
	app := layer(t, map[string]string{"app/node_modules/left-pad/package.json": `{"name":"left-pad","version":"1.3.0"}`})
	s.push("team/app:1", base, app)
	s.push("team/base:1", base)

	first := s.add("acme", "team/app", "1")
	s.blobs.Store(0)
	got := s.analyze(first)
	if got.Layers != 2 || got.LayersReused != 0 || got.BytesRead == 0 || got.Packages != 3 || got.Vulnerabilities != 2 {
		t.Errorf("first analysis: %+v", got)
	}
	if n := s.blobs.Load(); n != 2 {
		t.Errorf("%d blobs were read, want each layer once", n)
	}
	if record := s.status(first); record.AnalysisStatus != persistence.Analyzed {
		t.Errorf("status %s (%s %s)", record.AnalysisStatus, record.ErrorCode, record.ErrorMessage)
	}
	want := []string{"DSA-1 libssl3 3.0.11-1~deb12u3", "GHSA-aaaa-bbbb-cccc left-pad 1.3.1"}
	if diff := cmp.Diff(want, s.found(first)); diff != "" {
		t.Error(diff)
	}
	if v := s.verdicts(first, "team/app:1"); len(v) != 1 || !strings.HasSuffix(v[0], "by analysis") {
		t.Errorf("verdicts %v, want one of the analysis", v)
	}

	// Another account's image on the same base: nothing of it is read again, but the right to read is asked for.
	second := s.add("globex", "team/base", "1")
	s.blobs.Store(0)
	if got := s.analyze(second); got.LayersReused != 1 || got.BytesRead != 0 || s.blobs.Load() != 0 {
		t.Errorf("second analysis: %+v, %d blobs read", got, s.blobs.Load())
	}
	if diff := cmp.Diff(want[:1], s.found(second)); diff != "" {
		t.Error(diff)
	}

	// The same submission again, as after a crash between start and confirmation: quiet.
	if got := s.analyze(first); !got.Superseded {
		t.Errorf("repeated start: %+v, want superseded", got)
	}

	// News in a feed reach stored images.
	s.publish("Debian", advisory("DSA-2", "Debian:12", "curl", "9.0"), advisory("DSA-3", "Debian:12", "bash", "5.2.15-3"))
	synced = s.sync()
	if g := synced["Debian"]; g.Added != 1 || g.Removed != 1 || !synced["npm"].Unchanged {
		t.Errorf("second sync: %+v", synced)
	}
	if diff := cmp.Diff([]string{"DSA-3 bash 5.2.15-3"}, s.found(second)); diff != "" {
		t.Error("after the feed changed", diff)
	}
	var again workflows.RescanResult
	if err := s.run(workflows.RescanChangeSetName, workflows.RescanInput{Generation: synced["Debian"].Generation}, &again); err != nil {
		t.Fatal(err)
	}
	if again.Opened != 0 || again.Closed != 0 || again.Images != 2 {
		t.Errorf("a repeated rescan moved something: %+v", again)
	}
	if g := s.sync()["Debian"]; !g.Unchanged || g.Generation != 0 {
		t.Errorf("sync without news: %+v", g)
	}
}

func TestLayerOfAnotherAccountNeedsTheRightToReadIt(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"etc/os-release": debian}))
	s.analyze(s.add("acme", "team/app", "1"))
	second := s.add("globex", "team/app", "1")
	s.deny.Store(true)
	err := s.run(workflows.AnalyzeImageName, second, nil)
	if code, _ := workflows.Failure(err); code != workflows.FailRegistryUnauthorized {
		t.Errorf("ended with %s (%v)", code, err)
	}
	if record := s.status(second); record.AnalysisStatus != persistence.AnalysisFailed || record.ErrorCode != workflows.FailRegistryUnauthorized {
		t.Errorf("record %s %s", record.AnalysisStatus, record.ErrorCode)
	}
}

func TestCorruptLayerFailsWithItsCode(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	good := layer(t, map[string]string{"a": "b"})
	s.push("team/app:1", &broken{good})
	in := s.add("acme", "team/app", "1")
	if code, _ := workflows.Failure(s.run(workflows.AnalyzeImageName, in, nil)); code != workflows.FailLayerCorrupt {
		t.Errorf("ended with %s", code)
	}
	if record := s.status(in); record.ErrorCode != workflows.FailLayerCorrupt || record.ErrorMessage == "" {
		t.Errorf("record %q %q", record.ErrorCode, record.ErrorMessage)
	}
	// How far it came stays visible.
	progress, err := persistence.NewProgresses(s.pool).Read(t.Context(), in.Account, []string{in.Digest})
	if err != nil {
		t.Fatal(err)
	}
	lines := progress[in.Digest]
	if len(lines) != 1 || lines[0].Layer != 0 || lines[0].BytesTotal != int64(len(junk)) || lines[0].Done {
		t.Errorf("progress %+v, want one unfinished layer of %d bytes", lines, len(junk))
	}
}

// broken is a layer whose blob is what its digest says and no archive.
type broken struct{ v1.Layer }

var junk = append([]byte{0x1f, 0x8b, 8, 0}, bytes.Repeat([]byte("junk"), 100)...)

func (b *broken) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(junk))
	return h, err
}
func (b *broken) Size() (int64, error) { return int64(len(junk)), nil }
func (b *broken) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(junk)), nil
}

func TestBrokenFeedKeepsItsGoodDataAndSaysSo(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "3"))
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.1"))
	s.sync()
	s.write("Debian", []byte("<html>maintenance</html>"))
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.2"))
	synced := s.sync()
	if synced["Debian"].Error == "" || synced["npm"].Error != "" || synced["npm"].Changed != 1 {
		t.Errorf("sync: %+v", synced)
	}
	group, err := persistence.NewFeeds(s.pool).Group(t.Context(), "osv", "Debian")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(group.LastError, workflows.FailFeedBadResponse) || group.RecordCount != 1 || group.LastSync == nil {
		t.Errorf("group %+v", group)
	}
}

func TestPolicyThatDoesNotCompileStopsWithItsProblems(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	_, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.policy SET document = '{"id":"default","name":"x","version":"1_0"}' WHERE account = 'acme'`)
	if err != nil {
		t.Fatal(err)
	}
	s.push("team/app:1", layer(t, map[string]string{"etc/os-release": debian}))
	in := s.add("acme", "team/app", "1")
	s.analyze(in)
	if diff := cmp.Diff([]string{"stop by analysis"}, s.verdicts(in, "team/app:1")); diff != "" {
		t.Error(diff)
	}
}

func TestAnImageThatCannotBeJudgedDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "1"))
	s.publish("npm", advisory("GHSA-aaaa-bbbb-cccc", "npm", "left-pad", "1.3.1"))
	s.sync()
	base := layer(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status})
	s.push("team/bad:1", base, layer(t, map[string]string{"a": "1"}))
	s.push("team/good:1", base, layer(t, map[string]string{"a": "2"}))
	bad, good := s.add("acme", "team/bad", "1"), s.add("globex", "team/good", "1")
	s.analyze(bad)
	s.analyze(good)
	_, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.image SET dockerfile = '%', dockerfile_mode = 'Actual' WHERE account = 'acme'`)
	if err != nil {
		t.Fatal(err)
	}
	s.publish("Debian", advisory("DSA-1", "Debian:12", "openssl", "9.0"))
	g := s.sync()["Debian"].Generation
	var out workflows.RescanResult
	if err := s.run(workflows.RescanChangeSetName, workflows.RescanInput{Generation: g}, &out); err != nil {
		t.Fatalf("one image ends the rescan of all: %v", err)
	}
	if out.Images != 2 {
		t.Errorf("%+v, want two images passed", out)
	}
	stored, err := persistence.NewEvaluations(s.pool).Latest(t.Context(), persistence.EvaluationKey{
		Account: good.Account, ImageDigest: good.Digest, Tag: s.host + "/team/good:1", PolicyID: "default",
	})
	if err != nil || stored.Generation != g {
		t.Errorf("the good image's verdict is of generation %d, want %d (%v)", stored.Generation, g, err)
	}
}

func TestDeletedImageLeavesNothingOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"etc/os-release": debian}))
	in := s.add("acme", "team/app", "1")
	s.analyze(in)
	_, err := persistence.NewImages(s.pool).MarkDeleting(t.Context(), in.Account, in.Digest, false, persistence.Start{
		Workflow: workflows.DeleteImageName, WorkflowID: workflows.DeleteImageID(in.Account, in.Digest),
		Input: workflows.DeleteImageInput{Account: in.Account, Digest: in.Digest},
	}, func(string, string, string) persistence.Start { return persistence.Start{} })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.acts.Report(t.Context(), activities.ServiceNames(workflows.QueueControl), time.Now()); err != nil {
		t.Error(err)
	}
	for range 2 { // deleting twice is deleting once
		if err := s.runDelete(in); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := persistence.NewImages(s.pool).List(context.Background(), "acme", persistence.ImageFilter{}); err != nil || len(list) != 0 {
		t.Errorf("images left: %v, %v", list, err)
	}
	_, err = s.pool.Exec(t.Context(), `UPDATE plimsoll.blob SET touched_at = now() - interval '25 hours'; UPDATE plimsoll.layer SET used_at = now() - interval '25 hours'`)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.acts.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	err = s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM plimsoll.layer) + (SELECT count(*) FROM plimsoll.blob) + (SELECT count(*) FROM plimsoll.analysis)`).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d rows of what the image held are left after a day (%v)", left, err)
	}
}

func (s *system) runDelete(in workflows.AnalyzeImageInput) error {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	env := suite.NewTestWorkflowEnvironment()
	workflows.Register(env, "")
	for _, queue := range workflows.Queues() {
		s.acts.Register(env, queue)
	}
	env.OnSignalExternalWorkflow("default-test-namespace", workflows.AnalyzeImageID(in.Account, in.Digest), "", workflows.WithdrawSignal, mock.Anything).Return(nil)
	env.ExecuteWorkflow(workflows.DeleteImageName, workflows.DeleteImageInput{Account: in.Account, Digest: in.Digest})
	return env.GetWorkflowError()
}

func TestOutboxRowsAreStartedOnceAndKeptWhileTheyFail(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"a": "b"}))
	in := s.add("acme", "team/app", "1")
	due := func() {
		if _, err := s.pool.Exec(t.Context(), `UPDATE plimsoll.outbox SET next_attempt = now() - interval '1 second'`); err != nil {
			t.Fatal(err)
		}
	}
	var started []string
	dispatch := func(fail error) int {
		n, err := s.acts.Dispatch(t.Context(), func(_ context.Context, workflow string, input []byte) error {
			started = append(started, workflow+" "+string(input))
			return fail
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	due()
	if n := dispatch(io.ErrUnexpectedEOF); n != 1 {
		t.Errorf("%d rows due, want 1", n)
	}
	if n := dispatch(nil); n != 0 {
		t.Errorf("%d rows due right after a failure, want none before the backoff ends", n)
	}
	due()
	dispatch(nil)
	due()
	if n := dispatch(nil); n != 0 || len(started) != 2 {
		t.Errorf("%d rows due after success, started %v", n, started)
	}
	if !strings.Contains(started[1], in.Digest) {
		t.Errorf("started %v", started)
	}
}
