package persistence_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

const admin = persistence.AdminAccount

func TestSubmitDecidesWhetherAnAnalysisIsDue(t *testing.T) {
	t.Parallel()
	run := func(request int64) persistence.Run {
		return persistence.Run{Account: admin, Digest: digestOf("app"), Request: request, RunID: "run"}
	}
	begin := func(w *world) {
		if _, err := w.images.Begin(w.t.Context(), run(1), persistence.Origin{}); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		before        func(w *world)
		force         bool
		due           bool
		request       int64
		status        string
		keepsAnalysis bool
	}{
		"never analysed: same request": {func(*world) {}, false, true, 1, persistence.NotAnalyzed, false},
		"running: same request":        {begin, false, true, 1, persistence.Analyzing, false},
		"running: superseded by force": {begin, true, true, 2, persistence.NotAnalyzed, false},
		"analysed: left alone":         {complete, false, false, 1, persistence.Analyzed, true},
		"analysed: again by force":     {complete, true, true, 2, persistence.NotAnalyzed, true},
		"failed: again": {func(w *world) {
			begin(w)
			w.must(w.images.Fail(w.t.Context(), run(1), "CODE", "text", persistence.Origin{}))
		}, false, true, 2, persistence.NotAnalyzed, false},
		"cancelled: a new request":        {func(w *world) { begin(w); w.must(w.images.Cancel(w.t.Context(), run(1), persistence.Origin{})) }, false, true, 2, persistence.NotAnalyzed, false},
		"being deleted: comes back fresh": {func(w *world) { complete(w); w.markDeleting("app", false) }, false, true, 3, persistence.NotAnalyzed, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.submit(w.submission(admin, "app", "1"))
			if !first.Created || !first.Due || first.Image.Requested != 1 {
				t.Fatalf("first submission: %+v", first)
			}
			tc.before(w)
			in := w.submission(admin, "app", "1")
			in.Force = tc.force
			out := w.submit(in)
			if out.Created || out.Due != tc.due || out.Image.Requested != tc.request || out.Image.AnalysisStatus != tc.status ||
				out.Image.ImageStatus != persistence.ImageActive || out.Image.ErrorCode != "" {
				t.Errorf("%+v", out)
			}
			if (out.Image.AnalysisID != nil) != tc.keepsAnalysis {
				t.Errorf("analysis %v, want kept: %t", out.Image.AnalysisID, tc.keepsAnalysis)
			}
			if (out.OutboxID != 0) != tc.due {
				t.Errorf("outbox row %d although due is %t", out.OutboxID, tc.due)
			}
		})
	}
}

func complete(w *world) {
	w.t.Helper()
	ctx := w.t.Context()
	run := persistence.Run{Account: admin, Digest: digestOf("app"), Request: 1, RunID: "run"}
	if _, err := w.images.Begin(ctx, run, persistence.Origin{}); err != nil {
		w.t.Fatal(err)
	}
	w.must(w.images.Complete(ctx, run, w.save("app", npm("left-pad", "1.0.0", "/p")), noon, persistence.Origin{}))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) markDeleting(image string, force bool) persistence.Deletion {
	w.t.Helper()
	out, err := w.images.MarkDeleting(w.t.Context(), admin, digestOf(image), force, persistence.Start{Workflow: "DeleteImage", WorkflowID: "delete"}, syncWatch)
	w.must(err)
	return out
}

func TestSubmitUpdatesAnnotationsAndDockerfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.submission(admin, "app", "1")
	in.Annotations = map[string]any{"team": "blue", "tier": "1", "gone": nil}
	text := "RlJPTSBzY3JhdGNo"
	in.Dockerfile = &text
	w.submit(in)
	in = w.submission(admin, "app", "1")
	in.Annotations = map[string]any{"tier": "null", "owner": "ops"}
	out := w.submit(in)
	if diff := cmp.Diff(map[string]any{"team": "blue", "owner": "ops"}, out.Image.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if out.Image.Dockerfile != text || out.Image.DockerfileMode != persistence.DockerfileActual {
		t.Errorf("dockerfile %q %s", out.Image.Dockerfile, out.Image.DockerfileMode)
	}
}

func TestSubmitToAnUnknownAccountIsRefusedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.images.Submit(t.Context(), w.submission("nobody", "app", "1")); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Submit: %v, want ErrNotFound", err)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.outbox`); n != 0 {
		t.Errorf("%d outbox rows", n)
	}
}

