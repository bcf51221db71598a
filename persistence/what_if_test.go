package persistence_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"plimsoll/persistence"
)

// try asks for a trial.
func (w *world) try(account string, x persistence.WhatIfSelector) (persistence.WhatIf, error) {
	w.t.Helper()
	p := func(id string) persistence.Policy {
		return persistence.Policy{ID: id, Name: "named " + id, Document: json.RawMessage(`{"id":"` + id + `","version":"2"}`)}
	}
	asked, outbox, err := persistence.NewWhatIfs(w.pool).Create(w.t.Context(), persistence.NewWhatIf{
		Account: account, ID: uuid.NewString(), Draft: p("draft"), Baseline: p("base"), Selector: x, Examples: 2, RequestedBy: "mate",
	}, persistence.Start{Workflow: "TryPolicy", WorkflowID: "what-if", Input: map[string]any{}})
	if err == nil && outbox == 0 {
		w.t.Error("nothing is asked of the dispatcher")
	}
	return asked, err
}

func TestATrialMeansTheImagesOfItsSelector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.account("other")
	for i, tag := range []string{"1.0", "1_0", "2.0%"} {
		w.submit(w.submission(admin, fmt.Sprint("image", i), tag))
	}
	w.submit(w.submission(admin, "image0", "stable")) // a second tag
	w.submit(w.submission(admin, "image9", "1.0"))    // takes the tag from the first
	w.submit(w.submission(other, "theirs", "1.0"))
	s := persistence.NewWhatIfs(w.pool)
	for _, tt := range []struct {
		name  string
		x     persistence.WhatIfSelector
		tags  int
		named []string
	}{
		{"all", persistence.WhatIfSelector{}, 4, []string{"image0", "image1", "image2", "image9"}},
		{"stars", persistence.WhatIfSelector{Registry: "docker.*", Repository: "*/app", Tag: "*"}, 4, []string{"image0", "image1", "image2", "image9"}},
		{"a tag with a character of SQL's patterns", persistence.WhatIfSelector{Tag: "1_0"}, 1, []string{"image1"}},
		{"an end with one", persistence.WhatIfSelector{Tag: "*%"}, 1, []string{"image2"}},
		{"another repository", persistence.WhatIfSelector{Repository: "library"}, 0, nil},
		{"digests", persistence.WhatIfSelector{Digests: []string{digestOf("image0"), digestOf("theirs")}}, 1, []string{"image0"}},
	} {
		asked, err := w.try(admin, tt.x)
		if err != nil {
			t.Fatal(err)
		}
		begun, err := s.Begin(t.Context(), admin, asked.ID)
		if err != nil || begun.Total != tt.tags {
			t.Errorf("%s: %d tags, %v; want %d", tt.name, begun.Total, err, tt.tags)
		}
		want := map[string]bool{}
		for _, name := range tt.named {
			want[digestOf(name)] = true
		}
		got, after := map[string]bool{}, ""
		for { // one a page
			page, err := s.Targets(t.Context(), admin, begun.Selector, after, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			got[page[0].Digest], after = true, page[0].Digest
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if err := s.Delete(t.Context(), admin, asked.ID); err != nil {
			t.Error(err)
		}
	}
}

func TestOutcomesCountOnceHoweverOftenTheyAreStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := persistence.NewWhatIfs(w.pool)
	asked, err := w.try(admin, persistence.WhatIfSelector{})
	if err != nil || asked.State != persistence.WhatIfWaiting || asked.Draft.ID != "draft" || asked.Baseline.Digest == "" {
		t.Fatalf("%+v, %v", asked, err)
	}
	if _, err := s.Begin(t.Context(), admin, asked.ID); err != nil {
		t.Fatal(err)
	}
	outcomes := []persistence.WhatIfOutcome{
		{Rank: 4, ImageDigest: "sha256:a", Tag: "a:1", Before: "go", After: "go"},
		{Rank: 0, ImageDigest: "sha256:b", Tag: "b:1", Before: "go", After: "stop", Causes: json.RawMessage(`[{"note":"n"}]`)},
		{Rank: 0, ImageDigest: "sha256:b", Tag: "b:2", Before: "warn", After: "stop"},
		{Rank: 3, ImageDigest: "sha256:c", Tag: "c:1", Reason: "not analysed\x00"},
	}
	for _, list := range [][]persistence.WhatIfOutcome{outcomes[:2], outcomes, outcomes[1:]} {
		if err := s.Save(t.Context(), admin, asked.ID, list); err != nil {
			t.Fatal(err)
		}
	}
	counts := []persistence.WhatIfCount{{0, "go", "stop", 1}, {0, "warn", "stop", 1}, {3, "", "", 1}, {4, "go", "go", 1}}
	check := func(state string) {
		t.Helper()
		got, err := s.Get(t.Context(), admin, asked.ID)
		if err != nil || got.Done != 4 || got.State != state {
			t.Errorf("%+v, %v", got, err)
		}
		if diff := cmp.Diff(counts, got.Counts); diff != "" {
			t.Error(diff)
		}
	}
	check(persistence.WhatIfRunning)
	for _, state := range []string{persistence.WhatIfDone, persistence.WhatIfFailed} { // the first end stands
		if err := s.End(t.Context(), admin, asked.ID, state, ""); err != nil {
			t.Fatal(err)
		}
	}
	check(persistence.WhatIfDone)
	if _, err := s.Begin(t.Context(), admin, asked.ID); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("one that is over begins: %v", err)
	}

	var seen []string
	var mark *persistence.WhatIfMark
	for {
		page, err := s.Outcomes(t.Context(), admin, asked.ID, -1, mark, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		o := page[0]
		seen = append(seen, o.Tag)
		mark = &persistence.WhatIfMark{Rank: o.Rank, ImageDigest: o.ImageDigest, Tag: o.Tag}
	}
	if diff := cmp.Diff([]string{"b:1", "b:2", "c:1", "a:1"}, seen); diff != "" {
		t.Error(diff)
	}
	page, err := s.Outcomes(t.Context(), admin, asked.ID, 0, nil, 10)
	if err != nil || len(page) != 2 || string(page[0].Causes) != `[{"note": "n"}]` || page[1].Causes != nil {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestTrialsBelongToTheirAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.account("other")
	s := persistence.NewWhatIfs(w.pool)
	asked, err := w.try(admin, persistence.WhatIfSelector{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), other, asked.ID); !errors.Is(err, persistence.ErrNotFound) {
		t.Error(err)
	}
	if _, _, err := s.Documents(t.Context(), other, asked.ID); !errors.Is(err, persistence.ErrNotFound) {
		t.Error(err)
	}
	if err := s.Save(t.Context(), other, asked.ID, []persistence.WhatIfOutcome{{ImageDigest: "d", Tag: "t"}}); !errors.Is(err, persistence.ErrNotFound) {
		t.Error(err)
	}
	if err := s.Delete(t.Context(), other, asked.ID); !errors.Is(err, persistence.ErrNotFound) {
		t.Error(err)
	}
	if list, err := s.List(t.Context(), other, 10); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	for range 2 {
		if _, err := w.try(admin, persistence.WhatIfSelector{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.try(admin, persistence.WhatIfSelector{}); !errors.Is(err, persistence.ErrBusy) {
		t.Errorf("a fourth at a time: %v", err)
	}
	if _, err := w.try(other, persistence.WhatIfSelector{}); err != nil {
		t.Errorf("another account's first: %v", err)
	}
	if n, err := s.Forget(t.Context(), time.Now().Add(-time.Hour)); err != nil || n != 0 {
		t.Errorf("%d forgotten, %v", n, err)
	}
	if n, err := s.Forget(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 4 {
		t.Errorf("%d forgotten, %v", n, err)
	}
	if err := s.Save(t.Context(), admin, asked.ID, []persistence.WhatIfOutcome{{ImageDigest: "d", Tag: "t"}}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("of one that is gone: %v", err)
	}
}
