package sbom

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	spdxlicense "plimsoll/engine/license"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	base   = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	top    = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

var written = time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))

func subject() Subject {
	return Subject{
		ImageDigest: digest, ImageID: "sha256:2222222222222222222222222222222222222222222222222222222222222222",
		MediaType: "application/vnd.oci.image.manifest.v1+json", Tags: []string{"registry.example.org:5000/Team/shop:1.4", "registry.example.org:5000/Team/shop:latest"},
		Architecture: "amd64", OS: "linux", Manifest: []byte(`{"schemaVersion":2}`), Config: []byte(`{"os":"linux"}`), ToolVersion: "0.1.0",
	}
}

func content() *image.Image {
	libc := "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12"
	python := "pkg:deb/debian/python3-yaml@6.0-3%2Bb2?arch=amd64&distro=debian-12"
	return &image.Image{
		Distro: &catalog.Distro{ID: "debian", VersionID: "12", Codename: "bookworm", Name: "Debian GNU/Linux 12 (bookworm)"},
		Packages: []catalog.Package{
			{Type: catalog.TypePython, Name: "PyYAML", Version: "6.0", PURL: "pkg:pypi/pyyaml@6.0", Licenses: []string{"MIT"}, Origin: "Kirill Simonov <xi@resolvent.net>",
				Location: "/usr/lib/python3/dist-packages/PyYAML-6.0.egg-info/PKG-INFO", Layer: base, Owner: python},
			{Type: catalog.TypeDpkg, Namespace: "debian:12", Name: "libc6", Version: "2.36-9+deb12u4", Arch: "amd64", Source: "glibc", SourceVersion: "2.36-9+deb12u4",
				PURL: libc, CPEs: []string{"cpe:2.3:a:libc6:libc6:2.36-9\\+deb12u4:*:*:*:*:*:*:*", "cpe:2.3:a:glibc:libc6:2.36-9\\+deb12u4:*:*:*:*:*:*:*"},
				Licenses: []string{"LGPL-2.1", "GPL-2", "GPL-2 with a <special> exception"}, Origin: "GNU Libc Maintainers <debian-glibc@lists.debian.org>",
				Size: 13_000 << 10, Location: "/var/lib/dpkg/status", Layer: base, MetadataType: "DpkgMetadata", Metadata: map[string]string{"section": "libs"}},
			{Type: catalog.TypeDpkg, Namespace: "debian:12", Name: "python3-yaml", Version: "6.0-3+b2", Arch: "amd64", Source: "pyyaml", SourceVersion: "6.0-3",
				PURL: python, Licenses: []string{"MIT"}, Location: "/var/lib/dpkg/status", Layer: base},
			{Type: catalog.TypeJava, Namespace: "org.apache.logging.log4j", Name: "log4j-core", Version: "2.17.1", PURL: "pkg:maven/org.apache.logging.log4j/log4j-core@2.17.1",
				Licenses: []string{"Apache-2.0 OR MIT", "BSD-3-Clause"}, Location: "/app/shop.jar:BOOT-INF/lib/log4j-core-2.17.1.jar", Layer: top,
				MetadataType: "JavaMetadata", Metadata: map[string]string{"maven-version": "2.17.1"}},
			{Type: catalog.TypeNpm, Name: "@scope/pkg", Version: "1.0.0", PURL: "pkg:npm/%40scope/pkg@1.0.0", Location: "/app/a/package.json", Layer: top},
			{Type: catalog.TypeNpm, Name: "@scope/pkg", Version: "1.0.0", PURL: "pkg:npm/%40scope/pkg@1.0.0", Location: "/app/b/package.json", Layer: top},
			{Type: catalog.TypeGo, Name: "stdlib", Version: "1.22.1", PURL: "pkg:golang/stdlib@1.22.1", Licenses: []string{"SEE LICENSE IN <LICENSE>"}, Location: "/app/tool", Layer: top},
			{Type: catalog.TypeBinary, Name: "redis", Location: "/usr/bin/redis-server", Layer: top},
		},
		Incomplete: []catalog.Incompleteness{{Path: "/app/big.jar", Reason: catalog.ReasonTooLarge}},
		FileCount:  10, Size: 30_000,
		Layers: []image.LayerSummary{{Digest: base, Size: 20_000}, {Digest: top, Size: 10_000}},
	}
}

