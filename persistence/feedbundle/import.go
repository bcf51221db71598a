package feedbundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/clamav"
	"plimsoll/persistence"
)

// Import says how to take a bundle over.
type Import struct {
	Trust bundle.Trust
	Force bool // also what is older than what is there, or suspiciously small
	Now   time.Time
	// Source is the only one the bundle may speak of; empty: any.
	Source string
	// Group is asked before a group is taken and hears what became of it when it calls the answer; nil: nobody is.
	Group func(source, name string) (ended func(persistence.Committed, error), err error)
}

// ErrOther means that a bundle speaks of other feeds than the one it was given for.
var ErrOther = errors.New("the feed bundle brings another feed")

// Taken is what became of a bundle.
type Taken struct {
	Manifest bundle.Manifest
	Checksum string
	SignedBy string
	Groups   []TakenGroup
}

// TakenGroup is what became of a group.
type TakenGroup struct {
	Source, Name string
	persistence.Committed
}

// place is where a content file lies in the bundle.
type place struct{ offset, size int64 }

// verify reads a bundle to its end and takes nothing: bundle.ErrBundle, bundle.ErrUntrusted, relay.ErrDocument. It
// returns where the content files lie.
func (i Import) verify(ctx context.Context, r io.ReaderAt, size int64) (*bundle.Reader, map[string]place, error) {
	at := &position{in: io.NewSectionReader(r, 0, size)}
	b, err := bundle.Open(at, i.Trust)
	if err != nil {
		return nil, nil, err
	}
	sources := map[string]string{}
	for _, g := range b.Manifest.Groups {
		if i.Source != "" && g.Source != i.Source {
			return nil, nil, fmt.Errorf("%w: %s/%s, wanted %s only", ErrOther, g.Source, g.Name, i.Source)
		}
		if len(g.Files) > 0 && g.Source != clamav.Name {
			return nil, nil, fmt.Errorf("%w: source %s passes no files on", bundle.ErrBundle, g.Source)
		}
		if g.File == nil {
			continue
		}
		if other, twice := sources[g.File.SHA256]; twice && other != g.Source {
			return nil, nil, fmt.Errorf("%w: sources %s and %s share a file", bundle.ErrBundle, other, g.Source)
		}
		sources[g.File.SHA256] = g.Source
	}
	places := map[string]place{}
	for {
		f, err := b.Next()
		if errors.Is(err, io.EOF) {
			return b, places, checkFiles(ctx, b.Manifest, r, places)
		}
		if err != nil {
			return nil, nil, err
		}
		places[f.SHA256] = place{at.read, f.Size}
		if f.Raw {
			continue // its hash is compared with the next one
		}
		var check checker
		if err := errors.Join(bundle.Read(ctx, b, f, sources[f.SHA256], &check), check.fault); err != nil {
			return nil, nil, fmt.Errorf("file %s: %w", f.SHA256, err)
		}
	}
}

// checkFiles looks at the files of groups as their driver does.
func checkFiles(ctx context.Context, m bundle.Manifest, r io.ReaderAt, places map[string]place) error {
	for _, g := range m.Groups {
		if len(g.Files) == 0 {
			continue
		}
		if err := clamav.Driver.Parse(ctx, files(g, r, places), &tally{}); err != nil {
			return fmt.Errorf("%w: group %s/%s: %w", bundle.ErrBundle, g.Source, g.Name, err)
		}
	}
	return nil
}

// files are those of a group as its driver reads them.
func files(g bundle.Group, r io.ReaderAt, places map[string]place) feed.Input {
	in := feed.Input{Group: feed.Group{Name: g.Name}}
	for _, f := range g.Files {
		at := places[f.File.SHA256]
		in.Documents = append(in.Documents, feed.Fetched{
			Document: feed.Document{Name: f.Name}, ReaderAt: io.NewSectionReader(r, at.offset, at.size), Size: at.size,
		})
	}
	return in
}

// position counts what was read: archives are read in whole blocks, so that after a header it is where content begins.
type position struct {
	in   io.Reader
	read int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	p.read += int64(n)
	return n, err
}

// Check does what Take does before the first group: what it accepts now, Take takes.
func (i Import) Check(ctx context.Context, feeds *persistence.Feeds, r io.ReaderAt, size int64) (bundle.Manifest, error) {
	b, _, err := i.verify(ctx, r, size)
	if err != nil {
		return bundle.Manifest{}, err
	}
	_, err = i.due(ctx, feeds, b.Manifest)
	return b.Manifest, err
}

// Take verifies a bundle and then takes it over, group by group. An error after the first group is that of one group; those before
// it stay, and doing it again goes on where it ended.
func (i Import) Take(ctx context.Context, feeds *persistence.Feeds, r io.ReaderAt, size int64) (Taken, error) {
	b, places, err := i.verify(ctx, r, size)
	if err != nil {
		return Taken{}, err
	}
	out := Taken{Manifest: b.Manifest, Checksum: b.Checksum, SignedBy: b.SignedBy}
	due, err := i.due(ctx, feeds, b.Manifest)
	if err != nil {
		return out, err
	}
	for _, g := range due {
		done, err := i.told(ctx, feeds, b.Manifest, g, func(in *persistence.Staging) error { return load(ctx, g, r, places, in) })
		if err != nil {
			return out, fmt.Errorf("import feed group %s/%s: %w", g.Source, g.Name, err)
		}
		out.Groups = append(out.Groups, TakenGroup{g.Source, g.Name, done})
	}
	return out, feeds.NoteBundle(ctx, persistence.FeedBundle{
		Name: b.Manifest.Name, Checksum: b.Checksum, SignedBy: b.SignedBy, BuiltAt: b.Manifest.Built, ReceivedAt: i.Now,
	})
}

