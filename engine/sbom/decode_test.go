package sbom

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/match"
)

// several is an image with packages of each kind of database, and of languages.
func several() *image.Image {
	img := content()
	img.Packages = append(img.Packages,
		catalog.Package{Type: catalog.TypeGem, Name: "rack", Version: "2.2.3", PURL: "pkg:gem/rack@2.2.3", Licenses: []string{"MIT"}, Location: "/gems/rack.gemspec", Layer: top},
		catalog.Package{Type: catalog.TypeRust, Name: "openssl", Version: "0.10.1", PURL: "pkg:cargo/openssl@0.10.1", Location: "/usr/bin/tool", Layer: top},
		catalog.Package{Type: catalog.TypeNuget, Name: "Newtonsoft.Json", Version: "12.0.1", PURL: "pkg:nuget/Newtonsoft.Json@12.0.1", Location: "/app/a.deps.json", Layer: top},
		catalog.Package{Type: catalog.TypeComposer, Name: "twig/twig", Version: "3.0", PURL: "pkg:composer/twig/twig@3.0", Location: "/app/installed.json", Layer: top},
		catalog.Package{Type: catalog.TypeGo, Name: "golang.org/x/net", Version: "v0.1.0", PURL: "pkg:golang/golang.org/x/net@v0.1.0", Location: "/app/tool", Layer: top},
		catalog.Package{Type: catalog.TypeBinary, Name: "node", Version: "20.1.0", PURL: "pkg:generic/node@20.1.0", Location: "/usr/bin/node", Layer: top},
	)
	return img
}

// rpms and apks are images of other distributions.
func rpms() *image.Image {
	d := &catalog.Distro{ID: "rhel", VersionID: "9.4", Name: "Red Hat Enterprise Linux 9.4"}
	img := &image.Image{Distro: d, Packages: []catalog.Package{
		{Type: catalog.TypeRpm, Name: "dbus", Version: "1:1.12.20-8.el9", Arch: "x86_64", Source: "dbus", SourceVersion: "1:1.12.20-8.el9", Licenses: []string{"(GPLv2+ or AFL) and GPLv2+"}, Origin: "Red Hat, Inc.", Location: "/var/lib/rpm/rpmdb.sqlite", Layer: base},
		{Type: catalog.TypeRpm, Name: "perl-Errno", Version: "1.30-481.el9", Arch: "x86_64", Source: "perl", SourceVersion: "5.32.1-481.el9", Location: "/var/lib/rpm/rpmdb.sqlite", Layer: base},
	}}
	for i := range img.Packages {
		catalog.SetDistro(&img.Packages[i], d, match.DistroNamespace(d))
	}
	return img
}

func apks() *image.Image {
	d := &catalog.Distro{ID: "alpine", VersionID: "3.18.4"}
	img := &image.Image{Distro: d, Packages: []catalog.Package{
		{Type: catalog.TypeApk, Name: "libcrypto3", Version: "3.1.4-r0", Arch: "x86_64", Source: "openssl", SourceVersion: "3.1.4-r0", Licenses: []string{"Apache-2.0"}, Location: "/lib/apk/db/installed", Layer: base},
	}}
	catalog.SetDistro(&img.Packages[0], d, match.DistroNamespace(d))
	return img
}

// lost are the fields of packages that a format does not carry as they were. Licences are spelled as SPDX has them
// where they are known; every one is there.
var lost = map[string][]string{
	"native.json":    {"Metadata", "MetadataType", "Origin", "Owner"},
	"spdx.json":      {"Licenses", "Metadata", "MetadataType", "Origin", "Owner", "Size"},
	"spdx.tags":      {"Licenses", "Metadata", "MetadataType", "Origin", "Owner", "Size"},
	"cyclonedx.json": {"Licenses", "Metadata", "MetadataType", "Size"},
	"cyclonedx.xml":  {"Licenses", "Metadata", "MetadataType", "Size"},
}

