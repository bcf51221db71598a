package registry_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	own "plimsoll/activities/registry"
)

// attachment is an artifact with one layer of a type.
func attachment(t *testing.T, config, layer types.MediaType, layerNotes map[string]string) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), config)
	img, err := mutate.Append(img, mutate.Addendum{Layer: static.NewLayer([]byte("{}"+string(layer)), layer), MediaType: layer, Annotations: layerNotes})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// attach pushes an artifact whose subject is an image.
func (h *host) attach(t *testing.T, repository string, subject v1.Hash, artifact v1.Image, notes map[string]string) string {
	t.Helper()
	attached := mutate.Annotations(artifact, notes).(v1.Image)
	attached = mutate.Subject(attached, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: subject, Size: 1}).(v1.Image)
	digest, err := attached.Digest()
	if err != nil {
		t.Fatal(err)
	}
	h.push(t, repository+"@"+digest.String(), attached)
	return digest.String()
}

// summary is what a listing says, a line each.
func summary(found []own.Referrer) (out []string) {
	for _, r := range found {
		out = append(out, fmt.Sprintf("%s %s %s %v", r.FoundBy, r.Digest, r.ArtifactType, r.Annotations))
	}
	slices.Sort(out)
	return out
}

func TestReferrersByEveryWay(t *testing.T) {
	t.Parallel()
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("referrers API %t", api), func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			if api {
				inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
				h.fault = func(w http.ResponseWriter, r *http.Request, _ http.Handler) { inner.ServeHTTP(w, r) }
			}
			app := member(t, "linux/amd64", "")
			image, err := app.Add.(v1.Image).Digest()
			if err != nil {
				t.Fatal(err)
			}
			build := mutate.IndexAddendum{Add: attachment(t, types.OCIConfigJSON, "application/vnd.in-toto+json", map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"})}
			build.Descriptor.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
			build.Descriptor.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.String()}
			index, members := h.write(t, "app:1", app, build)
			parent, err := index.Digest()
			if err != nil {
				t.Fatal(err)
			}
			sbom := h.attach(t, "app", image, attachment(t, "application/spdx+json", "application/spdx+json", nil), map[string]string{"org.example": "yes"})
			signature := h.push(t, "app:sha256-"+parent.Hex+".sig", attachment(t, types.OCIConfigJSON, "application/vnd.dev.cosign.simplesigning.v1+json", nil))
			statement := h.push(t, "app:sha256-"+image.Hex+".att", attachment(t, types.OCIConfigJSON, "application/vnd.dsse.envelope.v1+json", map[string]string{"predicateType": "https://spdx.dev/Document"}))

			found, err := client().Referrers(t.Context(), nil, h.addr+"/app", image.String(), parent.String())
			if err != nil {
				t.Fatal(err)
			}
			way, notes := own.ByReferrersAPI, "map[]"
			if !api {
				way = own.ByReferrersTag // go-containerregistry keeps the tag up to date itself
			}
			var listed string
			for _, r := range found {
				if r.Digest == sbom {
					notes = fmt.Sprint(r.Annotations)
					listed = r.Subject
				}
			}
			want := []string{
				way + " " + sbom + " application/spdx+json " + notes,
				"cosign_tag " + signature.String() + " application/vnd.dev.cosign.simplesigning.v1+json map[]",
				"cosign_tag " + statement.String() + " application/vnd.dsse.envelope.v1+json map[in-toto.io/predicate-type:https://spdx.dev/Document]",
				"index " + members[1] + " application/vnd.in-toto+json map[in-toto.io/predicate-type:https://slsa.dev/provenance/v1 vnd.docker.reference.digest:" + image.String() + " vnd.docker.reference.type:attestation-manifest]",
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, summary(found)); diff != "" {
				t.Error(diff)
			}
			if listed != image.String() {
				t.Errorf("the SBOM is attached to %s", listed)
			}
			none, err := client().Referrers(t.Context(), nil, h.addr+"/app", digestOf([]byte("another")), "")
			if err != nil || len(none) > 0 {
				t.Errorf("nothing is attached, yet %v, %v", none, err)
			}
		})
	}
}

