package dpkg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/stanza"
)

func file(name string, content []byte) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: name, Type: catalog.Regular, Size: int64(len(content))},
		Content: bytes.NewReader(content),
	}
}

// queryFormat has what we must agree on with dpkg itself, one package per line.
const queryFormat = `${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${Installed-Size}\t${db:Status-Status}\n`

// installed sorts dpkg-query's lines and keeps the packages whose files are there.
func installed(output string) []string {
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(output), "\n") {
		fields := strings.Split(line, "\t")
		if state := fields[len(fields)-1]; state != "config-files" && state != "not-installed" {
			lines = append(lines, strings.Join(fields[:len(fields)-1], "\t"))
		}
	}
	sort.Strings(lines)
	return lines
}

// ours renders a status file the same way.
func ours(t *testing.T, status string) []string {
	t.Helper()
	content, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := analyzeStatus(context.Background(), file(statusFile, content))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range evidence.Packages {
		size := ""
		if p.Size > 0 {
			size = fmt.Sprint(p.Size >> 10)
		}
		lines = append(lines, strings.Join([]string{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, size}, "\t"))
	}
	sort.Strings(lines)
	return lines
}

// testdata/dpkg-query.txt is what dpkg-query printed for testdata/admin/status.
func TestAgreesWithRecordedDpkgQuery(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/dpkg-query.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(installed(string(want)), ours(t, "testdata/admin/status")); diff != "" {
		t.Error(diff)
	}
}

// Where dpkg is installed, the whole database of the machine is compared too; elsewhere the fixture above
// is the comparison.
func TestAgreesWithDpkgQueryOfThisMachine(t *testing.T) {
	t.Parallel()
	admin := "testdata/admin"
	if _, err := os.Stat(statusFile); err == nil {
		admin = path.Dir(statusFile)
	}
	var want []byte
	if _, err := exec.LookPath("dpkg-query"); err == nil {
		cmd := exec.Command("dpkg-query", "--admindir="+admin, "-W", "-f", queryFormat)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if want, err = cmd.Output(); err != nil {
			t.Fatal(err)
		}
	} else {
		admin = "testdata/admin"
		if want, err = os.ReadFile("testdata/dpkg-query.txt"); err != nil {
			t.Fatal(err)
		}
	}
	got := ours(t, admin+"/status")
	if diff := cmp.Diff(installed(string(want)), got); diff != "" {
		t.Error(diff)
	}
	t.Logf("%d packages compared", len(got))
}

