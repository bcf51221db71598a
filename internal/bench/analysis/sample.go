package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

// sourceBytes is how much of each of the machine's directories goes into a layer.
const sourceBytes = 250 << 20

// makeLayers writes a small image: two layers of real files, one of generated packages, one that changes it.
func makeLayers(dir string) error {
	var group errgroup.Group
	group.Go(func() error {
		return writeLayer(dir, "1-lib", func(w *tar.Writer) error { return copyTree(w, "/usr/lib") })
	})
	group.Go(func() error {
		return writeLayer(dir, "2-share", func(w *tar.Writer) error { return copyTree(w, "/usr/share") })
	})
	group.Go(func() error {
		return writeLayer(dir, "3-packages", func(w *tar.Writer) error { return writePackages(w, 3000) })
	})
	group.Go(func() error {
		return writeLayer(dir, "4-change", func(w *tar.Writer) error {
			if err := writeFile(w, "usr/share/doc/.wh..wh..opq", nil); err != nil {
				return err
			}
			return writePackages(w, 1000)
		})
	})
	return group.Wait()
}

func writeLayer(dir, name string, fill func(*tar.Writer) error) error {
	f, err := os.Create(filepath.Join(dir, name+".tar.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, 6)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	if err := fill(w); err != nil {
		return fmt.Errorf("layer %s: %w", name, err)
	}
	return errors.Join(w.Close(), z.Close())
}

var errEnough = errors.New("enough")

// copyTree adds regular files, directories and links below root until sourceBytes are in.
func copyTree(w *tar.Writer, root string) error {
	left := int64(sourceBytes)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // not ours to read
		}
		if !(d.Type().IsRegular() || d.IsDir() || d.Type() == fs.ModeSymlink) {
			return nil
		}
		if left <= 0 {
			return errEnough
		}
		size, err := copyFile(w, name, d)
		left -= size
		return err
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func copyFile(w *tar.Writer, name string, d fs.DirEntry) (int64, error) {
	info, err := d.Info()
	if err != nil {
		return 0, nil // gone meanwhile
	}
	link := ""
	if d.Type() == fs.ModeSymlink {
		if link, err = os.Readlink(name); err != nil {
			return 0, nil
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return 0, err
	}
	header.Name = strings.TrimPrefix(name, "/")
	if !info.Mode().IsRegular() {
		return 0, w.WriteHeader(header)
	}
	f, err := os.Open(name)
	if err != nil {
		return 0, nil // unreadable
	}
	defer f.Close()
	if err := w.WriteHeader(header); err != nil {
		return 0, err
	}
	return io.Copy(w, io.LimitReader(f, header.Size))
}

// writePackages adds a dpkg database of count packages with their lists and some files each.
func writePackages(w *tar.Writer, count int) error {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same content on every run
	var status strings.Builder
	for i := range count {
		name := fmt.Sprintf("lib%s%d", word(r), i)
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: %d\nMaintainer: Debian %s Team <%s@example.org>\nArchitecture: amd64\nVersion: %d.%d.%d-%d\nDescription: %s\n\n",
			name, r.IntN(9000), word(r), word(r), r.IntN(9), r.IntN(20), r.IntN(20), r.IntN(5), text(r, 60))
		var list strings.Builder
		for j := range 4 {
			file := fmt.Sprintf("usr/share/%s/%s-%d.txt", name, word(r), j)
			fmt.Fprintf(&list, "/%s\n", file)
			if err := writeFile(w, file, []byte(text(r, 200+r.IntN(4000)))); err != nil {
				return err
			}
		}
		if err := writeFile(w, "var/lib/dpkg/info/"+name+".list", []byte(list.String())); err != nil {
			return err
		}
	}
	release := "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
	return errors.Join(writeFile(w, "var/lib/dpkg/status", []byte(status.String())), writeFile(w, "etc/os-release", []byte(release)))
}

func writeFile(w *tar.Writer, name string, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

var syllables = strings.Fields("an be co der el fi gra hu in jo ka lem mi nor os pa qui re sta tor un ver wa xi yo zen")

func word(r *rand.Rand) string {
	var b strings.Builder
	for range 2 + r.IntN(3) {
		b.WriteString(syllables[r.IntN(len(syllables))])
	}
	return b.String()
}

func text(r *rand.Rand, words int) string {
	var b strings.Builder
	for range words {
		b.WriteString(word(r))
		b.WriteByte(' ')
	}
	return b.String()
}
