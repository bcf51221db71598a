package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func TestSetDistro(t *testing.T) {
	t.Parallel()
	debian := &catalog.Distro{ID: "debian", VersionID: "12", Codename: "bookworm"}
	tests := map[string]struct {
		p         catalog.Package
		d         *catalog.Distro
		namespace string
		want      string
	}{
		"dpkg": {
			catalog.Package{Type: catalog.TypeDpkg, Name: "libstdc++6", Version: "1:12.2.0-14+deb12u1~x", Arch: "amd64"}, debian, "debian:12",
			"pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1~x?arch=amd64&distro=debian-12",
		},
		"a release without number": {
			catalog.Package{Type: catalog.TypeDpkg, Name: "a", Version: "1"}, &catalog.Distro{ID: "debian", Codename: "trixie"}, "debian:trixie",
			"pkg:deb/debian/a@1?distro=debian-trixie",
		},
		"no distro": {catalog.Package{Type: catalog.TypeDpkg, Name: "a", Version: "1", Arch: "all"}, nil, "", "pkg:deb/a@1?arch=all"},
		"apk": {
			catalog.Package{Type: catalog.TypeApk, Name: "musl", Version: "1.2.4-r1", Arch: "x86_64"}, &catalog.Distro{ID: "alpine", VersionID: "3.18.4"}, "alpine:3.18",
			"pkg:apk/alpine/musl@1.2.4-r1?arch=x86_64&distro=alpine-3.18.4",
		},
		"rpm with epoch": {
			catalog.Package{Type: catalog.TypeRpm, Name: "dbus", Version: "1:1.12.20-8.el9", Arch: "x86_64"}, &catalog.Distro{ID: "rhel", VersionID: "9.4"}, "rhel:9",
			"pkg:rpm/redhat/dbus@1.12.20-8.el9?arch=x86_64&distro=rhel-9.4&epoch=1",
		},
		"rpm with epoch 0": {
			catalog.Package{Type: catalog.TypeRpm, Name: "bash", Version: "0:5.1-2"}, &catalog.Distro{ID: "fedora", VersionID: "38"}, "fedora:38",
			"pkg:rpm/fedora/bash@5.1-2?distro=fedora-38",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalog.SetDistro(&test.p, test.d, test.namespace)
			if test.p.PURL != test.want || test.p.Namespace != test.namespace {
				t.Errorf("got %s in %q", test.p.PURL, test.p.Namespace)
			}
		})
	}
	maven := catalog.Package{Type: catalog.TypeJava, Namespace: "g", Name: "a", Version: "1", PURL: "pkg:maven/g/a@1"}
	want := maven
	catalog.SetDistro(&maven, debian, "debian:12")
	if diff := cmp.Diff(want, maven); diff != "" {
		t.Error(diff)
	}
}

func TestDistroRank(t *testing.T) {
	t.Parallel()
	order := []string{"/etc/os-release", "/usr/lib/os-release", "/usr/lib/os-release-fedora", "/etc/lsb-release", "/etc/redhat-release", "/etc/debian_version"}
	for i, file := range order {
		if got := catalog.DistroRank(file); got != i {
			t.Errorf("%s: rank %d", file, got)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	wants := func(catalog.Candidate) bool { return false }
	analyze := func(context.Context, *catalog.File) (catalog.Evidence, error) { return catalog.Evidence{}, nil }
	good := catalog.Analyzer{Name: "a", Version: 1, MaxSize: 1, Wants: wants, Analyze: analyze}
	for name, test := range map[string]struct {
		change func(*catalog.Analyzer)
		fault  string
	}{
		"complete":   {func(a *catalog.Analyzer) { a.Name = "b" }, ""},
		"duplicate":  {func(*catalog.Analyzer) {}, "a is listed twice"},
		"no name":    {func(a *catalog.Analyzer) { a.Name = "" }, "has no name"},
		"no version": {func(a *catalog.Analyzer) { a.Name, a.Version = "b", 0 }, "b has no version"},
		"no bound":   {func(a *catalog.Analyzer) { a.Name, a.MaxSize = "b", 0 }, "does not bound"},
		"no wants":   {func(a *catalog.Analyzer) { a.Name, a.Wants = "b", nil }, "lacks"},
		"no analyze": {func(a *catalog.Analyzer) { a.Name, a.Analyze = "b", nil }, "lacks"},
	} {
		other := good
		test.change(&other)
		err := catalog.Validate([]catalog.Analyzer{good, other})
		if test.fault == "" && err != nil || test.fault != "" && (!errors.Is(err, catalog.ErrInvalidAnalyzer) || !strings.Contains(err.Error(), test.fault)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestIncomplete(t *testing.T) {
	t.Parallel()
	deep := &catalog.Incompleteness{Path: "/a.jar:b.jar", Reason: catalog.ReasonNesting, Detail: "d"}
	plain := errors.New("bad header")
	err := errors.Join(fmt.Errorf("open: %w", deep), errors.Join(plain))
	want := []catalog.Incompleteness{
		{Path: "/a.jar:b.jar", Analyzer: "java", Reason: catalog.ReasonNesting, Detail: "d"},
		{Path: "/a.jar", Analyzer: "java", Reason: catalog.ReasonUnreadable, Detail: "bad header"},
	}
	if diff := cmp.Diff(want, catalog.Incomplete("/a.jar", "java", err)); diff != "" {
		t.Error(diff)
	}
	if got := catalog.Incomplete("/a.jar", "java", nil); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestPackageCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		p  catalog.Package
		ok bool
	}{
		"plain":      {catalog.Package{Name: "a", Version: "1"}, true},
		"no version": {catalog.Package{Name: "a"}, false},
		"no name":    {catalog.Package{Version: "1"}, false},
		"nul":        {catalog.Package{Name: "a\x00", Version: "1"}, false},
		"not utf-8":  {catalog.Package{Name: "a", Version: "1", Source: "\xff"}, false},
		"too long":   {catalog.Package{Name: strings.Repeat("a", catalog.MaxIdentifier+1), Version: "1"}, false},
		"newline":    {catalog.Package{Name: "a", Version: "1\n2"}, false},
	} {
		if err := test.p.Check(); (err == nil) != test.ok || err != nil && !errors.Is(err, catalog.ErrInvalidPackage) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTextAndLicenses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" a\x00b\r\n\tc ": "a b c",
		"\xff":            "\ufffd",
		"plain":           "plain",
	} {
		if got := catalog.Text(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	if got := catalog.Text(strings.Repeat("é", catalog.MaxText)); len(got) != catalog.MaxText {
		t.Errorf("got %d bytes", len(got))
	}
	if diff := cmp.Diff([]string{"Apache-2.0", "MIT"}, catalog.Licenses("MIT", "", "Apache-2.0", "MIT", "\n")); diff != "" {
		t.Error(diff)
	}
}