// told takes a group over and tells who wants to know.
func (i Import) told(ctx context.Context, feeds *persistence.Feeds, m bundle.Manifest, g bundle.Group, load func(*persistence.Staging) error) (persistence.Committed, error) {
	if i.Group == nil {
		return i.group(ctx, feeds, m, g, load)
	}
	ended, err := i.Group(g.Source, g.Name)
	if err != nil {
		return persistence.Committed{}, err
	}
	done, err := i.group(ctx, feeds, m, g, load)
	ended(done, err)
	return done, err
}

// due are the groups of a bundle that are to be taken; when one must not be, none is.
func (i Import) due(ctx context.Context, feeds *persistence.Feeds, m bundle.Manifest) ([]bundle.Group, error) {
	list, err := feeds.Groups(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[[2]string]persistence.FeedGroup, len(list))
	for _, g := range list {
		known[[2]string{g.Source, g.Name}] = g
	}
	var due []bundle.Group
	var faults []error
	for _, g := range m.Groups {
		have := known[[2]string{g.Source, g.Name}]
		var synced time.Time
		if have.LastSync != nil {
			synced = *have.LastSync
		}
		done, err := m.Applies(g, have.Cursor, synced, i.Force)
		switch {
		case err != nil:
			faults = append(faults, err)
		case done:
		case g.Base == "" && !i.Force && persistence.Plausible(have.RecordCount, count(g)) != nil:
			faults = append(faults, fmt.Errorf("group %s/%s: %w", g.Source, g.Name, persistence.Plausible(have.RecordCount, count(g))))
		default:
			due = append(due, g)
		}
	}
	return due, errors.Join(faults...)
}

// count is how many records a group has that is whole.
func count(g bundle.Group) int {
	n := len(g.Files)
	if g.File != nil {
		n += int(g.File.Lines)
	}
	return n
}

// load gives the records and files of a group to the store.
func load(ctx context.Context, g bundle.Group, r io.ReaderAt, places map[string]place, in *persistence.Staging) error {
	if g.File != nil {
		at := places[g.File.SHA256]
		if err := bundle.Read(ctx, io.NewSectionReader(r, at.offset, at.size), *g.File, g.Source, in); err != nil {
			return err
		}
	}
	if len(g.Files) == 0 {
		return nil
	}
	return clamav.Driver.Parse(ctx, files(g, r, places), in)
}

// carried is the name of the document that stands where those of the publisher were, and scheme begins its address.
const (
	carried = "bundle"
	scheme  = "bundle:"
)

// Brought reports whether a group's data came with a bundle, by what is known of its documents. Its cursor is then one of the
// installation that wrote the bundle.
func Brought(known map[string]persistence.FetchedDocument) bool {
	return strings.HasPrefix(known[carried].URL, scheme)
}

// documents stands where those of the publisher were: what was known of them does not hold for this content.
func documents(g bundle.Group, m bundle.Manifest) []persistence.FetchedDocument {
	d := persistence.FetchedDocument{Name: carried, URL: scheme + m.Name}
	if g.File != nil {
		d.BodySHA256 = g.File.SHA256
	}
	return []persistence.FetchedDocument{d}
}

var errRecord = errors.New("a record that no store holds")

// group takes a group over. Its last sync is that of the sender: data does not become fresh by being carried.
func (i Import) group(ctx context.Context, feeds *persistence.Feeds, m bundle.Manifest, g bundle.Group, load func(*persistence.Staging) error) (persistence.Committed, error) {
	if g.File == nil && len(g.Files) == 0 {
		return persistence.Committed{Unchanged: true}, feeds.Unchanged(ctx, g.Source, g.Name, m.Cursor, documents(g, m), g.Synced)
	}
	var refused error
	commit := persistence.CommitFeed{
		Source: g.Source, Group: g.Name, Cursor: m.Cursor, At: g.Synced, Delta: g.Base != "", Removed: g.Removed, Force: i.Force,
		Documents: documents(g, m),
		Bad: func(id string, err error) {
			if refused == nil {
				refused = fmt.Errorf("%w: %w: %s: %w", bundle.ErrBundle, errRecord, id, err)
			}
		},
	}
	commit.Load = func(in *persistence.Staging) error {
		return errors.Join(load(in), refused)
	}
	return feeds.Commit(ctx, commit)
}

// checker is a sink that looks for what no store holds.
type checker struct{ fault error }

func (c *checker) Bad(id string, err error) {
	if c.fault == nil {
		c.fault = fmt.Errorf("%w: %w: %s: %w", bundle.ErrBundle, errRecord, id, err)
	}
}

var errSeverity = errors.New("no severity")

// Record refuses ratings that do not exist.
func (c *checker) Record(r feed.Record) error {
	rated := func(s feed.Severity) bool { return s >= feed.Unknown && s <= feed.Critical }
	if !rated(r.Vulnerability.Severity) {
		c.Bad(r.Vulnerability.ID, errSeverity)
	}
	for _, a := range r.Advisories {
		if a.Severity != nil && !rated(*a.Severity) {
			c.Bad(r.Vulnerability.ID, errSeverity)
		}
	}
	return nil
}

// Score and the others have nothing to check before they are stored.
func (*checker) Score(feed.Score) error { return nil }

// Exploited: see Score.
func (*checker) Exploited(feed.Exploited) error { return nil }

// Lifecycle: see Score.
func (*checker) Lifecycle(feed.Lifecycle) error { return nil }

// Release: see Score.
func (*checker) Release(feed.Release) error { return nil }

// Exclusion: see Score.
func (*checker) Exclusion(feed.Exclusion) error { return nil }

// File: see Score.
func (*checker) File(feed.File) error { return nil }
