package prolog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: "/usr/share/swi-prolog/pack/hdt/pack.pl", Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

const hdt = `name(hdt).
version('0.5.2').
title('Access RDF HDT files').
author('Jan Wielemaker', 'J.Wielemaker@vu.nl').
home('https://github.com/JanWielemaker/hdt').
license('BSD-2-Clause').
requires(plasticsearch).
`

func TestPack(t *testing.T) {
	t.Parallel()
	got, err := analyze(t.Context(), file(hdt))
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Package{{
		Type: "swiplpack", Name: "hdt", Version: "0.5.2", PURL: "pkg:swiplpack/hdt@0.5.2", Origin: "Jan Wielemaker",
		Licenses: []string{"BSD-2-Clause"}, Location: "/usr/share/swi-prolog/pack/hdt/pack.pl", MetadataType: "SwiplpackMetadata",
		Metadata: map[string]string{"title": "Access RDF HDT files", "home": "https://github.com/JanWielemaker/hdt"},
	}}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestOtherFilesOfTheName(t *testing.T) {
	t.Parallel()
	if got, err := analyze(t.Context(), file("#!/usr/bin/perl\nuse strict;\n")); err != nil || len(got.Packages) > 0 {
		t.Errorf("a Perl program: %v, %v", got.Packages, err)
	}
	if got, err := analyze(t.Context(), file("name(x).\n")); err == nil || len(got.Packages) > 0 {
		t.Errorf("a pack without version: %v, %v", got.Packages, err)
	}
}

func FuzzPack(f *testing.F) {
	f.Add(hdt)
	f.Add("name('').version('1').")
	f.Fuzz(func(t *testing.T, content string) {
		got, _ := analyze(t.Context(), file(content))
		for i := range got.Packages {
			if err := got.Packages[i].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
