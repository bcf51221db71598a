package persistence_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"plimsoll/persistence"
)

// Two images that are filed under the same tags, in whatever order, do not wait for each other for ever.
func TestTheOrderOfTagsDoesNotMatterToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var group sync.WaitGroup
	for _, backwards := range []bool{false, true} {
		group.Go(func() {
			for n := range 30 {
				in := w.submission(admin, fmt.Sprint("app", n, backwards), "0")
				var tags []persistence.TagName
				for i := range 20 {
					tags = append(tags, persistence.TagName{Registry: in.Registry, Repository: in.Repository, Tag: fmt.Sprint(n, "-", i)})
				}
				if backwards {
					slices.Reverse(tags)
				}
				in.Repository, in.Tag, in.Also = tags[0].Repository, tags[0].Tag, tags[1:]
				if _, err := w.images.Submit(t.Context(), in); err != nil {
					t.Errorf("round %d: %v", n, err)
				}
			}
		})
	}
	group.Wait()
}

func TestAnalysedImagesAreJudgedWhenATagComesToMeanThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("acme")
	w.analyzed("acme", "one", "1")
	w.analyzed("acme", "two", "2")
	waiting := func() int { return w.count(`SELECT count(*) FROM plimsoll.outbox WHERE workflow = 'JudgeImage'`) }
	steps := []struct {
		name  string
		image string
		tag   string
		edit  func(*persistence.SubmitImage)
		want  int
	}{
		{"the same tag", "one", "1", func(*persistence.SubmitImage) {}, 0},
		{"a new tag", "one", "new", func(*persistence.SubmitImage) {}, 1},
		{"again", "one", "new", func(*persistence.SubmitImage) {}, 1},
		{"another image's tag", "one", "2", func(in *persistence.SubmitImage) { in.DetectedAt = noon.Add(time.Hour) }, 2},
		{"back to that image", "two", "2", func(in *persistence.SubmitImage) { in.DetectedAt = noon.Add(2 * time.Hour) }, 3},
		{"detected before the present image", "one", "2", func(*persistence.SubmitImage) {}, 3},
		{"beside the tag's image", "one", "index", func(in *persistence.SubmitImage) { in.Beside = true }, 3},
		{"one of several tags", "one", "1", func(in *persistence.SubmitImage) {
			in.Also = []persistence.TagName{{Registry: "docker.io", Repository: "library/app", Tag: "also"}}
		}, 4},
		{"an image that is to be analysed", "three", "3", func(*persistence.SubmitImage) {}, 4},
		{"and again", "three", "4", func(*persistence.SubmitImage) {}, 4},
		{"a fresh analysis", "one", "forced", func(in *persistence.SubmitImage) { in.Force = true }, 4},
	}
	for _, step := range steps {
		in := w.submission("acme", step.image, step.tag)
		in.Judge = func(move int64) persistence.Start {
			return persistence.Start{Workflow: "JudgeImage", WorkflowID: fmt.Sprint("tag/", step.image, "/", move), Input: move}
		}
		step.edit(&in)
		w.submit(in)
		if got := waiting(); got != step.want {
			t.Fatalf("%s: %d judgings wait, want %d", step.name, got, step.want)
		}
	}
}
