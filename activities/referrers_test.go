package activities_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

func (s *system) upload(ref string, img v1.Image) {
	s.t.Helper()
	parsed, err := name.ParseReference(s.host + "/" + ref)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.Write(parsed, img); err != nil {
		s.t.Fatal(err)
	}
}

func TestAttachmentsAreListedAtAnalysisAndNeverFailIt(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.push("team/app:1", layer(t, map[string]string{"etc/os-release": debian}))
	in := s.add("acme", "team/app", "1")
	signature, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), mutate.Addendum{
		Layer: static.NewLayer([]byte("{}"), "application/vnd.dev.cosign.simplesigning.v1+json"), MediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.upload("team/app:sha256-"+in.Digest[7:]+".sig", signature)
	s.analyze(in)
	listing := func() persistence.ReferrerListing {
		t.Helper()
		l, err := persistence.NewReferrers(s.pool).List(t.Context(), in.Account, in.Digest)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := listing()
	if len(l.Referrers) != 1 || l.Referrers[0].Subject != in.Digest || l.Referrers[0].FoundBy != "cosign_tag" || l.Problem != "" || l.ListedAt.IsZero() {
		t.Errorf("listing %+v", l)
	}
	// A listing that fails is told beside the last good one.
	s.hide.Store(true)
	record, err := persistence.NewImages(s.pool).Submit(t.Context(), s.again(in))
	if err != nil {
		t.Fatal(err)
	}
	in.Request = record.Image.Requested
	s.analyze(in)
	if l = listing(); len(l.Referrers) != 1 || l.Problem == "" {
		t.Errorf("after a listing that failed: %+v", l)
	}
	if r := s.status(in); r.AnalysisStatus != persistence.Analyzed {
		t.Errorf("status %s (%s)", r.AnalysisStatus, r.ErrorMessage)
	}
}

// again is a forced submission of a known image.
func (s *system) again(in workflows.AnalyzeImageInput) persistence.SubmitImage {
	s.t.Helper()
	r := s.status(in)
	return persistence.SubmitImage{
		Account: r.Account, Digest: r.Digest, ImageID: r.ImageID, MediaType: r.MediaType, ManifestBlob: r.ManifestBlob, ConfigBlob: r.ConfigBlob,
		Registry: r.Tags[0].Registry, Repository: r.Tags[0].Repository, Tag: r.Tags[0].Tag, PullDigest: r.Digest, DetectedAt: r.Tags[0].DetectedAt,
		Force: true, Start: func(int64) persistence.Start { return persistence.Start{Workflow: "none"} },
	}
}

func TestAllPlatformsAreLookedUpAtOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var want []string
	for _, platform := range []v1.Platform{{OS: "linux", Architecture: "arm", Variant: "v7"}, {OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64", Variant: "v8"}} {
		img, err := mutate.AppendLayers(empty.Image, layer(t, map[string]string{"a": platform.String()}))
		if err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, digest.String())
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	ref, err := name.ParseReference(s.host + "/team/multi:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	parent, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	var found workflows.ResolveImageResult
	err = s.run(workflows.ResolveImageName, workflows.ResolveImageInput{Account: "acme", Ref: ref.String(), Platform: workflows.AllPlatforms}, &found)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{fmt.Sprint(found.Platform, " ", found.Digest)}
	for _, o := range found.Others {
		got = append(got, fmt.Sprint(o.Platform, " ", o.Digest))
		if o.ManifestBlob != o.Digest || o.ConfigBlob != "sha256:"+o.ImageID {
			t.Errorf("documents of %s are not stored: %+v", o.Platform, o)
		}
	}
	expected := []string{"linux/amd64 " + want[1], "linux/arm/v7 " + want[0], "linux/arm64 " + want[2]}
	if diff := cmp.Diff(expected, got); diff != "" || found.ParentDigest != parent.String() || slices.ContainsFunc(found.Others, func(o workflows.ResolveImageResult) bool { return len(o.Others) > 0 }) {
		t.Error(diff, found.ParentDigest)
	}
}
