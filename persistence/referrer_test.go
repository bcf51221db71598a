package persistence_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/persistence"
)

func TestReferrersAreReplacedUnlessTheListingHasAProblem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	store := persistence.NewReferrers(w.pool)
	w.account("other")
	w.submit(w.submission(admin, "app", "1"))
	w.submit(w.submission("other", "app", "1"))
	digest := digestOf("app")
	one := persistence.Referrer{Subject: digest, Referrer: digestOf("sbom"), ArtifactType: "application/spdx+json", MediaType: "m", Size: 7, Annotations: map[string]string{"a": "b\x00"}, FoundBy: "referrers_api"}
	two := persistence.Referrer{Subject: digestOf("index"), Referrer: digestOf("signature"), ArtifactType: "s", MediaType: "m", Size: 8, Annotations: map[string]string{}, FoundBy: "cosign_tag"}
	read := func(account string) persistence.ReferrerListing {
		t.Helper()
		l, err := store.List(ctx, account, digest)
		w.must(err)
		return l
	}
	if l := read(admin); !l.ListedAt.IsZero() || len(l.Referrers) > 0 {
		t.Errorf("never listed, yet %+v", l)
	}
	w.must(store.Store(ctx, admin, digest, persistence.ReferrerListing{ListedAt: noon, Referrers: []persistence.Referrer{two, one}}))
	kept := one
	kept.Annotations = map[string]string{"a": "b\uFFFD"}
	if diff := cmp.Diff([]persistence.Referrer{kept, two}, read(admin).Referrers); diff != "" {
		t.Error(diff)
	}
	if l := read("other"); len(l.Referrers) > 0 {
		t.Errorf("another account sees %+v", l)
	}
	two.Size = 9
	w.must(store.Store(ctx, admin, digest, persistence.ReferrerListing{ListedAt: noon.Add(time.Hour), Problem: strings.Repeat("down ", 1000), Referrers: []persistence.Referrer{two}}))
	l := read(admin)
	if diff := cmp.Diff([]persistence.Referrer{kept, two}, l.Referrers); diff != "" || !strings.HasPrefix(l.Problem, "down") || len(l.Problem) > 4<<10 || !l.ListedAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("after a problem: %s %+v", diff, l)
	}
	w.must(store.Store(ctx, admin, digest, persistence.ReferrerListing{ListedAt: noon}))
	if l := read(admin); len(l.Referrers) > 0 || l.Problem != "" {
		t.Errorf("after an empty listing: %+v", l)
	}
	if err := store.Store(ctx, admin, digestOf("gone"), persistence.ReferrerListing{ListedAt: noon}); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("image that is not there: %v", err)
	}
}

func TestImagesOfOneIndexAreSubmittedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	platform := func(name string, beside bool) persistence.SubmitImage {
		in := w.submission(admin, name, "1")
		in.Platform, in.Beside, in.ParentDigest, in.PullDigest = "linux/"+name, beside, digestOf("index"), digestOf("index")
		in.Labels = map[string]string{"team": name, "both": "yes"}
		return in
	}
	all := []persistence.SubmitImage{platform("amd64", false), platform("arm64", true), platform("s390x", true)}
	for range 2 { // the second time nothing changes
		out, err := w.images.SubmitAll(ctx, all)
		w.must(err)
		for i, s := range out {
			tags := s.Image.Tags
			if len(tags) != 1 || tags[0].Current != (i == 0) || tags[0].PullDigest != digestOf("index") || s.OutboxID == 0 || s.Image.Platform != all[i].Platform {
				t.Errorf("image %d: %+v", i, s)
			}
		}
	}
	count := func(f persistence.ImageFilter) int {
		t.Helper()
		l, err := w.images.List(ctx, admin, f)
		w.must(err)
		return len(l)
	}
	tag := &persistence.TagName{Registry: "docker.io", Repository: "library/app", Tag: "1"}
	for name, tt := range map[string]struct {
		filter persistence.ImageFilter
		want   int
	}{
		"index":           {persistence.ImageFilter{ParentDigest: digestOf("index")}, 3},
		"tag":             {persistence.ImageFilter{Tag: tag}, 1},
		"tag ever":        {persistence.ImageFilter{Tag: tag, History: true}, 3},
		"label":           {persistence.ImageFilter{Labels: map[string]string{"team": "arm64"}}, 1},
		"labels":          {persistence.ImageFilter{Labels: map[string]string{"team": "arm64", "both": "yes"}}, 1},
		"common label":    {persistence.ImageFilter{Labels: map[string]string{"both": "yes"}}, 3},
		"no such label":   {persistence.ImageFilter{Labels: map[string]string{"both": "no"}}, 0},
		"label and index": {persistence.ImageFilter{Labels: map[string]string{"both": "yes"}, ParentDigest: digestOf("other")}, 0},
	} {
		if got := count(tt.filter); got != tt.want {
			t.Errorf("%s: %d images, want %d", name, got, tt.want)
		}
	}
	broken := platform("broken", true)
	broken.ManifestBlob = digestOf("no such document")
	if _, err := w.images.SubmitAll(ctx, []persistence.SubmitImage{platform("riscv64", false), broken}); err == nil {
		t.Error("a record without its manifest was stored")
	}
	if n := count(persistence.ImageFilter{}); n != 3 {
		t.Errorf("%d images after a submission that failed half way, want 3", n)
	}
}
