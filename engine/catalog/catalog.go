// Package catalog is the contract between the layer pass and the analyzers, and the vocabulary both speak.
//
// The layer pass (package image) walks a layer's tar once. For each regular file it asks every analyzer
// whether it Wants the file; it then opens, bounds and closes the content and calls Analyze. Analyzers never
// walk, open or time out on their own and see nothing but the one file. What they find is Evidence attached
// to the file's path: assembly decides later what survives the layers above, which layer introduced it and
// which package owns which file.
//
// Invariants: an analyzer is a value without state; the order of analyzers never changes a result; one
// unreadable file is a recorded Incompleteness, never a failed layer.
package catalog

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"
)

// EntryType tells what a path in a layer is.
type EntryType string

const (
	Regular   EntryType = "file"
	Directory EntryType = "dir"
	Symlink   EntryType = "symlink"
	Hardlink  EntryType = "hardlink"
	CharDev   EntryType = "chardev"
	BlockDev  EntryType = "blockdev"
	Fifo      EntryType = "fifo"
	// Whiteout hides the path below (OCI image spec, layer.md "Whiteouts"); Opaque hides all children a
	// lower layer put into the directory. Neither survives assembly.
	Whiteout EntryType = "whiteout"
	Opaque   EntryType = "opaque"
)

// Entry is one path of a layer or, after assembly, of the image.
type Entry struct {
	Path string    `json:"path"` // absolute and clean: /usr/bin/su
	Type EntryType `json:"type"`
	Mode uint32    `json:"mode"` // the twelve permission bits, setuid 04000, setgid 02000, sticky 01000
	UID  int       `json:"uid"`
	GID  int       `json:"gid"`
	Size int64     `json:"size"`
	// SHA256 is the hex digest of a regular file's content. Assembly fills it in for hard links.
	SHA256 string `json:"sha256,omitempty"`
	// MD5 and SHA1 are the same for comparison with package databases, where the pass was told to compute them.
	MD5  string `json:"md5,omitempty"`
	SHA1 string `json:"sha1,omitempty"`
	// Link is a symlink's target as written, or the absolute path a hard link names.
	Link string `json:"link,omitempty"`
}

// Permission bits beyond rwx, as in stat(2).
const (
	ModeSetuid uint32 = 0o4000
	ModeSetgid uint32 = 0o2000
	ModeSticky uint32 = 0o1000
)

// HeadSize is how many leading bytes of a file Wants gets to see.
const HeadSize = 64

// Candidate is what Wants decides on: the entry (SHA256 not known yet) and the file's first bytes.
type Candidate struct {
	Entry
	Head []byte // at most HeadSize bytes
}

// File is an opened file of a layer. Content is valid during Analyze only.
type File struct {
	Entry
	Content io.ReaderAt // Size bytes
}

// Reader reads the content from its beginning.
func (f *File) Reader() *io.SectionReader { return io.NewSectionReader(f.Content, 0, f.Size) }

// Analyzer looks at single files. Name and Version are part of the analyzer set's identity: a result stored
// under a set is never reused by another.
type Analyzer struct {
	Name    string // stable, lower case: "dpkg-status"
	Version int    // raised whenever the evidence for the same bytes changes
	// MaxSize bounds the files it is given, in bytes; a larger one is recorded as incomplete.
	MaxSize int64
	// Config is everything else that decides the evidence, such as the rules an operator has set; empty for
	// analyzers without settings.
	Config string
	// Time is how long one file may take; 0 leaves it to the pass.
	Time time.Duration
	// Begin, where set, is called once for a layer, before its first file. What it returns speaks of the whole
	// layer and is kept as evidence without a path; its error fails the layer.
	Begin func(ctx context.Context) (Evidence, error)
	Wants func(Candidate) bool
	// Analyze returns what the file shows. With an error the evidence returned so far is kept and the
	// error recorded as an Incompleteness; ErrUnavailable fails the layer.
	Analyze func(ctx context.Context, f *File) (Evidence, error)
}