// An image written and read again has the same packages: identity, purl, place, CPEs and what advisories call them in
// every format; other fields but for those that are known to be lost.
func TestWrittenDocumentsAreReadAgain(t *testing.T) {
	t.Parallel()
	for format := range formats {
		differ := map[string]bool{}
		for name, img := range map[string]*image.Image{"debian": several(), "rhel": rpms(), "alpine": apks()} {
			doc, err := Decode(render(t, format, subject(), img), Limits{})
			if err != nil {
				t.Errorf("%s %s: %v", name, format, err)
				continue
			}
			if doc.Distro == nil || match.DistroNamespace(doc.Distro) != match.DistroNamespace(img.Distro) {
				t.Errorf("%s %s: distro %+v", name, format, doc.Distro)
			}
			want := map[string]catalog.Package{}
			for _, p := range img.Packages {
				if p.Version != "" {
					want[p.Type+" "+p.Name+" "+p.Location] = p
				}
			}
			for _, p := range doc.Packages {
				catalog.SetDistro(&p, doc.Distro, match.DistroNamespace(doc.Distro))
				w := want[p.Type+" "+p.Name+" "+p.Location]
				delete(want, p.Type+" "+p.Name+" "+p.Location)
				differing(w, p, differ)
				if match.Known(p.Identity(), p.PURL) != match.Known(w.Identity(), w.PURL) {
					t.Errorf("%s %s: advisories call %s %v", name, format, p.Name, match.Known(p.Identity(), p.PURL))
				}
				if len(p.Licenses) != len(w.Licenses) {
					t.Errorf("%s %s: %s has licences %v, want %v", name, format, p.Name, p.Licenses, w.Licenses)
				}
			}
			for key := range want {
				t.Errorf("%s %s: %s is lost", name, format, key)
			}
		}
		if diff := cmp.Diff(lost[format], slices.Sorted(maps.Keys(differ))); diff != "" {
			t.Errorf("%s: fields that differ (-known +got):\n%s", format, diff)
		}
	}
}

// differing notes the fields in which two packages are not the same; lists compare without order.
func differing(a, b catalog.Package, out map[string]bool) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if !cmp.Equal(x.Field(i).Interface(), y.Field(i).Interface(), cmpopts.EquateEmpty(), cmpopts.SortSlices(strings.Compare)) {
			out[x.Type().Field(i).Name] = true
		}
	}
}

// Cases hold a document of another tool, in its own form, and the packages it must give.
func TestDocumentsOfOtherTools(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/others.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, want := archive.Files[i], archive.Files[i+1]
		doc, err := Decode(in.Data, Limits{})
		if err != nil {
			t.Errorf("%s: %v", in.Name, err)
			continue
		}
		if diff := cmp.Diff(string(want.Data), listing(doc)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in.Name, diff)
		}
	}
}

func TestTheModuleOfAnRPMIsRead(t *testing.T) {
	t.Parallel()
	const purl = `"purl":"pkg:rpm/redhat/nodejs@16.1-1.module%2Bel8?arch=x86_64&distro=rhel-8.6"`
	for name, in := range map[string]string{
		"Syft's JSON": `{"artifacts":[{"name":"nodejs","version":"16.1-1.module+el8","type":"rpm",` + purl + `,"metadata":{"modularityLabel":"nodejs:16:8060020:ad008a3a"}}]}`,
		"Syft's CycloneDX": `{"bomFormat":"CycloneDX","components":[{"type":"library","name":"nodejs","version":"16.1-1.module+el8",` + purl +
			`,"properties":[{"name":"syft:package:type","value":"rpm"},{"name":"syft:metadata:modularityLabel","value":"nodejs:16:8060020:ad008a3a"}]}]}`,
		"Trivy's CycloneDX": `{"bomFormat":"CycloneDX","components":[{"type":"library","name":"nodejs","version":"16.1-1.module+el8",` + purl +
			`,"properties":[{"name":"aquasecurity:trivy:Modularitylabel","value":"nodejs:16:8060020:ad008a3a"}]}]}`,
		"a purl": `{"bomFormat":"CycloneDX","components":[{"type":"library","name":"nodejs","version":"16.1-1.module+el8",` +
			strings.Replace(purl, "arch=", "rpmmod=nodejs:16:8060020:ad008a3a&arch=", 1) + `}]}`,
	} {
		doc, err := Decode([]byte(in), Limits{})
		if err != nil || len(doc.Packages) != 1 {
			t.Errorf("%s: %v, %v", name, doc, err)
			continue
		}
		if id := doc.Packages[0].Identity(); id.Module != "nodejs:16" {
			t.Errorf("%s: the module is %q", name, id.Module)
		}
	}
	img := rpms()
	img.Packages[0].Metadata = map[string]string{catalog.MetadataModularity: "nodejs:16:1:2"}
	for _, format := range []string{"native.json", "cyclonedx.json", "cyclonedx.xml"} {
		doc, err := Decode(render(t, format, subject(), img), Limits{})
		if err != nil || !slices.ContainsFunc(doc.Packages, func(p catalog.Package) bool { id := p.Identity(); return id.Name == "dbus" && id.Module == "nodejs:16" }) {
			t.Errorf("%s loses the module: %v", format, err)
		}
	}
}

