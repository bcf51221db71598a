package feedbundle

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence"
)

// Publish keeps a folder of bundles and their listing for others to fetch. Whoever reads the listing finds what it names:
// it is replaced last, and what it no longer names goes only then.
type Publish struct {
	Dir  string
	Keep int                // publications that stay, each a full bundle and its delta
	Key  ed25519.PrivateKey // nil: unsigned
	Now  time.Time
	// Wrote hears of each bundle that is in place and not listed yet; its error ends the publication. nil: nobody does.
	Wrote func(bundle.Entry) error
}

var (
	// ErrPublishing means that another process publishes into the folder.
	ErrPublishing = errors.New("the folder is being published into by another process")
	// ErrKeep means that a number of publications cannot be kept.
	ErrKeep = fmt.Errorf("the number of publications to keep is not 1 to %d", bundle.MaxKeep)
)

// Names of files on their way, and modes.
const (
	partPattern   = ".publish-*"
	folderMode    = 0o755
	publishedMode = 0o644
)

// ReadListing reads the listing of a folder: fs.ErrNotExist when nothing is published there, bundle.ErrListing.
func ReadListing(dir string) (l bundle.Listing, raw []byte, err error) {
	f, err := os.Open(filepath.Join(dir, bundle.ListingName))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil, fmt.Errorf("no bundles are published in %s: %w", dir, fs.ErrNotExist)
	}
	if err != nil {
		return l, nil, fmt.Errorf("open listing: %w", err)
	}
	defer f.Close()
	if raw, err = io.ReadAll(io.LimitReader(f, bundle.MaxListing+1)); err != nil {
		return l, nil, fmt.Errorf("read listing: %w", err)
	}
	l, err = bundle.ParseListing(raw)
	return l, raw, err
}

// Run publishes what the store holds and returns what it wrote: nothing when that is published already. Its errors are
// ErrKeep, ErrPublishing, ErrContent and those of ReadListing; the listing then is what it was.
func (p Publish) Run(ctx context.Context, feeds *persistence.Feeds) (_ []bundle.Entry, err error) {
	if p.Keep < 1 || p.Keep > bundle.MaxKeep {
		return nil, fmt.Errorf("%w: %d", ErrKeep, p.Keep)
	}
	unlock, err := p.lock()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	before, _, err := ReadListing(p.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (remove %s to begin anew)", err, filepath.Join(p.Dir, bundle.ListingName))
	}
	if err := p.sweep(before); err != nil { // what a publication left that was interrupted
		return nil, err
	}
	state, err := feeds.StoreState(ctx)
	if err != nil || p.published(before, state) {
		return nil, err
	}
	written, err := p.write(ctx, feeds, before)
	if err != nil {
		return nil, err
	}
	after := p.prune(before, written)
	if err := p.list(after); err != nil {
		return nil, err
	}
	return written, p.sweep(after)
}

