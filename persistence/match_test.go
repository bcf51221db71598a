package persistence_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
)

func TestMatchAnswersPerPathAndCountsPerPackage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), record("GHSA-2", feed.Critical, "npm", "left-pad", ""))
	w.commit("Debian", record("DSA-1", feed.Low, "debian:12", "zlib", "2.0-1"))
	id := w.analyzed(persistence.AdminAccount, "app", "1",
		npm("left-pad", "1.2.0", "/a/package.json"), npm("left-pad", "1.2.0", "/b/package.json"),
		npm("lodash", "1.0.0", "/c/package.json"), deb("zlib", "1.0-1"))
	want := []string{
		"Critical GHSA-2 left-pad@1.2.0 fix=none path=/a/package.json",
		"Critical GHSA-2 left-pad@1.2.0 fix=none path=/b/package.json",
		"High GHSA-1 left-pad@1.2.0 fix=1.3.0 path=/a/package.json",
		"High GHSA-1 left-pad@1.2.0 fix=1.3.0 path=/b/package.json",
		"Low DSA-1 zlib@1.0-1 fix=2.0-1 path=",
	}
	if diff := cmp.Diff(want, w.findings(persistence.AdminAccount, "app")); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	counters, err := w.matches.Counters(t.Context(), persistence.AdminAccount, []string{digestOf("app")})
	if err != nil {
		t.Fatal(err)
	}
	got := counters[digestOf("app")]
	got.UpdatedAt = time.Time{}
	if diff := cmp.Diff(persistence.Counter{AnalysisID: id, Generation: got.Generation, Critical: 1, High: 1, Low: 1, Fixable: 2}, got); diff != "" {
		t.Errorf("counter (-want +got):\n%s", diff)
	}
	again := w.match(id)
	if again.Packages != 0 || again.Opened != 0 {
		t.Errorf("matching again: %+v, want nothing to do", again)
	}
}

