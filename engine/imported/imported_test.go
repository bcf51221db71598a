package imported_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/engine/match"
	"plimsoll/engine/sbom"
)

func diffID(n int) string  { return fmt.Sprintf("sha256:%064x", 100+n) }
func layerID(n int) string { return fmt.Sprintf("sha256:%064x", n) }

// parts are the documents of an image with a number of layers.
func parts(layers int, packages string) (digest string, p imported.Parts) {
	var diffs, lines []string
	for i := range layers {
		diffs = append(diffs, fmt.Sprintf("%q", diffID(i)))
		lines = append(lines, fmt.Sprintf(`{"digest":%q,"size":%d}`, layerID(i), 10+i))
	}
	p.Config = []byte(`{"os":"linux","architecture":"arm","variant":"v7","rootfs":{"diff_ids":[` + strings.Join(diffs, ",") + `]},"config":{"Labels":{"a":"b"}}}`)
	p.Manifest = []byte(`{"schemaVersion":2,"config":{"digest":"` + imported.DigestOf(p.Config) + `"},"layers":[` + strings.Join(lines, ",") + `]}`)
	p.Packages = []byte(packages)
	return imported.DigestOf(p.Manifest), p
}

func native(artifacts, more string) string {
	return `{"artifacts":[` + artifacts + `],"distro":{"id":"debian","versionID":"12"},"descriptor":{"name":"syft","version":"1.2"},"source":{"type":"image"},"schema":{"version":"16"}` + more + `}`
}

const (
	deb = `{"id":"d","name":"python3-yaml","version":"6.0-3","type":"deb","locations":[{"path":"/var/lib/dpkg/status","layerID":"%s"}],"metadata":{"source":"pyyaml","sourceVersion":"6.0-3","architecture":"amd64"}}`
	pip = `{"id":"p","name":"PyYAML","version":"6.0","type":"python","locations":[{"path":"/usr/lib/python3/PyYAML","layerID":"%s"}],"purl":"pkg:pypi/pyyaml@6.0"}`
)

