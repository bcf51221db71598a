package persistence_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/policy"
	"plimsoll/engine/vex"
	"plimsoll/persistence"
	"plimsoll/persistence/facts"
)

func judgement(account string) func(int64) persistence.Start {
	return func(change int64) persistence.Start {
		return persistence.Start{Workflow: "JudgeAnnotated", WorkflowID: fmt.Sprint("vex/", account, "/", change), Input: change}
	}
}

// statement is an OpenVEX document that says one thing of some products.
func (w *world) statement(id string, at time.Time, status vex.Status, products ...string) persistence.NewVexDocument {
	w.t.Helper()
	list := ""
	for i, p := range products {
		if i > 0 {
			list += ","
		}
		list += `{"@id":"` + p + `"}`
	}
	data := fmt.Appendf(nil, `{"@context":"https://openvex.dev/ns/v0.2.0","@id":%q,"timestamp":%q,"statements":[{"vulnerability":{"name":"CVE-1","aliases":["GHSA-1"]},
		"status":%q,"justification":"component_not_present","products":[%s]}]}`, id, at.Format(time.RFC3339), status, list)
	read, err := vex.Read(data, vex.Limits{})
	w.must(err)
	return persistence.NewVexDocument{Account: "mine", Data: data, Read: read, By: "mate"}
}

func (w *world) said(account, image string) []string {
	w.t.Helper()
	list, err := w.matches.Vulnerabilities(w.t.Context(), account, digestOf(image), persistence.VulnerabilityFilter{})
	w.must(err)
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.PackageName
		if v.Annotation != nil {
			out[i] += " " + string(v.Annotation.Status)
		}
	}
	slices.Sort(out)
	return out
}

func TestStatementsAreHeardByAllNamesOfAFlawAndByTheirAccountAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	w.account("theirs")
	r := record("GHSA-1", 4, "npm", "left-pad", "1.3.0")
	r.Vulnerability.Aliases = []string{"CVE-1"}
	w.commit("npm", r, record("GHSA-2", 4, "npm", "right-pad", "2"))
	w.analyzed("mine", "app", "1", npm("left-pad", "1.2.0", "/p"), npm("right-pad", "1", "/q"))
	w.analyzed("theirs", "app", "1", npm("left-pad", "1.2.0", "/p"), npm("right-pad", "1", "/q"))
	store := persistence.NewAnnotations(w.pool)

	out, err := store.Import(ctx, w.statement("a", noon, vex.NotAffected, "pkg:npm/left-pad@1.2.0"), judgement("mine"))
	w.must(err)
	if !out.Created || out.Images != 1 || out.OutboxID == 0 {
		t.Errorf("got %+v", out)
	}
	if diff := cmp.Diff([]string{"left-pad not_affected", "right-pad"}, w.said("mine", "app")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"left-pad", "right-pad"}, w.said("theirs", "app")); diff != "" {
		t.Error(diff)
	}
	known, err := facts.New(w.pool, w.pool, w.blobs, facts.Config{}).Of(ctx, "mine", digestOf("app"))
	w.must(err)
	list, err := known.Vulnerabilities(ctx)
	w.must(err)
	if i := slices.IndexFunc(list, func(v policy.Vulnerability) bool { return v.Package.Name == "left-pad" }); list[i].Annotation != vex.NotAffected {
		t.Errorf("policies see %+v", list[i])
	}
	// What was known then is told without what is said now.
	then, err := w.matches.VulnerabilitiesThen(ctx, "mine", digestOf("app"), persistence.VulnerabilityFilter{}, time.Now())
	w.must(err)
	if len(then) != 2 || then[0].Annotation != nil || then[1].Annotation != nil {
		t.Errorf("the past is annotated: %+v", then)
	}

	var change int64
	w.must(w.pool.QueryRow(ctx, `SELECT max(id) FROM plimsoll.vex_change`).Scan(&change))
	refs, err := store.Affected(ctx, "mine", change, "", 10)
	w.must(err)
	if diff := cmp.Diff([]persistence.ImageRef{{Account: "mine", Digest: digestOf("app")}}, refs); diff != "" {
		t.Error(diff)
	}
	if other, err := store.Affected(ctx, "theirs", change, "", 10); err != nil || len(other) != 0 {
		t.Errorf("another account sees the images of a change: %v, %v", other, err)
	}
	w.must(store.Judged(ctx, "theirs", change))
	w.must(store.Judged(ctx, "mine", change))
	if n := w.count(`SELECT count(*) FROM plimsoll.vex_image`); n != 0 {
		t.Errorf("%d images are still to be judged", n)
	}
}

