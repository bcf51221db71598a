package persistence_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/persistence/facts"
)

func (w *world) facts(l *facts.Loader, account, image string) policy.Facts {
	w.t.Helper()
	f, err := l.Of(w.t.Context(), account, digestOf(image))
	w.must(err)
	return f
}

func (w *world) loader() *facts.Loader {
	return facts.New(w.pool, w.pool, w.blobs, facts.Config{UserBaseImages: true})
}

// known commits what is said of CVEs: scores of the NVD, predictions, known exploitation.
func (w *world) known(nvd map[string]float64, epss map[string]float64, exploited ...string) {
	w.t.Helper()
	say := func(source string, load func(*persistence.Staging) error) {
		w.commitFeed(persistence.CommitFeed{Source: source, Group: source, At: noon, Load: load, Force: true})
	}
	say("nvd", func(in *persistence.Staging) error {
		for id, base := range nvd {
			err := in.Record(feed.Record{Vulnerability: feed.Vulnerability{
				ID: id, Severity: feed.Medium, Description: "long text", CVSS: []feed.CVSS{{Version: "3.1", Vector: "CVSS:3.1/" + id, Base: &base}},
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	say("epss", func(in *persistence.Staging) error {
		for id, p := range epss {
			if err := in.Score(feed.Score{ID: id, Probability: p, Percentile: 1 - p, Date: noon}); err != nil {
				return err
			}
		}
		return nil
	})
	say("kev", func(in *persistence.Staging) error {
		for _, id := range exploited {
			if err := in.Exploited(feed.Exploited{ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
}

func rated(v policy.Vulnerability) string {
	text := v.ID
	for _, c := range v.NVD {
		text += fmt.Sprintf(" nvd %.1f", *c.Base)
	}
	if v.EPSS != nil {
		text += fmt.Sprintf(" epss %v %v", v.EPSS.Score, v.EPSS.Percentile)
	}
	if v.Exploited {
		text += " exploited"
	}
	return text
}

func TestFindingsAreRatedByTheCVEsBehindThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	advisory := record("GHSA-1", feed.High, "npm", "left-pad", "2.0")
	advisory.Vulnerability.Aliases = []string{"CVE-1", "CVE-2", "PYSEC-7"}
	w.commit("npm", advisory, record("CVE-3", feed.Low, "npm", "left-pad", "2.0"), record("GHSA-4", feed.Low, "npm", "left-pad", "2.0"))
	w.analyzed("mine", "app", "1", npm("left-pad", "1.0", "/p"))
	loader := w.loader()
	status, err := w.facts(loader, "mine", "app").FeedStatus(ctx)
	w.must(err)
	if status.Exploited || status.Predicted {
		t.Errorf("before anything is known: %+v", status)
	}
	// 0.7 and 0.3 are no binary fractions: they must come back as they were written.
	w.known(map[string]float64{"CVE-1": 7.5, "CVE-2": 9.8}, map[string]float64{"CVE-1": 0.7, "CVE-2": 0.3, "CVE-3": 0}, "CVE-2")
	ratings := func(l *facts.Loader) (out []string) {
		list, err := w.facts(l, "mine", "app").RatedVulnerabilities(ctx)
		w.must(err)
		for _, v := range list {
			out = append(out, rated(v))
		}
		return out
	}
	want := []string{"GHSA-1 nvd 7.5 nvd 9.8 epss 0.7 0.3 exploited", "CVE-3 epss 0 1", "GHSA-4"}
	if diff := cmp.Diff(want, ratings(loader)); diff != "" {
		t.Errorf("ratings (-want +got):\n%s", diff)
	}
	if status, err = w.facts(loader, "mine", "app").FeedStatus(ctx); err != nil || !status.Exploited || !status.Predicted {
		t.Errorf("feed status %+v, %v", status, err)
	}
	plain, err := w.facts(loader, "mine", "app").Vulnerabilities(ctx)
	w.must(err)
	if len(plain) != 3 || plain[0].EPSS != nil || plain[0].Exploited || plain[0].NVD != nil {
		t.Errorf("what nobody asked for is loaded: %+v", plain)
	}

	// One pass over many images asks once, and tells all of them the same.
	many := loader.Remembering()
	if diff := cmp.Diff(want, ratings(many)); diff != "" {
		t.Errorf("first image (-want +got):\n%s", diff)
	}
	w.known(map[string]float64{"CVE-1": 1, "CVE-2": 1}, nil)
	if diff := cmp.Diff(want, ratings(many)); diff != "" {
		t.Errorf("second image (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GHSA-1 nvd 1.0 nvd 1.0", "CVE-3", "GHSA-4"}, ratings(loader)); diff != "" {
		t.Errorf("anew (-want +got):\n%s", diff)
	}
}

func TestAPredecessorIsWhatTheTagNamedBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	w.account("other")
	at := noon
	push := func(account, image, tag, platform string) {
		at = at.Add(time.Hour)
		in := w.submission(account, image, tag)
		in.DetectedAt, in.Platform = at, platform
		w.submit(in)
	}
	latest := func(account, image string) string {
		digest, err := w.images.Predecessor(ctx, account, digestOf(image), persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: "latest"})
		if errors.Is(err, persistence.ErrNotFound) {
			return ""
		}
		w.must(err)
		for _, name := range []string{"one", "two", "three", "four", "arm"} {
			if digestOf(name) == digest {
				return name
			}
		}
		return digest
	}
	expect := func(image, want string) {
		t.Helper()
		if got := latest("mine", image); got != want {
			t.Errorf("before %s: %q, want %q", image, got, want)
		}
	}
	for _, name := range []string{"one", "two", "three"} {
		w.analyzed("mine", name, "elsewhere")
		w.analyzed("other", name, "elsewhere")
	}
	expect("one", "") // the tag never named it
	push("mine", "one", "latest", "linux/amd64")
	expect("one", "")
	push("mine", "two", "latest", "linux/amd64")
	push("other", "three", "latest", "linux/amd64")
	expect("two", "one")
	push("mine", "four", "latest", "linux/amd64") // not analysed yet
	push("mine", "three", "latest", "linux/amd64")
	expect("three", "two")
	if got := latest("other", "three"); got != "" {
		t.Errorf("another account's tag named %q before", got)
	}
	push("mine", "one", "latest", "linux/amd64") // rolled back
	expect("one", "three")
	expect("two", "one")
	w.analyzed("mine", "arm", "elsewhere")
	push("mine", "arm", "latest", "linux/arm64")
	expect("arm", "")
	_, err := w.pool.Exec(ctx, `UPDATE plimsoll.image SET image_status = 'deleting' WHERE account = 'mine' AND digest = $1`, digestOf("three"))
	w.must(err)
	expect("one", "two")
}

func TestPackageIndexesKnowThePackagesOfTheImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	w.analyzedWith("mine", "app", `{"packages":[{"type":"npm","name":"left-pad","version":"1.0.0"},{"type":"gem","name":"rack","version":"2.0"}]}`)
	index := func(kind string) policy.PackageIndex {
		got, err := w.facts(w.loader(), "mine", "app").PackageIndex(ctx, kind)
		w.must(err)
		return got
	}
	if got := index(catalog.TypeNpm); got.Known {
		t.Errorf("before the index is read: %+v", got)
	}
	w.commitFeed(persistence.CommitFeed{Source: "npm", Group: "npm", At: noon, Load: func(in *persistence.Staging) error {
		for _, name := range []string{"left-pad", "lodash"} {
			if err := in.Release(feed.Release{Namespace: "npm", Package: name, Latest: "1.3.0", Versions: []string{"1.0.0", "1.3.0"}}); err != nil {
				return err
			}
		}
		return nil
	}})
	w.commitFeed(persistence.CommitFeed{Source: "gems", Group: "rubygems", At: noon, Load: func(in *persistence.Staging) error {
		return in.Release(feed.Release{Namespace: "rubygems", Package: "rails", Latest: "7.0", Versions: []string{"7.0"}})
	}})
	want := policy.PackageIndex{Known: true, Packages: map[string]policy.PublishedPackage{"left-pad": {Latest: "1.3.0", Versions: []string{"1.0.0", "1.3.0"}}}}
	if diff := cmp.Diff(want, index(catalog.TypeNpm)); diff != "" {
		t.Errorf("npm (-want +got):\n%s", diff)
	}
	if got := index(catalog.TypeGem); !got.Known || len(got.Packages) != 0 {
		t.Errorf("an index without the image's packages: %+v", got)
	}
	if got := index(catalog.TypePython); got.Known {
		t.Errorf("an index nobody reads: %+v", got)
	}
}

// analyzedWith is analyzed for an image whose document is given.
func (w *world) analyzedWith(account, image, content string, layers ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	out := w.submit(w.submission(account, image, image))
	run := persistence.Run{Account: account, Digest: digestOf(image), Request: out.Image.Requested, RunID: "run-" + image}
	_, err := w.images.Begin(ctx, run, persistence.Origin{})
	w.must(err)
	analysis := w.newAnalysis(image)
	analysis.Content = []byte(content)
	if len(layers) > 0 {
		analysis.LayerDigests = nil
		for _, name := range layers {
			analysis.LayerDigests = append(analysis.LayerDigests, digestOf(name))
		}
	}
	saved, err := w.analyses.Save(ctx, analysis)
	w.must(err)
	w.match(saved.ID)
	w.must(w.images.Complete(ctx, run, saved.ID, noon, persistence.Origin{}))
}

func TestFactsOfWhatATagNamedBeforeAndOfTheBase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("mine")
	w.account("other")
	w.commit("npm", record("GHSA-1", feed.High, "npm", "left-pad", "2.0"))
	w.analyzedWith("mine", "first", `{"packages":[]}`, "base")
	w.analyzed("mine", "middle", "middle", npm("left-pad", "1.0", "/p"))
	w.analyzedWith("other", "nearer", `{"packages":[]}`, "base", "middle layer", "3")
	w.analyzedWith("mine", "old", `{"packages":[{"type":"npm","name":"left-pad","version":"1.0.0"}]}`, "base", "middle layer", "0")
	w.analyzedWith("mine", "app", `{"packages":[]}`, "base", "middle layer", "3", "4")
	for i, image := range []string{"old", "app"} {
		in := w.submission("mine", image, "latest")
		in.DetectedAt = noon.Add(time.Duration(i) * time.Hour)
		w.submit(in)
	}
	app := w.facts(w.loader(), "mine", "app")
	before, err := app.Predecessor(ctx, "docker.io/library/app:latest")
	w.must(err)
	if before == nil || before.Digest != digestOf("old") || len(before.Packages) != 1 || before.Packages[0].Name != "left-pad" {
		t.Errorf("predecessor %+v", before)
	}
	for _, tag := range []string{"docker.io/library/app:app", "docker.io/library/app:never", "no tag"} {
		if before, err := app.Predecessor(ctx, tag); err != nil || before != nil {
			t.Errorf("before %s: %+v, %v", tag, before, err)
		}
	}
	ancestors, err := app.Ancestors(ctx)
	w.must(err)
	digests := make([]string, len(ancestors))
	for i, a := range ancestors {
		digests[i] = a.Digest
		if a.Base != (i == 1) {
			t.Errorf("base: %+v", a)
		}
	}
	if !slices.Equal(digests, []string{digestOf("first"), digestOf("middle")}) {
		t.Errorf("ancestors %v", digests)
	}
	if list, err := app.BaseVulnerabilities(ctx); err != nil || len(list) != 1 || list[0].ID != "GHSA-1" {
		t.Errorf("vulnerabilities of the base: %v, %v", list, err)
	}
	mark := w.submission("mine", "first", "first")
	mark.Annotations = map[string]any{persistence.MarkedBaseKey: "true"}
	w.submit(mark)
	for marked, want := range map[bool]int{true: 0, false: 1} {
		l := facts.New(w.pool, w.pool, w.blobs, facts.Config{UserBaseImages: marked})
		if ancestors, err := w.facts(l, "mine", "app").Ancestors(ctx); err != nil || !ancestors[want].Base || ancestors[1-want].Base {
			t.Errorf("marks count: %t: %+v, %v", marked, ancestors, err)
		}
	}
}

// What becomes known to be exploited, or no longer counts as such, judges the images that have it, by whatever name.
func TestNewsOfExploitationAffectsTheImagesThatHaveTheFlaw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("mine")
	advisory := record("GHSA-1", feed.High, "npm", "left-pad", "2.0")
	advisory.Vulnerability.Aliases = []string{"CVE-1"}
	w.commit("npm", advisory, record("CVE-2", feed.Low, "npm", "right-pad", "2.0"), record("CVE-3", feed.Low, "npm", "lodash", "2.0"))
	w.analyzed("mine", "alias", "1", npm("left-pad", "1.0", "/p"))
	w.analyzed("mine", "name", "2", npm("right-pad", "1.0", "/p"))
	w.analyzed("mine", "other", "3", npm("lodash", "1.0", "/p"))
	affected := func(exploited ...string) (out []string) {
		t.Helper()
		committed := w.commitFeed(persistence.CommitFeed{Source: "kev", Group: "kev", At: noon, Force: true, Load: func(in *persistence.Staging) error {
			for _, id := range exploited {
				if err := in.Exploited(feed.Exploited{ID: id}); err != nil {
					return err
				}
			}
			return nil
		}})
		w.rescan(committed.Generation, noon)
		refs, err := w.matches.Affected(t.Context(), committed.Generation, persistence.ImageRef{}, 10)
		w.must(err)
		for _, name := range []string{"alias", "name", "other"} {
			if slices.Contains(refs, persistence.ImageRef{Account: "mine", Digest: digestOf(name)}) {
				out = append(out, name)
			}
		}
		return out
	}
	if got := affected("CVE-1", "CVE-2"); !slices.Equal(got, []string{"alias", "name"}) {
		t.Errorf("two became known: %v", got)
	}
	if got := affected("CVE-2", "CVE-9"); !slices.Equal(got, []string{"alias"}) {
		t.Errorf("one is exploited no more: %v", got)
	}
}
