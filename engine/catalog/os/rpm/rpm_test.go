package rpm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(name string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"/var/lib/rpm/Packages":                     "rpm-database",
		"/var/lib/rpm/rpmdb.sqlite":                 "rpm-database",
		"/usr/lib/sysimage/rpm/Packages.db":         "rpm-database",
		"/usr/lib/sysimage/rpm/rpmdb.sqlite":        "rpm-database",
		"/usr/share/rpm/rpmdb.sqlite":               "rpm-database",
		"/usr/share/rpm/rpmdb.sqlite-wal":           "rpm-database",
		"/var/lib/rpmmanifest/container-manifest-2": "rpm-manifest",
		"/var/lib/rpmmanifest/container-manifest-1": "",
		"/var/lib/rpm/Index.db":                     "",
		"/var/lib/rpm/Name":                         "",
		"/var/lib/rpm/rpmdb.sqlite-shm":             "",
		"/srv/var/lib/rpm/Packages":                 "",
		"/var/lib/rpm/old/Packages":                 "",
	} {
		got := ""
		for _, a := range Analyzers() {
			if a.Wants(catalog.Candidate{Entry: catalog.Entry{Path: name, Type: catalog.Regular, Size: 1}}) {
				got += a.Name
			}
		}
		if got != want {
			t.Errorf("%s: wanted by %q", name, got)
		}
	}
	if wants(catalog.Candidate{Entry: catalog.Entry{Path: "/var/lib/rpm/rpmdb.sqlite-wal"}}) {
		t.Error("an empty log is wanted")
	}
}

