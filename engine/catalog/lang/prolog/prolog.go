// Package prolog finds the add-ons of SWI-Prolog.
//
// An installed pack has a pack.pl of Prolog facts (swi-prolog.org, "Creating and submitting extension packages"):
// name('x'). version('1.0.0'). Only facts with quoted or plain atoms are read; nothing is run.
package prolog

import (
	"context"
	"regexp"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
)

// maxSize: some ten facts.
const maxSize = 256 << 10

// Packs returns the analyzer of pack.pl.
func Packs() catalog.Analyzer {
	return catalog.Analyzer{
		Name: "swipl-pack", Version: 1, MaxSize: maxSize, Analyze: analyze,
		Wants: func(c catalog.Candidate) bool { return strings.HasSuffix(c.Path, "/pack.pl") },
	}
}

// fact is NAME(ATOM or ATOM, ...) at the beginning of a line.
var fact = regexp.MustCompile(`(?m)^\s*(name|version|title|author|home|license)\(\s*(?:'([^'\n]*)'|([a-z]\w*))\s*[,)]`)

func analyze(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	content, err := listing.Content(f)
	if err != nil {
		return catalog.Evidence{}, err
	}
	facts := map[string]string{}
	for _, m := range fact.FindAllSubmatch(content, 100) {
		if key := string(m[1]); facts[key] == "" {
			facts[key] = string(m[2]) + string(m[3])
		}
	}
	list := listing.Installed(f, catalog.TypeSwiplpack, "SwiplpackMetadata")
	if facts["name"] == "" {
		return list.Evidence() // a program that happens to be called so
	}
	list.Add(catalog.Package{
		Name: facts["name"], Version: facts["version"],
		PURL:     catalog.PURL("swiplpack", "", facts["name"], facts["version"], nil),
		Licenses: catalog.Licenses(facts["license"]), Origin: catalog.Text(facts["author"]),
		Metadata: map[string]string{"title": facts["title"], "home": facts["home"]},
	})
	return list.Evidence()
}
