package r

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func file(content string) *catalog.File {
	return &catalog.File{
		Entry:   catalog.Entry{Path: "/usr/lib/R/library/x/DESCRIPTION", Type: catalog.Regular, Size: int64(len(content))},
		Content: strings.NewReader(content),
	}
}

const jsonlite = `Package: jsonlite
Version: 1.8.8
Title: A Simple and Robust JSON Parser and Generator for R
License: MIT + file LICENSE
Depends: methods
Authors@R: c(
    person("Jeroen", "Ooms", role = c("aut", "cre"), email = "jeroen@berkeley.edu",
      comment = c(ORCID = "0000-0002-4035-0289")))
URL: https://jeroen.r-universe.dev/jsonlite
Maintainer: Jeroen Ooms <jeroen@berkeley.edu>
Repository: CRAN
Built: R 4.3.2; x86_64-pc-linux-gnu; 2023-12-04 15:20:02 UTC; unix
`

func TestInstalled(t *testing.T) {
	t.Parallel()
	got, err := analyze(t.Context(), file(jsonlite))
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.Package{{
		Type: "cran", Name: "jsonlite", Version: "1.8.8", PURL: "pkg:cran/jsonlite@1.8.8", Licenses: []string{"MIT"},
		Origin: "Jeroen Ooms <jeroen@berkeley.edu>", Location: "/usr/lib/R/library/x/DESCRIPTION", MetadataType: "RDescriptionMetadata",
		Metadata: map[string]string{
			"title": "A Simple and Robust JSON Parser and Generator for R", "url": "https://jeroen.r-universe.dev/jsonlite",
			"repository": "CRAN", "built": "R 4.3.2; x86_64-pc-linux-gnu; 2023-12-04 15:20:02 UTC; unix",
		},
	}}
	if diff := cmp.Diff(want, got.Packages); diff != "" {
		t.Error(diff)
	}
}

func TestVariants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, purl, licenses string }{
		"a choice of licences":   {"Package: a\nVersion: 1\nLicense: GPL-2 | GPL-3 | file LICENSE\nBuilt: R 4\n", "pkg:cran/a@1", "GPL-2 GPL-3 file LICENSE"},
		"a Bioconductor package": {"Package: a\nVersion: 1\nbiocViews: Annotation\nBuilt: R 4\n", "pkg:bioconductor/a@1", ""},
		"sources":                {"Package: a\nVersion: 1\n", "", ""},
		"another file so called": {"This is no package.\n", "", ""},
		"an empty file":          {"", "", ""},
	} {
		got, err := analyze(t.Context(), file(c.content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		purl, licenses := "", ""
		for _, p := range got.Packages {
			purl, licenses = p.PURL, strings.Join(p.Licenses, " ")
		}
		if purl != c.purl || licenses != c.licenses {
			t.Errorf("%s: got %q, %q", name, purl, licenses)
		}
	}
}

func FuzzDescription(f *testing.F) {
	f.Add(jsonlite)
	f.Add("Package: \nBuilt: x\n")
	f.Fuzz(func(t *testing.T, content string) {
		got, _ := analyze(t.Context(), file(content))
		for i := range got.Packages {
			if err := got.Packages[i].Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
