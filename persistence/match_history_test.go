package persistence_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plimsoll/engine/feed"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

// then is what was answered about an image at a time.
type then struct {
	at       time.Time
	findings []persistence.ImageVulnerability
}

// TestThePastIsAnsweredAsItWas: whatever comes later, a question about a time gets the answer of that time, and two
// answers differ by exactly what the changes between them say.
func TestThePastIsAnsweredAsItWas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 11)) // #nosec G404 -- reproducible on purpose
			w := newWorld(t)
			var packages []persistence.PackageRow
			for i := range 8 {
				packages = append(packages, npm(fmt.Sprintf("js%d", i%4), fmt.Sprintf("1.%d.0", i/4), fmt.Sprintf("/p%d", i)))
			}
			w.analyzed(persistence.AdminAccount, "app", "app", packages...)
			all := persistence.VulnerabilityFilter{IncludeWontFix: true, Description: true}
			var history []then
			for range 8 {
				c := w.commit("npm", randomRecords(random, "npm")...)
				if !c.Unchanged {
					w.rescan(c.Generation, w.now())
				}
				list, err := w.matches.Vulnerabilities(t.Context(), persistence.AdminAccount, digestOf("app"), all)
				w.must(err)
				history = append(history, then{w.now(), list})
			}
			for i, h := range history {
				got, err := w.matches.VulnerabilitiesThen(t.Context(), persistence.AdminAccount, digestOf("app"), all, h.at)
				w.must(err)
				if diff := cmp.Diff(h.findings, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("step %d (-was +answered now):\n%s", i, diff)
				}
				since := history[random.IntN(i+1)]
				changes, err := w.matches.ChangesBetween(t.Context(), persistence.AdminAccount, digestOf("app"), since.at, h.at)
				w.must(err)
				if diff := cmp.Diff(compared(since.findings, h.findings), told(changes), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("changes up to step %d (-compared +told):\n%s", i, diff)
				}
			}
		})
	}
}

// now is the database's clock, which feeds are committed by.
func (w *world) now() (at time.Time) {
	w.t.Helper()
	w.must(w.pool.QueryRow(w.t.Context(), `SELECT clock_timestamp()`).Scan(&at))
	return at
}

// compared finds the changes between two answers.
func compared(before, after []persistence.ImageVulnerability) []string {
	type key struct{ vulnerability, name, version string }
	state := func(list []persistence.ImageVulnerability) map[key]string {
		out := map[key]string{}
		for _, v := range list {
			out[key{v.Vulnerability, v.PackageName, v.PackageVersion}] = fmt.Sprintf("%s fix=%s %s", v.Severity, v.FixVersion, v.FixState)
		}
		return out
	}
	old, current := state(before), state(after)
	var out []string
	for k, was := range old {
		switch is, there := current[k]; {
		case !there:
			out = append(out, fmt.Sprintf("removed %v: %s", k, was))
		case is != was:
			out = append(out, fmt.Sprintf("updated %v: %s, was %s", k, is, was))
		}
	}
	for k := range maps.Keys(current) {
		if _, there := old[k]; !there {
			out = append(out, fmt.Sprintf("added %v: %s", k, current[k]))
		}
	}
	slices.Sort(out)
	return out
}

func told(changes []persistence.MatchChange) []string {
	var out []string
	for _, c := range changes {
		key := fmt.Sprintf("{%s %s %s}", c.Vulnerability, c.PackageName, c.PackageVersion)
		state := func(s *persistence.MatchState) string {
			return fmt.Sprintf("%s fix=%s %s", s.Severity, s.FixVersion, s.FixState)
		}
		switch c.Kind {
		case "added":
			out = append(out, fmt.Sprintf("added %s: %s", key, state(c.New)))
		case "removed":
			out = append(out, fmt.Sprintf("removed %s: %s", key, state(c.Old)))
		default:
			out = append(out, fmt.Sprintf("updated %s: %s, was %s", key, state(c.New), state(c.Old)))
		}
	}
	slices.Sort(out)
	return out
}

func TestChangesNameTheGenerationAndTheCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("team")
	w.commit("npm", record("GHSA-1", feed.Low, "npm", "koa", "1.3.0"), record("GHSA-2", feed.Low, "npm", "koa", "1.3.0"), record("GHSA-4", feed.Low, "npm", "koa", "1.3.0"))
	w.analyzed(persistence.AdminAccount, "app", "app", npm("koa", "1.2.0", "/p"), npm("koa", "1.2.0", "/q"))
	c := w.commit("npm", record("GHSA-1", feed.Critical, "npm", "koa", "1.3.0"), record("GHSA-3", feed.High, "npm", "koa", ""), record("GHSA-4", feed.Low, "npm", "koa", "1.3.0"))
	w.rescan(c.Generation, noon)
	rules := match.DefaultRules()
	rules.WithoutTypes = map[string]bool{"npm": true}
	later := w.rules(rules)
	if later.Closed != 3 {
		t.Fatalf("rules: %+v", later)
	}
	changes, err := w.matches.ChangesWith(t.Context(), persistence.AdminAccount, digestOf("app"), c.Generation)
	w.must(err)
	want := []string{
		"added {GHSA-3 koa 1.2.0}: High fix= affected", "removed {GHSA-2 koa 1.2.0}: Low fix=1.3.0 fixed",
		"updated {GHSA-1 koa 1.2.0}: Critical fix=1.3.0 fixed, was Low fix=1.3.0 fixed",
	}
	if diff := cmp.Diff(want, told(changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	for _, m := range changes {
		if m.Generation != c.Generation || m.Cause != fmt.Sprintf("feed:%d", c.Generation) || !m.ChangedAt.Equal(noon) {
			t.Errorf("%s %s: generation %d, cause %q at %s", m.Kind, m.Vulnerability, m.Generation, m.Cause, m.ChangedAt)
		}
	}
	if _, err := w.matches.ChangesWith(t.Context(), "team", digestOf("app"), c.Generation); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("another account is told: %v", err)
	}
}

func TestAnExplanationTellsWhereAnAnswerComesFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("team")
	alias := record("GHSA-1", feed.High, "npm", "koa", "1.3.0")
	alias.Vulnerability.Aliases = []string{"CVE-2026-1"}
	c := w.commit("npm", alias, record("GHSA-2", feed.High, "npm", "koa", "1.3.0"))
	w.analyzed(persistence.AdminAccount, "app", "app", npm("koa", "1.2.0", "/p"), npm("koa", "1.4.0", "/q"), npm("koa", "1.2.0", "/r"), npm("express", "1.0.0", "/s"))
	for _, id := range []string{"CVE-2026-1", "GHSA-1"} {
		list, err := w.matches.Explain(t.Context(), persistence.AdminAccount, digestOf("app"), id, "")
		w.must(err)
		var got []string
		for _, p := range list {
			o := p.Statements[0]
			got = append(got, fmt.Sprintf("%s %v: %s by %s %s, finding %t, cause %q", p.PURL, p.Paths, o.Outcome, o.Source, o.ID, p.Finding != nil, p.Cause))
			if from := p.Provenance[0]; len(from.Digest) != 64 || from.Generation != c.Generation || from.CommittedAt.IsZero() {
				t.Errorf("provenance %+v", from)
			}
		}
		want := []string{
			`pkg:npm/koa@1.2.0 [/p /r]: affected by osv GHSA-1, finding true, cause "analysis"`,
			`pkg:npm/koa@1.4.0 [/q]: not_affected by osv GHSA-1, finding false, cause ""`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	if list, err := w.matches.Explain(t.Context(), persistence.AdminAccount, digestOf("app"), "CVE-2026-1", "express"); err != nil || len(list) != 0 {
		t.Errorf("a package nothing is said of: %v, %v", list, err)
	}
	if _, err := w.matches.Explain(t.Context(), "team", digestOf("app"), "CVE-2026-1", ""); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("another account is told: %v", err)
	}
}
