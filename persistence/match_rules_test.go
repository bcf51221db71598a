package persistence_test

import (
	"strings"
	"testing"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

func rpm(namespace, name, version string) persistence.PackageRow {
	return persistence.PackageRow{
		Identity: catalog.Identity{Type: catalog.TypeRpm, Namespace: namespace, Name: name, Version: version, Arch: "x86_64"}, PURL: "pkg:rpm/" + name + "@" + version,
	}
}

func TestOtherRulesGiveOtherAnswersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("redhat", record("CVE-1", feed.High, "rhel:9", "openssl", "2-1.el9"))
	w.commit("rocky", record("CVE-2", feed.Low, "rocky:9", "openssl", "3-1.el9"))
	w.analyzed(admin, "app", "1", rpm("centos:9", "openssl", "1-1.el9"))
	if generation, err := w.matches.EnsureRules(t.Context()); err != nil || generation == 0 {
		t.Errorf("a new installation notes its rules: %d, %v", generation, err)
	}
	if generation, err := w.matches.EnsureRules(t.Context()); err != nil || generation != 0 {
		t.Errorf("the same rules again: %d, %v", generation, err)
	}
	if got := strings.Join(w.findings(admin, "app"), "; "); !strings.Contains(got, "CVE-1") || strings.Contains(got, "CVE-2") {
		t.Errorf("by default: %s", got)
	}
	changed := match.DefaultRules()
	changed.Distros["centos"] = "rocky"
	if out := w.rules(changed); out.Opened != 1 || out.Closed != 1 || out.Images != 1 {
		t.Errorf("mapped elsewhere: %+v", out)
	}
	if got := strings.Join(w.findings(admin, "app"), "; "); strings.Contains(got, "CVE-1") || !strings.Contains(got, "CVE-2") {
		t.Errorf("mapped elsewhere: %s", got)
	}
	if k := w.counts("app"); k.Low != 1 || k.Total() != 1 {
		t.Errorf("counter %+v", k)
	}
	// The new names are those feed changes find the package by.
	c := w.commit("rocky", record("CVE-3", feed.High, "rocky:9", "openssl", "3-1.el9"), record("CVE-2", feed.Low, "rocky:9", "openssl", "3-1.el9"))
	w.rescan(c.Generation, noon)
	if k := w.counts("app"); k.Total() != 2 {
		t.Errorf("counter after a change: %+v", k)
	}
	changed = changed.Clone()
	changed.WithoutTypes = map[string]bool{catalog.TypeRpm: true}
	if out := w.rules(changed); out.Closed != 2 || w.count(`SELECT count(*) FROM plimsoll.package_target`) != 0 {
		t.Errorf("not matched any more: %+v", out)
	}
}

func TestAnUpgradeThatDropsMatchesAndCountersGetsThemBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	w.analyzed(admin, "app", "1", npm("left-pad", "1.2.0", "/p"))
	before := w.counts("app")
	if _, err := w.pool.Exec(t.Context(), `TRUNCATE plimsoll.package_match, plimsoll.analysis_counter, plimsoll.package_target`); err != nil {
		t.Fatal(err)
	}
	w.rules(match.DefaultRules())
	if got := w.counts("app"); got.High != 1 || got.Total() != before.Total() {
		t.Errorf("counter %+v, was %+v", got, before)
	}
	if got := w.findings(admin, "app"); len(got) != 1 {
		t.Errorf("findings %v", got)
	}
}

func TestWhatADistributionPatchedIsItsBusiness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	owned := npm("left-pad", "1.2.0", "/usr/lib/node_modules/left-pad")
	owned.Owned = true
	for namespace, want := range map[string]int{"debian:12": 0, "alpine:3.18": 1, "amzn:2023": 1, "centos:9": 0} {
		image := "app on " + namespace
		out := w.submit(w.submission(admin, image, image))
		n := w.newAnalysis(image, owned)
		n.Namespace = namespace
		saved, err := w.analyses.Save(t.Context(), n)
		w.must(err)
		w.match(saved.ID)
		run := persistence.Run{Account: admin, Digest: digestOf(image), Request: out.Image.Requested, RunID: "r"}
		_, err = w.images.Begin(t.Context(), run, persistence.Origin{})
		w.must(err)
		w.must(w.images.Complete(t.Context(), run, saved.ID, noon, persistence.Origin{}))
		if got := len(w.findings(admin, image)); got != want {
			t.Errorf("%s: %d findings, want %d", namespace, got, want)
		}
		if k := w.counts(image); k.Total() != want {
			t.Errorf("%s: counter %+v", namespace, k)
		}
	}
}
