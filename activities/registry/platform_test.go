package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	own "plimsoll/activities/registry"
)

// member is an image for an index; its config says what the platform says unless config names another one.
func member(t *testing.T, platform, config string) mutate.IndexAddendum {
	t.Helper()
	if config == "" {
		config = platform
	}
	os, arch, _ := strings.Cut(config, "/")
	arch, variant, _ := strings.Cut(arch, "/")
	img := imageFor(t, os, arch)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.Variant = variant
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	add := mutate.IndexAddendum{Add: img}
	if platform != "" {
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		add.Descriptor.Platform = p
	}
	return add
}

// write pushes an index and returns the digests of its members in order.
func (h *host) write(t *testing.T, ref string, members ...mutate.IndexAddendum) (v1.ImageIndex, []string) {
	t.Helper()
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), members...)
	if err := remote.WriteIndex(h.ref(t, ref), index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, d := range manifest.Manifests {
		digests = append(digests, d.Digest.String())
	}
	return index, digests
}

func TestVariantsOfAnIndex(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	_, arms := h.write(t, "arms:1", member(t, "linux/arm/v5", ""), member(t, "linux/arm/v7", "linux/arm"), member(t, "linux/arm64/v8", ""), member(t, "linux/amd64", "linux/arm64"))
	_, sixth := h.write(t, "sixth:1", member(t, "linux/arm/v6", ""), member(t, "linux/arm64", ""))
	tests := []struct {
		ref, platform, want, named string
		fails                      error
	}{
		{"arms:1", "linux/arm/v5", arms[0], "linux/arm/v5", nil},
		{"arms:1", "linux/arm/v7", arms[1], "linux/arm/v7", nil}, // although the config names no variant
		{"arms:1", "linux/arm", arms[1], "linux/arm/v7", nil},
		{"arms:1", "linux/armhf", arms[1], "linux/arm/v7", nil},
		{"arms:1", "linux/arm/v6", "", "", own.ErrUnsupported},
		{"arms:1", "linux/arm64", arms[2], "linux/arm64", nil},
		{"arms:1", "linux/arm64/v8", arms[2], "linux/arm64", nil},
		{"arms:1", "linux/aarch64", arms[2], "linux/arm64", nil},
		{"arms:1", "LINUX/AMD64", arms[3], "linux/amd64", nil}, // although the config says arm64
		{"arms:1", "linux/amd64/v1", arms[3], "linux/amd64", nil},
		{"arms:1", "linux/amd64/v3", "", "", own.ErrUnsupported},
		{"sixth:1", "linux/arm", sixth[0], "linux/arm/v6", nil},
		{"sixth:1", "linux/arm64/v8", sixth[1], "linux/arm64", nil},
		{"sixth:1", "", "", "", own.ErrUnsupported},
		{"arms:1", "linux/", "", "", own.ErrReference},
		{"arms:1", "linux/arm/v7/x", "", "", own.ErrReference},
		{"arms:1", "lin ux/arm", "", "", own.ErrReference},
	}
	for _, tt := range tests {
		t.Run(tt.ref+" "+tt.platform, func(t *testing.T) {
			t.Parallel()
			got, err := client().Resolve(t.Context(), nil, h.addr+"/"+tt.ref, tt.platform)
			if !errors.Is(err, tt.fails) {
				t.Fatalf("error %v, want %v", err, tt.fails)
			}
			if err == nil && (got.Digest != tt.want || got.Platform != tt.named) {
				t.Errorf("got %s for %s, want %s for %s", got.Digest, got.Platform, tt.want, tt.named)
			}
		})
	}
}

