package rpm

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rpmdb "github.com/knqyf263/go-rpmdb/pkg"

	"plimsoll/engine/catalog"
)

// samples are databases of real images beside the library's source, each with the variable of its tests that
// has what rpm -qa printed there.
var samples = map[string]string{
	"centos5-plain/Packages":           "CentOS5Plain",
	"centos6-plain/Packages":           "CentOS6Plain",
	"centos6-devtools/Packages":        "CentOS6DevTools",
	"centos6-many/Packages":            "CentOS6Many",
	"centos7-plain/Packages":           "CentOS7Plain",
	"centos7-devtools/Packages":        "CentOS7DevTools",
	"centos7-many/Packages":            "CentOS7Many",
	"centos7-python35/Packages":        "CentOS7Python35",
	"centos7-httpd24/Packages":         "CentOS7Httpd24",
	"centos8-modularitylabel/Packages": "CentOS8Modularitylabel",
	"ubi8-s390x/Packages":              "UBI8s390x", // big-endian
	"libuuid/Packages":                 "",
	"sle15-bci/Packages.db":            "SLE15WithNDB",
	"fedora35/rpmdb.sqlite":            "Fedora35WithSQLite3",
	"fedora35-plus-mongo/rpmdb.sqlite": "Fedora35PlusMongoDBWithSQLite3",
	"cbl-mariner-2.0/rpmdb.sqlite":     "",
}

// library is the folder of the library's package in the module cache.
func library(t testing.TB) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		t.Fatalf("find the samples: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "pkg")
}

// read analyses a database file.
func read(t testing.TB, name string) catalog.Evidence {
	t.Helper()
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	path := "/var/lib/rpm/" + filepath.Base(name)
	evidence, err := analyze(context.Background(), &catalog.File{
		Entry: catalog.Entry{Path: path, Type: catalog.Regular, Size: info.Size()}, Content: in,
	})
	if err != nil {
		t.Fatal(err)
	}
	return evidence
}

// line is what we must agree on with rpm.
func line(p catalog.Package) string {
	return strings.Join([]string{p.Name, p.Version, p.Arch, p.Metadata["source_rpm"], strconv.FormatInt(p.Size, 10), strings.Join(p.Licenses, "|"),
		p.Origin, p.Metadata["modularity_label"], p.Metadata["summary"]}, "\t")
}

// theirs writes a package of the library, or of its recorded lists, the same way.
func theirs(p *rpmdb.PackageInfo) string {
	version := p.Version + "-" + p.Release
	if p.EpochNum() != 0 {
		version = fmt.Sprintf("%d:%s", p.EpochNum(), version)
	}
	none := func(s string) string { return catalog.Text(strings.TrimPrefix(s, "(none)")) }
	return strings.Join([]string{p.Name, version, none(p.Arch), none(p.SourceRpm), strconv.Itoa(p.Size), none(p.License), none(p.Vendor),
		none(p.Modularitylabel), none(p.Summary)}, "\t")
}

func TestAgreesWithRecordedRpm(t *testing.T) {
	t.Parallel()
	dir := library(t)
	recorded := lists(t, filepath.Join(dir, "rpmdb_testcase_test.go"))
	for name, variable := range samples {
		if variable == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want, got []string
			for _, p := range recorded[variable] {
				if p.Name != "gpg-pubkey" {
					want = append(want, theirs(p))
				}
			}
			for _, p := range read(t, filepath.Join(dir, "testdata", name)).Packages {
				got = append(got, line(p))
			}
			slices.Sort(want)
			slices.Sort(got)
			if variable == "CentOS6Many" { // recorded in part
				got = slices.DeleteFunc(got, func(s string) bool { return !slices.Contains(want, s) })
			}
			if len(want) == 0 {
				t.Fatal("nothing recorded")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			t.Logf("%d packages compared", len(got))
		})
	}
}

