package nix

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

const hash = "zzcqh4nz7bhhqnrs0p7xlq3wpv4xz1yf"

func file(name string) *catalog.File {
	return &catalog.File{Entry: catalog.Entry{Path: name, Type: catalog.Regular}, Content: bytes.NewReader(nil)}
}

func TestStorePath(t *testing.T) {
	t.Parallel()
	got, err := analyze(t.Context(), file("/nix/store/"+hash+"-openssl-3.0.12-bin/bin/openssl"))
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Package{{
		Type: "nix", Name: "openssl", Version: "3.0.12", PURL: "pkg:nix/openssl@3.0.12?output=bin&outputhash=" + hash,
		CPEs:     []string{"cpe:2.3:a:openssl:openssl:3.0.12:*:*:*:*:*:*:*"},
		Location: "/nix/store/" + hash + "-openssl-3.0.12-bin", MetadataType: "NixStoreMetadata",
		Metadata: map[string]string{"output-hash": hash, "output": "bin"},
	}}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for full, want := range map[string][3]string{
		"glibc-2.38-44":                      {"glibc", "2.38-44", ""},
		"bash-interactive-5.2-p21-doc":       {"bash-interactive", "5.2-p21", "doc"},
		"python3.11-requests-2.31.0":         {"python3.11-requests", "2.31.0", ""},
		"gcc-13.2.0-lib":                     {"gcc", "13.2.0", "lib"},
		"nix-prefetch-git":                   {"nix-prefetch-git", "", ""},
		"xgcc-13.2.0-libgcc":                 {"xgcc", "13.2.0-libgcc", ""},
		"systemd-minimal-libs-unstable-2024": {"systemd-minimal-libs-unstable", "2024", ""},
	} {
		name, version, output := split(full)
		if got := [3]string{name, version, output}; got != want {
			t.Errorf("%s: got %q, want %q", full, got, want)
		}
	}
}

func TestOddStorePathsAreNoPackages(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"/nix/store/short-a-1/bin/a", "/nix/store/" + hash + "-wrapper/bin/a", "/nix/store/" + hash + "-/bin/a", "/nix/store/.links/x/y"} {
		if got, err := analyze(t.Context(), file(name)); err != nil || len(got.Packages) > 0 {
			t.Errorf("%s: %v, %v", name, got.Packages, err)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	elf := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x03\x00>\x00"
	for _, c := range []struct {
		path, head string
		want       bool
	}{
		{"/nix/store/" + hash + "-a-1/bin/a", "#!/bin/sh", true},
		{"/nix/store/" + hash + "-a-1/lib/liba.so.1", elf, true},
		{"/nix/store/" + hash + "-a-1/share/a.txt", "text", false},
		{"/nix/store/" + hash + "-a-1", elf, false},
		{"/usr/bin/a", elf, false},
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: c.path}, Head: []byte(c.head)}); got != c.want {
			t.Errorf("%s: got %v", c.path, got)
		}
	}
}

func FuzzStorePath(f *testing.F) {
	f.Add("/nix/store/" + hash + "-openssl-3.0.12-bin/bin/openssl")
	f.Add("/nix/store/" + hash + "--1/bin/x")
	f.Fuzz(func(t *testing.T, name string) {
		got, _ := analyze(t.Context(), file(name))
		for i := range got.Packages {
			if p := &got.Packages[i]; p.Check() != nil || p.PURL == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}