func read(t *testing.T, digest string, p imported.Parts) *imported.Content {
	t.Helper()
	c, err := imported.Read(digest, p, imported.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPackagesGetTheirLayerNamespaceAndOwner(t *testing.T) {
	t.Parallel()
	digest, p := parts(2, native(fmt.Sprintf(deb, diffID(0))+","+fmt.Sprintf(pip, layerID(1)),
		`,"artifactRelationships":[{"parent":"d","child":"p","type":"ownership-by-file-overlap"},{"parent":"p","child":"d","type":"contains"}]`))
	c := read(t, digest, p)
	if c.Tool != "syft 1.2" || c.Platform != "linux/arm/v7" || c.MediaType != imported.MediaTypeOCI || c.Labels["a"] != "b" {
		t.Errorf("%+v %s", c.Description, c.Tool)
	}
	var got []string
	for _, k := range c.Image.Packages {
		got = append(got, strings.Join([]string{k.Type, k.Namespace, k.Name, k.Source, k.Layer[len(k.Layer)-1:], k.Owner, k.PURL}, " "))
	}
	owner := "pkg:deb/debian/python3-yaml@6.0-3?arch=amd64&distro=debian-12"
	want := []string{"dpkg debian:12 python3-yaml pyyaml 0  " + owner, "python  PyYAML  1 " + owner + " pkg:pypi/pyyaml@6.0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFilesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	layers := []*image.Layer{
		{Digest: layerID(0), DiffID: diffID(0), Entries: []catalog.Entry{
			{Path: "/etc", Type: catalog.Directory, Mode: 0o755},
			{Path: "/etc/gone", Type: catalog.Regular, Mode: 0o644, Size: 3, SHA256: sum},
			{Path: "/tmp", Type: catalog.Directory, Mode: 0o777 | catalog.ModeSticky},
			{Path: "/usr/bin/passwd", Type: catalog.Regular, Mode: 0o755 | catalog.ModeSetuid, UID: 7, GID: 8, Size: 5, SHA256: sum},
		}},
		{Digest: layerID(1), DiffID: diffID(1), Entries: []catalog.Entry{
			{Path: "/dev/null", Type: catalog.CharDev, Mode: 0o666},
			{Path: "/etc/gone", Type: catalog.Whiteout},
			{Path: "/etc/link", Type: catalog.Symlink, Mode: 0o777, Link: "../x"},
			{Path: "/run/pipe", Type: catalog.Fifo, Mode: 0o600 | catalog.ModeSetgid},
		}},
	}
	squash := func(all []*image.Layer) []image.SquashedEntry {
		entries := make([][]catalog.Entry, len(all))
		for i, l := range all {
			entries[i] = l.Entries
		}
		return image.Squash(entries)
	}
	var document bytes.Buffer
	if err := sbom.Native(&document, sbom.Subject{ImageDigest: "x"}, &image.Image{}, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	full, err := imported.AddFiles(document.Bytes(), layers)
	if err != nil {
		t.Fatal(err)
	}
	digest, p := parts(2, string(full))
	c := read(t, digest, p)
	if diff := cmp.Diff(squash(layers), squash(c.Layers)); diff != "" {
		t.Errorf("(-was +is)\n%s", diff)
	}
	if c.Image.FileCount != len(squash(layers)) || c.Image.Size != 5 || len(c.Image.Incomplete) != 0 {
		t.Errorf("%d files, %d bytes, %v", c.Image.FileCount, c.Image.Size, c.Image.Incomplete)
	}
}

func TestModesAreReadInBothSpellings(t *testing.T) {
	t.Parallel()
	for digits, want := range map[string]uint32{"755": 0o755, "4755": 0o4755, "40000755": 0o4755, "20000000755": 0o755, "4000777": 0o1777, "999": 0, "-1": 0} {
		digest, p := parts(1, native("", `,"files":[{"id":"f","location":{"path":"/f"},"metadata":{"mode":`+digits+`,"type":"RegularFile"}}]`))
		if c := read(t, digest, p); c.Layers[0].Entries[0].Mode != want {
			t.Errorf("%s is read as %o, want %o", digits, c.Layers[0].Entries[0].Mode, want)
		}
	}
}

func TestSearchesAndKeptFilesAreFindings(t *testing.T) {
	t.Parallel()
	digest, p := parts(2, native("", ""))
	p.SecretSearches = []byte(`[{"location":{"path":"/k","layerID":"` + diffID(0) + `"},"content_searches":[{"classification":"KEY","line_number":3},{"classification":"TOKEN","line_number":9}]}]`)
	p.ContentSearches = []byte(`[{"location":{"path":"/c"},"content_searches":[{"classification":"TODO","line_number":1}]}]`)
	p.FileContents = []byte(`[{"location":{"path":"/etc/motd"},"contents":"` + base64.StdEncoding.EncodeToString([]byte("ahoy")) + `"}]`)
	hit := func(kind, name string, line int, path, layer string) image.Hit {
		return image.Hit{SearchHit: catalog.SearchHit{Search: kind, Name: name, Line: line}, Path: path, Layer: layer}
	}
	want := image.Findings{
		Hits: []image.Hit{
			hit(catalog.SearchSecret, "KEY", 3, "/k", layerID(0)), hit(catalog.SearchSecret, "TOKEN", 9, "/k", layerID(0)),
			hit(catalog.SearchContent, "TODO", 1, "/c", layerID(1)),
		},
		Retrieved: []image.Retrieved{{RetrievedFile: catalog.RetrievedFile{Content: []byte("ahoy")}, Path: "/etc/motd"}},
	}
	if diff := cmp.Diff(want, read(t, digest, p).Findings); diff != "" {
		t.Error(diff)
	}
}

func TestFindingsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	digest, p := parts(2, native("", ""))
	layers := []*image.Layer{{Digest: layerID(0), DiffID: diffID(0)}, {Digest: layerID(1), DiffID: diffID(1)}}
	hit := func(kind, name string, line, layer int, path string, removed bool, value string) image.Hit {
		return image.Hit{SearchHit: catalog.SearchHit{Search: kind, Name: name, Line: line, Value: value}, Path: path, Layer: layerID(layer), Removed: removed}
	}
	want := image.Findings{
		Hits: []image.Hit{
			hit(catalog.SearchSecret, "KEY", 3, 1, "/a", false, ""), hit(catalog.SearchSecret, "KEY", 3, 0, "/a", true, ""), hit(catalog.SearchSecret, "KEY", 5, 0, "/a", true, ""),
			hit(catalog.SearchSecret, "TOKEN", 1, 0, "/b", false, ""), hit(catalog.SearchContent, "TODO", 1, 0, "/a", false, "TODO: sail"),
		},
		Retrieved: []image.Retrieved{{RetrievedFile: catalog.RetrievedFile{Content: []byte("ahoy\x00")}, Path: "/etc/motd"}},
	}
	var err error
	for kind, into := range map[string]*[]byte{catalog.SearchSecret: &p.SecretSearches, catalog.SearchContent: &p.ContentSearches} {
		if *into, err = imported.Searched(want.Hits, kind, layers); err != nil {
			t.Fatal(err)
		}
	}
	if p.FileContents, err = imported.Kept(want.Retrieved); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, digest, p).Findings); diff != "" {
		t.Error(diff)
	}
}

