package persistence_test

import (
	"errors"
	"testing"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

func TestAChangedLifecycleConcernsTheImagesOfItsDistribution(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bookworm := &catalog.Distro{ID: "debian", VersionID: "12"}
	if _, err := w.feeds.Lifecycle(t.Context(), bookworm); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("before any data: %v", err)
	}
	w.analyzed(admin, "img", "1", npm("left-pad", "1.3.0", "a"))
	publish := func(list ...feed.Lifecycle) (images int) {
		t.Helper()
		c := commitOf("products")
		c.Force = true
		c.Load = func(in *persistence.Staging) error {
			for _, l := range list {
				if err := in.Lifecycle(l); err != nil {
					return err
				}
			}
			return nil
		}
		done := w.commitFeed(c)
		return w.rescan(done.Generation, noon).Images
	}
	end := noon.Add(time.Hour)
	other := feed.Lifecycle{Product: "alpine-linux", Cycle: "3.18"}
	if n := publish(other); n != 0 {
		t.Errorf("another distribution: %d images", n)
	}
	if n := publish(other, feed.Lifecycle{Product: "debian", Cycle: "12", EndOfLife: &end}); n != 1 {
		t.Errorf("a date of its distribution: %d images, want 1", n)
	}
	if l, err := w.feeds.Lifecycle(t.Context(), bookworm); err != nil || l.EndOfLife == nil || !l.EndOfLife.Equal(end) {
		t.Errorf("lifecycle %+v %v", l, err)
	}
	if n := publish(other); n != 1 {
		t.Errorf("the date is taken back: %d images, want 1", n)
	}
	if _, err := w.feeds.Lifecycle(t.Context(), &catalog.Distro{ID: "wolfi"}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("a distribution without releases: %v", err)
	}
}
