package registry_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	own "plimsoll/activities/registry"
)

// host is an in-process registry in front of which a test may put faults.
type host struct {
	addr   string
	server *httptest.Server
	fault  func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{}
	next := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.fault != nil {
			h.fault(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(h.server.Close)
	h.addr = strings.TrimPrefix(h.server.URL, "http://")
	return h
}

func (h *host) ref(t *testing.T, s string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(h.addr + "/" + s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// image makes an image for a platform and pushes it.
func (h *host) push(t *testing.T, s string, img v1.Image) v1.Hash {
	t.Helper()
	if err := remote.Write(h.ref(t, s), img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func imageFor(t *testing.T, os, arch string) v1.Image {
	t.Helper()
	img, err := random.Image(2048, 2)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = os, arch
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func (h *host) pushIndex(t *testing.T, s string, platforms ...string) {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		os, arch, _ := strings.Cut(p, "/")
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: imageFor(t, os, arch), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: arch}},
		})
	}
	if err := remote.WriteIndex(h.ref(t, s), index); err != nil {
		t.Fatal(err)
	}
}

func client() *own.Client { return own.New(own.Config{StallTimeout: 200 * time.Millisecond}) }

func TestResolveByTagAndByDigest(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	img := imageFor(t, "linux", "amd64")
	digest := h.push(t, "team/app:1", img)
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"team/app:1", "team/app@" + digest.String()} {
		got, err := client().Resolve(t.Context(), nil, h.addr+"/"+ref, "")
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest != digest.String() || got.ImageID != config.Hex || got.Layers != 2 || got.ParentDigest != "" || got.Size == 0 {
			t.Errorf("%s resolved to %+v", ref, got)
		}
		layers, err := own.Layers(got.Manifest)
		if err != nil || len(layers) != 2 || layers[0].Size+layers[1].Size != got.Size {
			t.Errorf("layers %+v, %v", layers, err)
		}
	}
}

func TestResolveChoosesThePlatform(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.pushIndex(t, "multi:1", "linux/arm64", "linux/amd64", "unknown/unknown")
	h.pushIndex(t, "single:1", "linux/s390x")
	h.pushIndex(t, "arms:1", "linux/arm64", "linux/arm")
	h.push(t, "plain:1", imageFor(t, "linux", "arm64"))
	tests := []struct {
		ref, platform string
		want          string // in the config, or in the error
		fails         error
	}{
		{"multi:1", "", `"architecture":"amd64"`, nil},
		{"multi:1", "linux/arm64", `"architecture":"arm64"`, nil},
		{"multi:1", "windows/amd64", "there are: linux/arm64, linux/amd64", own.ErrUnsupported},
		{"single:1", "", `"architecture":"s390x"`, nil},
		{"arms:1", "", "there are: linux/arm64, linux/arm", own.ErrUnsupported},
		{"plain:1", "", `"architecture":"arm64"`, nil},
		{"plain:1", "linux/amd64", "the image is for linux/arm64, not for linux/amd64", own.ErrUnsupported},
		{"plain:1", "linux", "not of the form", own.ErrReference},
	}
	for _, tt := range tests {
		t.Run(tt.ref+" "+tt.platform, func(t *testing.T) {
			t.Parallel()
			got, err := client().Resolve(t.Context(), nil, h.addr+"/"+tt.ref, tt.platform)
			if !errors.Is(err, tt.fails) {
				t.Fatalf("error %v, want %v", err, tt.fails)
			}
			text := fmt.Sprint(err)
			if err == nil {
				text = string(got.Config)
				if strings.HasPrefix(tt.ref, "plain") != (got.ParentDigest == "") {
					t.Errorf("parent digest %q", got.ParentDigest)
				}
			}
			if !strings.Contains(text, tt.want) {
				t.Errorf("%s does not contain %q", text, tt.want)
			}
		})
	}
}

func TestResolveRefusesWhatIsNoImage(t *testing.T) {
	t.Parallel()
	const config = `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}`
	const layer = `{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":1,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}`
	tests := []struct {
		name, contentType, body string
		want                    error
		says                    string
	}{
		{"schema 1", "application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1,"fsLayers":[]}`, own.ErrUnsupported, "schema 1"},
		{"helm chart", string(types.OCIManifestSchema1), `{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","size":1,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[` + layer + `]}`, own.ErrArtifact, "a Helm chart"},
		{"encrypted layer", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config + `,"layers":[` + strings.Replace(layer, "tar", "tar+encrypted", 1) + `]}`, own.ErrUnsupported, "encrypted"},
		{"image and index at once", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config + `,"layers":[],"manifests":[]}`, own.ErrUnsupported, "at once"},
		{"no layers", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config + `,"layers":[]}`, own.ErrUnsupported, "no layers"},
		{"negative size", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config + `,"layers":[` + strings.Replace(layer, `"size":1`, `"size":-1`, 1) + `]}`, own.ErrUnsupported, "-1 bytes"},
		{"digest with a path", string(types.OCIManifestSchema1), `{"schemaVersion":2,` + config + `,"layers":[` + strings.Replace(layer, "sha256:4413", "sha256:../4413", 1) + `]}`, own.ErrUnsupported, ""},
		{"web page", "text/html", `<html>sign in</html>`, own.ErrBadResponse, "text/html"},
		{"other JSON", "application/json", `{"ok":true}`, own.ErrBadResponse, "no manifest"},
		{"too large", string(types.OCIManifestSchema1), `{"schemaVersion":2,"x":"` + strings.Repeat("x", 4<<20) + `"}`, own.ErrTooLarge, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.Contains(r.URL.Path, "/manifests/") {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", tt.contentType)
				io.WriteString(w, tt.body)
			}
			_, err := client().Resolve(t.Context(), nil, h.addr+"/thing:1", "")
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("error %v, want %v with %q", err, tt.want, tt.says)
			}
		})
	}
}

