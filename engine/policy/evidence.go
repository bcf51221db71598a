package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
)

// Findings are what was found in the image's files beside its packages.
type Findings struct {
	Hits      []Hit       `json:"hits,omitempty"`      // of searches for secrets and for the operator's expressions
	Retrieved []Retrieved `json:"retrieved,omitempty"` // files kept, of the final file system
}

// Hit is one place where a search found something. A removed one lies in a file that a later layer deletes or
// replaces: whoever pulls the image receives it all the same.
type Hit struct {
	catalog.SearchHit
	Path    string `json:"path"`
	Removed bool   `json:"removed,omitempty"`
}

// Search gathers the hits of one search (catalog.SearchSecret, catalog.SearchContent) by file and name.
func (f *Findings) Search(search string) []Places {
	type place struct {
		path, name string
		removed    bool
	}
	lines := map[place][]int{}
	for i := range f.Hits {
		if h := &f.Hits[i]; h.Search == search {
			at := place{h.Path, h.Name, h.Removed}
			lines[at] = append(lines[at], h.Line)
		}
	}
	all := make([]Places, 0, len(lines))
	for at, found := range lines {
		slices.Sort(found)
		all = append(all, Places{Path: at.path, Name: at.name, Removed: at.removed, Lines: slices.Compact(found)})
	}
	slices.SortFunc(all, func(a, b Places) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Name, b.Name), compareBool(a.Removed, b.Removed))
	})
	return all
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Places are the lines, at least one, of a file in which a search found something of one name; Removed as in Hit.
type Places struct {
	Path    string
	Name    string
	Removed bool
	Lines   []int // rising, each once
}

// maxLinesTold keeps messages readable.
const maxLinesTold = 10

// String tells the places in a message.
func (p *Places) String() string {
	numbers := make([]string, min(len(p.Lines), maxLinesTold))
	for i := range numbers {
		numbers[i] = strconv.Itoa(p.Lines[i])
	}
	text := "line " + numbers[0]
	if len(numbers) > 1 {
		text = "lines " + strings.Join(numbers, ", ")
	}
	if more := len(p.Lines) - len(numbers); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	text += " of " + p.Path
	if p.Removed {
		text += ", which a later layer removes or replaces but whoever pulls the image receives"
	}
	return text
}

// Retrieve returns the content of a kept file, and whether it was kept.
func (f *Findings) Retrieve(path string) ([]byte, bool) {
	for i := range f.Retrieved {
		if f.Retrieved[i].Path == path {
			return f.Retrieved[i].Content, true
		}
	}
	return nil, false
}

// Retrieved is a kept file.
type Retrieved struct {
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

// Malware is the outcome of the malware scans.
type Malware struct {
	Scanned bool            `json:"scanned,omitempty"` // by at least one scanner, found something or not
	Reports []MalwareReport `json:"reports,omitempty"`
	// Skipped are the files of the final file system that a scanner did not look into.
	Skipped []SkippedFile `json:"skipped,omitempty"`
}

// SkippedFile is a file a scanner did not look into.
type SkippedFile struct {
	Scanner string `json:"scanner"` // its name alone
	Path    string `json:"path"`
	Reason  string `json:"reason"` // one of catalog's Reason constants
}

// MalwareReport is what one scanner found in one file; Removed as in Hit.
type MalwareReport struct {
	catalog.MalwareReport
	Path    string `json:"path"`
	Removed bool   `json:"removed,omitempty"`
}

// Verification lists the files of a package that are not as the package brought them.
type Verification struct {
	Package    AffectedPackage `json:"package"`
	Deviations []Deviation     `json:"deviations,omitempty"` // by path
	// Truncated: there are more, but too many in the image.
	Truncated bool `json:"truncated,omitempty"`
}

// Deviation is one such file.
type Deviation struct {
	Path    string   `json:"path"`
	Missing bool     `json:"missing,omitempty"`
	Changed []string `json:"changed,omitempty"` // aspects of package verify: type, mode, size, digest, target
	Config  bool     `json:"config,omitempty"`  // the administrator may change it
}

// Ancestor is an image this one is built on.
type Ancestor struct {
	Digest string   `json:"digest"`
	Parent string   `json:"parent,omitempty"` // digest of the index it came with
	Tags   []string `json:"tags,omitempty"`   // registry/repository:tag, all it ever had
	Base   bool     `json:"base,omitempty"`   // the one taken for the base image
}

// Predecessor is what a tag named before.
type Predecessor struct {
	Digest   string            `json:"digest"`
	Packages []catalog.Package `json:"packages,omitempty"`
}

// PackageIndex is what a registry publishes of packages.
type PackageIndex struct {
	// Known: the index was read at least once.
	Known bool `json:"known,omitempty"`
	// Packages of the image that the registry has, by name.
	Packages map[string]PublishedPackage `json:"packages,omitempty"`
}

// PublishedPackage is what a registry has of one package.
type PublishedPackage struct {
	Latest   string   `json:"latest"` // newest version that is no pre-release; empty when there is none
	Versions []string `json:"versions"`
}

// Source is a source repository with the packages found in it.
type Source struct {
	Name     string            `json:"name"`
	Packages []catalog.Package `json:"packages,omitempty"`
}