func TestTagFollowsTheNewestImageAndKeepsHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(image string, after time.Duration) {
		in := w.submission(admin, image, "latest")
		in.DetectedAt = noon.Add(after)
		w.submit(in)
	}
	at("one", 0)
	at("one", time.Minute) // the same digest keeps its row
	at("two", time.Hour)
	at("past", -time.Hour) // found out later, but older
	names := map[string]string{digestOf("one"): "one", digestOf("two"): "two", digestOf("past"): "past"}
	list := func(history bool) []string {
		images, err := w.images.List(t.Context(), admin, persistence.ImageFilter{
			Tag: &persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: "latest"}, History: history,
		})
		w.must(err)
		var out []string
		for _, image := range images {
			out = append(out, fmt.Sprintf("%s %t", names[image.Digest], image.Tags[0].Current))
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff([]string{"two true"}, list(false)); diff != "" {
		t.Errorf("without history (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one false", "past false", "two true"}, list(true)); diff != "" {
		t.Errorf("with history (-want +got):\n%s", diff)
	}
	at("one", 2*time.Hour)
	if diff := cmp.Diff([]string{"one true"}, list(false)); diff != "" {
		t.Errorf("after moving back (-want +got):\n%s", diff)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.image_tag`); n != 4 {
		t.Errorf("%d rows of history, want 4", n)
	}
}

func TestSubmitOfOneTagFromManyAtOnceLeavesOneCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			if _, err := w.images.Submit(t.Context(), w.submission(admin, fmt.Sprintf("app%d", i), "latest")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := w.count(`SELECT count(*) FROM plimsoll.image_tag WHERE current`); n != 1 {
		t.Errorf("%d current rows, want 1", n)
	}
}

func TestListFiltersAndPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		w.submit(w.submission(admin, fmt.Sprintf("app%d", i), fmt.Sprint(i)))
	}
	w.analyzed(admin, "done", "done", npm("left-pad", "1.0.0", "/p"))
	parent := w.submission(admin, "child", "child")
	parent.ParentDigest = digestOf("index")
	w.submit(parent)
	w.markDeleting("app0", false)
	since, later := noon.Add(-time.Minute), noon.Add(time.Minute)
	for name, tc := range map[string]struct {
		filter persistence.ImageFilter
		want   int
	}{
		"all":                 {persistence.ImageFilter{}, 9},
		"active":              {persistence.ImageFilter{ImageStatus: persistence.ImageActive}, 8},
		"deleting":            {persistence.ImageFilter{ImageStatus: persistence.ImageDeleting}, 1},
		"analysed":            {persistence.ImageFilter{AnalysisStatus: persistence.Analyzed}, 1},
		"analysed since":      {persistence.ImageFilter{AnalyzedSince: &since}, 1},
		"analysed since then": {persistence.ImageFilter{AnalyzedSince: &later}, 0},
		"image id":            {persistence.ImageFilter{ImageID: digestOf("app3")[7:]}, 1},
		"parent":              {persistence.ImageFilter{ParentDigest: digestOf("index")}, 1},
		"digest":              {persistence.ImageFilter{Digest: digestOf("app4")}, 1},
		"digest, other state": {persistence.ImageFilter{Digest: digestOf("app4"), AnalysisStatus: persistence.Analyzed}, 0},
		"tag":                 {persistence.ImageFilter{Tag: &persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: "5"}}, 1},
		"unknown tag":         {persistence.ImageFilter{Tag: &persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: "x"}}, 0},
	} {
		list, err := w.images.List(t.Context(), admin, tc.filter)
		w.must(err)
		if len(list) != tc.want {
			t.Errorf("%s: %d images, want %d", name, len(list), tc.want)
		}
	}
	whole, err := w.images.List(t.Context(), admin, persistence.ImageFilter{})
	w.must(err)
	var paged []persistence.Image
	for after := (*persistence.ImageCursor)(nil); ; {
		page, next, err := w.images.Page(t.Context(), admin, persistence.ImageFilter{}, after, 2)
		w.must(err)
		paged = append(paged, page...)
		if next == nil {
			break
		}
		after = next
	}
	if diff := cmp.Diff(whole, paged); diff != "" {
		t.Errorf("pages differ from the list (-list +pages):\n%s", diff)
	}
	done, err := w.images.Get(t.Context(), admin, digestOf("done"))
	w.must(err)
	want := &persistence.ImageContent{OS: "linux", Arch: "amd64", Distro: "debian", DistroVersion: "12", Size: 1 << 20, LayerCount: 2, PackageCount: 1}
	if diff := cmp.Diff(want, done.Content); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
}

func TestRunFenceLetsOnlyTheLatestRunCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	by := persistence.Origin{HostID: "host", Service: "analyzer", Version: "v1"}
	run := func(request int64, id string) persistence.Run {
		return persistence.Run{Account: admin, Digest: digestOf("app"), Request: request, RunID: id}
	}
	w.submit(w.submission(admin, "app", "1"))
	begin := func(r persistence.Run) error { _, err := w.images.Begin(ctx, r, by); return err }
	w.must(begin(run(1, "a")))
	w.must(begin(run(1, "a"))) // a repeated activity
	w.must(begin(run(1, "b"))) // takes over from a lost run
	analysis := w.save("app")
	refuse := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, persistence.ErrSuperseded) {
			t.Errorf("%s: %v, want ErrSuperseded", what, err)
		}
	}
	refuse("complete by the run that was taken over", w.images.Complete(ctx, run(1, "a"), analysis, noon, by))
	refuse("fail by the run that was taken over", w.images.Fail(ctx, run(1, "a"), "X", "y", by))
	forced := w.submission(admin, "app", "1")
	forced.Force = true
	w.submit(forced)
	refuse("complete of an older request", w.images.Complete(ctx, run(1, "b"), analysis, noon, by))
	refuse("begin of an older request", begin(run(1, "c")))
	w.must(begin(run(2, "d")))
	w.must(w.images.Complete(ctx, run(2, "d"), analysis, noon, by))
	w.must(w.images.Complete(ctx, run(2, "d"), analysis, noon, by)) // a repeated activity
	refuse("begin of a request that has ended", begin(run(2, "e")))
	refuse("fail after completion", w.images.Fail(ctx, run(2, "d"), "X", "y", by))
	refuse("unknown image", begin(persistence.Run{Account: admin, Digest: digestOf("none"), Request: 1, RunID: "a"}))
	transitions, err := w.images.Transitions(ctx, admin, []string{digestOf("app")})
	w.must(err)
	var got []string
	for _, tr := range transitions[digestOf("app")] {
		got = append(got, tr.FromStatus+" > "+tr.ToStatus+" by "+tr.Service)
	}
	want := []string{"not_analyzed > analyzing by analyzer", "not_analyzed > analyzing by analyzer", "analyzing > analyzed by analyzer"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transitions (-want +got):\n%s", diff)
	}
}

func TestDeleteIsFencedIdempotentAndTakesEverythingAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("team")
	id := w.analyzed(admin, "app", "1", npm("left-pad", "1.0.0", "/p"))
	w.analyzed("team", "app", "1", npm("left-pad", "1.0.0", "/p"))
	w.leftProgress(admin, digestOf("app"))
	if err := w.images.Delete(ctx, admin, digestOf("app")); !errors.Is(err, persistence.ErrSuperseded) {
		t.Errorf("delete of an image that is not marked: %v, want ErrSuperseded", err)
	}
	if w.markDeleting("app", false).Already || !w.markDeleting("app", false).Already {
		t.Error("Already does not tell the first mark from the second")
	}
	for range 2 {
		w.must(w.images.Delete(ctx, admin, digestOf("app")))
	}
	if _, err := w.images.Get(ctx, admin, digestOf("app")); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.analysis WHERE id = $1`, id); n != 1 {
		t.Error("the analysis another account has went too")
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.analysis_progress`); n != 0 {
		t.Errorf("%d lines of progress are left", n)
	}
	if _, err := w.images.MarkDeleting(ctx, "team", digestOf("app"), false, persistence.Start{}, syncWatch); err != nil {
		t.Fatal(err)
	}
	w.must(w.images.Delete(ctx, "team", digestOf("app")))
	if n := w.count(`SELECT count(*) FROM plimsoll.analysis`) + w.count(`SELECT count(*) FROM plimsoll.image_package`); n != 0 {
		t.Errorf("%d rows of an analysis nobody has", n)
	}
}

func TestDeleteOfARunningAnalysisNeedsForceAndEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.submit(w.submission(admin, "app", "1"))
	run := persistence.Run{Account: admin, Digest: digestOf("app"), Request: 1, RunID: "a"}
	_, err := w.images.Begin(ctx, run, persistence.Origin{})
	w.must(err)
	if _, err := w.images.MarkDeleting(ctx, admin, digestOf("app"), false, persistence.Start{}, syncWatch); !errors.Is(err, persistence.ErrAnalyzing) {
		t.Errorf("without force: %v, want ErrAnalyzing", err)
	}
	w.markDeleting("app", true)
	if err := w.images.Complete(ctx, run, w.save("app"), noon, persistence.Origin{}); !errors.Is(err, persistence.ErrSuperseded) {
		t.Errorf("complete while deleting: %v, want ErrSuperseded", err)
	}
}

func TestProgressIsReplacedPerLayerAndClearedByCompletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.submit(w.submission(admin, "app", "1"))
	digest := digestOf("app")
	_, err := w.images.Begin(ctx, persistence.Run{Account: admin, Digest: digest, Request: 1, RunID: "run"}, persistence.Origin{})
	w.must(err)
	w.must(w.progress.Report(ctx, admin, digest, []persistence.Progress{{Stage: "layers", Layer: -1}, {Stage: "pull", Layer: 0, BytesTotal: 10}}))
	w.must(w.progress.Report(ctx, admin, digest, []persistence.Progress{{Stage: "pull", Layer: 0, BytesDone: 10, BytesTotal: 10, Done: true}}))
	lines, err := w.progress.Read(ctx, admin, []string{digest})
	w.must(err)
	got := lines[digest]
	for i := range got {
		got[i].UpdatedAt = time.Time{}
	}
	want := []persistence.Progress{{Stage: "layers", Layer: -1}, {Stage: "pull", Layer: 0, BytesDone: 10, BytesTotal: 10, Done: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	complete(w)
	// A step that reports late finds nobody who waits.
	for _, account := range []string{admin, "gone"} {
		w.must(w.progress.Report(ctx, account, digest, []persistence.Progress{{Stage: "pull", Layer: 0}}))
		if lines, err = w.progress.Read(ctx, account, []string{digest}); err != nil || len(lines) != 0 {
			t.Errorf("account %s after completion: %v, %v", account, lines, err)
		}
	}
}
