package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// TestSquashEqualsKernelOverlay stacks random upper directories as the kernel's overlayfs does and compares the
// mount with the squash of the same directories packed as they lie. The kernel is the reference here; where it
// refuses (no root, no overlayfs, nested overlay) the test says so.
func TestSquashEqualsKernelOverlay(t *testing.T) {
	if os.Geteuid() != 0 {
		noOverlay(t, "mounting an overlay needs root")
	}
	for seed := range uint64(40) {
		compareWithKernel(t, rand.New(rand.NewPCG(seed, 2)), seed)
	}
}

// noOverlay ends a test that this machine cannot run. Where changes are judged it must not pass unseen.
func noOverlay(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func compareWithKernel(t *testing.T, r *rand.Rand, seed uint64) {
	base := t.TempDir()
	empty, merged := filepath.Join(base, "empty"), filepath.Join(base, "merged")
	lower := []string{empty}
	for _, d := range []string{empty, merged} {
		must(t, os.Mkdir(d, 0o755))
	}
	var layers [][]catalog.Entry
	for i := range 2 + r.IntN(3) {
		upper := filepath.Join(base, fmt.Sprint("layer", i))
		must(t, os.Mkdir(upper, 0o755))
		fillUpper(t, r, upper, fmt.Sprint(i))
		lower = append([]string{upper}, lower...)
		l := mustRead(t, packUpper(t, upper))
		if len(l.Incomplete) > 0 {
			t.Fatalf("seed %d: records %v", seed, l.Incomplete)
		}
		layers = append(layers, l.Entries)
	}
	if err := syscall.Mount("overlay", merged, "overlay", syscall.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")); err != nil {
		noOverlay(t, fmt.Sprintf("the kernel refuses to mount an overlay: %v", err))
	}
	t.Cleanup(func() { must(t, syscall.Unmount(merged, 0)) })
	want := listDir(t, merged)
	var got []string
	for _, e := range Squash(layers) {
		got = append(got, line(e.Path, e.Type, e.Mode, e.SHA256, e.Link))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seed %d (-kernel +squash): %s", seed, diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fillUpper makes a random upper directory: what overlayfs itself would write, so whiteouts are character
// devices 0/0 and opaque directories carry the attribute.
func fillUpper(t *testing.T, r *rand.Rand, root, content string) {
	t.Helper()
	dirs := []string{root}
	var files []string
	for range 4 + r.IntN(12) {
		dir := dirs[r.IntN(len(dirs))]
		p := filepath.Join(dir, string(rune('a'+r.IntN(4))))
		if _, err := os.Lstat(p); err == nil {
			continue
		}
		switch k := r.IntN(12); {
		case k < 4:
			must(t, os.Mkdir(p, 0o700+fs.FileMode(r.IntN(64))))
			dirs = append(dirs, p)
			if k == 0 {
				must(t, syscall.Setxattr(p, "trusted.overlay.opaque", []byte("y"), 0))
			}
		case k < 7:
			must(t, os.WriteFile(p, []byte(content+p[len(root):]), 0o600+fs.FileMode(r.IntN(64))))
			files = append(files, p)
		case k < 8:
			must(t, os.Symlink("../a", p))
		case k < 9 && len(files) > 0:
			must(t, os.Link(files[r.IntN(len(files))], p))
		default:
			must(t, syscall.Mknod(p, syscall.S_IFCHR, 0))
		}
	}
}

// packUpper packs a directory without translating anything.
func packUpper(t *testing.T, root string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	inodes := map[uint64]string{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		info, err := d.Info()
		must(t, err)
		link := ""
		if d.Type() == fs.ModeSymlink {
			link, err = os.Readlink(p)
			must(t, err)
		}
		h, err := tar.FileInfoHeader(info, link)
		must(t, err)
		h.Name = p[len(root)+1:]
		st := info.Sys().(*syscall.Stat_t)
		first, again := inodes[st.Ino]
		switch {
		case d.IsDir():
			value := make([]byte, 8)
			if n, err := syscall.Getxattr(p, "trusted.overlay.opaque", value); err == nil && string(value[:n]) == "y" {
				h.PAXRecords = map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}
			}
		case again && d.Type().IsRegular():
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		default:
			inodes[st.Ino] = h.Name
		}
		must(t, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			b, err := os.ReadFile(p)
			must(t, err)
			_, err = w.Write(b)
			must(t, err)
		}
		return nil
	}))
	must(t, w.Close())
	return buf.Bytes()
}

// listDir writes a real directory as line does an entry; hard links show as what they are, files.
func listDir(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a whiteout in a directory of one layer only: overlayfs lists its name but finds no file
		}
		must(t, err)
		kind, sum, link := catalog.Regular, "", ""
		switch {
		case d.IsDir():
			kind = catalog.Directory
		case d.Type() == fs.ModeSymlink:
			kind = catalog.Symlink
			link, err = os.Readlink(p)
			must(t, err)
		default:
			b, err := os.ReadFile(p)
			must(t, err)
			sum = hexOf(string(b))
		}
		all = append(all, line(p[len(root):], kind, uint32(info.Mode().Perm()), sum, link))
		return nil
	}))
	slices.Sort(all)
	return all
}

func line(p string, kind catalog.EntryType, mode uint32, sum, link string) string {
	if kind == catalog.Hardlink {
		kind, link = catalog.Regular, ""
	}
	return fmt.Sprintf("%s %s %o %s %s", p, kind, mode, sum, link)
}
