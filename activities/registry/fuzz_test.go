package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	own "plimsoll/activities/registry"
)

// FuzzLayers checks that what is taken for an image has layers that can be asked for, and that all else is refused
// with a kind.
func FuzzLayers(f *testing.F) {
	const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	for _, seed := range []string{
		`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"` + digest + `"},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","size":1,"digest":"` + digest + `"}]}`,
		`{"schemaVersion":2,"config":{"mediaType":"application/octet-stream","size":2,"digest":"` + digest + `"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","size":1,"digest":"` + digest + `","urls":["https://x/y"]}]}`,
		`{"schemaVersion":2,"artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"` + digest + `"},"layers":[]}`,
		`{}`, `[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		layers, err := own.Layers(manifest)
		if err != nil {
			if !errors.Is(err, own.ErrUnsupported) {
				t.Fatalf("refused without a kind: %v", err)
			}
			return
		}
		if len(layers) == 0 || len(layers) > own.MaxLayers {
			t.Fatalf("%d layers", len(layers))
		}
		for _, l := range layers {
			if l.Size < 0 || len(l.Digest) < 71 || !l.Foreign && len(l.URLs) > 0 {
				t.Fatalf("layer %+v", l)
			}
		}
	})
}

// FuzzTags has a registry answer a listing of tags with any pages and any links between them.
func FuzzTags(f *testing.F) {
	const digest = "0000000000000000000000000000000000000000000000000000000000000000"
	for _, seed := range [][3]string{
		{`{"name":"app","tags":["1","2"]}`, `</v2/app/tags/list?last=2>; rel="next"`, `{"tags":["3"]}`},
		{`{"tags":["sha256-` + digest + `.sig","../x",""]}`, `<https://elsewhere.example/x?n=1>;rel=next`, `{"tags":[]}`},
		{`{"tags":["a"]}`, `<?n=21>; rel="next"`, `<html>`},
		{`{"tags":null}`, `<%zz?a>; rel=next`, ``},
		{`{"tags":[1]}`, `garbage`, `[`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	const most = 20
	h := newHost(f)
	client := own.New(own.Config{Tags: most})
	f.Fuzz(func(t *testing.T, first, link, second string) {
		asked := 0
		h.fault = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.HasSuffix(r.URL.Path, "/tags/list") {
				next.ServeHTTP(w, r)
				return
			}
			page := first
			if asked++; asked > 1 {
				page = second
			}
			w.Header().Set("Link", strings.Map(func(c rune) rune { // what a server can send at all
				if c < ' ' || c == 0x7f {
					return -1
				}
				return c
			}, link))
			fmt.Fprint(w, page)
		}
		tags, err := client.Tags(t.Context(), nil, h.addr+"/app")
		if err != nil {
			kind(t, err)
			return
		}
		if len(tags) > most || !slices.IsSorted(tags) || len(slices.Compact(slices.Clone(tags))) != len(tags) {
			t.Fatalf("tags %q", tags)
		}
		for _, tag := range tags {
			if tag == "" || len(tag) > 128 || strings.ContainsAny(tag, "/: \n?") || tag == "sha256-"+digest || tag == "sha256-"+digest+".sig" {
				t.Fatalf("tag %q", tag)
			}
		}
		if asked > 3 {
			t.Fatalf("asked for %d pages of a listing that leads nowhere", asked)
		}
	})
}

// kind fails the test for an error that callers could not tell apart, or that shows what it must not.
func kind(t *testing.T, err error) {
	t.Helper()
	var typed *own.Error
	if !errors.As(err, &typed) || typed.Kind == nil || !utf8.ValidString(typed.Message) || strings.ContainsAny(typed.Message, "\x00\n\x1b") {
		t.Fatalf("refused without a kind, or unreadably: %q", err)
	}
}

// FuzzDocument gives any bytes as whatever a registry is asked for.
func FuzzDocument(f *testing.F) {
	const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	for _, seed := range []string{
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"` + digest + `","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}`,
		`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":-1,"digest":"` + digest + `","artifactType":"application/spdx+json","annotations":{"a":"b"}}]}`,
		`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"` + digest + `"},"layers":[{"mediaType":"application/vnd.in-toto+json","size":1,"digest":"` + digest + `","annotations":{"in-toto.io/predicate-type":"https://slsa.dev/provenance/v1"}}]}`,
		`{"schemaVersion":1,"fsLayers":[]}`, `{"manifests":[],"layers":[]}`, `{}`, `[`,
	} {
		f.Add("application/vnd.oci.image.index.v1+json; charset=utf-8", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		if kindOf, err := own.KindOf(contentType, body); err != nil {
			kind(t, err)
		} else if !json.Valid(body) || kindOf == "" {
			t.Fatalf("%q is taken for %q", body, kindOf)
		}
		list, err := own.Listed(body)
		if err != nil {
			kind(t, err)
		}
		one, err := own.Described(body)
		if err != nil {
			kind(t, err)
		}
		for _, r := range append(list, one) {
			text, err := json.Marshal(r)
			if err != nil || len(text) > 100<<10 || strings.Contains(string(text), `\u0000`) || r.Size < 0 {
				t.Fatalf("referrer %s, %v", text, err)
			}
		}
		if nested := strings.Contains(string(body), "index") || strings.Contains(string(body), "list"); nested {
			return // there is no registry to ask for more
		}
		found, err := own.Candidates(t.Context(), body)
		if err != nil {
			kind(t, err)
		}
		for _, c := range found {
			if len(c[0]) != len(digest) {
				t.Fatalf("candidate %q", c)
			}
		}
	})
}

// FuzzWords gives any text where a registry or a person may put some.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"linux/arm/v7", "Linux/x86_64", "120", "1e300", "-5", "Fri, 02 Jan 2026 03:04:35 GMT", "https://bob:hunter2@registry.example/x?sig=hunter2", "\x1b[31m\xff", ""} {
		f.Add(seed)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if wait := own.RetryAfter(http.Header{"Retry-After": {text}}, now); wait < 0 || wait > 15*time.Minute {
			t.Errorf("%q asks to wait %s", text, wait)
		}
		if got := own.Clean(text); !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n\x1b\x7f") || len(got) > 310 {
			t.Errorf("%q", got)
		}
		p, err := own.ParsePlatform(text)
		if err != nil {
			kind(t, err)
			return
		}
		if again, err := own.ParsePlatform(p); text != "" && (err != nil || again != p) {
			t.Errorf("%q is %q and then %q, %v", text, p, again, err)
		}
	})
}