// lock keeps others out until it is undone. The kernel frees it when the process dies.
func (p Publish) lock() (unlock func() error, err error) {
	if err := os.MkdirAll(p.Dir, folderMode); err != nil {
		return nil, fmt.Errorf("create folder of bundles: %w", err)
	}
	dir, err := os.Open(p.Dir)
	if err != nil {
		return nil, fmt.Errorf("open folder of bundles: %w", err)
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s", ErrPublishing, p.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return func() error { return errors.Join(syscall.Flock(int(dir.Fd()), syscall.LOCK_UN), dir.Close()) }, nil
}

// published tells whether the newest bundle is what would be written.
func (p Publish) published(l bundle.Listing, state persistence.GroupState) bool {
	if len(l.Bundles) == 0 {
		return false
	}
	newest := l.Newest()
	return newest.Origin == state.Origin && newest.To == state.Generation && newest.SignedBy == p.signer() && p.there(newest)
}

func (p Publish) signer() string {
	if p.Key == nil {
		return ""
	}
	return bundle.KeyID(bundle.Public(p.Key))
}

func (p Publish) there(e bundle.Entry) bool {
	info, err := os.Lstat(filepath.Join(p.Dir, e.Path))
	return err == nil && info.Mode().IsRegular() && info.Size() == e.Size
}

// write puts the full bundle in place, and the delta that follows the publication before.
func (p Publish) write(ctx context.Context, feeds *persistence.Feeds, before bundle.Listing) ([]bundle.Entry, error) {
	full, err := p.bundle(ctx, feeds, bundle.Cursor{})
	if err != nil {
		return nil, err
	}
	out := []bundle.Entry{full}
	if len(before.Bundles) == 0 {
		return out, nil
	}
	base := before.Newest()
	if base.Origin != full.Origin || base.To >= full.To || base.To == 0 {
		return out, nil
	}
	delta, err := p.bundle(ctx, feeds, bundle.Cursor{Origin: base.Origin, Generation: base.To})
	if errors.Is(err, bundle.ErrBase) { // those changes are not known any more
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	return append(out, delta), nil
}

// bundle puts one bundle in place. The zero cursor means everything.
func (p Publish) bundle(ctx context.Context, feeds *persistence.Feeds, since bundle.Cursor) (e bundle.Entry, err error) {
	export := Export{Key: p.Key, Now: p.Now}
	e = bundle.Entry{Kind: bundle.Full, From: since.Generation, SignedBy: p.signer(), BuiltAt: p.Now.UTC()}
	if since != (bundle.Cursor{}) {
		e.Kind, export.Since = bundle.Delta, since.String()
	}
	place := func() string { e.Path = e.File(); return e.Path }
	err = p.replace(place, func(w io.Writer) error {
		sum, size := sha256.New(), int64(0)
		m, err := export.Write(ctx, feeds, io.MultiWriter(w, sum, writerFunc(func(b []byte) (int, error) {
			size += int64(len(b))
			return len(b), nil
		})))
		if err != nil {
			return err
		}
		end, err := bundle.ParseCursor(m.Cursor)
		e.Name, e.Origin, e.To, e.Size, e.SHA256 = m.Name, end.Origin, end.Generation, size, hex.EncodeToString(sum.Sum(nil))
		return err
	})
	if err == nil && p.Wrote != nil {
		err = p.Wrote(e)
	}
	return e, err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// replace writes a file under another name until it is whole and on the disk; name is asked then.
func (p Publish) replace(name func() string, write func(io.Writer) error) (err error) {
	part, err := os.CreateTemp(p.Dir, partPattern)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	out := bufio.NewWriterSize(part, 1<<20)
	if err = write(out); err != nil {
		return err
	}
	if err = errors.Join(out.Flush(), part.Chmod(publishedMode), part.Sync()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err = os.Rename(part.Name(), filepath.Join(p.Dir, name())); err != nil {
		return fmt.Errorf("put file in place: %w", err)
	}
	_ = part.Close() // it is on the disk
	return nil
}

// prune is the listing with what was written first, and as much of the one before as is kept and there.
func (p Publish) prune(before bundle.Listing, written []bundle.Entry) bundle.Listing {
	out := bundle.Listing{Bundles: written}
	publications := 1
	for _, e := range before.Bundles {
		if e.Kind == bundle.Full {
			publications++
		}
		if publications > p.Keep {
			break
		}
		if _, again := out.Find(e.Path); !again && p.there(e) {
			out.Bundles = append(out.Bundles, e)
		}
	}
	return out
}

func (p Publish) list(l bundle.Listing) error {
	raw, err := l.Encode()
	if err != nil {
		return err
	}
	err = p.replace(func() string { return bundle.ListingName }, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
	if err != nil {
		return fmt.Errorf("replace listing: %w", err)
	}
	dir, err := os.Open(p.Dir)
	if err != nil {
		return fmt.Errorf("open folder of bundles: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// sweep removes bundles that are not listed, and files that were never finished.
func (p Publish) sweep(l bundle.Listing) error {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return fmt.Errorf("read folder of bundles: %w", err)
	}
	var faults []error
	for _, e := range entries {
		_, listed := l.Find(e.Name())
		part := strings.HasPrefix(e.Name(), strings.TrimSuffix(partPattern, "*"))
		if listed || !e.Type().IsRegular() || !part && !bundle.Published(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(p.Dir, e.Name())); err != nil {
			faults = append(faults, fmt.Errorf("remove old bundle: %w", err))
		}
	}
	return errors.Join(faults...)
}