func TestReferrersAreBoundedAndFailuresTold(t *testing.T) {
	t.Parallel()
	entry := func(i int) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":%q,"artifactType":"application/x","annotations":{"a\u0007":"%s","%s":"long name"}}`,
			digestOf(fmt.Append(nil, i)), strings.Repeat("v", 4096), strings.Repeat("n", 200))
	}
	page := func(from, to int) string {
		var list []string
		for i := from; i < to; i++ {
			list = append(list, entry(i))
		}
		return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join(list, ",") + `]}`
	}
	tests := []struct {
		name string
		do   func(w http.ResponseWriter, r *http.Request)
		want int // referrers
		err  error
	}{
		{"pages", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			if r.URL.Query().Get("n") == "" {
				w.Header().Set("Link", `<https://elsewhere.example/v2/x/referrers/y?n=1>; rel="next"`)
				_, _ = io.WriteString(w, page(0, 2))
				return
			}
			_, _ = io.WriteString(w, page(2, 3))
		}, 3, nil},
		{"pages for ever", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			w.Header().Set("Link", `</again?n=1>; rel="next"`)
			_, _ = io.WriteString(w, page(0, 2))
		}, 2, own.ErrTooLarge},
		{"too many", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, page(0, 600))
		}, own.MaxReferrers, own.ErrTooLarge},
		{"web page instead of a list", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, 0, nil},
		{"not readable", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIImageIndex))
			_, _ = io.WriteString(w, `{"manifests":7}`)
		}, 0, own.ErrBadResponse},
		{"down", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 0, own.ErrUnreachable},
		{"refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, 0, own.ErrUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if strings.Contains(r.URL.Path, "/referrers/") {
					tt.do(w, r)
					return
				}
				next.ServeHTTP(w, r)
			}
			found, err := client().Referrers(t.Context(), nil, h.addr+"/app", digestOf([]byte("image")), "")
			if !errors.Is(err, tt.err) || len(found) != tt.want {
				t.Fatalf("%d found, error %v; want %d and %v", len(found), err, tt.want, tt.err)
			}
			for _, r := range found {
				if len(r.Annotations) != 1 || len(r.Annotations["a"]) != 1024 {
					t.Fatalf("annotations are not bounded: %v", r.Annotations)
				}
			}
		})
	}
}

func TestAttachmentsAreNoImages(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	digest := h.push(t, "app:sha256-x.sig", attachment(t, types.OCIConfigJSON, "application/vnd.dev.cosign.simplesigning.v1+json", nil))
	ref, err := remote.Get(h.ref(t, "app@"+digest.String()))
	if err != nil || ref.MediaType != types.OCIManifestSchema1 {
		t.Fatal(err)
	}
	if _, err := client().Resolve(t.Context(), nil, h.addr+"/app:sha256-x.sig", ""); !errors.Is(err, own.ErrArtifact) || !errors.Is(err, own.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// A manifest of a few megabytes can name tens of thousands of predicates, each to be compared with all others.
func TestOnlyAFewPredicatesOfAReferrerAreRead(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	app := member(t, "linux/amd64", "")
	image, err := app.Add.(v1.Image).Digest()
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "app:1", app)
	statements := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for i := range 100 {
		statements, err = mutate.Append(statements, mutate.Addendum{
			Layer:       static.NewLayer(fmt.Append(nil, i), "application/vnd.dsse.envelope.v1+json"),
			Annotations: map[string]string{"predicateType": fmt.Sprint("p", i)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.push(t, "app:sha256-"+image.Hex+".att", statements)
	found, err := client().Referrers(t.Context(), nil, h.addr+"/app", image.String(), "")
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if n := len(strings.Fields(found[0].Annotations["in-toto.io/predicate-type"])); n != 32 {
		t.Errorf("%d predicates, want 32", n)
	}
}