// The library has no SQLite of its own; those databases are compared with the records alone.
func TestAgreesWithLibrary(t *testing.T) {
	t.Parallel()
	dir := library(t)
	for name := range samples {
		if filepath.Ext(name) == ".sqlite" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, "testdata", name)
			db, err := rpmdb.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			all, err := db.ListPackages()
			if err != nil {
				t.Fatal(err)
			}
			evidence := read(t, file)
			all = slices.DeleteFunc(all, func(p *rpmdb.PackageInfo) bool { return p.Name == "gpg-pubkey" })
			if len(all) != len(evidence.Packages) {
				t.Fatalf("%d packages, want %d", len(evidence.Packages), len(all))
			}
			owned := 0
			owns := slices.DeleteFunc(evidence.Owns, func(o catalog.Ownership) bool { // directories alone
				return len(slices.Collect(o.Files())) == 0
			})
			for i, p := range all {
				if diff := cmp.Diff(theirs(p), line(evidence.Packages[i])); diff != "" {
					t.Error(diff)
				}
				want := fileNames(t, p)
				if len(want) == 0 {
					continue
				}
				if len(owns) == 0 || owns[0].Name != p.Name || owns[0].Arch != p.Arch {
					t.Fatalf("files of %s missing", p.Name)
				}
				if diff := cmp.Diff(want, slices.Collect(owns[0].Files())); diff != "" {
					t.Fatalf("files of %s: %s", p.Name, diff)
				}
				owned += len(want)
				owns = owns[1:]
			}
			if len(owns) > 0 {
				t.Errorf("%d packages with files too many", len(owns))
			}
			t.Logf("%d packages with %d files compared", len(all), owned)
		})
	}
}

func fileNames(t *testing.T, p *rpmdb.PackageInfo) []string {
	t.Helper()
	files, err := p.InstalledFiles()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if uint32(f.Mode)&catalog.ModeType != catalog.ModeDirectory {
			names = append(names, f.Path)
		}
	}
	return names
}

// Without SQLite the library's record of one package's files is what there is to compare with.
func TestFilesInSQLite(t *testing.T) {
	t.Parallel()
	dir := library(t)
	evidence := read(t, filepath.Join(dir, "testdata", "cbl-mariner-2.0", "rpmdb.sqlite"))
	var got []string
	for _, o := range evidence.Owns {
		if o.Name == "curl" {
			got = slices.Collect(o.Files())
		}
	}
	recorded := paths(t, filepath.Join(dir, "rpmdb_testcase_test.go"), "Mariner2CurlInstalledFileNames")
	for _, file := range got {
		if !slices.Contains(recorded, file) {
			t.Errorf("%s is not recorded", file)
		}
	}
	if !slices.Contains(got, "/usr/bin/curl") {
		t.Errorf("got %v", got)
	}
}

// values finds package-level variables of a Go file.
func values(t *testing.T, file string) map[string]ast.Expr {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]ast.Expr{}
	for _, decl := range parsed.Decls {
		if g, ok := decl.(*ast.GenDecl); ok {
			for _, spec := range g.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == 1 {
					found[v.Names[0].Name] = v.Values[0]
				}
			}
		}
	}
	return found
}

func paths(t *testing.T, file, variable string) []string {
	t.Helper()
	var all []string
	for _, e := range values(t, file)[variable].(*ast.CompositeLit).Elts {
		all = append(all, literal(e))
	}
	return all
}

// lists reads the package lists: rows of epoch, name, version, release, arch, source, size, licence, vendor,
// modularity label, summary.
func lists(t *testing.T, file string) map[string][]*rpmdb.PackageInfo {
	t.Helper()
	all := map[string][]*rpmdb.PackageInfo{}
	for name, value := range values(t, file) {
		ast.Inspect(value, func(n ast.Node) bool {
			row, ok := n.(*ast.CompositeLit)
			if !ok || len(row.Elts) < 11 {
				return true
			}
			if epoch, ok := row.Elts[0].(*ast.CallExpr); ok {
				p := &rpmdb.PackageInfo{
					Name: literal(row.Elts[1]), Version: literal(row.Elts[2]), Release: literal(row.Elts[3]), Arch: literal(row.Elts[4]),
					SourceRpm: literal(row.Elts[5]), License: literal(row.Elts[7]), Vendor: literal(row.Elts[8]),
					Modularitylabel: literal(row.Elts[9]), Summary: literal(row.Elts[10]),
				}
				p.Size, _ = strconv.Atoi(literal(row.Elts[6]))
				if len(epoch.Args) == 1 {
					n, _ := strconv.Atoi(literal(epoch.Args[0]))
					p.Epoch = &n
				}
				all[name] = append(all[name], p)
				return false
			}
			return true
		})
	}
	return all
}

func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	s, err := strconv.Unquote(l.Value)
	if err != nil {
		s = l.Value
	}
	return s
}
