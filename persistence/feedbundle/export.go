package feedbundle

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"plimsoll/engine/feed/bundle"
	"plimsoll/engine/feed/relay"
	"plimsoll/persistence"
)

// Export says how to write a bundle.
type Export struct {
	Key     ed25519.PrivateKey // nil: unsigned
	Since   string             // cursor of the bundle to follow; empty: everything
	Scratch string             // folder for the content until it is written; empty: the system's
	Now     time.Time
	// Choice narrows what is written; zero: everything.
	Choice persistence.FeedChoice
}

// ErrContent means that the store holds nothing of what was asked for.
var ErrContent = errors.New("the feed store has no such data to export")

// Prepared is a bundle that only has to be written. Close lets go of its content.
type Prepared struct {
	Manifest bundle.Manifest
	key      ed25519.PrivateKey
	spools   spools
}

// Close removes the content.
func (p *Prepared) Close() { p.spools.close() }

// Write writes the bundle.
func (p *Prepared) Write(w io.Writer) error { return bundle.Write(w, p.Manifest, p.key, p.spools.open) }

// Write writes a bundle of what the store holds. Its errors are those of Prepare, and of w.
func (e Export) Write(ctx context.Context, feeds *persistence.Feeds, w io.Writer) (bundle.Manifest, error) {
	p, err := e.Prepare(ctx, feeds)
	if err != nil {
		return bundle.Manifest{}, err
	}
	defer p.Close()
	return p.Manifest, p.Write(w)
}

// Prepare reads all that a bundle will hold into scratch: ErrContent, and bundle.ErrBase when the store does not know the
// changes since the cursor.
func (e Export) Prepare(ctx context.Context, feeds *persistence.Feeds) (_ *Prepared, err error) {
	out := &Prepared{key: e.Key, spools: spools{scratch: e.Scratch}}
	defer func() {
		if err != nil {
			out.Close()
		}
	}()
	out.Manifest, err = e.collect(ctx, feeds, &out.spools)
	return out, err
}

func (e Export) collect(ctx context.Context, feeds *persistence.Feeds, spools *spools) (bundle.Manifest, error) {
	// Read before any group: what is committed meanwhile may be in the bundle, and comes once more in the next.
	state, err := feeds.StoreState(ctx)
	if err != nil {
		return bundle.Manifest{}, err
	}
	now := bundle.Cursor{Origin: state.Origin, Generation: state.Generation}
	m := bundle.Manifest{Built: e.Now.UTC(), Cursor: now.String(), Base: e.Since}
	m.Name = fmt.Sprintf("plimsoll-feeds-%s-%d", m.Built.Format("20060102T150405Z"), state.Generation)
	since := int64(0)
	if e.Since != "" {
		if since, err = follows(e.Since, state); err != nil {
			return m, err
		}
	}
	groups, err := feeds.Groups(ctx)
	if err != nil {
		return m, err
	}
	for _, g := range groups {
		if g.LastSync == nil || !e.Choice.Has(g) {
			continue
		}
		entry := bundle.Group{Source: g.Source, Name: g.Name, Synced: g.LastSync.UTC(), Base: m.Base}
		if entry.Synced.After(m.Built) { // by a clock that is ahead
			entry.Synced = m.Built
		}
		if taken, err := spools.group(ctx, feeds, &entry, since); err != nil {
			return m, fmt.Errorf("export feed group %s/%s: %w", g.Source, g.Name, err)
		} else if taken {
			m.Groups = append(m.Groups, entry)
		}
	}
	if len(m.Groups) == 0 {
		return m, ErrContent
	}
	return m, nil
}

// follows reads the generation of a cursor of this store.
func follows(cursor string, state persistence.GroupState) (int64, error) {
	c, err := bundle.ParseCursor(cursor)
	if err != nil {
		return 0, err
	}
	if c.Origin != state.Origin || c.Generation > state.Generation || c.Generation < state.Swept || c.Generation == 0 {
		return 0, fmt.Errorf("%w: this store does not know the changes since %s: export everything", bundle.ErrBase, cursor)
	}
	return c.Generation, nil
}

// spools keep the content files until the manifest, which comes first, can be written. They have no names.
type spools struct {
	scratch string
	content map[string]*os.File // by hash
}

func (s *spools) close() {
	for _, f := range s.content {
		_ = f.Close()
	}
}

func (s *spools) open(f bundle.File) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.content[f.SHA256], 0, f.Size)), nil
}

// group spools what a group says, whole or since a generation. taken is false for groups without records, facts or scores.
func (s *spools) group(ctx context.Context, feeds *persistence.Feeds, g *bundle.Group, since int64) (taken bool, err error) {
	state, err := feeds.State(ctx, g.Source, g.Name)
	if err != nil {
		return false, err
	}
	if since > 0 && state.Generation <= since {
		return true, nil
	}
	passedOn, err := s.files(ctx, feeds, g)
	if err != nil {
		return false, err
	}
	if state.Whole || passedOn { // facts, scores and files are told as a whole only
		since = 0
	}
	if since == 0 {
		g.Base = ""
	} else if g.Removed, err = feeds.RemovedSince(ctx, g.Source, g.Name, since); err != nil {
		return false, err
	}
	spool, file, err := s.spool(func(write func(relay.Line) error) error { return feeds.Export(ctx, g.Source, g.Name, since, write) })
	if err != nil {
		return false, err
	}
	if file.Lines == 0 && since == 0 {
		return passedOn, spool.Close()
	}
	g.File = &file
	return true, s.keep(file, spool)
}

func (s *spools) keep(file bundle.File, spool *os.File) error {
	if s.content[file.SHA256] != nil { // another group says the same
		return spool.Close()
	}
	if s.content == nil {
		s.content = map[string]*os.File{}
	}
	s.content[file.SHA256] = spool
	return nil
}

// files spools what a group passes on as it is.
func (s *spools) files(ctx context.Context, feeds *persistence.Feeds, g *bundle.Group) (found bool, err error) {
	list, err := feeds.Files(ctx, g.Source)
	if err != nil {
		return false, err
	}
	for _, f := range list {
		if f.Group != g.Name || f.Size == 0 { // an empty one says nothing
			continue
		}
		content, err := feeds.OpenFile(ctx, f.Digest)
		if err != nil {
			return false, err
		}
		spool, err := s.scratchFile()
		if err != nil {
			return false, err
		}
		file := bundle.File{SHA256: strings.TrimPrefix(f.Digest, "sha256:"), Size: f.Size, ContentSize: f.Size, Raw: true}
		if _, err := io.Copy(spool, content); err != nil {
			return false, errors.Join(err, spool.Close())
		}
		if err := s.keep(file, spool); err != nil {
			return false, err
		}
		g.Files = append(g.Files, bundle.NamedFile{Name: f.Name, File: file})
	}
	return len(g.Files) > 0, nil
}

// scratchFile is without a name: it goes away with the process, however that ends.
func (s *spools) scratchFile() (*os.File, error) {
	f, err := os.CreateTemp(s.scratch, "feed-bundle-*")
	if err != nil {
		return nil, fmt.Errorf("create scratch file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unname scratch file: %w", err), f.Close())
	}
	return f, nil
}

func (s *spools) spool(fill func(write func(relay.Line) error) error) (spool *os.File, file bundle.File, err error) {
	if spool, err = s.scratchFile(); err != nil {
		return nil, file, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, spool.Close())
		}
	}()
	content, err := bundle.NewContent(spool)
	if err != nil {
		return nil, file, err
	}
	err = fill(content.Write)
	file, wrong := content.Close()
	return spool, file, errors.Join(err, wrong)
}
