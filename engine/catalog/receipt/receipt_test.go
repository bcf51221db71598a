package receipt

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

const (
	redis = `{
  "SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3", "name": "SPDX document for Redis 7.2.4",
  "packages": [
    {"SPDXID": "SPDXRef-redis", "name": "redis", "versionInfo": "7.2.4", "licenseConcluded": "BSD-3-Clause", "supplier": "Organization: Broadcom, Inc.",
     "externalRefs": [
       {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:*:redis:redis:7.2.4:*:*:*:*:*:*:*"},
       {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:bitnami/redis@7.2.4-3?arch=amd64&distro=debian-12"}]},
    {"SPDXID": "SPDXRef-Package-go", "name": "golang.org/x/sys", "versionInfo": "v0.1.0",
     "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:golang/golang.org/x/sys@v0.1.0"}]}
  ]
}`
	zlib = `{
  "$schema": "https://raw.githubusercontent.com/spdx/spdx-spec/v2.2.1/schemas/spdx-schema.json",
  "spdxVersion": "SPDX-2.2", "SPDXID": "SPDXRef-DOCUMENT", "name": "zlib:x64-linux@1.2.13#1 7e7c",
  "packages": [
    {"name": "zlib", "SPDXID": "SPDXRef-port", "versionInfo": "1.2.13#1", "downloadLocation": "git+https://github.com/Microsoft/vcpkg#ports/zlib",
     "homepage": "https://www.zlib.net/", "licenseConcluded": "Zlib", "licenseDeclared": "NOASSERTION", "comment": "This is the port (recipe) consumed by vcpkg."},
    {"name": "zlib:x64-linux", "SPDXID": "SPDXRef-binary", "versionInfo": "1357b", "licenseConcluded": "Zlib", "licenseDeclared": "NOASSERTION"},
    {"SPDXID": "SPDXRef-resource-1", "name": "madler/zlib", "licenseConcluded": "NOASSERTION"}
  ]
}`
)