// Evidence is what one file shows.
type Evidence struct {
	Packages []Package `json:"packages,omitempty"`
	Distro   *Distro   `json:"distro,omitempty"`
	// Owns lists files that a package database says belong to its packages.
	Owns []Ownership `json:"owns,omitempty"`
	// Diversions move files that packages list elsewhere.
	Diversions []Diversion `json:"diversions,omitempty"`
	// Licenses states the licences of a package that another file declares.
	Licenses *LicenseStatement `json:"licenses,omitempty"`
	// Hits are the places where a search found something in the file.
	Hits []SearchHit `json:"hits,omitempty"`
	// Retrieved is the file itself, kept because the operator asked for it.
	Retrieved *RetrievedFile `json:"retrieved,omitempty"`
	// Malware is what a virus scanner says about the file.
	Malware *MalwareReport `json:"malware,omitempty"`
}

// Empty reports whether nothing was found.
func (e Evidence) Empty() bool {
	return len(e.Packages) == 0 && e.Distro == nil && len(e.Owns) == 0 && len(e.Diversions) == 0 && e.Licenses == nil &&
		len(e.Hits) == 0 && e.Retrieved == nil && e.Malware == nil
}

// Ownership ties files to a package of the same package database (dpkg: /var/lib/dpkg/info/NAME[:ARCH].list).
type Ownership struct {
	Type string `json:"type"` // package type of the owner
	Name string `json:"name"`
	Arch string `json:"arch,omitempty"` // only where the database needs it to tell owners apart
	// Record, if set, decides instead of Name: the owner is the package whose Location it is (status.d,
	// where a file's name need not be the package's).
	Record string   `json:"record,omitempty"`
	Paths  []string `json:"paths,omitempty"` // absolute and clean, without directories that only lead to a listed path
	// Recorded are further files of the package, with what the database knows about them. Directories among
	// them are not owned.
	Recorded []RecordedFile `json:"recorded,omitempty"`
}

// LicenseStatement gives the licences of the packages of Type called Name, for those that declare none
// themselves (dpkg: /usr/share/doc/NAME/copyright).
type LicenseStatement struct {
	Type     string   `json:"type"`
	Name     string   `json:"name"`
	Licenses []string `json:"licenses"` // sorted, without repeats
}

// Distro is what os-release says.
type Distro struct {
	ID        string   `json:"id"`
	VersionID string   `json:"version_id,omitempty"`
	Codename  string   `json:"codename,omitempty"`
	Name      string   `json:"name,omitempty"` // PRETTY_NAME
	Like      []string `json:"like,omitempty"`
}

// Package types in the words the API uses.
const (
	TypeDpkg   = "dpkg"
	TypeApk    = "apkg"
	TypeRpm    = "rpm"
	TypeNpm    = "npm"
	TypePython = "python"
	TypeJava   = "java"
	TypeGo     = "go"
	TypeGem    = "gem"
	TypeBinary = "binary"

	TypeRust     = "rust"     // crates
	TypeNuget    = "nuget"    // .NET
	TypeComposer = "composer" // PHP
)

// Key and values in a package's Metadata that tell a package from one that is known to be installed. Packages
// without the key are installed.
const (
	MetadataEvidence = "evidence"
	EvidenceDeclared = "declared" // a lock file or another list of requirements asks for it
	EvidenceInferred = "inferred" // a file made of it says so in its own words
	EvidenceHint     = "hint"     // a file in the image claims the package (package hints)
)

// Declared reports whether the evidence only asks for the package or lets infer it: it need not be in the image, or
// not under this name, and if it is, there is better evidence for it.
func (p *Package) Declared() bool {
	e := p.Metadata[MetadataEvidence]
	return e == EvidenceDeclared || e == EvidenceInferred
}

// Hinted reports whether the only evidence is the image's own claim.
func (p *Package) Hinted() bool { return p.Metadata[MetadataEvidence] == EvidenceHint }

// IsOS reports whether a package type belongs to the operating system's package database. Everything else,
// known or not, is "non-os".
func IsOS(packageType string) bool { return slices.Contains(osTypes, packageType) }

