package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"plimsoll/api/client"
)

// signature is an artifact as cosign pushes it beside an image.
func signature(t testing.TB) v1.Image {
	t.Helper()
	const mediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(img, mutate.Addendum{Layer: static.NewLayer([]byte("{}"), mediaType), MediaType: mediaType})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// labelled is the sample for a platform, with labels.
func labelled(t testing.TB, platform v1.Platform) v1.Image {
	t.Helper()
	img := sampleImage(t)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config.Labels = map[string]string{"org.example.team": platform.Architecture}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// One addition of all platforms leads to one analysed image for each, and what is attached to them is listed.
func TestAllPlatformsOfAnIndex(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	registry := newSource(t)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range []v1.Platform{{OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm", Variant: "v7"}} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: labelled(t, p), Descriptor: v1.Descriptor{Platform: &p}})
	}
	image := registry.host() + "/sample/multi:1"
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	registry.push(t, signature(t), "sample/multi:sha256-"+digest.Hex+".sig")

	c := ctl{api: s.api}
	run := func(args ...string) string {
		t.Helper()
		out, diagnostics, code := c.run(t, args...)
		if code != 0 {
			t.Fatalf("plimsollctl %s: exit %d: %s", strings.Join(args, " "), code, diagnostics)
		}
		return out
	}
	var added client.AnchoreImage
	if err := json.Unmarshal([]byte(run("image", "add", image, "--platform", "all", "--output", "json")), &added); err != nil {
		t.Fatal(err)
	}
	if added.PlatformImages == nil || len(*added.PlatformImages) != 3 || *added.Platform != "linux/amd64" || added.ParentDigest != digest.String() {
		t.Fatalf("added %+v", added)
	}
	for i, want := range []string{"linux/amd64", "linux/arm64", "linux/arm/v7"} {
		p := (*added.PlatformImages)[i]
		if p.Platform != want {
			t.Errorf("image %d is for %s, want %s", i, p.Platform, want)
		}
		run("image", "wait", p.ImageDigest)
		if out := run("image", "get", p.ImageDigest); !strings.Contains(out, want) || !strings.Contains(out, "simplesigning") || !strings.Contains(out, "index ") {
			t.Errorf("image get for %s:\n%s", want, out)
		}
	}
	if out := run("image", "list", "--parent-digest", digest.String()); strings.Count(out, "analyzed") != 3 {
		t.Errorf("images of the index:\n%s", out)
	}
	arm := (*added.PlatformImages)[1].ImageDigest
	if out := run("image", "list", "--label", "org.example.team=arm64"); !strings.Contains(out, arm) || strings.Count(out, "analyzed") != 1 {
		t.Errorf("images with the label:\n%s", out)
	}
	if out := run("image", "metadata", arm, "labels"); !strings.Contains(out, "org.example.team") {
		t.Errorf("labels:\n%s", out)
	}
	if out := run("image", "get", image); !strings.Contains(out, added.ImageDigest) {
		t.Errorf("the tag means another image than that of the default platform:\n%s", out)
	}
	if out := run("image", "referrers", arm); !strings.Contains(out, "cosign_tag") {
		t.Errorf("referrers:\n%s", out)
	}
	if _, diagnostics, code := c.run(t, "image", "add", registry.host()+"/sample/multi:sha256-"+digest.Hex+".sig"); code == 0 || !strings.Contains(diagnostics, "a cosign signature") {
		t.Errorf("a signature was added as an image: %s", diagnostics)
	}
}