func TestVulnerabilityFilterChoosesByKindAndFix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wontFix := record("DSA-2", feed.High, "debian:12", "zlib", "")
	wontFix.Advisories[0].State = feed.StateWontFix
	w.commit("Debian", record("DSA-1", feed.Low, "debian:12", "zlib", "2.0-1"), wontFix)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"))
	w.analyzed(persistence.AdminAccount, "app", "1", npm("left-pad", "1.2.0", "/p"), deb("zlib", "1.0-1"))
	for name, tc := range map[string]struct {
		filter persistence.VulnerabilityFilter
		want   []string
	}{
		"all that will be fixed": {persistence.VulnerabilityFilter{}, []string{"GHSA-1", "DSA-1"}},
		"everything":             {persistence.VulnerabilityFilter{Kind: persistence.KindAll, IncludeWontFix: true}, []string{"DSA-2", "GHSA-1", "DSA-1"}},
		"os":                     {persistence.VulnerabilityFilter{Kind: persistence.KindOS}, []string{"DSA-1"}},
		"non-os":                 {persistence.VulnerabilityFilter{Kind: persistence.KindNonOS}, []string{"GHSA-1"}},
	} {
		list, err := w.matches.Vulnerabilities(t.Context(), persistence.AdminAccount, digestOf("app"), tc.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range list {
			got = append(got, v.Vulnerability)
			if v.Detail.Description != "" || v.Detail.URL == "" {
				t.Errorf("%s: detail %+v, want the address and no description", name, v.Detail)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	list, err := w.matches.Vulnerabilities(t.Context(), persistence.AdminAccount, digestOf("app"), persistence.VulnerabilityFilter{Description: true, Kind: persistence.KindNonOS})
	if err != nil || len(list) != 1 || list[0].Detail.Description != "long text" || list[0].FixObservedAt.IsZero() {
		t.Errorf("with description: %+v, %v", list, err)
	}
}

func TestVulnerabilitiesTellUnknownFromUnanalysed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(image string) error {
		_, err := w.matches.Vulnerabilities(t.Context(), persistence.AdminAccount, digestOf(image), persistence.VulnerabilityFilter{})
		return err
	}
	if err := ask("app"); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("unknown image: %v", err)
	}
	w.submit(w.submission(persistence.AdminAccount, "app", "1"))
	if err := ask("app"); !errors.Is(err, persistence.ErrNotAnalyzed) {
		t.Errorf("new image: %v", err)
	}
}

func TestRescanMovesOnlyWhatDiffersAndKeepsTheDateOfDetection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", ""), record("GHSA-2", feed.High, "npm", "lodash", "2.0.0"))
	w.analyzed(persistence.AdminAccount, "app", "1", npm("left-pad", "1.2.0", "/p"))
	w.analyzed(persistence.AdminAccount, "other", "2", npm("lodash", "1.0.0", "/l"))
	untouched := w.rowVersions("(SELECT xmin, ctid FROM plimsoll.package_match WHERE vulnerability = 'GHSA-2') x")

	later := noon.Add(24 * time.Hour)
	c := w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "1.3.0"), record("GHSA-2", feed.High, "npm", "lodash", "2.0.0"))
	out := w.rescan(c.Generation, later)
	if diff := cmp.Diff(persistence.Rescanned{Packages: 1, Opened: 1, Closed: 1, Images: 1}, out); diff != "" {
		t.Errorf("rescan (-want +got):\n%s", diff)
	}
	list, err := w.matches.Vulnerabilities(ctx, persistence.AdminAccount, digestOf("app"), persistence.VulnerabilityFilter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if got := list[0]; got.FixVersion != "1.3.0" || !got.DetectedAt.Equal(noon) {
		t.Errorf("fix %q detected %s, want 1.3.0 at %s: a new fix is no new finding", got.FixVersion, got.DetectedAt, noon)
	}
	if n := w.count(`SELECT count(*) FROM plimsoll.package_match WHERE valid_to = $1 AND end_cause = $2`, later, fmt.Sprintf("feed:%d", c.Generation)); n != 1 {
		t.Errorf("%d intervals closed with their cause, want 1", n)
	}
	if after := w.rowVersions("(SELECT xmin, ctid FROM plimsoll.package_match WHERE vulnerability = 'GHSA-2') x"); after != untouched {
		t.Error("a match that did not move was written")
	}
	refs, err := w.matches.Affected(ctx, c.Generation, persistence.ImageRef{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]persistence.ImageRef{{Account: persistence.AdminAccount, Digest: digestOf("app")}}, refs); diff != "" {
		t.Errorf("affected images (-want +got):\n%s", diff)
	}
	before := w.rowVersions("plimsoll.package_match", "plimsoll.analysis_counter")
	if again := w.rescan(c.Generation, later.Add(time.Hour)); again.Opened != 0 || again.Closed != 0 {
		t.Errorf("rescan again: %+v", again)
	}
	if after := w.rowVersions("plimsoll.package_match", "plimsoll.analysis_counter"); after != before {
		t.Error("a repeated rescan wrote rows")
	}
}

func TestRescanRenewsCountersWhenOnlyTheSeverityChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.Low, "npm", "left-pad", "1.3.0"))
	w.analyzed(persistence.AdminAccount, "app", "1", npm("left-pad", "1.2.0", "/p"))
	c := w.commit("npm", record("GHSA-1", feed.Critical, "npm", "left-pad", "1.3.0"))
	out := w.rescan(c.Generation, noon)
	if diff := cmp.Diff(persistence.Rescanned{Packages: 1, Opened: 1, Closed: 1, Images: 1}, out); diff != "" {
		t.Errorf("rescan (-want +got):\n%s", diff)
	}
	counters, err := w.matches.Counters(t.Context(), persistence.AdminAccount, []string{digestOf("app")})
	if k := counters[digestOf("app")]; err != nil || k.Critical != 1 || k.Low != 0 {
		t.Errorf("counter %+v, %v", k, err)
	}
	refs, err := w.matches.Affected(t.Context(), c.Generation, persistence.ImageRef{}, 10)
	if err != nil || len(refs) != 1 {
		t.Errorf("affected: %v, %v", refs, err)
	}
}