var osTypes = []string{TypeDpkg, TypeApk, TypeRpm, TypeAlpm, TypePortage, "kb"}

// OSTypes lists the types IsOS is true of.
func OSTypes() []string { return slices.Clone(osTypes) }

// Package is one installed package. Type to SourceVersion are its identity (see Identity); the rest describes
// this occurrence of it.
type Package struct {
	Type string `json:"type"`
	// Namespace is the distro namespace of an OS package ("debian:12", set by assembly) or a Maven group id.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"` // npm with its scope: @babel/core; java: the artifact id
	Version   string `json:"version"`
	Arch      string `json:"arch,omitempty"`
	// Source and SourceVersion name the source package where it differs from or stands beside the binary
	// one (dpkg Source:, always filled in for dpkg).
	Source        string `json:"source,omitempty"`
	SourceVersion string `json:"source_version,omitempty"`

	PURL     string   `json:"purl,omitempty"`
	CPEs     []string `json:"cpes,omitempty"`
	Licenses []string `json:"licenses,omitempty"`
	Origin   string   `json:"origin,omitempty"` // maintainer, author or vendor
	Size     int64    `json:"size,omitempty"`   // installed bytes; 0 when unknown
	// Location is where the evidence lies: the file analysed, with nested archives after a colon
	// (/app.jar:BOOT-INF/lib/x.jar).
	Location string `json:"location"`
	// MetadataType and Metadata hold what only this ecosystem has, string-valued.
	MetadataType string            `json:"metadata_type,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`

	// Filled by assembly.
	Layer string `json:"layer,omitempty"` // digest of the layer that introduced it
	Owner string `json:"owner,omitempty"` // purl of the OS package that owns the evidence file
}

// Identity is the part of a package that tells dictionary entries apart: all that matching asks of it.
type Identity struct {
	Type, Namespace, Name, Version, Arch, Source, SourceVersion string
	Module                                                      string // rpm module and stream: "nodejs:16"
	CPEs                                                        string // the candidates, one a line
	// Known is the ecosystem's name of a package whose type does not tell, "crates.io/serde": from its purl.
	Known string
	// Claim tells entries apart that somebody said more of than follows from their other fields.
	Claim string
}

// CPEList lists the CPE candidates.
func (i Identity) CPEList() []string {
	if i.CPEs == "" {
		return nil
	}
	return strings.Split(i.CPEs, "\n")
}

// Identity returns the package's dictionary identity.
func (p *Package) Identity() Identity {
	return Identity{
		Type: p.Type, Namespace: p.Namespace, Name: p.Name, Version: p.Version, Arch: p.Arch, Source: p.Source, SourceVersion: p.SourceVersion,
		Module: p.module(), CPEs: strings.Join(p.CPEs, "\n"),
	}
}

// MetadataModularity names the label of the module an rpm was built in: "nodejs:16:8060020:ad008a3a".
const MetadataModularity = "modularity_label"

// module is the name and stream of the module, which advisories speak about; context and build tell nothing there.
func (p *Package) module() string {
	name, rest, ok := strings.Cut(p.Metadata[MetadataModularity], ":")
	stream, _, _ := strings.Cut(rest, ":")
	if !ok || stream == "" {
		return ""
	}
	return name + ":" + stream
}

// Incompleteness says what could not be read and why; it never fails an analysis.
type Incompleteness struct { //nolint:errname // a record first; analyzers may return it as an error
	Path     string `json:"path,omitempty"`
	Analyzer string `json:"analyzer,omitempty"`
	Reason   string `json:"reason"` // one of the Reason constants
	Detail   string `json:"detail,omitempty"`
}

// Reasons an analysis may be incomplete.
const (
	ReasonTooLarge   = "file_too_large"
	ReasonUnreadable = "unreadable"
	ReasonTimeout    = "timeout"
	ReasonNesting    = "nesting_too_deep"
	ReasonBadPath    = "bad_path"
	ReasonTooMany    = "too_many"
)