func TestDescribesPackagesAndFiles(t *testing.T) {
	t.Parallel()
	blob := build(tag{tagName, "nodejs"}, tag{tagVersion, "16.14.0"}, tag{tagRelease, "4.module+el8.6.0+1"}, tag{tagEpoch, uint32(1)},
		tag{tagArch, "x86_64"}, tag{tagSourceRPM, "nodejs-16.14.0-4.module+el8.6.0+1.src.rpm"}, tag{tagLicense, "MIT and ASL 2.0"},
		tag{tagVendor, "Red Hat, Inc."}, tag{tagSize, uint32(3 << 30)}, tag{tagModularity, "nodejs:16:8060020:ad008a3a"},
		tag{tagSummary, "JavaScript runtime"}, tag{tagURL, "(none)"},
		tag{tagDirNames, []string{"/usr/bin/", "/usr/lib/"}}, tag{tagBaseNames, []string{"node", "node_modules", "x"}},
		tag{tagDirIndexes, []uint32{0, 1, 1}}, tag{tagFileModes, []uint16{0o100755, 0o040755, 0o120777}})
	key := build(tag{tagName, "gpg-pubkey"}, tag{tagVersion, "fd431d51"}, tag{tagRelease, "4ae0493b"})
	want := catalog.Evidence{
		Packages: []catalog.Package{{
			Type: "rpm", Name: "nodejs", Version: "1:16.14.0-4.module+el8.6.0+1", Arch: "x86_64",
			Source: "nodejs", SourceVersion: "1:16.14.0-4.module+el8.6.0+1", Licenses: []string{"MIT and ASL 2.0"}, Origin: "Red Hat, Inc.",
			CPEs: []string{`cpe:2.3:a:nodejs:nodejs:16.14.0-4.module\+el8.6.0\+1:*:*:*:*:*:*:*`}, Size: 3 << 30,
			Location: "/var/lib/rpm/Packages", MetadataType: "RpmMetadata",
			Metadata: map[string]string{
				"epoch": "1", "version": "16.14.0", "release": "4.module+el8.6.0+1", "modularity_label": "nodejs:16:8060020:ad008a3a",
				"source_rpm": "nodejs-16.14.0-4.module+el8.6.0+1.src.rpm", "vendor": "Red Hat, Inc.", "summary": "JavaScript runtime",
			},
		}},
		Owns: []catalog.Ownership{{Type: "rpm", Name: "nodejs", Arch: "x86_64", Recorded: []catalog.RecordedFile{
			{Path: "/usr/bin/node", Mode: 0o100755}, {Path: "/usr/lib/node_modules", Mode: 0o040755}, {Path: "/usr/lib/x", Mode: 0o120777},
		}}},
	}
	for name, content := range map[string][]byte{
		"ndb": ndbFile(key, blob), "Berkeley DB": hashFileOf(key, blob), "SQLite": sqliteFile(key, blob),
	} {
		got, err := analyze(context.Background(), file("/var/lib/rpm/Packages", content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tags                           []tag
		version, source, sourceVersion string
	}{
		"no epoch":                 {[]tag{{tagSourceRPM, "bash-5.1-2.src.rpm"}}, "5.1-2", "bash", "5.1-2"},
		"epoch 0 is none":          {[]tag{{tagEpoch, uint32(0)}, {tagSourceRPM, "bash-5.1-2.src.rpm"}}, "5.1-2", "bash", "5.1-2"},
		"an epoch":                 {[]tag{{tagEpoch, uint32(2)}, {tagSourceRPM, "a-b-5.1-2.src.rpm"}}, "2:5.1-2", "a-b", "2:5.1-2"},
		"a version of its own":     {[]tag{{tagEpoch, uint32(2)}, {tagSourceRPM, "perl-5.32-480.src.rpm"}}, "2:5.1-2", "perl", "5.32-480"},
		"closed sources":           {[]tag{{tagSourceRPM, "x-1-1.nosrc.rpm"}}, "5.1-2", "x", "1-1"},
		"no source":                {[]tag{{tagSourceRPM, "(none)"}}, "5.1-2", "", ""},
		"not the name of a source": {[]tag{{tagSourceRPM, "x-1.src.rpm"}}, "5.1-2", "", ""},
	} {
		h, err := parseHeader(build(append([]tag{{tagName, "p"}, {tagVersion, "5.1"}, {tagRelease, "2"}}, c.tags...)...))
		if err != nil {
			t.Fatal(err)
		}
		p := describe(h, "/x")
		if p.Version != c.version || p.Source != c.source || p.SourceVersion != c.sourceVersion {
			t.Errorf("%s: %s from %s %s", name, p.Version, p.Source, p.SourceVersion)
		}
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	const in = "filesystem\t1.1-9.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t7596\tx86_64\t0\tfilesystem-1.1-9.cm2.src.rpm\n" +
		"bind-libs\t9.16.29-1.cm2\t1\t1\t(none)\t32\t10\tnoarch\t32\tbind-9.16.29-1.cm2.src.rpm\n" +
		"gpg-pubkey\t3135ce90-5e6fda74\t1\t1\t(none)\t(none)\t0\t(none)\t0\t(none)\n\nnonsense\n"
	got, err := analyzeManifest(context.Background(), file(manifestFile, []byte(in)))
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "1 lines") {
		t.Errorf("got error %v", err)
	}
	want := []catalog.Package{
		{
			Type: "rpm", Name: "filesystem", Version: "1.1-9.cm2", Arch: "x86_64", Source: "filesystem", SourceVersion: "1.1-9.cm2",
			Origin: "Microsoft Corporation", Size: 7596, Location: manifestFile, MetadataType: "RpmMetadata",
			CPEs: []string{"cpe:2.3:a:filesystem:filesystem:1.1-9.cm2:*:*:*:*:*:*:*"},
			Metadata: map[string]string{
				"epoch": "0", "version": "1.1", "release": "9.cm2", "source_rpm": "filesystem-1.1-9.cm2.src.rpm", "vendor": "Microsoft Corporation",
			},
		},
		{
			Type: "rpm", Name: "bind-libs", Version: "32:9.16.29-1.cm2", Arch: "noarch", Source: "bind", SourceVersion: "32:9.16.29-1.cm2",
			Size: 10, Location: manifestFile, MetadataType: "RpmMetadata", CPEs: []string{"cpe:2.3:a:bind-libs:bind-libs:9.16.29-1.cm2:*:*:*:*:*:*:*"},
			Metadata: map[string]string{"epoch": "32", "version": "9.16.29", "release": "1.cm2", "source_rpm": "bind-9.16.29-1.cm2.src.rpm"},
		},
	}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestUnmergedLogIsRecorded(t *testing.T) {
	t.Parallel()
	got, err := analyze(context.Background(), file("/var/lib/rpm/rpmdb.sqlite-wal", []byte("x")))
	if err == nil || !got.Empty() {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A damaged package costs itself alone, a damaged file what comes after the damage.
func TestKeepsWhatIsReadable(t *testing.T) {
	t.Parallel()
	broken := build(tag{tagName, "files"}, tag{tagVersion, "1"}, tag{tagRelease, "1"},
		tag{tagBaseNames, []string{"a", "b"}}, tag{tagDirNames, []string{"/x/"}}, tag{tagDirIndexes, []uint32{0, 7}})
	got, err := analyze(context.Background(), file("/var/lib/rpm/Packages.db",
		ndbFile(simple("first"), []byte("short"), build(tag{tagName, "nameless"}), broken, simple("last"))))
	if !errors.Is(err, ErrMalformed) || !errors.Is(err, catalog.ErrInvalidPackage) {
		t.Errorf("got error %v", err)
	}
	var names []string
	for _, p := range got.Packages {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"first", "files", "last"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]catalog.Ownership{{Type: "rpm", Name: "files", Recorded: []catalog.RecordedFile{{Path: "/x/a"}}}}, got.Owns); diff != "" {
		t.Error(diff)
	}
}

func TestHostileDatabases(t *testing.T) {
	t.Parallel()
	long := build(tag{tagName, "long"}, tag{tagVersion, "1"}, tag{tagSummary, strings.Repeat("x", 3*hashPage)})
	change := func(content []byte, at int, bytes ...byte) []byte {
		content = slices.Clone(content)
		copy(content[at:], bytes)
		return content
	}
	bdb, db, lite := hashFileOf(long), ndbFile(long, simple("a")), sqliteFile(long)
	for name, content := range map[string][]byte{
		"bdb: more items than the page has":   change(bdb, hashPage+bdbEntries, 0xfe, 0x7f),
		"bdb: an odd number of items":         change(bdb, hashPage+bdbEntries, 1, 0),
		"bdb: an item outside the page":       change(bdb, hashPage+bdbPageHeader, 0xff, 0xff),
		"bdb: a chain in a circle":            change(change(bdb, 2*hashPage+bdbNextPage, 2), hashPage+hashPage-5-4, 0xff, 0xff, 0xff),
		"bdb: a chain that leaves the file":   change(bdb, 2*hashPage+bdbNextPage, 0xff, 0xff),
		"bdb: a chain of other pages":         change(bdb, 3*hashPage+bdbType, bdbHash),
		"bdb: a chain that ends early":        change(bdb, 2*hashPage+bdbNextPage, 0),
		"bdb: an odd page size":               change(bdb, bdbMetaPageSize, 1),
		"bdb: encrypted":                      change(bdb, bdbMetaEncryption, 1),
		"bdb: cut":                            bdb[:3*hashPage],
		"ndb: slots beyond the end":           change(db, 12, 9),
		"ndb: very many slots":                change(db, 12, 0xff, 0xff, 0xff, 0xff),
		"ndb: a blob beyond the end":          change(db, 2*ndbBlock+8, 0xff, 0xff, 0xff, 0xff),
		"ndb: a blob of four gigabytes":       change(db, ndbSlotPage+12, 0xff, 0xff, 0xff, 0xff),
		"ndb: another package's blob":         change(db, ndbSlotPage+4, 9),
		"ndb: no slot":                        change(db, 5*ndbBlock, 'X'),
		"sqlite: no page size":                change(lite, 16, 0, 0),
		"sqlite: another encoding":            change(lite, 59, 2),
		"sqlite: a page of another type":      change(lite, sqlitePage, 2),
		"sqlite: a tree that contains itself": change(lite, sqlitePage, sqliteInterior),
		"sqlite: a cell outside the page":     change(lite, sqlitePage+8, 0xff, 0xff),
		"sqlite: too many cells":              change(lite, sqlitePage+3, 0xff, 0xff),
		"sqlite: overflow in a circle":        change(lite, 2*sqlitePage, 0, 0, 0, 3),
		"sqlite: cut":                         lite[:len(lite)-sqlitePage],
		"sqlite: another table":               bytes.Replace(lite, []byte("Packages"), []byte("Passages"), 1),
		"no database":                         []byte("something else entirely"),
		"short":                               []byte("RpmP"),
		"header: tags without end":            ndbFile(be(uint32(0xffffffff), uint32(8))),
		"header: data without end":            ndbFile(be(uint32(1), uint32(0xffffffff)), make([]byte, 64)),
		"header: a value outside":             ndbFile(be(uint32(1), uint32(0), uint32(tagName), uint32(typeString), uint32(9), uint32(1))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := analyze(context.Background(), file("/var/lib/rpm/x", content)); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Few bytes can name many long paths.
func TestPathsAreBounded(t *testing.T) {
	t.Parallel()
	const files = 40_000
	blob := build(tag{tagName, "many"}, tag{tagVersion, "1"}, tag{tagBaseNames, slices.Repeat([]string{"x"}, files)},
		tag{tagDirNames, []string{"/" + strings.Repeat("d", maxPath-10) + "/"}}, tag{tagDirIndexes, make([]uint32, files)})
	got, err := analyze(context.Background(), file("/var/lib/rpm/x", ndbFile(blob, simple("later"))))
	var reason *catalog.Incompleteness
	if !errors.As(err, &reason) || reason.Reason != catalog.ReasonTooMany {
		t.Errorf("got error %v", err)
	}
	if n := len(got.Owns[0].Recorded) * (maxPath - 7); n > maxOwned || len(got.Packages) != 1 {
		t.Errorf("%d bytes of paths, %d packages", n, len(got.Packages))
	}
}

func TestStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, content := range [][]byte{ndbFile(simple("a")), hashFileOf(simple("a")), sqliteFile(simple("a"))} {
		if _, err := analyze(ctx, file("/var/lib/rpm/x", content)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzDatabase(f *testing.F) {
	long := build(tag{tagName, "long"}, tag{tagVersion, "1"}, tag{tagSummary, strings.Repeat("x", 3*hashPage)},
		tag{tagBaseNames, []string{"a"}}, tag{tagDirNames, []string{"/x/"}}, tag{tagDirIndexes, []uint32{0}})
	for _, content := range [][]byte{hashFileOf(simple("a"), long), ndbFile(simple("a"), long), sqliteFile(simple("a"), long)} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		evidence, err := analyze(context.Background(), file("/var/lib/rpm/Packages", content))
		check(t, evidence)
		if err != nil && err.Error() == "" {
			t.Fatal("an error that says nothing")
		}
		evidence, _ = analyzeManifest(context.Background(), file(manifestFile, content))
		check(t, evidence)
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(simple("a"))
	f.Add(build(tag{tagName, "p"}, tag{tagVersion, "1"}, tag{tagBaseNames, []string{"a"}}, tag{tagDirNames, []string{"/x/"}},
		tag{tagDirIndexes, []uint32{0}}, tag{tagFileModes, []uint16{0o100644}}))
	f.Fuzz(func(t *testing.T, blob []byte) {
		db := &database{path: "/var/lib/rpm/Packages"}
		if err := db.header(blob); err != nil && !errors.Is(err, errFull) {
			t.Fatal(err)
		}
		check(t, db.found)
	})
}

func check(t *testing.T, evidence catalog.Evidence) {
	t.Helper()
	for _, p := range evidence.Packages {
		if err := p.Check(); err != nil || p.Size < 0 {
			t.Fatalf("%+v: %v", p, err)
		}
	}
	for _, o := range evidence.Owns {
		for name := range o.Files() {
			if !filepath.IsAbs(name) || filepath.Clean(name) != name || len(name) > 2*maxPath {
				t.Fatalf("path %q", name)
			}
		}
	}
}

func BenchmarkBerkeley(b *testing.B) {
	name := filepath.Join(library(b), "testdata", "centos7-many", "Packages")
	info, err := os.Stat(name)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		read(b, name)
	}
}