func listing(doc *Document) string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(string(doc.Format)+"; "+doc.Tool+"; "+doc.Name+" "+doc.Version) + "\n")
	if d := doc.Distro; d != nil {
		b.WriteString("distro " + strings.TrimSpace(d.ID+" "+d.VersionID+" "+d.Codename) + "\n")
	}
	for _, p := range doc.Packages {
		id := p.Identity()
		b.WriteString(strings.Join([]string{id.Type, id.Namespace, id.Name, id.Version, id.Arch, id.Source, id.SourceVersion, strings.Join(p.Licenses, ","), p.Location}, "|") + "\n")
	}
	for _, m := range doc.Incomplete {
		b.WriteString("refused: " + m.Detail + "\n")
	}
	return b.String()
}

func TestBrokenDocumentsAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300)
	const xmlBOM = `<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components>`
	many := `{"artifacts":[` + strings.TrimSuffix(strings.Repeat(`{"name":"a","version":"1","type":"npm"},`, 11), ",") + `]}`
	for name, c := range map[string]struct {
		in     string
		want   error
		reason string
	}{
		"empty":                         {"  \n", ErrFormat, "empty"},
		"text":                          {"hello", ErrFormat, "neither"},
		"other JSON":                    {`{"name":"x"}`, ErrFormat, "bomFormat"},
		"other XML":                     {`<project/>`, ErrFormat, "CycloneDX"},
		"cut JSON":                      {`{"artifacts":[{"name"`, ErrDocument, "JSON"},
		"wrong types":                   {`{"artifacts":{"a":1}}`, ErrDocument, "Syft JSON"},
		"cut XML":                       {`<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components>`, ErrDocument, "CycloneDX XML"},
		"unknown SPDX":                  {`{"spdxVersion":"SPDX-1.0"}`, ErrFormat, "SPDX-1.0"},
		"broken SPDX":                   {`{"spdxVersion":"SPDX-2.3","packages":"x"}`, ErrDocument, "SPDX JSON"},
		"broken tags":                   {"SPDXVersion: SPDX-2.3\nPackageName\n", ErrDocument, "tag-value"},
		"broken SPDX 3":                 {`{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":{}}`, ErrDocument, "SPDX 3"},
		"nested too deep":               {`{"artifacts":[],"x":` + deep + `}`, ErrTooLarge, "deep"},
		"components inside one another": {`{"bomFormat":"CycloneDX","components":[` + strings.Repeat(`{"components":[`, 20) + strings.Repeat(`]}`, 20) + `]}`, ErrTooLarge, "deep"},
		"the same in XML":               {xmlBOM + strings.Repeat(`<component><components>`, 20), ErrTooLarge, "deep"},
		"elements without an end":       {xmlBOM + "<component><name>" + strings.Repeat("<!-- </a> --><a>", 1000), ErrTooLarge, "deep"},
		"too many empty components":     {`{"bomFormat":"CycloneDX","components":[` + strings.Repeat("{},", 300) + `{}]}`, ErrTooLarge, "entries"},
		"too many in XML":               {xmlBOM + strings.Repeat("<component/>", 300), ErrTooLarge, "entries"},
		"too many empty elements":       {`{"@context":"https://spdx.org/rdf/3.0.1/","@graph":[` + strings.Repeat("{},", 300) + `{}]}`, ErrTooLarge, "entries"},
		"too many relationships":        {`{"spdxVersion":"SPDX-2.3","relationships":[` + strings.Repeat("{},", 300) + `{}]}`, ErrTooLarge, "entries"},
		"too many licences in tags":     {"SPDXVersion: SPDX-2.3\n" + strings.Repeat("LicenseID: x\n", 300), ErrTooLarge, "entries"},
		"a text without an end":         {"SPDXVersion: SPDX-2.3\nDocumentComment: <text>a\n", ErrDocument, "line 2"},
		"another version in tags":       {"SPDXVersion: SPDX-9.9\n", ErrDocument, "SPDX-9.9"},
		"too many":                      {many, ErrTooLarge, "10 packages"},
		"an entity bomb":                {`<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY c "&a;&a;">]><bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library"><name>&c;</name></component></components></bom>`, ErrDocument, "CycloneDX XML"},
		"too many bytes":                {`{"artifacts":[]` + strings.Repeat(" ", 1<<20) + "}", ErrTooLarge, "bytes"},
		"a byte order":                  {"\xef\xbb\xbf{}", ErrFormat, "bomFormat"},
	} {
		_, err := Decode([]byte(c.in), Limits{Packages: 10, Bytes: 1 << 20})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestUnusableEntriesAreTold(t *testing.T) {
	t.Parallel()
	in := `{"artifacts":[{"name":"a","version":"","type":"npm"},{"name":"b","version":"1"},{"name":"c","version":"1","type":"npm"},{"name":"d\u0000","version":"1","type":"npm"}]}`
	doc, err := Decode([]byte(in), Limits{})
	if err != nil || len(doc.Packages) != 1 || len(doc.Incomplete) != 3 {
		t.Fatalf("got %+v, %v", doc, err)
	}
	doc, err = Decode([]byte(`{"artifacts":[`+strings.TrimSuffix(strings.Repeat(`{"name":"a"},`, 300), ",")+`]}`), Limits{})
	if err != nil || len(doc.Incomplete) != maxRefusals+1 || doc.Incomplete[maxRefusals].Reason != catalog.ReasonTooMany {
		t.Fatalf("got %d records, %v", len(doc.Incomplete), err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"testdata/native.json", "testdata/spdx.json", "testdata/cyclonedx.json"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	archive, err := txtar.ParseFile("testdata/others.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Decode(data, Limits{Bytes: 1 << 20, Packages: 1000})
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDocument) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		for i := range doc.Packages {
			if err := doc.Packages[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := Native(&out, Subject{ImageDigest: digest}, &image.Image{Packages: doc.Packages, Distro: doc.Distro}, written); err != nil {
			t.Fatal(err)
		}
	})
}

// Texts of licences are told from their names by length, and leave every format when they are not wanted.
func TestLicenseTextsAreLeftOutOnDemand(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("Permission is hereby granted, free of charge, ", 5)
	img := &image.Image{Packages: []catalog.Package{{Type: catalog.TypeNpm, Name: "a", Version: "1", PURL: "pkg:npm/a@1", Licenses: []string{"MIT", text}}}}
	for format := range formats {
		for _, without := range []bool{false, true} {
			s := subject()
			s.WithoutLicenseTexts = without
			if got := bytes.Contains(render(t, format, s, img), []byte("hereby granted")); got == without {
				t.Errorf("%s: text written: %v", format, got)
			}
		}
	}
}

// A file name may hold anything, line ends and tags included.
func TestAFileNameAddsNothingToADocument(t *testing.T) {
	t.Parallel()
	img := &image.Image{Packages: []catalog.Package{{
		Type: catalog.TypeNpm, Name: "a", Version: "1", PURL: "pkg:npm/a@1", Location: "/x\n</text>\nPackageName: evil\nSPDXID: SPDXRef-evil\nPackageVersion: 1\n", Layer: top,
	}}}
	for format := range formats {
		doc, err := Decode(render(t, format, subject(), img), Limits{})
		if err != nil || len(doc.Packages) != 1 || doc.Packages[0].Name != "a" {
			t.Errorf("%s: %+v, %v", format, doc, err)
		}
	}
}
