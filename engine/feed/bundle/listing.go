package bundle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ListingName is the file that lists a folder of published bundles.
const ListingName = "listing.json"

// ListingFormat and ListingVersion name the form of a listing.
const (
	ListingFormat  = "plimsoll-feed-bundles"
	ListingVersion = 1
)

// Limits of a listing.
const (
	MaxListing = 1 << 20 // bytes
	MaxKeep    = 400     // publications
	maxEntries = 2 * MaxKeep
)

// ErrListing means that something is not a listing of published bundles.
var ErrListing = errors.New("not a listing of feed bundles")

// Kind tells what a published bundle brings.
type Kind string

// Kinds of published bundles.
const (
	Full  Kind = "full"  // everything
	Delta Kind = "delta" // what changed since a generation
)

// Listing tells what lies in a folder of published bundles, the newest first; the first is whole. It is a help for choosing
// only: whether a bundle may be taken, its own signature decides.
type Listing struct {
	Format  string  `json:"format"`
	Version int     `json:"version"`
	Bundles []Entry `json:"bundles"`
}

// Entry is a published bundle.
type Entry struct {
	Path     string    `json:"path"` // beside the listing
	Name     string    `json:"name"` // of the manifest; that of a publication's delta, too
	Kind     Kind      `json:"kind"`
	Origin   string    `json:"origin"`          // store whose generations these are
	From     int64     `json:"generation_from"` // 0 for a full one
	To       int64     `json:"generation_to"`
	BuiltAt  time.Time `json:"built_at"`
	Size     int64     `json:"size"` // bytes
	SHA256   string    `json:"sha256"`
	SignedBy string    `json:"signed_by"` // id of the key; empty: nobody
}

// File is how the file of an entry is called, after its generation and its content.
func (e Entry) File() string {
	return fmt.Sprintf("plimsoll-feeds-%d-%s-%s.tar", e.To, e.Kind, e.SHA256[:16])
}

var published = regexp.MustCompile(`^plimsoll-feeds-[0-9]+-(full|delta)-[0-9a-f]{16}\.tar$`)

// Published tells whether a file is called as those of entries are.
func Published(name string) bool { return published.MatchString(name) }

// Encode writes a listing as ParseListing reads it.
func (l Listing) Encode() ([]byte, error) {
	l.Format, l.Version = ListingFormat, ListingVersion
	if err := l.check(); err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(l, "", "  ")
	return append(out, '\n'), err
}

// ParseListing reads a listing and refuses what no publisher makes: ErrListing. Fields it does not know are left alone.
func ParseListing(raw []byte) (Listing, error) {
	var l Listing
	if len(raw) > MaxListing {
		return l, fmt.Errorf("%w: more than %d bytes", ErrListing, MaxListing)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("%w: %w", ErrListing, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return l, fmt.Errorf("%w: more after the value", ErrListing)
	}
	if l.Format != ListingFormat || l.Version != ListingVersion {
		return l, fmt.Errorf("%w: format %q version %d; this program reads %s version %d", ErrListing, clip(l.Format), l.Version, ListingFormat, ListingVersion)
	}
	return l, l.check()
}

func (l Listing) check() error {
	if len(l.Bundles) == 0 || len(l.Bundles) > maxEntries {
		return fmt.Errorf("%w: %d bundles, want 1 to %d", ErrListing, len(l.Bundles), maxEntries)
	}
	if l.Bundles[0].Kind != Full {
		return fmt.Errorf("%w: the first bundle is not a full one", ErrListing)
	}
	seen := map[string]bool{}
	for _, e := range l.Bundles {
		if err := e.check(); err != nil {
			return err
		}
		if seen[e.Path] {
			return fmt.Errorf("%w: bundle %s is there twice", ErrListing, e.Path)
		}
		seen[e.Path] = true
	}
	return nil
}

func (e Entry) check() error {
	sum, errSum := hex.DecodeString(e.SHA256)
	id, errOrigin := uuid.Parse(e.Origin)
	switch {
	case errSum != nil || len(sum) != 32 || strings.ToLower(e.SHA256) != e.SHA256:
		return fmt.Errorf("%w: bundle %q has no SHA-256", ErrListing, clip(e.Path))
	case e.Kind != Full && e.Kind != Delta, e.Kind == Full && e.From != 0, e.Kind == Delta && (e.From <= 0 || e.From >= e.To), e.To < 0:
		return fmt.Errorf("%w: bundle %q is of kind %q from generation %d to %d", ErrListing, clip(e.Path), clip(string(e.Kind)), e.From, e.To)
	case e.Path != e.File():
		return fmt.Errorf("%w: bundle %q should be called %s", ErrListing, clip(e.Path), e.File())
	case errOrigin != nil || id.String() != e.Origin:
		return fmt.Errorf("%w: bundle %s does not name its store", ErrListing, e.Path)
	case !named(e.Name) || e.BuiltAt.IsZero() || e.Size <= 0 || e.SignedBy != "" && !named(e.SignedBy):
		return fmt.Errorf("%w: bundle %s lacks its name, size or time of building", ErrListing, e.Path)
	}
	return nil
}

// Find returns the entry of a path.
func (l Listing) Find(path string) (Entry, bool) {
	i := slices.IndexFunc(l.Bundles, func(e Entry) bool { return e.Path == path })
	if i < 0 {
		return Entry{}, false
	}
	return l.Bundles[i], true
}

// Newest is the bundle that brings everything there is.
func (l Listing) Newest() Entry { return l.Bundles[0] }

// Next are the bundles that bring an installation up to date whose groups stand at cursors: deltas in their order, when they
// lead there and are smaller together, else the newest full one.
func (l Listing) Next(cursors []string) []Entry {
	newest := l.Newest()
	at := int64(0)
	for _, text := range cursors {
		// A group may stand where it does for ever, when its source is off; one that was left behind is found when the delta is read.
		if c, err := ParseCursor(text); err == nil && c.Origin == newest.Origin {
			at = max(at, c.Generation)
		}
	}
	var chain []Entry
	size := int64(0)
	for at < newest.To {
		step := Entry{}
		for _, e := range l.Bundles {
			if e.Kind == Delta && e.Origin == newest.Origin && e.From <= at && e.To > max(at, step.To) {
				step = e
			}
		}
		if size += step.Size; step.Kind != Delta || size < 0 || size >= newest.Size {
			return []Entry{newest}
		}
		chain = append(chain, step)
		at = step.To
	}
	if len(chain) == 0 {
		return []Entry{newest}
	}
	return chain
}