func TestHitsComeByPathWhateverTheirOrder(t *testing.T) {
	t.Parallel()
	digest, p := parts(1, native("", ""))
	p.SecretSearches = []byte(`[{"location":{"path":"/b"},"content_searches":[{"classification":"A","line_number":1}]},{"location":{"path":"/a"},"content_searches":[{"classification":"A","line_number":2,"value":"` + strings.Repeat("x", 1000) + `"}]},{"location":{"path":"/b"},"content_searches":[{"classification":"B","line_number":3}]}]`)
	var got []string
	for _, h := range read(t, digest, p).Findings.Hits {
		got = append(got, fmt.Sprint(h.Path, h.Name, h.Line, len(h.Value)))
	}
	if diff := cmp.Diff([]string{"/aA2 256", "/bA1 0", "/bB3 0"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeUsedIsTold(t *testing.T) {
	t.Parallel()
	digest, p := parts(1, native(`{"id":"x","name":"nameless version","type":"npm"},{"id":"y","name":"a\u0000b","version":"1","type":"npm"}`,
		`,"files":[{"id":"1","location":{"path":"../etc/passwd"}},{"id":"2","location":{"path":"/a/../b"}},{"id":"3","location":{"path":"/ok"}},{"id":"4","location":{"path":"/s"},"metadata":{"type":"Socket"}}]`))
	c := read(t, digest, p)
	if len(c.Image.Packages) != 0 || len(c.Layers[0].Entries) != 1 || len(c.Image.Incomplete) < 2 {
		t.Errorf("packages %v, files %v, incomplete %v", c.Image.Packages, c.Layers[0].Entries, c.Image.Incomplete)
	}
}

func TestContradictionsAndLimitsAreRefused(t *testing.T) {
	t.Parallel()
	limits := imported.Limits{Packages: 1, Files: 1, Hits: 1, Kept: 1, Content: 2}
	search := `[{"location":{"path":"/k"},"content_searches":[{"classification":"A"},{"classification":"B"}]}]`
	kept := func(content ...string) []byte {
		var all []map[string]any
		for _, c := range content {
			all = append(all, map[string]any{"location": map[string]string{"path": "/k"}, "contents": []byte(c)})
		}
		out, _ := json.Marshal(all)
		return out
	}
	for name, tt := range map[string]struct {
		change func(*imported.Parts)
		want   error
	}{
		"nothing wrong":                   {func(*imported.Parts) {}, nil},
		"another manifest":                {func(p *imported.Parts) { p.Manifest = append(p.Manifest, ' ') }, imported.ErrDigest},
		"another configuration":           {func(p *imported.Parts) { p.Config = append(p.Config, ' ') }, imported.ErrDigest},
		"no package list":                 {func(p *imported.Parts) { p.Packages = nil }, imported.ErrInvalid},
		"a package list of nothing known": {func(p *imported.Parts) { p.Packages = []byte(`{}`) }, imported.ErrInvalid},
		"packages without end": {func(p *imported.Parts) {
			p.Packages = []byte(native(fmt.Sprintf(deb, "")+","+fmt.Sprintf(pip, ""), ""))
		}, imported.ErrLimit},
		"a file of many megabytes": {func(p *imported.Parts) {
			p.Packages = []byte(native("", `,"files":[{"id":"`+strings.Repeat("a", 33<<20)+`"}]`))
		}, imported.ErrLimit},
		"files without end":                {func(p *imported.Parts) { p.Packages = []byte(native("", `,"files":[{},{}]`)) }, imported.ErrLimit},
		"files that are no list":           {func(p *imported.Parts) { p.Packages = []byte(native("", `,"files":{}`)) }, imported.ErrInvalid},
		"a file that is none":              {func(p *imported.Parts) { p.Packages = []byte(native("", `,"files":[7]`)) }, imported.ErrInvalid},
		"files that are null":              {func(p *imported.Parts) { p.Packages = []byte(native("", `,"files":null`)) }, nil},
		"search results without end":       {func(p *imported.Parts) { p.SecretSearches = []byte(search) }, imported.ErrLimit},
		"search results that are no list":  {func(p *imported.Parts) { p.ContentSearches = []byte(`{}`) }, imported.ErrInvalid},
		"search results of a path outside": {func(p *imported.Parts) { p.ContentSearches = []byte(`[{"location":{"path":"../k"}}]`) }, imported.ErrInvalid},
		"a kept file that is large":        {func(p *imported.Parts) { p.FileContents = kept("abc") }, imported.ErrLimit},
		"kept files without end":           {func(p *imported.Parts) { p.FileContents = kept("a", "b") }, imported.ErrLimit},
		"a kept file that is no base64":    {func(p *imported.Parts) { p.FileContents = []byte(`[{"location":{"path":"/k"},"contents":"!"}]`) }, imported.ErrInvalid},
		"a kept file that breaks off":      {func(p *imported.Parts) { p.FileContents = kept("a")[:20] }, imported.ErrInvalid},
	} {
		digest, p := parts(1, native("", ""))
		tt.change(&p)
		if _, err := imported.Read(digest, p, limits); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestManifestsMustDescribeAnImage(t *testing.T) {
	t.Parallel()
	_, p := parts(1, "")
	config := fmt.Sprintf(`"config":{"digest":%q}`, imported.DigestOf(p.Config))
	line := fmt.Sprintf(`{"digest":%q}`, layerID(1))
	for manifest, want := range map[string]error{
		`{"schemaVersion":2,` + config + `,"layers":[` + line + `]}`:                                  nil,
		`{"schemaVersion":1,` + config + `}`:                                                          imported.ErrUnsupported,
		`{"schemaVersion":2,"manifests":[{}]}`:                                                        imported.ErrUnsupported,
		`{"schemaVersion":2,"layers":[]}`:                                                             imported.ErrUnsupported,
		`{"schemaVersion":2,` + config + `,"layers":[]}`:                                              imported.ErrInvalid,
		`{"schemaVersion":2,` + config + `,"layers":[{"digest":"sha256:ABC"}]}`:                       imported.ErrInvalid,
		`{"schemaVersion":2,` + config + `,"layers":[{"digest":"` + layerID(1) + `","size":-1}]}`:     imported.ErrInvalid,
		`{"schemaVersion":2,` + config + `,"layers":[` + line + strings.Repeat(","+line, 1000) + `]}`: imported.ErrLimit,
		`[]`: imported.ErrInvalid,
		``:   imported.ErrInvalid,
	} {
		if _, err := imported.Describe(imported.DigestOf([]byte(manifest)), []byte(manifest), p.Config); !errors.Is(err, want) {
			t.Errorf("%.80s: %v, want %v", manifest, err, want)
		}
	}
}

// What the dictionary keeps of a package that counts as evident is a function of its identity.
func TestAnEvidentPackageSaysNothingBeyondItsIdentity(t *testing.T) {
	t.Parallel()
	purls := map[string]string{
		"npm": "pkg:npm/%40babel/core@7.0.0", "python": "pkg:pypi/pyyaml@6.0", "gem": "pkg:gem/rails@7.0.0", "rust": "pkg:cargo/serde@1.0.0",
		"nuget": "pkg:nuget/Newtonsoft.Json@13.0.1", "composer": "pkg:composer/symfony/console@v6.0.0", "go": "pkg:golang/github.com/google/uuid@v1.3.0",
		"java": "pkg:maven/org.apache/log4j@2.0", "binary": "pkg:generic/redis@7.0.0", "hex": "pkg:hex/phoenix@1.0.0",
	}
	names := map[string][2]string{
		"npm": {"", "@babel/core"}, "python": {"", "PyYAML"}, "gem": {"", "rails"}, "rust": {"", "serde"}, "nuget": {"", "Newtonsoft.Json"},
		"composer": {"", "symfony/console"}, "go": {"", "github.com/google/uuid"}, "java": {"org.apache", "log4j"}, "binary": {"", "redis"}, "hex": {"", "phoenix"},
	}
	for kind, purl := range purls {
		p := catalog.Package{Type: kind, Namespace: names[kind][0], Name: names[kind][1], Version: purl[strings.LastIndexByte(purl, '@')+1:], PURL: purl}
		if got, want := imported.Evident(&p), kind != "binary" && kind != "hex"; got != want {
			t.Errorf("%s %s: evident %v, want %v", kind, purl, got, want)
		}
		named := p.Identity()
		named.Known = match.Known(named, p.PURL)
		targets := match.Rules{}.Targets(match.Subject{Identity: named})
		for _, other := range append([]string{"", purl + "?x=y", "pkg:npm/other@1"}, "pkg:maven/other/"+p.Name+"@"+p.Version) {
			q := p
			if q.PURL = other; other != purl && imported.Evident(&q) {
				t.Errorf("%s with the purl %q counts as evident", kind, other)
			}
		}
		if imported.Evident(&p) && len(targets) == 0 {
			t.Errorf("%s has no target", kind)
		}
	}
	os := catalog.Package{Type: catalog.TypeDpkg, Name: "libc6", Version: "2.36", Arch: "amd64"}
	catalog.SetDistro(&os, &catalog.Distro{ID: "debian", VersionID: "12"}, "debian:12")
	if !imported.Evident(&os) {
		t.Errorf("%+v is not evident", os)
	}
	for _, claimed := range []catalog.Distro{{ID: "debian", VersionID: "12.evil"}, {ID: "Debian", VersionID: "12"}} {
		lie := os
		catalog.SetDistro(&lie, &claimed, match.DistroNamespace(&claimed))
		if imported.Evident(&lie) {
			t.Errorf("%s in %s counts as evident", lie.PURL, lie.Namespace)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(native(fmt.Sprintf(deb, diffID(0)), `,"files":[{"id":"1","location":{"path":"/ok"},"metadata":{"mode":755,"type":"RegularFile"},"digests":[{"algorithm":"sha256","value":"00"}]}]`)), []byte(`[]`))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a","version":"1","purl":"pkg:npm/a@1"}]}`),
		[]byte(`[{"location":{"path":"/k"},"content_searches":[{"classification":"A","line_number":1}]}]`))
	f.Fuzz(func(t *testing.T, packages, searches []byte) {
		digest, p := parts(2, "")
		p.Packages, p.SecretSearches, p.FileContents = packages, searches, searches
		c, err := imported.Read(digest, p, imported.Limits{Packages: 1000, Files: 1000})
		if err != nil {
			return
		}
		for _, k := range c.Image.Packages {
			if err := k.Check(); err != nil {
				t.Error(err)
			}
		}
		for _, l := range c.Layers {
			for _, e := range l.Entries {
				if !strings.HasPrefix(e.Path, "/") || strings.Contains(e.Path, "/../") {
					t.Errorf("path %q", e.Path)
				}
			}
		}
	})
}

func FuzzDescribe(f *testing.F) {
	_, p := parts(2, "")
	f.Add(p.Manifest, p.Config)
	f.Fuzz(func(_ *testing.T, manifest, config []byte) {
		_, _ = imported.Describe(imported.DigestOf(manifest), manifest, config)
		_, _, _ = imported.Embedded(manifest)
		_ = imported.CheckIndex(imported.DigestOf(manifest), manifest, "sha256:x")
	})
}

func TestAnySBOMStandsForAnImageWithoutLayers(t *testing.T) {
	t.Parallel()
	digests := map[string]string{}
	for format, document := range map[string]string{
		"Syft, of a directory": `{"artifacts":[{"id":"1","name":"lodash","version":"4.17.10","type":"npm","purl":"pkg:npm/lodash@4.17.10"}],"source":{"type":"directory","metadata":{"path":"/src"}},"distro":{},"descriptor":{"name":"syft","version":"1"},"schema":{"version":"16"}}`,
		"CycloneDX JSON":       `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"lodash","version":"4.17.10","purl":"pkg:npm/lodash@4.17.10"}]}`,
		"CycloneDX XML":        `<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library"><name>lodash</name><version>4.17.10</version><purl>pkg:npm/lodash@4.17.10</purl></component></components></bom>`,
		"SPDX JSON":            `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[{"SPDXID":"SPDXRef-1","name":"lodash","versionInfo":"4.17.10","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/lodash@4.17.10"}]}]}`,
		"SPDX tags":            "SPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\n\nPackageName: lodash\nSPDXID: SPDXRef-1\nPackageVersion: 4.17.10\nExternalRef: PACKAGE-MANAGER purl pkg:npm/lodash@4.17.10\n",
	} {
		manifest, config, err := imported.Embedded([]byte(document))
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		digest := imported.DigestOf(manifest)
		c := read(t, digest, imported.Parts{Manifest: manifest, Config: config, Packages: []byte(document)})
		if len(c.Image.Packages) != 1 || c.Image.Packages[0].PURL != "pkg:npm/lodash@4.17.10" || len(c.Layers) != 0 {
			t.Errorf("%s: %+v", format, c.Image.Packages)
		}
		if c.Labels[imported.LabelDocument] != imported.DigestOf([]byte(document)) {
			t.Errorf("%s: labels %v", format, c.Labels)
		}
		if other, twice := digests[digest]; twice {
			t.Errorf("%s and %s are one image", format, other)
		}
		digests[digest] = format
	}
	for _, broken := range []string{"", "{}", "[1]", "<a/>", "hello: world", `{"bomFormat":`} {
		if _, _, err := imported.Embedded([]byte(broken)); !errors.Is(err, imported.ErrInvalid) {
			t.Errorf("%q: %v", broken, err)
		}
	}
}
