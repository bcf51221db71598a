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
	"plimsoll/engine/correction"
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
	switch a.random.IntN(8) {
	case 6: // what the group says is deleted
		c, err := a.w.feeds.Clear(a.w.t.Context(), "osv", group)
		a.w.must(err)
		if !c.Unchanged {
			a.pending = append(a.pending, c.Generation)
		}
		delete(a.state, group)
	case 7: // every record is written anew
		commit := commitOf(group, a.state[group]...)
		commit.Replace, commit.Force = true, true
		if c := a.w.commitFeed(commit); !c.Unchanged {
			a.pending = append(a.pending, c.Generation)
		}
	case 0: // switching a group off keeps what it brought
		a.w.must(a.w.feeds.Switch(a.w.t.Context(), persistence.FeedChoice{Source: "osv", Group: group}, a.random.IntN(2) == 0, noon))
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
	held   map[string]bool // what the other account has as well
}

func (a *imageActor) step(int) {
	image := fmt.Sprintf("app%d", a.random.IntN(6))
	_, there := a.images[image]
	chance := a.random.IntN(8)
	switch {
	case !there:
		a.images[image] = randomPackages(a.random)
		a.w.analyzed(admin, image, image, a.images[image]...)
	case chance > 5 && !a.held[image]:
		a.held[image] = true
		a.w.analyzed(otherAccount, image, image, a.images[image]...)
	case chance == 0 && !a.held[image]:
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

// correctionActor edits the corrections of an account and applies the edits, some late, some twice.
type correctionActor struct {
	w       *world
	account string
	random  *rand.Rand
	rules   []persistence.Correction
	pending []int64
}

func (a *correctionActor) step(n int) {
	ctx := a.w.t.Context()
	edit := func(account string, number int64) persistence.Start {
		a.pending = append(a.pending, number)
		return applyCorrections(account, number)
	}
	switch at := a.random.IntN(8); {
	case at == 0 && len(a.rules) > 0:
		i := a.random.IntN(len(a.rules))
		_, err := a.w.corrections.Delete(ctx, a.account, a.rules[i].ID, edit)
		a.w.must(err)
		a.rules = slices.Delete(a.rules, i, i+1)
	case at == 1 && len(a.rules) > 0:
		i := a.random.IntN(len(a.rules))
		a.rules[i].Rule = randomRule(a.random)
		_, _, err := a.w.corrections.Update(ctx, a.rules[i], edit)
		a.w.must(err)
	case at < 4:
		c, _, err := a.w.corrections.Create(ctx, persistence.Correction{Account: a.account, Rule: randomRule(a.random)}, edit)
		a.w.must(err)
		a.rules = append(a.rules, c)
	case at < 6 && len(a.pending) > 0:
		i := a.random.IntN(len(a.pending))
		a.apply(a.pending[i], n)
		if a.random.IntN(4) > 0 {
			a.pending = slices.Delete(a.pending, i, i+1)
		}
	}
}

func (a *correctionActor) apply(edit int64, n int) {
	_, err := a.w.matches.Recorrect(a.w.t.Context(), a.account, edit, noon.Add(time.Duration(n)*time.Hour), func(int, int) {})
	a.w.must(err)
}

func randomRule(random *rand.Rand) correction.Rule {
	kind, name := catalog.TypeNpm, fmt.Sprintf("js%d", random.IntN(4))
	if random.IntN(3) == 0 {
		kind, name = correction.AnyOS, fmt.Sprintf("deb%d", random.IntN(4))
	}
	r := correction.Rule{Type: kind}
	if random.IntN(4) > 0 {
		r.Match = append(r.Match, correction.Field{Name: correction.FieldPackage, Value: name})
	}
	if random.IntN(2) == 0 {
		r.Match = append(r.Match, correction.Field{Name: correction.FieldVersion, Value: fmt.Sprintf("1.%d.0", random.IntN(5))})
	}
	switch random.IntN(3) {
	case 0:
		r.Replace = []correction.Field{{Name: correction.FieldPackage, Value: fmt.Sprintf("js%d", random.IntN(4))}}
	case 1:
		r.Replace = []correction.Field{{Name: correction.FieldVersion, Value: "0.{version}"}}
	default:
		r.Replace = []correction.Field{{Name: correction.FieldVersion, Value: fmt.Sprintf("1.%d.0", random.IntN(5))}}
	}
	return r
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
				w.account(otherAccount)
				w.must(w.feeds.Ensure(t.Context(), persistence.Offer{Source: "osv", Groups: incrementalGroups, Enabled: true}))
				feeds := &feedActor{w: w, random: rand.New(rand.NewPCG(seed, 1)), state: make(map[string][]feed.Record)}                                            // #nosec G404 -- reproducible on purpose
				images := &imageActor{w: w, random: rand.New(rand.NewPCG(seed, 2)), images: make(map[string][]persistence.PackageRow), held: make(map[string]bool)} // #nosec G404
				edits := &rulesActor{w: w, random: rand.New(rand.NewPCG(seed, 3)), rules: match.DefaultRules()}                                                     // #nosec G404 -- reproducible on purpose
				ours := &correctionActor{w: w, account: admin, random: rand.New(rand.NewPCG(seed, 4))}                                                              // #nosec G404 -- reproducible on purpose
				theirs := &correctionActor{w: w, account: otherAccount, random: rand.New(rand.NewPCG(seed, 5))}                                                     // #nosec G404
				run(30, together, feeds.step, images.step, edits.step, ours.step, theirs.step)
				for _, generation := range slices.Concat(feeds.pending, edits.pending) {
					w.rescan(generation, noon.Add(100*time.Hour))
				}
				for _, actor := range []*correctionActor{ours, theirs} {
					for _, edit := range actor.pending {
						actor.apply(edit, 100)
					}
				}
				compared.Add(int64(compareWithFull(t, w, edits.rules, feeds.state, images, ours, theirs)))
				sameGathered(t, w, admin)
				sameGathered(t, w, otherAccount)
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

// otherAccount has some of the images, and corrections of its own.
const otherAccount = "other"

func compareWithFull(t *testing.T, w *world, rules match.Rules, state map[string][]feed.Record, images *imageActor, corrections ...*correctionActor) (found int) {
	t.Helper()
	fresh := newWorld(t)
	fresh.must(fresh.matches.SetRules(t.Context(), rules))
	fresh.account(otherAccount)
	for group, records := range state {
		fresh.commit(group, records...)
	}
	for _, a := range corrections {
		for _, c := range a.rules {
			_, _, err := fresh.corrections.Create(t.Context(), c, applyCorrections)
			fresh.must(err)
		}
	}
	for image, packages := range images.images {
		for _, account := range []string{admin, otherAccount} {
			if account == otherAccount && !images.held[image] {
				continue
			}
			fresh.analyzed(account, image, image, packages...)
			if diff := cmp.Diff(fresh.findings(account, image), w.findings(account, image)); diff != "" {
				t.Errorf("%s of %s (-full +incremental):\n%s", image, account, diff)
			}
			found += fresh.counterOf(account, image).Total()
			if diff := cmp.Diff(fresh.counterOf(account, image), w.counterOf(account, image)); diff != "" {
				t.Errorf("counters of %s of %s (-full +incremental):\n%s", image, account, diff)
			}
		}
		if diff := cmp.Diff(fresh.counts(image), w.counts(image)); diff != "" {
			t.Errorf("stored counters of %s (-full +incremental):\n%s", image, diff)
		}
	}
	return found
}
