package persistence_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

// Two groups carry npm records, so that one id may come with either or both.
var incrementalGroups = []string{"npm", "npm-mirror", "Debian"}

// feedActor changes feeds and applies generations, some late and out of order, some twice.
type feedActor struct {
	w       *world
	random  *rand.Rand
	state   map[string][]feed.Record
	pending []int64
}

func (a *feedActor) step(n int) {
	group := incrementalGroups[a.random.IntN(len(incrementalGroups))]
	switch a.random.IntN(6) {
	case 0: // switching a group off keeps what it brought
		a.w.must(a.w.feeds.SetEnabled(a.w.t.Context(), "osv", group, a.random.IntN(2) == 0))
	case 1:
		a.apply(n)
	default:
		records := changed(a.random, group, a.state[group])
		if c := a.w.commit(group, records...); !c.Unchanged {
			a.pending = append(a.pending, c.Generation)
		}
		a.state[group] = records
		if a.random.IntN(2) == 0 {
			a.apply(n)
		}
	}
}

// apply rescans one pending generation, not always the oldest, and sometimes leaves it pending as after a crash.
func (a *feedActor) apply(n int) {
	if len(a.pending) == 0 {
		return
	}
	i := a.random.IntN(len(a.pending))
	a.w.rescan(a.pending[i], noon.Add(time.Duration(n)*time.Hour))
	if a.random.IntN(4) > 0 {
		a.pending = slices.Delete(a.pending, i, i+1)
	}
}

// imageActor adds, analyses anew and deletes images.
type imageActor struct {
	w      *world
	random *rand.Rand
	images map[string][]persistence.PackageRow
}

func (a *imageActor) step(int) {
	image := fmt.Sprintf("app%d", a.random.IntN(6))
	_, there := a.images[image]
	chance := a.random.IntN(8)
	switch {
	case !there:
		a.images[image] = randomPackages(a.random)
		a.w.analyzed(admin, image, image, a.images[image]...)
	case chance == 0:
		delete(a.images, image)
		a.w.markDeleting(image, true)
		a.w.must(a.w.images.Delete(a.w.t.Context(), admin, digestOf(image)))
	case chance < 3:
		a.images[image] = randomPackages(a.random)
		anew := a.w.newAnalysis(image, a.images[image]...)
		anew.Replace = true
		saved, err := a.w.analyses.Save(a.w.t.Context(), anew)
		a.w.must(err)
		a.w.match(saved.ID)
		if chance == 2 {
			a.w.match(saved.ID) // a late duplicate
		}
	}
}

// changed is a group's document with one to three records added, withdrawn, reworded, rated anew, moved to another
// package or namespace, or gone.
func changed(random *rand.Rand, group string, before []feed.Record) []feed.Record {
	out := slices.Clone(before)
	for range 1 + random.IntN(3) {
		i := random.IntN(8)
		at := slices.IndexFunc(out, func(r feed.Record) bool { return r.Vulnerability.ID == recordID(i) })
		if at < 0 {
			out = append(out, randomRecord(random, group, i))
			continue
		}
		switch r := randomRecord(random, group, i); random.IntN(6) {
		case 0:
			out = slices.Delete(out, at, at+1)
		case 1:
			withdrawn := noon
			r.Vulnerability.Withdrawn = &withdrawn
			out[at] = r
		case 2:
			out[at].Vulnerability.Withdrawn = nil
		case 3:
			out[at] = r
		default: // another word about the same packages
			out[at].Vulnerability.Severity = r.Vulnerability.Severity
		}
	}
	if len(out) == 0 { // a group without records is refused
		out = append(out, randomRecord(random, group, 0))
	}
	return out
}

// recordID is the same in every group: ids collide.
func recordID(i int) string { return fmt.Sprintf("CVE-2026-%d", i) }

func randomRecord(random *rand.Rand, group string, i int) feed.Record {
	fixed := ""
	if random.IntN(3) > 0 {
		fixed = fmt.Sprintf("1.%d.0", random.IntN(5))
	}
	about := func(namespace, prefix string) feed.Record {
		return record(recordID(i), feed.Severity(random.IntN(6)), namespace, fmt.Sprintf("%s%d", prefix, random.IntN(4)), fixed)
	}
	r, other := about("npm", "js"), about("debian:12", "deb")
	if group == "Debian" {
		r, other = other, r
	}
	if random.IntN(3) == 0 {
		r.Advisories = append(r.Advisories, other.Advisories...)
	}
	return r
}

// TestIncrementalEqualsFullWhateverHappens is the central property with everything a system meets.
func TestIncrementalEqualsFullWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d, two at once %t", seed, together), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.must(w.feeds.Ensure(t.Context(), "osv", incrementalGroups))
				feeds := &feedActor{w: w, random: rand.New(rand.NewPCG(seed, 1)), state: make(map[string][]feed.Record)}               // #nosec G404 -- reproducible on purpose
				images := &imageActor{w: w, random: rand.New(rand.NewPCG(seed, 2)), images: make(map[string][]persistence.PackageRow)} // #nosec G404
				run(30, together, feeds.step, images.step)
				for _, generation := range feeds.pending {
					w.rescan(generation, noon.Add(100*time.Hour))
				}
				compareWithFull(t, w, feeds.state, images.images)
			})
		}
	}
}

// run does the steps in turn, or each actor's beside the other's.
func run(steps int, together bool, actors ...func(int)) {
	var group sync.WaitGroup
	for _, act := range actors {
		if together {
			group.Go(func() {
				for n := range steps {
					act(n)
				}
			})
		}
	}
	group.Wait()
	for n := range steps {
		for _, act := range actors {
			if !together {
				act(n)
			}
		}
	}
}

func compareWithFull(t *testing.T, w *world, state map[string][]feed.Record, images map[string][]persistence.PackageRow) {
	t.Helper()
	fresh, found := newWorld(t), 0
	for group, records := range state {
		fresh.commit(group, records...)
	}
	for image, packages := range images {
		fresh.analyzed(admin, image, image, packages...)
		if diff := cmp.Diff(fresh.findings(admin, image), w.findings(admin, image)); diff != "" {
			t.Errorf("%s (-full +incremental):\n%s", image, diff)
		}
		found += fresh.counts(image).Total()
		if diff := cmp.Diff(fresh.counts(image), w.counts(image)); diff != "" {
			t.Errorf("counters of %s (-full +incremental):\n%s", image, diff)
		}
	}
	if found == 0 {
		t.Error("no image has a finding: nothing was compared")
	}
}
