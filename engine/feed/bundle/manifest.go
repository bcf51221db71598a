package bundle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Format and Version name the form.
const (
	Format  = "plimsoll-feed-bundle"
	Version = 1
)

// Limits of what is read.
const (
	maxManifest  = 64 << 20 // bytes
	maxSignature = 4 << 10  // bytes
	maxContent   = 64 << 30 // bytes of all content, decompressed
	maxGroups    = 10_000
	maxName      = 256 // bytes
	maxRemoved   = 1_000_000
	// maxRatio and slack bound how much a content file may grow when it is decompressed: advisories repeat themselves
	// about thirtyfold.
	maxRatio = 256
	slack    = 1 << 20
)

var (
	// ErrBundle means that something is not a bundle, or damaged.
	ErrBundle = errors.New("not an intact feed bundle")
	// ErrUntrusted means that nobody whom we trust has signed it.
	ErrUntrusted = errors.New("feed bundle is not signed with a trusted key")
	// ErrBase means that a bundle of changes does not follow what is there.
	ErrBase = errors.New("feed bundle does not follow what is there")
	// ErrOlder means that a bundle would replace newer data.
	ErrOlder = errors.New("feed bundle is older than what is there")
)

// Manifest says what a bundle brings.
type Manifest struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Built   time.Time `json:"built"`
	Cursor  string    `json:"cursor"`         // of the sender, up to which this is everything
	Base    string    `json:"base,omitempty"` // cursor this applies to; empty: any
	Groups  []Group   `json:"groups"`
}

// Group is what a bundle brings of a feed group.
type Group struct {
	Source string `json:"source"`
	Name   string `json:"name"`
	// Synced is when the sender had it from its publisher.
	Synced time.Time `json:"synced"`
	Base   string    `json:"base,omitempty"` // that of the manifest, or empty: the group is whole
	File   *File     `json:"file,omitempty"` // nil: nothing changed
	// Files are what the group passes on as it is (signatures of malware), all of it.
	Files []NamedFile `json:"files,omitempty"`
	// Removed are the records that are gone since the base.
	Removed []string `json:"removed,omitempty"`
}

// NamedFile is a file a source passes on. What it says of itself is read from it again.
type NamedFile struct {
	Name string `json:"name"` // "daily.cvd"
	File File   `json:"file"` // raw
}

// File is a content file.
type File struct {
	SHA256      string `json:"sha256"`
	Size        int64  `json:"size"`          // bytes, as they are in the bundle
	Lines       int64  `json:"lines"`         // records, facts and scores
	ContentSize int64  `json:"content_size"`  // bytes, decompressed
	Raw         bool   `json:"raw,omitempty"` // a NamedFile as it is; else compressed lines
}

func (f File) member() string {
	if f.Raw {
		return f.SHA256 + ".raw"
	}
	return f.SHA256 + ".jsonl.zst"
}

// files are those of a group in the order in which they lie in a bundle.
func (g Group) files() []File {
	var out []File
	if g.File != nil {
		out = append(out, *g.File)
	}
	for _, f := range g.Files {
		out = append(out, f.File)
	}
	return out
}

// Applies tells whether a group may be taken over where it stands at a cursor and had its last sync then: ErrBase, ErrOlder.
// done tells that nothing is left to do.
func (m Manifest) Applies(g Group, have string, synced time.Time, force bool) (done bool, err error) {
	theirs, err := ParseCursor(m.Cursor)
	if err != nil {
		return false, err
	}
	known, foreign := ParseCursor(have)
	same := foreign == nil && known.Origin == theirs.Origin
	if g.Base != "" {
		base, err := ParseCursor(g.Base)
		switch {
		case err != nil:
			return false, err
		case !same || known.Generation < base.Generation:
			return false, fmt.Errorf("%w: group %s/%s is at %q, the bundle begins at %s: import one that is whole", ErrBase, g.Source, g.Name, have, g.Base)
		}
	}
	switch {
	case same && known.Generation == theirs.Generation && !force:
		return true, nil
	case g.Base != "" && known.Generation > theirs.Generation:
		return false, fmt.Errorf("%w: group %s/%s is at %s, the bundle ends at %s", ErrOlder, g.Source, g.Name, have, m.Cursor)
	case force:
		return false, nil
	case same && known.Generation > theirs.Generation, !same && synced.After(g.Synced):
		return false, fmt.Errorf("%w: group %s/%s was brought up to date at %s, the bundle has it of %s: force it if that is meant", ErrOlder, g.Source, g.Name, synced.UTC().Format(time.RFC3339), g.Synced.UTC().Format(time.RFC3339))
	}
	return false, nil
}