var formats = map[string]func(io.Writer, Subject, *image.Image, time.Time) error{
	"native.json": Native, "spdx.json": SPDX, "cyclonedx.json": CycloneDX, "cyclonedx.xml": CycloneDXXML, "spdx.tags": SPDXTagValue,
}

func render(t *testing.T, format string, s Subject, img *image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := formats[format](&buf, s, img, written); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestDocumentsAreAsRecorded(t *testing.T) {
	t.Parallel()
	for format := range formats {
		got := render(t, format, subject(), content())
		path := filepath.Join("testdata", format)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

func TestTheOrderOfPackagesDoesNotMatter(t *testing.T) {
	t.Parallel()
	for format := range formats {
		img := content()
		want := render(t, format, subject(), img)
		slices.Reverse(img.Packages)
		img.Packages = append(img.Packages, img.Packages[0])
		if got := render(t, format, subject(), img); !bytes.Equal(want, got) {
			t.Errorf("%s differs when packages come reversed and one twice", format)
		}
	}
}

func TestAnEmptyImageHasDocuments(t *testing.T) {
	t.Parallel()
	for format := range formats {
		got := render(t, format, Subject{ImageDigest: digest}, &image.Image{})
		if doc, err := Decode(got, Limits{}); err != nil || len(doc.Packages) > 0 {
			t.Errorf("%s: %+v, %v", format, doc, err)
		}
	}
}

// The id has the same meaning in all documents of an image, and none is used twice.
func TestIDsAgreeAcrossFormats(t *testing.T) {
	t.Parallel()
	native, spdx, cyclone := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var n nativeDocument
	if err := json.Unmarshal(render(t, "native.json", subject(), content()), &n); err != nil {
		t.Fatal(err)
	}
	for _, p := range n.Artifacts {
		native[p.ID] = true
	}
	s, err := spdxjson.Read(bytes.NewReader(render(t, "spdx.json", subject(), content())))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Packages {
		if id := string(p.PackageSPDXIdentifier); strings.HasPrefix(id, "Package-") {
			spdx[id[strings.LastIndexByte(id, '-')+1:]] = true
		}
	}
	c := readCycloneDX(t)
	for _, p := range *c.Components {
		if p.Type != cdx.ComponentTypeOS {
			cyclone[p.BOMRef] = true
		}
	}
	if len(native) != len(content().Packages) {
		t.Errorf("%d ids for %d packages", len(native), len(content().Packages))
	}
	if diff := cmp.Diff(native, spdx); diff != "" {
		t.Errorf("native and SPDX ids (-native +spdx):\n%s", diff)
	}
	if diff := cmp.Diff(native, cyclone); diff != "" {
		t.Errorf("native and CycloneDX ids (-native +cyclonedx):\n%s", diff)
	}
}

func TestNativeDocumentRelatesAllPackages(t *testing.T) {
	t.Parallel()
	var n nativeDocument
	if err := json.Unmarshal(render(t, "native.json", subject(), content()), &n); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{n.Source.ID: "the image"}
	for _, p := range n.Artifacts {
		if p.Locations == nil || p.Licenses == nil || p.CPEs == nil || p.FoundBy == "" {
			t.Errorf("%s lacks a required list", p.Name)
		}
		names[p.ID] = p.Name
	}
	contained, owned := 0, ""
	for _, r := range n.Relationships {
		switch r.Type {
		case "contains":
			if r.Parent == n.Source.ID && names[r.Child] != "" {
				contained++
			}
		case "ownership-by-file-overlap":
			owned += names[r.Parent] + " owns " + names[r.Child]
		}
	}
	if contained != len(n.Artifacts) || owned != "python3-yaml owns PyYAML" {
		t.Errorf("%d of %d packages are contained; ownership: %q", contained, len(n.Artifacts), owned)
	}
}

func TestSPDXDocumentIsValid(t *testing.T) {
	t.Parallel()
	doc, err := spdxjson.Read(bytes.NewReader(render(t, "spdx.json", subject(), content())))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Errorf("relationships: %v", err)
	}
	if doc.SPDXVersion != "SPDX-2.3" || doc.DataLicense != "CC0-1.0" || doc.CreationInfo.Created != "2026-03-04T04:06:07Z" ||
		!regexp.MustCompile(`^https://spdx\.org/spdxdocs/[A-Za-z0-9.-]+-[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(doc.DocumentNamespace) {
		t.Errorf("header: %s %s %s %s", doc.SPDXVersion, doc.DataLicense, doc.CreationInfo.Created, doc.DocumentNamespace)
	}
	described, err := spdxlib.GetDescribedPackageIDs(doc)
	if err != nil || len(described) != 1 || described[0] != spdxImage {
		t.Errorf("described: %v, %v", described, err)
	}
	defined := map[string]bool{}
	for _, l := range doc.OtherLicenses {
		defined[l.LicenseIdentifier] = l.ExtractedText != ""
	}
	id := regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
	for _, p := range doc.Packages {
		if !id.MatchString(string(p.PackageSPDXIdentifier)) || p.PackageName == "" || p.PackageDownloadLocation == "" || p.PackageLicenseDeclared == "" || p.FilesAnalyzed {
			t.Errorf("package %+v", p)
		}
		for _, ref := range regexp.MustCompile(`LicenseRef-[A-Za-z0-9.-]+`).FindAllString(p.PackageLicenseDeclared, -1) {
			if !defined[ref] {
				t.Errorf("%s of %s is not defined", ref, p.PackageName)
			}
		}
	}
	if len(defined) != 2 {
		t.Errorf("defined licences: %v", defined)
	}
}

func readCycloneDX(t *testing.T) *cdx.BOM {
	t.Helper()
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(render(t, "cyclonedx.json", subject(), content())), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	return bom
}

func TestCycloneDXDocumentIsValid(t *testing.T) {
	t.Parallel()
	bom := readCycloneDX(t)
	if bom.SpecVersion != cdx.SpecVersion1_6 || bom.BOMFormat != "CycloneDX" || bom.Version != 1 || bom.Metadata.Timestamp != "2026-03-04T04:06:07Z" ||
		!regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(bom.SerialNumber) {
		t.Errorf("header: %v %s %d %s", bom.SpecVersion, bom.BOMFormat, bom.Version, bom.SerialNumber)
	}
	if got, want := bom.Metadata.Component.PackageURL, "pkg:oci/shop@sha256:1111"; !strings.HasPrefix(strings.ReplaceAll(got, "%3A", ":"), want) {
		t.Errorf("purl of the image %s; want %s…", got, want)
	}
	if (*bom.Compositions)[0].Aggregate != cdx.CompositionAggregateIncomplete {
		t.Errorf("an image with unread files is called %s", (*bom.Compositions)[0].Aggregate)
	}
	for _, c := range *bom.Components {
		if c.Name == "" || c.Type == "" || c.BOMRef == "" {
			t.Errorf("component %+v", c)
		}
		if c.Licenses == nil {
			continue
		}
		for _, l := range *c.Licenses {
			if l.Expression != "" && (len(*c.Licenses) != 1 || l.License != nil) {
				t.Errorf("%s mixes an expression with licences", c.Name)
			}
		}
	}
}

func TestLicences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		declared            []string
		spdx, cyclone, note string
	}{
		{[]string{"MIT"}, "MIT", "id MIT", "listed"},
		{[]string{"MIT", "MIT", " "}, "MIT", "id MIT", "once"},
		{[]string{"Apache-2.0 OR MIT"}, "Apache-2.0 OR MIT", "expression Apache-2.0 OR MIT", "an expression"},
		{[]string{"Apache-2.0 OR MIT", "ISC"}, "(Apache-2.0 OR MIT) AND ISC", "expression (Apache-2.0 OR MIT) AND ISC", "an expression and another"},
		{[]string{"BSD", "MIT"}, "LicenseRef-BSD AND MIT", "name BSD, id MIT", "not listed"},
		{[]string{"Apache-2.0 OR MIT", "BSD"}, "(Apache-2.0 OR MIT) AND LicenseRef-BSD", "name Apache-2.0 OR MIT, name BSD", "expression beside a text"},
		{[]string{"apache-2.0"}, "Apache-2.0", "id Apache-2.0", "spelled otherwise"},
		{[]string{"gpl-2.0-or-later WITH classpath-exception-2.0"}, "GPL-2.0-or-later WITH Classpath-exception-2.0", "expression GPL-2.0-or-later WITH Classpath-exception-2.0", "an exception"},
		{[]string{"Apache-2.0+"}, "Apache-2.0+", "expression Apache-2.0+", "or later"},
		{[]string{"((MIT OR ISC) AND Zlib)"}, "((MIT OR ISC) AND Zlib)", "expression ((MIT OR ISC) AND Zlib)", "nested"},
		{[]string{"MIT AND ("}, "LicenseRef-MIT-AND---59daaa96", "name MIT AND (", "broken off"},
		{[]string{"LicenseRef-x"}, "LicenseRef-LicenseRef-x", "name LicenseRef-x", "a reference to nothing"},
		{nil, noAssertion, "", "none"},
	} {
		names := Subject{}.licensing()
		all := names.all(c.declared)
		spdx := noAssertion
		if len(all) > 0 {
			spdx = conjunction(all, func(l license) string { return l.expression + l.ref })
		}
		var parts []string
		if out := cdxLicenses(all); out != nil {
			for _, l := range *out {
				switch {
				case l.Expression != "":
					parts = append(parts, "expression "+l.Expression)
				case l.License.ID != "":
					parts = append(parts, "id "+l.License.ID)
				default:
					parts = append(parts, "name "+l.License.Name)
				}
			}
		}
		if got := strings.Join(parts, ", "); spdx != c.spdx || got != c.cyclone {
			t.Errorf("%s: SPDX %q, CycloneDX %q; want %q and %q", c.note, spdx, got, c.spdx, c.cyclone)
		}
	}
}

func FuzzLicense(f *testing.F) {
	for _, text := range []string{"MIT", "GPL-2.0-or-later WITH Classpath-exception-2.0", "((MIT))", "MIT AND (", "MIT)", "(MIT OR ISC) WITH x", "MIT WITH", "LicenseRef-a", "BSD (3 clause)", "mit"} {
		f.Add(text)
	}
	ref := regexp.MustCompile(`^LicenseRef-[A-Za-z0-9.-]+$`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, l := range (Subject{}.licensing()).all([]string{text}) {
			if (l.expression == "") != ref.MatchString(l.ref) || l.listed != "" && l.listed != l.expression {
				t.Fatalf("%q is read as %+v", text, l)
			}
			if again, ok := spdxlicense.Parse(l.expression); l.expression != "" && (!ok || again != l.expression) {
				t.Fatalf("%q is spelled %q and then %q, %v", text, l.expression, again, ok)
			}
		}
	})
}

func TestTheImageIsNamedByItsFirstTag(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"localhost:5000/a/b:1":       "localhost:5000/a/b 1",
		"localhost:5000/a/b":         "localhost:5000/a/b ",
		"docker.io/library/debian:x": "docker.io/library/debian x",
		"a/b@sha256:11":              "a/b ",
	} {
		repository, tag := Subject{Tags: []string{ref}}.split()
		if got := fmt.Sprint(repository, " ", tag); got != want {
			t.Errorf("%s is %q; want %q", ref, got, want)
		}
	}
}
