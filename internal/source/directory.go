package source

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// openDirectory makes one layer of a directory. The directory is read twice: a layer's digest must be known before
// its content is looked into.
func openDirectory(ctx context.Context, name string, o Options) (*Image, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	d := &directory{root: root, skipped: map[string]bool{}}
	if whole, err := filepath.Abs(name); err == nil && whole == "/" {
		d.kernel = []string{"proc", "sys", "dev"}
	}
	img, err := d.image(ctx, o.maxBytes())
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	img.close = append(img.close, root.Close)
	return img, nil
}

type directory struct {
	root *os.Root
	// kernel are directories of a running system whose files are no files.
	kernel []string

	mu      sync.Mutex
	skipped map[string]bool
}

func (d *directory) image(ctx context.Context, most int64) (*Image, error) {
	sum := sha256.New()
	counted := &counter{to: sum, most: most}
	if err := d.write(ctx, counted); err != nil {
		return nil, err
	}
	layer := Layer{Digest: "sha256:" + hex.EncodeToString(sum.Sum(nil)), Size: counted.n, Open: func(ctx context.Context) (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(d.write(ctx, w)) }()
		return r, nil
	}}
	made, err := json.Marshal(config{OS: "linux", RootFS: rootFS{Type: "layers", DiffIDs: []string{layer.Digest}}})
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	img := &Image{Config: made, Layers: []Layer{layer}, Skipped: d.unread}
	return img, img.seal()
}

func (d *directory) unread() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]string, 0, len(d.skipped))
	for name := range d.skipped {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (d *directory) skip(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skipped[path.Join("/", name)] = true
}

// write streams the tree as a tar in the order of names. Links are written as links and never followed, special
// files as what they are; times are left out, so that the digest tells content and rights only.
func (d *directory) write(ctx context.Context, to io.Writer) error {
	w := tar.NewWriter(to)
	err := fs.WalkDir(d.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // a directory that cannot be read, or a file that went away
			d.skip(name)
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case name == ".":
			return nil
		case slices.Contains(d.kernel, name):
			d.skip(name)
			return fs.SkipDir
		}
		return d.add(ctx, w, name)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

func (d *directory) add(ctx context.Context, w *tar.Writer, name string) error {
	info, err := d.root.Lstat(name)
	if err != nil {
		d.skip(name)
		return nil //nolint:nilerr // recorded
	}
	link := ""
	switch mode := info.Mode(); {
	case mode&fs.ModeSocket != 0:
		return nil // no archive can hold it
	case mode&fs.ModeSymlink != 0:
		if link, err = d.root.Readlink(name); err != nil {
			d.skip(name)
			return nil //nolint:nilerr // recorded
		}
	case mode.IsRegular():
		return d.addFile(ctx, w, name)
	}
	return header(w, info, name, link)
}

func (d *directory) addFile(ctx context.Context, w *tar.Writer, name string) error {
	// Without waiting, should somebody have put a pipe in its place.
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		d.skip(name)
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() { // exchanged meanwhile
		d.skip(name)
		return nil
	}
	if err := header(w, info, name, ""); err != nil {
		return err
	}
	if _, err := io.CopyN(w, untilDone{ctx, f}, info.Size()); err != nil {
		return fmt.Errorf("%s changed while it was read: %w", name, err)
	}
	return nil
}

func header(w *tar.Writer, info fs.FileInfo, name, link string) error {
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	plain := &tar.Header{
		Typeflag: h.Typeflag, Name: name, Linkname: link, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, Size: h.Size,
		Devmajor: h.Devmajor, Devminor: h.Devminor, Format: tar.FormatPAX,
	}
	if info.IsDir() {
		plain.Name += "/"
	}
	return w.WriteHeader(plain)
}

// counter passes on and counts, up to a limit.
type counter struct {
	to      io.Writer
	n, most int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.n += int64(len(p)); c.n > c.most {
		return 0, fmt.Errorf("%w: the directory holds more than %d bytes", ErrLimit, c.most)
	}
	return c.to.Write(p)
}