// What the NVD says of a flaw rates the records that others leave unrated, by whatever name they carry it.
func TestRescanRatesAnewWhatTheNVDRates(t *testing.T) {
	t.Parallel()
	unrated := record("GHSA-1", feed.Unknown, "npm", "flask", "1.3.0")
	unrated.Vulnerability.Aliases = []string{"CVE-2026-1"}
	ofPackage := record("CVE-2026-1", feed.High, "npm", "flask", "1.3.0")
	ofPackage.Advisories[0].Severity = new(feed.Severity)
	for name, about := range map[string]feed.Record{"a record by an alias": unrated, "an advisory of a rated record": ofPackage} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.commit("npm", about, record("GHSA-2", feed.Unknown, "npm", "jinja2", "2.0"))
			w.analyzed(persistence.AdminAccount, "app", "1", npm("flask", "1.2.0", "/p"))
			nvd := func(records ...feed.Record) []string {
				t.Helper()
				c := commitOf("nvdv2:cves", records...)
				c.Source, c.Force = "nvd", true
				out := w.commitFeed(c)
				w.rescan(out.Generation, noon)
				return w.changed(out.Generation)
			}
			rated := func(want feed.Severity) {
				t.Helper()
				list, err := w.matches.Vulnerabilities(t.Context(), persistence.AdminAccount, digestOf("app"), persistence.VulnerabilityFilter{})
				if err != nil || len(list) != 1 || list[0].Severity != want {
					t.Errorf("findings %+v, %v: want one of severity %s", list, err, want)
				}
				checkCounter(t, w, "app", want)
			}
			rated(feed.Unknown)
			changed := nvd(rating("CVE-2026-1", feed.Critical), rating("CVE-2026-3", feed.High))
			if diff := cmp.Diff([]string{"npm flask"}, changed); diff != "" {
				t.Errorf("changed names: %s", diff)
			}
			rated(feed.Critical)
			nvd(rating("CVE-2026-1", feed.Low), rating("CVE-2026-3", feed.High))
			rated(feed.Low)
			nvd(rating("CVE-2026-3", feed.High))
			rated(feed.Unknown)
		})
	}
}

// rating is an NVD record that tells no versions.
func rating(id string, severity feed.Severity) feed.Record {
	return feed.Record{Vulnerability: feed.Vulnerability{ID: id, Severity: severity}}
}

func checkCounter(t *testing.T, w *world, image string, only feed.Severity) {
	t.Helper()
	counters, err := w.matches.Counters(t.Context(), persistence.AdminAccount, []string{digestOf(image)})
	if err != nil {
		t.Fatal(err)
	}
	k := counters[digestOf(image)]
	got := map[feed.Severity]int{feed.Critical: k.Critical, feed.High: k.High, feed.Medium: k.Medium, feed.Low: k.Low, feed.Negligible: k.Negligible, feed.Unknown: k.Unknown}
	for severity, n := range got {
		if want := map[bool]int{true: 1}[severity == only]; n != want {
			t.Errorf("%s counted %d times, want %d", severity, n, want)
		}
	}
}

func TestAffectedPagesEveryImageOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("team")
	w.commit("npm", record("GHSA-1", feed.Low, "npm", "koa", "1.3.0"))
	for i := range 5 {
		image := fmt.Sprintf("app%d", i)
		w.analyzed(persistence.AdminAccount, image, image, npm("left-pad", "1.2.0", "/p"))
		w.analyzed("team", image, image, npm("left-pad", "1.2.0", "/p"))
	}
	c := w.commit("npm", record("GHSA-1", feed.Low, "npm", "koa", "1.3.0"), record("GHSA-2", feed.Low, "npm", "left-pad", "1.3.0"))
	w.rescan(c.Generation, noon)
	seen := make(map[persistence.ImageRef]bool)
	for after := (persistence.ImageRef{}); ; {
		page, err := w.matches.Affected(t.Context(), c.Generation, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, ref := range page {
			if seen[ref] {
				t.Errorf("%v comes twice", ref)
			}
			seen[ref] = true
		}
		after = page[len(page)-1]
	}
	if len(seen) != 10 {
		t.Errorf("%d images, want 10", len(seen))
	}
}

