package persistence_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

func newLayer(name string) persistence.NewLayer {
	return persistence.NewLayer{
		Digest: digestOf(name), Registry: "docker.io", AnalyzerSet: analyzerSet, DiffID: digestOf(name + " tar"), CompressedSize: 10, Size: 20,
		EntryCount: 3, Entries: []byte("entries of " + name), Evidence: []byte("evidence of " + name),
	}
}

func TestLayersTellWhatIsKnownAndWhoDeliveredIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	for range 2 {
		w.must(w.layers.Save(ctx, newLayer("base")))
	}
	asked := []string{digestOf("top"), digestOf("base"), digestOf("mid"), digestOf("top")}
	mirrored := newLayer("base")
	mirrored.Registry = "mirror.example"
	w.must(w.layers.Save(ctx, mirrored))
	known, err := w.layers.Known(ctx, analyzerSet, asked)
	w.must(err)
	if diff := cmp.Diff(map[string][]string{digestOf("base"): {"docker.io", "mirror.example"}}, known); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
	if known, err = w.layers.Known(ctx, "other-set", asked[1:2]); err != nil || len(known) != 0 {
		t.Errorf("a result of another analyzer set was taken: %v, %v", known, err)
	}
	if _, err := w.layers.Get(ctx, analyzerSet, asked); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	w.must(w.layers.Save(ctx, newLayer("top")))
	got, err := w.layers.Get(ctx, analyzerSet, []string{digestOf("base"), digestOf("top"), digestOf("base")})
	w.must(err)
	if len(got) != 3 || got[0].Digest != digestOf("base") || got[1].Digest != digestOf("top") || got[2] != got[0] {
		t.Errorf("Get: %+v", got)
	}
	entries, err := w.blobs.Get(ctx, got[1].EntriesBlob)
	if err != nil || string(entries) != "entries of top" {
		t.Errorf("entries %q, %v", entries, err)
	}
}

func TestLayerLockLetsOneInAndFollowsTheContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release, err := w.layers.Lock(t.Context(), digestOf("base"), "a.example", "b.example")
	w.must(err)
	other, err := w.layers.Lock(t.Context(), digestOf("top"), "a.example", "b.example")
	w.must(err)
	other()
	elsewhere, err := w.layers.Lock(t.Context(), digestOf("base"), "a.example")
	w.must(err)
	elsewhere()
	waiting, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.layers.Lock(waiting, digestOf("base"), "b.example", "a.example", "a.example"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("second lock: %v, want the deadline", err)
	}
	got := make(chan error)
	go func() {
		next, err := w.layers.Lock(t.Context(), digestOf("base"), "a.example", "b.example")
		if err == nil {
			next()
		}
		got <- err
	}()
	release()
	release()
	w.must(<-got)
}

func TestAnalysisIsKeptOrReplacedUnderItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	first, err := w.analyses.Save(ctx, w.newAnalysis("app", npm("a", "1.0.0", "/a"), npm("a", "1.0.0", "/b"), npm("b", "1.0.0", "/b")))
	w.must(err)
	if diff := cmp.Diff(persistence.SavedAnalysis{ID: first.ID, Stored: true, Packages: 2, NewPackages: 2}, first); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	tables := []string{"plimsoll.analysis", "plimsoll.image_package", "plimsoll.package"}
	before := w.rowVersions(tables...)
	again, err := w.analyses.Save(ctx, w.newAnalysis("app", npm("c", "1.0.0", "/c")))
	w.must(err)
	if again.Stored || again.ID != first.ID || w.rowVersions(tables...) != before {
		t.Errorf("kept: %+v, or rows were written", again)
	}
	renewed := w.newAnalysis("app", npm("b", "1.0.0", "/b"), npm("c", "1.0.0", "/c"))
	renewed.Replace, renewed.AnalyzedAt = true, noon.Add(time.Hour)
	replaced, err := w.analyses.Save(ctx, renewed)
	w.must(err)
	if diff := cmp.Diff(persistence.SavedAnalysis{ID: first.ID, Stored: true, Packages: 2, NewPackages: 1}, replaced); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.image_package e JOIN plimsoll.package p ON p.id = e.package_id WHERE p.name = 'a'`); n != 0 {
		t.Errorf("%d edges to a package that is gone", n)
	}
	found, err := w.analyses.Find(ctx, digestOf("app"), analyzerSet)
	w.must(err)
	if !found.AnalyzedAt.Equal(noon.Add(time.Hour)) || found.PackageCount != 2 {
		t.Errorf("found %+v", found)
	}
	renewed.AnalyzedAt = noon.Add(2 * time.Hour)
	_, err = w.analyses.Save(ctx, renewed)
	w.must(err)
	if found, err = w.analyses.Find(ctx, digestOf("app"), analyzerSet); err != nil || !found.AnalyzedAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("the date moved although no package did: %s, %v", found.AnalyzedAt, err)
	}
}

func TestAnalysisDoesNotBurnIdentityValuesOfKnownPackages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 20 {
		w.save(fmt.Sprintf("app%d", i), npm("a", "1.0.0", "/a"), npm("b", "1.0.0", "/b"))
	}
	if n := w.count(`SELECT last_value FROM pg_sequences WHERE schemaname = 'plimsoll' AND sequencename = 'package_id_seq'`); n != 2 {
		t.Errorf("identity is at %d after 2 packages", n)
	}
}

func TestAnalysisStoresHostileText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := make([]byte, 100_000)
	for i := range long {
		long[i] = byte('a' + i%26)
	}
	w.save("app", npm("nul\x00", "1\xff", "/p\x00"), npm(string(long), string(long), string(long)), npm("nul\x00", "1\xff", "/p\x00"))
	if n := w.count(`SELECT count(*) FROM plimsoll.image_package`); n != 2 {
		t.Errorf("%d edges, want 2", n)
	}
}

func TestCollectRemovesWhatNothingRefersTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.analyzed(admin, "app", "1", npm("a", "1.0.0", "/a"))
	w.must(w.layers.Save(ctx, newLayer("base")))   // of app
	w.must(w.layers.Save(ctx, newLayer("orphan"))) // of nothing
	w.save("pending")                              // its image waits
	w.submit(w.submission(admin, "pending", "2"))
	w.save("forgotten")
	stray, err := w.blobs.Put(ctx, []byte("stray"))
	w.must(err)
	out, err := w.analyses.Collect(ctx, persistence.Retention{Grace: persistence.CollectGrace})
	w.must(err)
	if diff := cmp.Diff(persistence.Collected{Analyses: 1}, out); diff != "" {
		t.Errorf("within the grace period (-want +got):\n%s", diff)
	}
	_, err = w.pool.Exec(ctx, `UPDATE plimsoll.blob SET touched_at = now() - interval '25 hours'; UPDATE plimsoll.layer SET used_at = now() - interval '25 hours'`)
	w.must(err)
	if _, err := w.layers.Known(ctx, analyzerSet, []string{digestOf("base")}); err != nil { // marks it as used
		t.Fatal(err)
	}
	out, err = w.analyses.Collect(ctx, persistence.Retention{Grace: persistence.CollectGrace})
	w.must(err)
	// The orphan's two documents, the forgotten analysis' two and the stray one.
	if diff := cmp.Diff(persistence.Collected{Layers: 1, Blobs: 5}, out); diff != "" {
		t.Errorf("after the grace period (-want +got):\n%s", diff)
	}
	if _, err := w.blobs.Get(ctx, stray); err == nil {
		t.Error("the stray document is still there")
	}
	if _, err := w.layers.Get(ctx, analyzerSet, []string{digestOf("base")}); err != nil {
		t.Error(err)
	}
}