func TestOneAccountCannotTouchWhatAnotherSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	w.account("theirs")
	w.analyzed("mine", "app", "1", npm("left-pad", "1.2.0", "/p"))
	w.analyzed("theirs", "app", "1", npm("left-pad", "1.2.0", "/p"))
	store := persistence.NewAnnotations(w.pool)
	about := persistence.NewAnnotation{
		Account: "mine", AnnotationKey: persistence.AnnotationKey{ImageDigest: digestOf("app"), Vulnerability: "CVE-1"},
		Assertion: vex.Assertion{Status: vex.Fixed}, Author: "a", By: "mate",
	}
	made, err := store.Add(ctx, about, judgement("mine"))
	w.must(err)
	imported, err := store.Import(ctx, w.statement("a", noon, vex.Fixed, "pkg:npm/left-pad"), judgement("mine"))
	w.must(err)
	before := w.rowVersions("plimsoll.annotation", "plimsoll.vex_document", "plimsoll.vex_statement", "plimsoll.vex_claim", "plimsoll.vex_name", "plimsoll.vex_change")
	theirs := about
	theirs.Account = "theirs"
	id, digest := made.Annotation.ID, imported.Document.Digest
	for name, err := range map[string]error{
		"annotation": second(store.Get(ctx, "theirs", digestOf("app"), id)),
		"change":     second(store.Change(ctx, id, theirs, judgement("theirs"))),
		"deletion":   second(store.Delete(ctx, "theirs", digestOf("app"), id, "eve", judgement("theirs"))),
		"document":   second(store.Document(ctx, "theirs", digest)),
		"withdrawal": second(store.Withdraw(ctx, "theirs", digest, "eve", judgement("theirs"))),
		"image not theirs": func() error {
			n := theirs
			n.ImageDigest = digestOf("x")
			return second(store.Add(ctx, n, judgement("theirs")))
		}(),
	} {
		if !errors.Is(err, persistence.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	if list, err := store.List(ctx, "theirs", digestOf("app")); err != nil || len(list) != 0 {
		t.Errorf("annotations: %v, %v", list, err)
	}
	if list, err := store.Documents(ctx, "theirs", nil, 9); err != nil || len(list) != 0 {
		t.Errorf("documents: %v, %v", list, err)
	}
	if list, err := store.Changes(ctx, "theirs", "", 0, 9); err != nil || len(list) != 0 {
		t.Errorf("changes: %v, %v", list, err)
	}
	if list, n, err := store.Unmatched(ctx, "theirs", digest, 9); err != nil || n != 0 || len(list) != 0 {
		t.Errorf("unmatched: %v, %v", list, err)
	}
	if after := w.rowVersions("plimsoll.annotation", "plimsoll.vex_document", "plimsoll.vex_statement", "plimsoll.vex_claim", "plimsoll.vex_name", "plimsoll.vex_change"); after != before {
		t.Error("one account wrote what belongs to another")
	}
}

func TestDocumentsKeepTheirBytesAndArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	store := persistence.NewAnnotations(w.pool)
	var want []string
	for i := range 3 {
		out, err := store.Import(ctx, w.statement(fmt.Sprint("doc", i), noon, vex.Fixed, "pkg:npm/left-pad"), judgement("mine"))
		w.must(err)
		if out.OutboxID != 0 || out.Images != 0 {
			t.Errorf("nothing has the vulnerability, and yet: %+v", out)
		}
		want = append([]string{out.Document.DocumentID}, want...)
	}
	_, err := w.pool.Exec(ctx, `UPDATE plimsoll.blob SET touched_at = now() - interval '25 hours'`)
	w.must(err)
	_, err = w.analyses.Collect(ctx, persistence.Retention{Grace: persistence.CollectGrace})
	w.must(err)
	var got []string
	var after *persistence.VexCursor
	for {
		list, err := store.Documents(ctx, "mine", after, 2)
		w.must(err)
		for _, d := range list {
			got = append(got, d.DocumentID)
			if data, err := w.blobs.Get(ctx, d.Digest); err != nil || int64(len(data)) != d.Size {
				t.Errorf("%s: %d bytes, want %d (%v)", d.DocumentID, len(data), d.Size, err)
			}
		}
		if len(list) < 2 {
			break
		}
		after = &persistence.VexCursor{ImportedAt: list[1].ImportedAt, Digest: list[1].Digest}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