// TestIncrementalEqualsFull is the central property: whatever the order of images, feed changes and rescans, what
// is kept equals what a recomputation from nothing finds.
func TestIncrementalEqualsFull(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7)) // #nosec G404 -- reproducible on purpose
			w := newWorld(t)
			if seed%2 == 1 {
				w = newWorldApart(t)
			}
			state := map[string][]feed.Record{"npm": {}, "Debian": {}}
			images := make(map[string][]persistence.PackageRow)
			for step := range 14 {
				if random.IntN(2) == 0 {
					image := fmt.Sprintf("app%d", step)
					images[image] = randomPackages(random)
					w.analyzed(persistence.AdminAccount, image, image, images[image]...)
					continue
				}
				group := []string{"npm", "Debian"}[random.IntN(2)]
				state[group] = randomRecords(random, group)
				if c := w.commit(group, state[group]...); !c.Unchanged {
					w.rescan(c.Generation, noon.Add(time.Duration(step)*time.Hour))
				}
			}
			fresh := newWorld(t)
			for group, records := range state {
				if len(records) > 0 {
					fresh.commit(group, records...)
				}
			}
			for image, packages := range images {
				fresh.analyzed(persistence.AdminAccount, image, image, packages...)
				if diff := cmp.Diff(fresh.findings(persistence.AdminAccount, image), w.findings(persistence.AdminAccount, image)); diff != "" {
					t.Errorf("%s (-full +incremental):\n%s", image, diff)
				}
				if diff := cmp.Diff(fresh.counts(image), w.counts(image)); diff != "" {
					t.Errorf("counters of %s (-full +incremental):\n%s", image, diff)
				}
			}
		})
	}
}

func (w *world) counts(image string) persistence.Counter {
	w.t.Helper()
	counters, err := w.matches.Counters(w.t.Context(), persistence.AdminAccount, []string{digestOf(image)})
	if err != nil {
		w.t.Fatal(err)
	}
	k := counters[digestOf(image)]
	k.AnalysisID, k.Generation, k.UpdatedAt = 0, 0, time.Time{}
	return k
}

func randomPackages(random *rand.Rand) []persistence.PackageRow {
	var out []persistence.PackageRow
	for i := range 1 + random.IntN(6) {
		version := fmt.Sprintf("1.%d.0", random.IntN(4))
		if random.IntN(2) == 0 {
			out = append(out, npm(fmt.Sprintf("js%d", random.IntN(4)), version, fmt.Sprintf("/p%d", i)))
		} else {
			out = append(out, deb(fmt.Sprintf("deb%d", random.IntN(4)), version+"-1"))
		}
	}
	return out
}

func randomRecords(random *rand.Rand, group string) []feed.Record {
	var out []feed.Record
	for i := range 8 {
		if i > 0 && random.IntN(3) == 0 { // the first stays: a group without records is refused
			continue
		}
		fixed := ""
		if random.IntN(3) > 0 {
			fixed = fmt.Sprintf("1.%d.0", random.IntN(5))
		}
		severity := feed.Severity(random.IntN(6))
		if group == "npm" {
			out = append(out, record(fmt.Sprintf("GHSA-%d", i), severity, "npm", fmt.Sprintf("js%d", i%4), fixed))
		} else {
			out = append(out, record(fmt.Sprintf("DSA-%d", i), severity, "debian:12", fmt.Sprintf("deb%d", i%4), fixed))
		}
	}
	return out
}

func TestAnalysesThatShareNewPackagesAreMatchedSafelyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit("npm", record("GHSA-1", feed.High, "npm", "js1", "9.0.0"), record("GHSA-2", feed.High, "npm", "js2", "9.0.0"))
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			packages := []persistence.PackageRow{npm("js1", "1.0.0", "/a"), npm("js2", "1.0.0", "/b"), npm(fmt.Sprintf("own%d", i), "1.0.0", "/c")}
			if i%2 == 1 {
				packages[0], packages[2] = packages[2], packages[0]
			}
			saved, err := w.analyses.Save(t.Context(), w.newAnalysis(fmt.Sprintf("app%d", i), packages...))
			if err != nil {
				t.Errorf("save: %v", err)
				return
			}
			out, err := w.matches.MatchAnalysis(t.Context(), saved.ID, noon)
			if err != nil || out.Counter.High != 2 {
				t.Errorf("match: %+v, %v", out, err)
			}
		})
	}
	group.Wait()
	if n := w.count(`SELECT count(*) FROM plimsoll.package_match`); n != 2 {
		t.Errorf("%d matches, want 2", n)
	}
}
