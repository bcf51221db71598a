package binary

import (
	"path"
	"regexp"
	"strings"

	"plimsoll/engine/catalog/executable"
)

// Classifier is one program and how to find its version.
type Classifier struct {
	Name    string // stable; shown in the metadata of what it finds
	Package string
	// Names are base names of files, exact or, with a *, patterns of path.Match.
	Names []string
	// Text tells by its first bytes whether a file is the text this classifier reads; nil: it reads executables.
	Text func(head []byte) bool
	// NameVersion finds the beginning of the version in the base name, in group 1, up to and with its last
	// full stop. A classifier that has one does not apply to names it does not match.
	NameVersion *regexp.Regexp
	// Patterns are tried together; the hit nearest to the beginning of the file counts, at the same place that
	// of the earlier pattern.
	Patterns []Pattern
	// Sole takes a version only if no other hit in the whole file has another one: for patterns that say
	// nothing about the program.
	Sole bool
	// GoPackage, if set, begins the import path of the Go program the file has to be. A program whose build
	// information gives a version is left to the analyzer of Go binaries.
	GoPackage string
	PURL      PURL
	Vendors   []string // of the CPE, with each of Products
	Products  []string
}

// Pattern finds a version beside a literal text.
type Pattern struct {
	// Anchors are literal texts, at least one of which lies inside the match. The anchor NameVersion stands
	// for what the file's name says.
	Anchors []string
	// Regexp is applied to the bytes from Before in front of an anchor to After behind it. Its group
	// "version" is the version; without one, the groups "n" do, joined by full stops.
	Regexp        *regexp.Regexp
	Before, After int // at most margin
	// Digits takes an anchor only between two digits: cheaper than the expression where it is short.
	Digits bool
}

// NameVersion as an anchor is replaced by the version in the file's name.
const NameVersion = "{name}"

// PURL is the template of a package URL. {version} and {major} are filled in in Name and Version.
type PURL struct{ Type, Namespace, Name, Version string }

// fits reports whether a file may be the classifier's by its name and first bytes. A hard link shows no bytes; a
// program is then wanted by its name, so that the pass can tell when its content carries a name nobody looks at.
func (k *Classifier) fits(base string, head []byte) bool {
	if k.NameVersion != nil && !k.NameVersion.MatchString(base) {
		return false
	}
	if k.Text != nil {
		return k.Text(head)
	}
	return len(head) == 0 || executable.Is(head)
}

// try is a pattern ready for one file.
type try struct {
	classifier *Classifier
	pattern    *Pattern
	anchor     []byte
	prefix     string // the version has to begin with it
}

func (k *Classifier) tries(base string) []try {
	prefix := ""
	if k.NameVersion != nil {
		m := k.NameVersion.FindStringSubmatch(base)
		if m == nil {
			return nil
		}
		prefix = m[1] + "."
	}
	var all []try
	for i := range k.Patterns {
		for _, anchor := range k.Patterns[i].Anchors {
			if anchor == NameVersion {
				anchor = prefix
			}
			all = append(all, try{k, &k.Patterns[i], []byte(anchor), prefix})
		}
	}
	return all
}

// version reads the version from the bytes around an anchor that lies at window[from:to].
func (t *try) version(window []byte, from, to int) string {
	m := t.pattern.Regexp.FindSubmatchIndex(window)
	if m == nil || m[0] > from || m[1] < to {
		return ""
	}
	var version string
	var parts []string
	for i, name := range t.pattern.Regexp.SubexpNames() {
		if m[2*i] < 0 {
			continue
		}
		switch text := string(window[m[2*i]:m[2*i+1]]); name {
		case "version":
			version = text
		case "n1", "n2", "n3":
			parts = append(parts, text)
		}
	}
	if version == "" {
		version = strings.Join(parts, ".")
	}
	if !strings.HasPrefix(version, t.prefix) || !plausible(version) {
		return ""
	}
	return version
}

// index finds classifiers by base name.
type index struct {
	exact map[string][]*Classifier
	globs []glob
}

type glob struct {
	prefix, pattern string // prefix: the part without wildcards
	classifier      *Classifier
}

func newIndex(classifiers []Classifier) *index {
	x := &index{exact: map[string][]*Classifier{}}
	for i := range classifiers {
		k := &classifiers[i]
		for _, name := range k.Names {
			if !strings.Contains(name, "*") {
				x.exact[name] = append(x.exact[name], k)
				continue
			}
			x.globs = append(x.globs, glob{name[:strings.IndexAny(name, "*[")], name, k})
		}
	}
	return x
}

// names calls visit for each classifier that looks at files of this name until it returns true, and reports
// whether it did.
func (x *index) names(base string, visit func(*Classifier) bool) bool {
	for _, k := range x.exact[base] {
		if visit(k) {
			return true
		}
	}
	for i := range x.globs {
		g := &x.globs[i]
		if !strings.HasPrefix(base, g.prefix) {
			continue
		}
		if ok, _ := path.Match(g.pattern, base); ok && visit(g.classifier) {
			return true
		}
	}
	return false
}