// Files lists the content files in the order in which they lie in the bundle, each once.
func (m Manifest) Files() []File {
	var out []File
	seen := map[string]bool{}
	for _, g := range m.Groups {
		for _, f := range g.files() {
			if !seen[f.SHA256] {
				seen[f.SHA256] = true
				out = append(out, f)
			}
		}
	}
	return out
}

// ParseManifest reads a manifest and refuses what no writer makes: ErrBundle.
func ParseManifest(raw []byte) (Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%w: manifest: %w", ErrBundle, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%w: manifest: more after the value", ErrBundle)
	}
	if m.Format != Format || m.Version != Version {
		return m, fmt.Errorf("%w: format %q version %d; this program reads %s version %d", ErrBundle, clip(m.Format), m.Version, Format, Version)
	}
	return m, m.check()
}

func (m Manifest) check() error {
	if !named(m.Name) || m.Built.IsZero() {
		return fmt.Errorf("%w: manifest: no name or no time of building", ErrBundle)
	}
	if _, err := ParseCursor(m.Cursor); err != nil {
		return fmt.Errorf("%w: manifest: cursor: %w", ErrBundle, err)
	}
	if _, err := ParseCursor(m.Base); m.Base != "" && err != nil {
		return fmt.Errorf("%w: manifest: base: %w", ErrBundle, err)
	}
	if len(m.Groups) == 0 || len(m.Groups) > maxGroups {
		return fmt.Errorf("%w: manifest: %d groups, want 1 to %d", ErrBundle, len(m.Groups), maxGroups)
	}
	seen := map[[2]string]bool{}
	files := map[string]File{}
	total := int64(0)
	for _, g := range m.Groups {
		key := [2]string{g.Source, g.Name}
		if !named(g.Source) || !named(g.Name) || seen[key] {
			return fmt.Errorf("%w: manifest: group %q/%q has no usable name, or is there twice", ErrBundle, clip(g.Source), clip(g.Name))
		}
		seen[key] = true
		if g.Synced.IsZero() || g.Synced.After(m.Built) {
			return fmt.Errorf("%w: manifest: group %s/%s was synced at %s", ErrBundle, g.Source, g.Name, g.Synced)
		}
		if g.Base != "" && g.Base != m.Base || g.Base == "" && g.File == nil && len(g.Files) == 0 {
			return fmt.Errorf("%w: manifest: group %s/%s has another base, or no content", ErrBundle, g.Source, g.Name)
		}
		if len(g.Removed) > maxRemoved || g.Base == "" && len(g.Removed) > 0 {
			return fmt.Errorf("%w: manifest: group %s/%s removes %d records", ErrBundle, g.Source, g.Name, len(g.Removed))
		}
		if err := g.checkFiles(); err != nil {
			return fmt.Errorf("group %s/%s: %w", g.Source, g.Name, err)
		}
		for _, f := range g.files() {
			if known, twice := files[f.SHA256]; twice && known != f {
				return fmt.Errorf("%w: manifest: two sizes of file %s", ErrBundle, f.SHA256)
			}
			files[f.SHA256] = f
			if total += f.ContentSize; total > maxContent {
				return fmt.Errorf("%w: manifest: more than %d bytes of content", ErrBundle, int64(maxContent))
			}
		}
	}
	return nil
}

// maxFiles bounds what a group passes on.
const maxFiles = 1000

func (g Group) checkFiles() error {
	if g.File != nil && g.File.Raw || len(g.Files) > maxFiles || len(g.Files) > 0 && g.Base != "" {
		return fmt.Errorf("%w: manifest: files where there should be records, too many, or not all", ErrBundle)
	}
	seen := map[string]bool{}
	for _, f := range g.Files {
		if !named(f.Name) || seen[f.Name] || !f.File.Raw {
			return fmt.Errorf("%w: manifest: file %q has no usable name, or is there twice", ErrBundle, clip(f.Name))
		}
		seen[f.Name] = true
	}
	for _, f := range g.files() {
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
}

func (f File) check() error {
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil || len(sum) != 32 || strings.ToLower(f.SHA256) != f.SHA256 {
		return fmt.Errorf("%w: manifest: no SHA-256", ErrBundle)
	}
	if f.Size <= 0 || f.Size > maxContent || f.Lines < 0 || f.ContentSize < 0 || f.ContentSize > f.Size*maxRatio+slack || f.Raw && (f.ContentSize != f.Size || f.Lines != 0) {
		return fmt.Errorf("%w: manifest: file %s of %d bytes with %d decompressed", ErrBundle, f.SHA256, f.Size, f.ContentSize)
	}
	return nil
}

// named accepts names that can be shown.
func named(text string) bool {
	return text != "" && len(text) <= maxName && utf8.ValidString(text) && strings.IndexFunc(text, unicode.IsControl) < 0
}

func clip(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxName)], "\uFFFD")
}