func TestIndexesWithinIndexesAndThingsBesideImages(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	record := member(t, "unknown/unknown", "linux/amd64")
	record.Descriptor.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	chart := mutate.IndexAddendum{Add: mutate.ConfigMediaType(imageFor(t, "linux", "amd64"), "application/vnd.cncf.helm.config.v1+json")}
	chart.Descriptor.ArtifactType = "application/vnd.cncf.helm.config.v1+json"
	inner, innerDigests := h.write(t, "x:inner", member(t, "linux/s390x", ""), record)
	outer, digests := h.write(t, "x:outer", chart, record, mutate.IndexAddendum{Add: inner}, member(t, "linux/arm64", ""))
	want, err := outer.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for platform, digest := range map[string]string{"linux/s390x": innerDigests[0], "linux/arm64": digests[3]} {
		got, err := client().Resolve(t.Context(), nil, h.addr+"/x:outer", platform)
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest != digest || got.ParentDigest != want.String() {
			t.Errorf("%s: %s of %s", platform, got.Digest, got.ParentDigest)
		}
	}
	all, err := client().ResolveAll(t.Context(), nil, h.addr+"/x:outer")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		got = append(got, r.Platform+" "+r.Digest)
		if r.ParentDigest != want.String() {
			t.Errorf("%s has the parent %s", r.Platform, r.ParentDigest)
		}
	}
	if diff := cmp.Diff([]string{"linux/s390x " + innerDigests[0], "linux/arm64 " + digests[3]}, got); diff != "" {
		t.Error(diff)
	}
	deep := inner
	for i := range 3 {
		deep, _ = h.write(t, fmt.Sprintf("x:deep%d", i), mutate.IndexAddendum{Add: deep})
	}
	if _, err := client().Resolve(t.Context(), nil, h.addr+"/x:deep2", ""); !errors.Is(err, own.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "deep") {
		t.Errorf("deep index: %v", err)
	}
	h.write(t, "x:records", record, chart)
	if _, err := client().Resolve(t.Context(), nil, h.addr+"/x:records", ""); !errors.Is(err, own.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "holds no image") {
		t.Errorf("index of records: %v", err)
	}
}

func TestImagesWithoutAPlatformInTheIndexAreLookedInto(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	_, digests := h.write(t, "bare:1", member(t, "", "linux/arm64"), member(t, "", "linux/amd64"))
	for platform, want := range map[string]string{"": digests[1], "linux/arm64": digests[0]} {
		got, err := client().Resolve(t.Context(), nil, h.addr+"/bare:1", platform)
		if err != nil || got.Digest != want {
			t.Errorf("%q: %+v, %v; want %s", platform, got, err, want)
		}
	}
}

func TestEveryPlatformOnceTheDefaultFirst(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	amd := member(t, "linux/amd64", "")
	_, digests := h.write(t, "multi:1", member(t, "linux/arm64", ""), amd, amd, member(t, "windows/amd64", ""))
	all, err := client().ResolveAll(t.Context(), nil, h.addr+"/multi:1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		got = append(got, r.Platform+" "+r.Digest)
	}
	if diff := cmp.Diff([]string{"linux/amd64 " + digests[1], "linux/arm64 " + digests[0], "windows/amd64 " + digests[3]}, got); diff != "" {
		t.Error(diff)
	}
	h.push(t, "plain:1", imageFor(t, "linux", "arm64"))
	if all, err = client().ResolveAll(t.Context(), nil, h.addr+"/plain:1"); err != nil || len(all) != 1 || all[0].ParentDigest != "" || all[0].Platform != "linux/arm64" {
		t.Errorf("an image without index: %+v, %v", all, err)
	}
}

// A registry that is asked for an index of many indexes must not make us walk them all.
func TestAnIndexOfManyIndexesIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var members []mutate.IndexAddendum
	for range 20 {
		inner := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), member(t, "linux/riscv64", ""))
		members = append(members, mutate.IndexAddendum{Add: inner})
	}
	h.write(t, "many:1", members...)
	fetched := 0
	h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		fetched++
		next.ServeHTTP(w, r)
	}
	if _, err := client().Resolve(t.Context(), nil, h.addr+"/many:1", ""); !errors.Is(err, own.ErrUnsupported) || fetched > 20 {
		t.Errorf("error %v after %d requests", err, fetched)
	}
}

