package sbom

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	spdx "plimsoll/engine/license"
)

// licensing reads the licence names of one document's packages, each name once.
type licensing struct {
	known     map[string]license
	stripText bool
}

// longestName is how long a licence's name is at most, in bytes; what is longer is the text of a licence.
const longestName = 120

func (s Subject) licensing() licensing {
	return licensing{known: map[string]license{}, stripText: s.WithoutLicenseTexts}
}

// license is one licence name a package declares.
type license struct {
	text string
	// expression is set when the text stands for an SPDX licence expression of listed licences, in their spelling.
	expression string
	// listed is the id when the expression is a single licence of the SPDX list.
	listed string
	// ref is the LicenseRef that stands for any other text.
	ref string
}

func (l licensing) read(text string) license {
	if known, ok := l.known[text]; ok {
		return known
	}
	read := text
	if l.stripText && len(text) > longestName {
		text = fmt.Sprintf("licence text %x", sha256.Sum256([]byte(text)))[:29]
	}
	found := license{text: text}
	if e, ok := spdx.Normalize(text); ok {
		found.expression, found.listed = e, spdx.Listed(e)
	} else {
		found.ref = "LicenseRef-" + slug(text)
	}
	l.known[read] = found
	return found
}

// all reads a package's licences, sorted and without repeats.
func (l licensing) all(texts []string) []license {
	var names []string
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			names = append(names, t)
		}
	}
	slices.Sort(names)
	var out []license
	for _, name := range slices.Compact(names) {
		out = append(out, l.read(name))
	}
	return out
}

// conjunction joins licences with AND. term gives the expression of one; compound ones get parentheses.
func conjunction(of []license, term func(license) string) string {
	terms := make([]string, 0, len(of))
	for _, l := range of {
		t := term(l)
		if len(of) > 1 && strings.Contains(t, " ") {
			t = "(" + t + ")"
		}
		terms = append(terms, t)
	}
	return strings.Join(terms, " AND ")
}
