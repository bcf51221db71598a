package persistence_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
	"plimsoll/persistence/blob"
)

// upload opens an operation of the account and adds a package list to it.
func (w *world) upload(account, document string) persistence.ImportUse {
	w.t.Helper()
	imports := persistence.NewImports(w.pool)
	op, err := imports.Open(w.t.Context(), account, time.Hour)
	w.must(err)
	added, err := imports.Add(w.t.Context(), account, op.ID, persistence.NewImportContent{Kind: "packages", Data: []byte(document)})
	w.must(err)
	return persistence.ImportUse{Operation: op.ID, Contents: map[string]string{"packages": added[0].Digest}}
}

func TestTheLatestSubmissionDecidesWhatAnImageIsMadeOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	imports := persistence.NewImports(w.pool)
	pulled := w.submission("admin", "app", "1")
	use := w.upload("admin", "packages")
	imported := pulled
	imported.Import = &use
	state := func() string {
		t.Helper()
		op, err := imports.Get(ctx, "admin", use.Operation)
		w.must(err)
		return op.Status
	}

	first := w.submit(pulled)
	if _, err := imports.OfImage(ctx, "admin", pulled.Digest); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("a pulled image has an import: %v", err)
	}
	second := w.submit(imported)
	if second.Image.Requested <= first.Image.Requested || !second.Due || second.Image.ImportOperation != use.Operation {
		t.Errorf("an import of an image that waits does not take over: %+v", second.Image)
	}
	if again := w.submit(imported); again.Image.Requested != second.Image.Requested {
		t.Error("the same import asked twice is two requests")
	}
	got, err := imports.OfImage(ctx, "admin", pulled.Digest)
	w.must(err)
	if diff := cmp.Diff(use, got); diff != "" || state() != persistence.ImportQueued {
		t.Errorf("%s, operation %s", diff, state())
	}
	run := persistence.Run{Account: "admin", Digest: pulled.Digest, Request: second.Image.Requested, RunID: "r"}
	_, err = w.images.Begin(ctx, run, persistence.Origin{})
	w.must(err)
	if state() != persistence.ImportProcessing {
		t.Errorf("operation %s", state())
	}
	w.must(w.images.Complete(ctx, run, w.save("app"), noon, persistence.Origin{}))
	if state() != persistence.ImportComplete {
		t.Errorf("operation %s", state())
	}
	if kept := w.submit(pulled); kept.Due || kept.Image.ImportOperation != use.Operation {
		t.Error("an analysed image is analysed again without force")
	}
	pulled.Force = true
	if forced := w.submit(pulled); !forced.Due || forced.Image.ImportOperation != "" {
		t.Errorf("a forced pull leaves the import: %+v", forced.Image)
	}
}

func TestImportsAreFinishedWithTheirOwnDocumentsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("other")
	imports := persistence.NewImports(w.pool)
	use, theirs := w.upload("admin", "packages"), w.upload("other", "theirs")
	finish := func(image string, u persistence.ImportUse) error {
		in := w.submission("admin", image, "1")
		in.Import = &u
		_, err := w.images.Submit(t.Context(), in)
		return err
	}
	for name, tt := range map[string]struct {
		use  persistence.ImportUse
		want error
	}{
		"another account's operation":                 {theirs, persistence.ErrNotFound},
		"another account's document":                  {persistence.ImportUse{Operation: use.Operation, Contents: theirs.Contents}, persistence.ErrNotUploaded},
		"a document uploaded as another kind":         {persistence.ImportUse{Operation: use.Operation, Contents: map[string]string{"manifest": use.Contents["packages"]}}, persistence.ErrNotUploaded},
		"a document of the store that is no upload's": {persistence.ImportUse{Operation: use.Operation, Contents: map[string]string{"packages": w.document}}, persistence.ErrNotUploaded},
	} {
		if err := finish("app", tt.use); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if _, err := w.images.Get(t.Context(), "admin", digestOf("app")); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("a refused import left an image: %v", err)
	}
	w.must(finish("app", use))
	if err := finish("another", use); !errors.Is(err, persistence.ErrState) {
		t.Errorf("one operation for two images: %v", err)
	}
	if _, err := imports.Cancel(t.Context(), "admin", use.Operation); !errors.Is(err, persistence.ErrState) {
		t.Errorf("cancelling what is being worked on: %v", err)
	}
	if _, err := imports.Add(t.Context(), "admin", use.Operation, persistence.NewImportContent{Kind: "packages", Data: []byte("late")}); !errors.Is(err, persistence.ErrState) {
		t.Errorf("adding to a finished operation: %v", err)
	}
}

func TestImportsOfAnAccountAreItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("other")
	imports, ctx := persistence.NewImports(w.pool), t.Context()
	use := w.upload("admin", "packages")
	in := w.submission("admin", "app", "1")
	in.Import = &use
	w.submit(in)
	for name, err := range map[string]error{
		"get":      second(imports.Get(ctx, "other", use.Operation)),
		"contents": second(imports.Contents(ctx, "other", use.Operation)),
		"add":      second(imports.Add(ctx, "other", use.Operation, persistence.NewImportContent{Kind: "packages", Data: []byte("x")})),
		"cancel":   second(imports.Cancel(ctx, "other", use.Operation)),
		"of image": second(imports.OfImage(ctx, "other", in.Digest)),
	} {
		if !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := imports.List(ctx, "other"); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := imports.List(ctx, "admin"); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestUnfinishedImportsOfAnAccountHoldSoMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("other")
	imports, ctx := persistence.NewImports(w.pool), t.Context()
	full, theirs := w.upload("admin", "one"), w.upload("other", "one")
	_, err := w.pool.Exec(ctx, `UPDATE plimsoll.import_content SET size = $2 WHERE operation = $1`, full.Operation, int64(16)<<30)
	w.must(err)
	next, err := imports.Open(ctx, "admin", time.Hour)
	w.must(err)
	more := persistence.NewImportContent{Kind: "packages", Data: []byte("more")}
	if _, err := imports.Add(ctx, "admin", next.ID, more); !errors.Is(err, persistence.ErrTooMany) {
		t.Errorf("another document: %v, want ErrTooMany", err)
	}
	if left, err := imports.Contents(ctx, "admin", next.ID); err != nil || len(left) != 0 {
		t.Errorf("a refused document is kept: %v, %v", left, err)
	}
	if _, err := imports.Add(ctx, "other", theirs.Operation, more); err != nil {
		t.Errorf("another account: %v", err)
	}
	if _, err := imports.Cancel(ctx, "admin", full.Operation); err != nil {
		t.Fatal(err)
	}
	if _, err := imports.Add(ctx, "admin", next.ID, more); err != nil {
		t.Errorf("after room was made: %v", err)
	}
}

func TestExpiredImportsAreCollectedUnlessTheirImageWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	imports, ctx := persistence.NewImports(w.pool), t.Context()
	forgotten, waiting := w.upload("admin", "forgotten"), w.upload("admin", "waiting")
	in := w.submission("admin", "app", "1")
	in.Import = &waiting
	w.submit(in)
	_, err := w.pool.Exec(ctx, `UPDATE plimsoll.import_operation SET expires_at = now() - interval '1 minute'`)
	w.must(err)
	op, err := imports.Get(ctx, "admin", forgotten.Operation)
	w.must(err)
	if op.Status != persistence.ImportExpired {
		t.Errorf("status %s", op.Status)
	}
	if _, err := imports.Add(ctx, "admin", forgotten.Operation, persistence.NewImportContent{Kind: "packages", Data: []byte("late")}); !errors.Is(err, persistence.ErrState) {
		t.Errorf("adding to an expired operation: %v", err)
	}
	_, err = w.pool.Exec(ctx, `UPDATE plimsoll.blob SET touched_at = now() - interval '2 days'`)
	w.must(err)
	_, err = w.analyses.Collect(ctx, persistence.Retention{Grace: persistence.CollectGrace})
	w.must(err)
	for use, want := range map[string]error{forgotten.Contents["packages"]: blob.ErrNotFound, waiting.Contents["packages"]: nil} {
		if _, err := w.blobs.Get(ctx, use); !errors.Is(err, want) {
			t.Errorf("document %s: %v, want %v", use, err, want)
		}
	}
	if _, err := imports.Get(ctx, "admin", forgotten.Operation); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("the forgotten operation: %v", err)
	}
	if _, err := imports.OfImage(ctx, "admin", in.Digest); err != nil {
		t.Errorf("the waiting image lost its import: %v", err)
	}
}
