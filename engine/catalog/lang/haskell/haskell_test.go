package haskell

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

const location = "/usr/lib/ghc/package.conf.d/text-1.2.5.0.conf"

func file(content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: location, Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

const text = `name:                 text
version:              1.2.5.0
visibility:           public
id:                   text-1.2.5.0
key:                  text-1.2.5.0
license:              BSD-2-Clause
copyright:            2009-2011 Bryan O'Sullivan, 2008-2009 Tom Harper
maintainer:
    Haskell Text Team <andrew.lelechenko@gmail.com>, Core Libraries Committee

homepage:             https://github.com/haskell/text
synopsis:             An efficient packed Unicode text type.
`

func TestDatabase(t *testing.T) {
	t.Parallel()
	// The empty line after the folded field is left out by newer compilers.
	got, err := analyze(t.Context(), file(strings.ReplaceAll(text, "\n\n", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Package{{
		Type: "hackage", Name: "text", Version: "1.2.5.0", PURL: "pkg:hackage/text@1.2.5.0", Licenses: []string{"BSD-2-Clause"},
		Origin:   "Haskell Text Team <andrew.lelechenko@gmail.com>, Core Libraries Committee",
		Location: location, MetadataType: "GhcPackageMetadata",
		Metadata: map[string]string{"id": "text-1.2.5.0", "synopsis": "An efficient packed Unicode text type.", "homepage": "https://github.com/haskell/text"},
	}}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
	if got, err := analyze(t.Context(), file(text)); err != nil || len(got.Packages) != 1 {
		t.Errorf("with an empty line: %v, %v", got.Packages, err)
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		location: true, "/root/.stack/snapshots/x/pkgdb/a-1.conf": true, "/root/.cabal/store/ghc-9.4.7/package.db/a-1.conf": true,
		"/etc/nginx.conf": false, "/usr/lib/ghc/package.conf.d/package.cache": false,
	} {
		if got := wants(catalog.Candidate{Entry: catalog.Entry{Path: name}}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzDatabase(f *testing.F) {
	f.Add(text)
	f.Add("name:\nversion: 1\n")
	f.Fuzz(func(t *testing.T, content string) {
		got, _ := analyze(t.Context(), file(content))
		for i := range got.Packages {
			if err := got.Packages[i].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
