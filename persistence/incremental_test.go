package persistence_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
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
		commit := commitOf(group, records...)
		if a.random.IntN(2) == 0 {
			commit = deltaOf(group, a.state[group], records)
		}
		if c := a.w.commitFeed(commit); !c.Unchanged {
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

// deltaOf says what changed, and repeats something that did not.
func deltaOf(group string, before, after []feed.Record) persistence.CommitFeed {
	var said []feed.Record
	gone := map[string]bool{}
	for _, r := range before {
		gone[r.Vulnerability.ID] = true
	}
	for i, r := range after {
		delete(gone, r.Vulnerability.ID)
		same := slices.ContainsFunc(before, func(b feed.Record) bool { return cmp.Equal(b, r) })
		if !same || i == 0 {
			said = append(said, r)
		}
	}
	c := commitOf(group, said...)
	c.Delta, c.Removed = true, slices.Sorted(maps.Keys(gone))
	return c
}

// rulesActor edits the matching rules.
type rulesActor struct {
	w       *world
	random  *rand.Rand
	rules   match.Rules
	pending []int64
}

func (a *rulesActor) step(n int) {
	switch a.random.IntN(6) {
	case 0:
		a.rules = match.DefaultRules()
	case 1:
		a.rules = a.rules.Clone()
		a.rules.WithoutTypes = map[string]bool{catalog.TypeNpm: true}
	case 2:
		a.rules = a.rules.Clone()
		a.rules.Distros["debian"] = "ubuntu"
	case 3:
		for _, generation := range a.pending {
			a.w.rescan(generation, noon.Add(time.Duration(n)*time.Hour))
		}
		return
	default:
		return
	}
	a.w.must(a.w.matches.SetRules(a.w.t.Context(), a.rules))
	generation, err := a.w.matches.EnsureRules(a.w.t.Context())
	a.w.must(err)
	if generation > 0 {
		a.pending = append(a.pending, generation)
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
	if random.IntN(3) == 0 { // another name of the flaw, or of another flaw as well
		r.Vulnerability.Aliases = []string{recordID(random.IntN(8))}
	}
	if random.IntN(4) == 0 {
		r.Advisories[0].State, r.Advisories[0].Ranges = feed.StateNotAffected, nil
	}
	return r
}

// TestIncrementalEqualsFullWhateverHappens is the central property with everything a system meets.
func TestIncrementalEqualsFullWhateverHappens(t *testing.T) {
	t.Parallel()
	var compared atomic.Int64
	t.Cleanup(func() {
		if compared.Load() == 0 {
			t.Error("no image has a finding: nothing was compared")
		}
	})
	for seed := range uint64(6) {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d, two at once %t", seed, together), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.must(w.feeds.Ensure(t.Context(), "osv", incrementalGroups))
				feeds := &feedActor{w: w, random: rand.New(rand.NewPCG(seed, 1)), state: make(map[string][]feed.Record)}               // #nosec G404 -- reproducible on purpose
				images := &imageActor{w: w, random: rand.New(rand.NewPCG(seed, 2)), images: make(map[string][]persistence.PackageRow)} // #nosec G404
				edits := &rulesActor{w: w, random: rand.New(rand.NewPCG(seed, 3)), rules: match.DefaultRules()}                        // #nosec G404 -- reproducible on purpose
				run(30, together, feeds.step, images.step, edits.step)
				for _, generation := range slices.Concat(feeds.pending, edits.pending) {
					w.rescan(generation, noon.Add(100*time.Hour))
				}
				compared.Add(int64(compareWithFull(t, w, edits.rules, feeds.state, images.images)))
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

func compareWithFull(t *testing.T, w *world, rules match.Rules, state map[string][]feed.Record, images map[string][]persistence.PackageRow) (found int) {
	t.Helper()
	fresh := newWorld(t)
	fresh.must(fresh.matches.SetRules(t.Context(), rules))
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
	return found
}