// Quirks of builders and old clients that are images all the same.
func TestManifestsOfOddBuilders(t *testing.T) {
	t.Parallel()
	const (
		none = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		conf = `{"architecture":"amd64","os":"linux"}`
	)
	digest := digestOf([]byte(conf))
	config := func(mediaType, more string) string {
		return fmt.Sprintf(`"config":{"mediaType":%q,"size":%d,"digest":%q%s}`, mediaType, len(conf), digest, more)
	}
	layer := func(mediaType string) string {
		return fmt.Sprintf(`{"mediaType":%q,"size":1,"digest":%q}`, mediaType, digestOf([]byte("x")))
	}
	const oci, docker = "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"
	tests := []struct {
		name, contentType, body string
		want                    error
		says                    string
	}{
		{"no media type (buildah)", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, "") + `,"layers":[` + layer(string(types.OCILayer)) + `]}`, nil, ""},
		{"docker types in an OCI manifest (kaniko)", string(types.OCIManifestSchema1), `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` + config(docker, "") + `,"layers":[` + layer(string(types.DockerLayer)) + `]}`, nil, ""},
		{"OCI types in a docker manifest", "application/json", `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",` + config(oci, "") + `,"layers":[` + layer(string(types.OCILayerZStd)) + `]}`, nil, ""},
		{"no content type", "", `{"schemaVersion":2,` + config(oci, "") + `,"layers":[` + layer(string(types.OCIUncompressedLayer)) + `]}`, nil, ""},
		{"config called octet-stream", string(types.DockerManifestSchema2), `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",` + config("application/octet-stream", "") + `,"layers":[` + layer(string(types.DockerLayer)) + `]}`, nil, ""},
		{"the same layer twice, and one of no bytes", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, "") + `,"layers":[` + layer(string(types.OCILayer)) + `,` + layer(string(types.OCILayer)) + `,{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":0,"digest":"` + none + `"}]}`, nil, ""},
		{"config within the manifest", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, `,"data":"eyJhcmNoaXRlY3R1cmUiOiJhbWQ2NCIsIm9zIjoibGludXgifQ=="`) + `,"layers":[` + layer(string(types.OCILayer)) + `]}`, nil, ""},
		{"another config within the manifest", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, `,"data":"e30="`) + `,"layers":[` + layer(string(types.OCILayer)) + `]}`, own.ErrDigestMismatch, ""},
		{"a layer of no bytes with another digest", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, "") + `,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":0,"digest":"` + digest + `"}]}`, own.ErrUnsupported, "0 bytes"},
		{"signed schema 1", "application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[{"blobSum":"` + digest + `"}],"history":[],"signatures":[{}]}`, own.ErrUnsupported, "schema 1"},
		{"schema 1 by its header only", "application/vnd.docker.distribution.manifest.v1+prettyjws", `{"name":"a","tag":"b"}`, own.ErrUnsupported, "schema 1"},
		{"cosign signature", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, "") + `,"layers":[` + layer("application/vnd.dev.cosign.simplesigning.v1+json") + `]}`, own.ErrArtifact, "a cosign signature"},
		{"cosign attestation", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, "") + `,"layers":[` + layer("application/vnd.dsse.envelope.v1+json") + `]}`, own.ErrArtifact, "a signed attestation"},
		{"BuildKit attestation", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config(oci, "") + `,"layers":[` + layer("application/vnd.in-toto+json") + `]}`, own.ErrArtifact, "an in-toto attestation"},
		{"WebAssembly", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config("application/vnd.wasm.config.v0+json", "") + `,"layers":[` + layer("application/wasm") + `]}`, own.ErrArtifact, "a WebAssembly module"},
		{"SBOM with the empty config", string(types.OCIManifestSchema1), `{"schemaVersion":2,"artifactType":"application/spdx+json",` + config("application/vnd.oci.empty.v1+json", "") + `,"layers":[` + layer("text/plain") + `]}`, own.ErrArtifact, "an SBOM"},
		{"artifact nobody knows", string(types.OCIManifestSchema1), `{"schemaVersion":2,"artifactType":"application/x-odd",` + config("application/vnd.oci.empty.v1+json", "") + `,"layers":[` + layer("text/plain") + `]}`, own.ErrArtifact, `"application/x-odd"`},
		{"artifact manifest", string("application/vnd.oci.artifact.manifest.v1+json"), `{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}`, own.ErrArtifact, "an artifact"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				switch {
				case strings.Contains(r.URL.Path, "/manifests/"):
					w.Header()["Content-Type"] = nil
					if tt.contentType != "" {
						w.Header().Set("Content-Type", tt.contentType)
					}
					_, _ = io.WriteString(w, tt.body)
				case strings.Contains(r.URL.Path, "/blobs/") && !strings.Contains(tt.body, `"data"`):
					_, _ = io.WriteString(w, conf)
				default:
					next.ServeHTTP(w, r)
				}
			}
			got, err := client().Resolve(t.Context(), nil, h.addr+"/thing:1", "linux/amd64")
			if !errors.Is(err, tt.want) || tt.says != "" && !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Fatalf("error %v, want %v with %q", err, tt.want, tt.says)
			}
			if err == nil && (got.Platform != "linux/amd64" || string(got.Config) != conf) {
				t.Errorf("resolved to %+v", got)
			}
		})
	}
}
