package policy

import "plimsoll/engine/catalog"

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

// Retrieved is a kept file.
type Retrieved struct {
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

// Malware is the outcome of the malware scans.
type Malware struct {
	Scanned bool            `json:"scanned,omitempty"` // by at least one scanner, found something or not
	Reports []MalwareReport `json:"reports,omitempty"`
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
	Tags   []string `json:"tags,omitempty"` // registry/repository:tag, all it ever had
	Base   bool     `json:"base,omitempty"` // the one taken for the base image
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