func TestStatusFields(t *testing.T) {
	t.Parallel()
	const in = `Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 13001
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u4
Description: GNU C Library
 Shared libraries.
 .
 Version: 9
`
	got, err := analyzeStatus(context.Background(), file(statusFile, []byte(in)))
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Evidence{Packages: []catalog.Package{{
		Type: "dpkg", Name: "libc6", Version: "2.36-9+deb12u4", Arch: "amd64",
		Source: "glibc", SourceVersion: "2.36-9+deb12u4", Size: 13001 << 10,
		Origin:       "GNU Libc Maintainers <debian-glibc@lists.debian.org>",
		CPEs:         []string{`cpe:2.3:a:libc6:libc6:2.36-9\+deb12u4:*:*:*:*:*:*:*`},
		Location:     "/var/lib/dpkg/status",
		MetadataType: "DpkgMetadata",
		Metadata:     map[string]string{"section": "libs", "priority": "optional"},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDistrolessRecordNeedsNoStatus(t *testing.T) {
	t.Parallel()
	in := []byte("Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\nMaintainer: Santiago Vila <sanvila@debian.org>\n")
	got, err := analyzeStatus(context.Background(), file("/var/lib/dpkg/status.d/base", in))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Packages) != 1 || got.Packages[0].Name != "base-files" || got.Packages[0].Location != "/var/lib/dpkg/status.d/base" {
		t.Errorf("got %+v", got.Packages)
	}
	if got, err := analyzeStatus(context.Background(), file(statusFile, in)); err != nil || !got.Empty() {
		t.Errorf("in the status file a package without Status is not installed: %+v, %v", got, err)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"install ok installed":             true,
		"hold ok installed":                true,
		"deinstall ok installed":           true,
		"purge ok installed":               true,
		"install ok unpacked":              true,
		"install reinstreq half-installed": true,
		"install ok half-configured":       true,
		"install ok triggers-pending":      true,
		"install ok triggers-awaited":      true,
		"deinstall ok config-files":        false,
		"unknown ok not-installed":         false,
		"installed":                        false,
		"":                                 false,
	} {
		if got := present(status, false); got != want {
			t.Errorf("%q: got %v", status, got)
		}
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ field, version, name, source string }{
		{"", "1.0-1", "bin", "1.0-1"},
		{"", "1.0-1+b2", "bin", "1.0-1"},
		{"src", "1.0-1+b12", "src", "1.0-1"},
		{"src (2.0-1)", "1:1.0-1+b2", "src", "2.0-1"},
		{"src (2.0-1+b1)", "3", "src", "2.0-1+b1"},
		{"src", "1.0+b1-2", "src", "1.0+b1-2"},
		{"src (", "1", "src", "1"},
	} {
		if name, version := source(test.field, "bin", test.version); name != test.name || version != test.source {
			t.Errorf("%+v: got %s %s", test, name, version)
		}
	}
}

func TestBrokenStatusKeepsWhatIsReadable(t *testing.T) {
	t.Parallel()
	in := "Package: a\nStatus: install ok installed\nVersion: 1\n\n" +
		"Package: b\nStatus: install ok installed\n\n" + // no version
		"garbage\n\nPackage: c\nStatus: install ok installed\nVersion: 2\n"
	got, err := analyzeStatus(context.Background(), file(statusFile, []byte(in)))
	if !errors.Is(err, catalog.ErrInvalidPackage) || !errors.Is(err, ErrMalformed) {
		t.Errorf("got error %v", err)
	}
	if len(got.Packages) != 2 || got.Packages[1].Name != "c" {
		t.Errorf("got %+v", got.Packages)
	}
	_, err = analyzeStatus(context.Background(), file(statusFile, []byte("Package: "+strings.Repeat("x", stanza.MaxStanza+1))))
	if !errors.Is(err, stanza.ErrTooLarge) {
		t.Errorf("got error %v", err)
	}
}

func TestOwnership(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path, content string
		want          []catalog.Ownership
	}{
		"a list without the directories on the way": {
			"/var/lib/dpkg/info/su.list", "/.\n/bin\n/bin/su\n/var\n/var/empty\nrelative\n\n/bin/../bin/sg\n",
			[]catalog.Ownership{{Type: "dpkg", Name: "su", Paths: []string{"/bin/su", "/var/empty", "/bin/sg"}}},
		},
		"a multi-arch package": {
			"/var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib/libc.so.6\n",
			[]catalog.Ownership{{Type: "dpkg", Name: "libc6", Arch: "amd64", Paths: []string{"/lib/libc.so.6"}}},
		},
		"sums of status.d": {
			"/var/lib/dpkg/status.d/base.md5sums",
			"d41d8cd98f00b204e9800998ecf8427e  etc/host.conf\nnot a sum  etc/x\n00000000000000000000000000000000 *usr/lib/a b\n",
			[]catalog.Ownership{{Type: "dpkg", Name: "base", Record: "/var/lib/dpkg/status.d/base", Recorded: []catalog.RecordedFile{
				{Path: "/etc/host.conf", Digest: "md5:d41d8cd98f00b204e9800998ecf8427e"}, {Path: "/usr/lib/a b", Digest: "md5:00000000000000000000000000000000"},
			}}},
		},
		"sums of the info directory": {
			"/var/lib/dpkg/info/libc6:amd64.md5sums", "D41D8CD98F00B204E9800998ECF8427E  lib/libc.so.6\n",
			[]catalog.Ownership{{Type: "dpkg", Name: "libc6", Arch: "amd64", Recorded: []catalog.RecordedFile{
				{Path: "/lib/libc.so.6", Digest: "md5:d41d8cd98f00b204e9800998ecf8427e"},
			}}},
		},
		"nothing owned": {"/var/lib/dpkg/info/empty.list", "/.\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := analyzeFiles(context.Background(), file(test.path, []byte(test.content)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Owns); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiversions(t *testing.T) {
	t.Parallel()
	want := []catalog.Diversion{{Type: "dpkg", From: "/bin/sh", To: "/bin/sh.distrib", By: "dash"}, {Type: "dpkg", From: "/a", To: "/b"}}
	for name, test := range map[string]struct {
		content string
		found   int
		err     error
	}{
		"two":             {"/bin/sh\n/bin/sh.distrib\ndash\n/a\n/b\n:\n", 2, nil},
		"none":            {"", 0, nil},
		"cut":             {"/bin/sh\n/bin/sh.distrib\ndash\n/a\n/b\n", 1, ErrMalformed},
		"a relative path": {"/bin/sh\n/bin/sh.distrib\ndash\na\n/b\n:\n", 1, ErrMalformed},
	} {
		got, err := analyzeDiversions(context.Background(), file(diversions, []byte(test.content)))
		if !errors.Is(err, test.err) || !cmp.Equal(want[:test.found], got.Diversions, cmpopts.EquateEmpty()) {
			t.Errorf("%s: got %+v, %v", name, got.Diversions, err)
		}
	}
}

func TestCopyright(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"machine-readable": {
			"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\n" +
				"Files: *\nCopyright: 1990 A\nLicense: GPL-2+ or Artistic, and BSD-3-clause\n\n" +
				"Files: debian/*\nLicense: GPL-2+ with OpenSSL exception\n\nLicense: Expat\n Permission is hereby granted\n .\n License: no field\n",
			[]string{"Artistic", "BSD-3-clause", "Expat", "GPL-2+", "GPL-2+ with OpenSSL exception"},
		},
		"prose that refers to common licences": {
			"This package was debianized by A.\n\nLicense: see below\n\nOn Debian systems the text is in\n`/usr/share/common-licenses/GPL-2' and /usr/share/common-licenses/LGPL-2.1.\n",
			[]string{"GPL-2", "LGPL-2.1"},
		},
		"prose without": {"Do what you want.\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := analyzeCopyright(context.Background(), file("/usr/share/doc/pkg/copyright", []byte(test.content)))
			if err != nil {
				t.Fatal(err)
			}
			var want *catalog.LicenseStatement
			if test.want != nil {
				want = &catalog.LicenseStatement{Type: "dpkg", Name: "pkg", Licenses: test.want}
			}
			if diff := cmp.Diff(want, got.Licenses); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"/var/lib/dpkg/status":                    "dpkg-status",
		"/var/lib/dpkg/status.d/libc6":            "dpkg-status",
		"/var/lib/dpkg/status.d/libpython3.11":    "dpkg-status",
		"/var/lib/dpkg/status.d/libc6.md5sums":    "dpkg-files",
		"/var/lib/dpkg/info/libc6:amd64.list":     "dpkg-files",
		"/usr/share/doc/libc6/copyright":          "dpkg-copyright",
		"/var/lib/dpkg/status-old":                "",
		"/var/lib/dpkg/diversions":                "dpkg-diversions",
		"/var/lib/dpkg/info/libc6:amd64.md5sums":  "dpkg-files",
		"/var/lib/dpkg/info/sub/x.list":           "",
		"/usr/share/doc/libc6/examples/copyright": "",
		"/srv/var/lib/dpkg/status":                "",
	} {
		got := ""
		for _, a := range Analyzers() {
			if a.Wants(catalog.Candidate{Entry: catalog.Entry{Path: name, Type: catalog.Regular}}) {
				got += a.Name
			}
		}
		if got != want {
			t.Errorf("%s: wanted by %q", name, got)
		}
	}
}

func FuzzStatus(f *testing.F) {
	content, err := os.ReadFile("testdata/admin/status")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte("Package: a\nStatus: install ok installed\nVersion: 1+b1\nSource: (\nInstalled-Size: 99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, name := range []string{statusFile, statusDir + "a"} {
			evidence, _ := analyzeStatus(context.Background(), file(name, in))
			for _, p := range evidence.Packages {
				if err := p.Check(); err != nil || p.Source == "" || p.SourceVersion == "" || p.Size < 0 {
					t.Fatalf("%+v: %v", p, err)
				}
			}
		}
	})
}

func FuzzFilesAndCopyright(f *testing.F) {
	f.Add("/.\n/usr\n/usr/bin\n/usr/bin/x\n")
	f.Add("d41d8cd98f00b204e9800998ecf8427e  etc/host.conf\n")
	f.Add("Format: x\n\nLicense: A or B\n text\n")
	f.Add("/bin/sh\n/bin/sh.distrib\ndash\n")
	f.Fuzz(func(t *testing.T, in string) {
		if found, _ := analyzeDiversions(context.Background(), file(diversions, []byte(in))); len(found.Diversions) > 0 {
			if d := found.Diversions[0]; !path.IsAbs(d.From) || !path.IsAbs(d.To) {
				t.Fatalf("diversion %+v", d)
			}
		}
		for _, name := range []string{infoDir + "a.list", statusDir + "a.md5sums"} {
			evidence, err := analyzeFiles(context.Background(), file(name, []byte(in)))
			if err != nil {
				t.Fatal(err)
			}
			for _, owned := range evidence.Owns {
				for p := range owned.Files() {
					if !path.IsAbs(p) || path.Clean(p) != p {
						t.Fatalf("path %q", p)
					}
				}
			}
		}
		_, _ = analyzeCopyright(context.Background(), file(docDir+"a/copyright", []byte(in)))
	})
}

func BenchmarkStatus(b *testing.B) {
	one, err := os.ReadFile("testdata/admin/status")
	if err != nil {
		b.Fatal(err)
	}
	content := bytes.Repeat(one, 40)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := analyzeStatus(context.Background(), file(statusFile, content)); err != nil {
			b.Fatal(err)
		}
	}
}