func file(name, content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

// reading finds what the analyzer that wants the file finds in it.
func reading(t *testing.T, f *catalog.File) ([]catalog.Package, error) {
	t.Helper()
	for _, a := range Analyzers() {
		if a.Wants(catalog.Candidate{Entry: f.Entry}) {
			e, err := a.Analyze(t.Context(), f)
			return e.Packages, err
		}
	}
	return nil, nil
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, content string
		want          catalog.Package
	}{
		"Bitnami": {"/opt/bitnami/redis/.spdx-redis.spdx", redis, catalog.Package{
			Type: "bitnami", Name: "redis", Version: "7.2.4", Arch: "amd64", PURL: "pkg:bitnami/redis@7.2.4-3?arch=amd64&distro=debian-12",
			CPEs: []string{"cpe:2.3:a:redis:redis:7.2.4:*:*:*:*:*:*:*"}, Licenses: []string{"BSD-3-Clause"},
			MetadataType: "BitnamiSbomMetadata", Metadata: map[string]string{"revision": "3", "distro": "debian-12"},
		}},
		"vcpkg": {"/src/vcpkg_installed/x64-linux/share/zlib/vcpkg.spdx.json", zlib, catalog.Package{
			Type: "vcpkg", Name: "zlib", Version: "1.2.13", PURL: "pkg:vcpkg/zlib@1.2.13?port_version=1&triplet=x64-linux",
			CPEs:     []string{"cpe:2.3:a:zlib:zlib:1.2.13:*:*:*:*:*:*:*", "cpe:2.3:a:zlib_project:zlib:1.2.13:*:*:*:*:*:*:*"},
			Licenses: []string{"Zlib"}, MetadataType: "VcpkgPortMetadata",
			Metadata: map[string]string{"port-version": "1", "triplet": "x64-linux", "homepage": "https://www.zlib.net/"},
		}},
		"Conan": {"/root/.conan/data/zlib/1.2.11/_/_/package/b911f48570f9bb2902d9e83b2b9ebf9d376c8c56/conaninfo.txt", "[settings]\n    arch=x86_64\n", catalog.Package{
			Type: "conan", Name: "zlib", Version: "1.2.11", PURL: "pkg:conan/zlib@1.2.11",
			CPEs:         []string{"cpe:2.3:a:zlib:zlib:1.2.11:*:*:*:*:*:*:*", "cpe:2.3:a:zlib_project:zlib:1.2.11:*:*:*:*:*:*:*"},
			MetadataType: "ConaninfoMetadata", Metadata: map[string]string{"package-id": "b911f48570f9bb2902d9e83b2b9ebf9d376c8c56"},
		}},
		"MacPorts": {"/opt/local/var/macports/registry/portfiles/p5.34-gssapi-0.260.0_2/4b0e9-1234/Portfile", "PortSystem 1.0\n", catalog.Package{
			Type: "macports", Name: "p5.34-gssapi", Version: "0.260.0", PURL: "pkg:macports/p5.34-gssapi@0.260.0",
			CPEs:         []string{"cpe:2.3:a:p5.34-gssapi:p5.34-gssapi:0.260.0:*:*:*:*:*:*:*"},
			MetadataType: "MacportsMetadata", Metadata: map[string]string{"revision": "2"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := reading(t, file(c.path, c.content))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Location = c.path
			if diff := cmp.Diff([]catalog.Package{c.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The fixture was made by SQLite, with the tables of Conan 2.
func conanFixture(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile("testdata/cache.sqlite3")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestACacheOfConan2ListsItsBinaries(t *testing.T) {
	t.Parallel()
	const place = "/root/.conan2/p/cache.sqlite3"
	packages, err := reading(t, file(place, conanFixture(t)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range packages {
		if p.Location != place || p.Metadata["package-id"] == "" {
			t.Errorf("package %+v", p)
		}
		if !strings.HasPrefix(p.Name, "lib") {
			got = append(got, p.PURL)
		}
	}
	want := []string{"pkg:conan/fmt@10.2.1?channel=stable&user=acme", "pkg:conan/openssl@3.2.1", "pkg:conan/poco@1.13.3?user=acme", "pkg:conan/zlib@1.3.1"}
	if diff := cmp.Diff(want, got); diff != "" || len(packages) != 16 {
		t.Errorf("%d packages; without a recipe alone and what is being built:\n%s", len(packages), diff)
	}
	odd := strings.ReplaceAll(conanFixture(t), "openssl/3.2.1", "openssl-3.2.1")
	if packages, err := reading(t, file(place, odd)); len(packages) != 15 || !errors.Is(err, errReference) {
		t.Errorf("a reference that is none: %d packages, %v", len(packages), err)
	}
	if wantsConanCache(catalog.Candidate{Entry: catalog.Entry{Path: place, Type: catalog.Regular}, Head: []byte("something else")}) {
		t.Error("a file that is no database is wanted")
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"/conaninfo.txt", "/a/b/c/d/e/f/g/conaninfo.txt", "/Portfile", "/macports/registry/portfiles/Portfile", "/opt/bitnami/x/x.spdx", "/x/.spdx-x.spdx",
	} {
		if got, err := reading(t, file(name, "")); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestADocumentThatIsNoneIsAFault(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "[]", `{"packages": 1}`} {
		if got, err := reading(t, file("/share/zlib/vcpkg.spdx.json", content)); err == nil || len(got) > 0 {
			t.Errorf("%q: %v, %v", content, got, err)
		}
	}
}

func FuzzReceipts(f *testing.F) {
	f.Add("/opt/bitnami/redis/.spdx-redis.spdx", redis)
	f.Add("/vcpkg_installed/x64-linux/share/zlib/vcpkg.spdx.json", zlib)
	f.Add("/p/cache.sqlite3", conanFixture(f))
	f.Add("/data/a/1/_/_/package/x/conaninfo.txt", "")
	f.Add("/macports/registry/portfiles/a-1_0/x/Portfile", "")
	f.Fuzz(func(t *testing.T, name, content string) {
		got, _ := reading(t, file(name, content))
		for i := range got {
			if err := got[i].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
