package persistence_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

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