func TestFailuresHaveTheirKind(t *testing.T) {
	t.Parallel()
	respond := func(status int, body string, header ...string) func(http.ResponseWriter, *http.Request, http.Handler) {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path == "/v2/" && status != http.StatusServiceUnavailable && status != http.StatusTeapot {
				next.ServeHTTP(w, r)
				return
			}
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		name  string
		fault func(http.ResponseWriter, *http.Request, http.Handler)
		want  error
		says  string
	}{
		{"401", respond(401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`), own.ErrUnauthorized, "no registry credentials"},
		{"403", respond(403, `{"errors":[{"code":"DENIED","message":"requested access is denied"}]}`), own.ErrUnauthorized, "DENIED"},
		{"404", respond(404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such manifest"}]}`), own.ErrNotFound, "MANIFEST_UNKNOWN"},
		{"429", respond(429, "", "Retry-After", "7"), own.ErrRateLimited, "429"},
		{"500", respond(500, "boom"), own.ErrUnreachable, "500"},
		{"503 at sign-in", respond(503, ""), own.ErrUnreachable, "sign in"},
		{"no registry there", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusNotFound) }, own.ErrBadResponse, "no registry at this address"},
		{"418", respond(418, ""), own.ErrBadResponse, "418"},
		{"truncated manifest", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", "5000")
			io.WriteString(w, `{"schemaVersion":2`)
		}, own.ErrBadResponse, "broke off"},
		{"manifest with another digest", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
				w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
				io.WriteString(w, `{"schemaVersion":2}`)
				return
			}
			next.ServeHTTP(w, r)
		}, own.ErrDigestMismatch, "instead of"},
		{"registry's own words are cleaned", respond(403, `{"errors":[{"code":"DENIED","message":"see https://user:hunter2@store/x?sig=hunter2 \u0007"}]}`), own.ErrUnauthorized, "https://store/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.fault = tt.fault
			_, err := client().Resolve(t.Context(), nil, h.addr+"/app:1", "")
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("error %v, want %v with %q", err, tt.want, tt.says)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("error shows a secret: %v", err)
			}
			var typed *own.Error
			if !errors.As(err, &typed) {
				t.Fatalf("error %v is no *Error", err)
			}
			if tt.want == own.ErrRateLimited && typed.RetryAfter != 7*time.Second {
				t.Errorf("retry after %s, want 7s", typed.RetryAfter)
			}
		})
	}
}

func TestNobodyListening(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.server.Close()
	if _, err := client().Resolve(t.Context(), nil, h.addr+"/app:1", ""); !errors.Is(err, own.ErrUnreachable) {
		t.Errorf("error %v, want %v", err, own.ErrUnreachable)
	}
	for _, ref := range []string{"", "UPPER/case:1", h.addr + "/a@sha256:short"} {
		if _, err := client().Resolve(t.Context(), nil, ref, ""); !errors.Is(err, own.ErrReference) {
			t.Errorf("%q: error %v, want %v", ref, err, own.ErrReference)
		}
	}
}

func TestCredentialsReachTheirRegistryOnly(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.push(t, "private/app:1", imageFor(t, "linux", "amd64"))
	var anonymous int
	h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if user, password, _ := r.BasicAuth(); user != "bob" || password != "right" {
			anonymous++
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}
	list := []own.Credential{
		{Registry: h.addr, Username: "bob", Password: "wrong", VerifyTLS: true},
		{Registry: h.addr + "/private/*", Username: "bob", Password: "right", VerifyTLS: true},
		{Registry: "other.example", Username: "eve", Password: "other", VerifyTLS: true},
	}
	if _, err := client().Resolve(t.Context(), list, h.addr+"/private/app:1", ""); err != nil {
		t.Error(err)
	}
	_, err := client().Resolve(t.Context(), list, h.addr+"/public/app:1", "")
	if !errors.Is(err, own.ErrUnauthorized) || !strings.Contains(err.Error(), "registry entry "+h.addr+" ") {
		t.Errorf("error %v, want one that names the entry used", err)
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("error shows the password: %v", err)
	}
}

func TestMostSpecificEntryApplies(t *testing.T) {
	t.Parallel()
	entries := []string{"docker.io", "docker.io/library/*", "docker.io/library/nginx", "r.example:5000", "r.example:5000/a/*/c"}
	tests := map[string]string{
		"nginx":                      "docker.io/library/nginx",
		"library/redis":              "docker.io/library/*",
		"someone/app":                "docker.io",
		"index.docker.io/x/y":        "docker.io",
		"r.example:5000/a/b/x/c":     "r.example:5000/a/*/c",
		"r.example:5000/z":           "r.example:5000",
		"r.example/z":                "",
		"docker.io.evil.example/a/b": "",
	}
	for ref, want := range tests {
		var list []own.Credential
		for _, e := range entries {
			list = append(list, own.Credential{Registry: e})
		}
		for range 2 {
			slices.Reverse(list) // the order must not matter
			got, err := own.EntryFor(list, ref)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", ref, diff)
			}
		}
	}
}
