package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/os/dpkg"
	"plimsoll/engine/catalog/os/rpm"
	"plimsoll/engine/verify"
)

// inode is a file of a tree that is both packed into a layer and laid out for the package manager itself.
type inode struct {
	path, content, link string
	dir                 bool
	mode                int64 // 0 stands for 0644 and 0755
}

func (f inode) perm() int64 {
	switch {
	case f.mode != 0:
		return f.mode
	case f.dir:
		return 0o755
	}
	return 0o644
}

func packed(t testing.TB, tree []inode) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range tree {
		h := &tar.Header{Name: f.path, Mode: f.perm(), Typeflag: tar.TypeReg, Size: int64(len(f.content))}
		switch {
		case f.dir:
			h.Typeflag = tar.TypeDir
		case f.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func laidOut(t testing.TB, tree []inode) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range tree {
		name := filepath.Join(root, f.path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case f.dir:
			err = os.MkdirAll(name, 0o755)
		case f.link != "":
			err = os.Symlink(f.link, name)
		default:
			err = os.WriteFile(name, []byte(f.content), 0o600)
		}
		if err == nil && f.link == "" {
			err = os.Chmod(name, os.FileMode(f.perm()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// verified reads the tree as the one layer of an image.
func verified(t testing.TB, tree []inode, analyzers []catalog.Analyzer, digests ...string) []Verification {
	t.Helper()
	blob := packed(t, tree)
	layer, err := NewPass(analyzers, Limits{}, t.TempDir(), digests...).Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(layer.Incomplete) > 0 {
		t.Fatalf("%+v", layer.Incomplete)
	}
	return assemble(t, layer).Verified
}

func md5of(content string) string { return fmt.Sprintf("%x", md5.Sum([]byte(content))) }

// dpkgTree is a package some of whose files have changed since. None of them is a diverted one: of those dpkg
// compares no content.
func dpkgTree() []inode {
	status := "Package: p\nStatus: install ok installed\nArchitecture: all\nMaintainer: A <a@b>\nVersion: 1\nDescription: p\nConffiles:\n" +
		" /etc/same " + md5of("c") + "\n /etc/changed " + md5of("c") + "\n /etc/gone " + md5of("c") + "\n /etc/old " + md5of("c") + " obsolete\n"
	list, sums := "/.\n/etc\n/usr\n/usr/bin\n/lib\n", ""
	for _, f := range []string{"usr/bin/same", "usr/bin/changed", "usr/bin/gone", "usr/bin/linked", "usr/bin/linked-same", "usr/bin/dangling", "usr/bin/diverted", "usr/bin/diverted-gone", "usr/bin/own", "lib/merged.so", "lib/merged-changed.so"} {
		list += "/" + f + "\n"
		sums += md5of("content") + "  " + f + "\n"
	}
	list += "/usr/bin/unsummed\n/usr/bin/unsummed-gone\n/usr/bin/link\n/usr/bin/link-gone\n/etc/same\n/etc/changed\n/etc/gone\n/etc/old\n"
	return []inode{
		{path: "etc", dir: true}, {path: "usr", dir: true}, {path: "usr/bin", dir: true}, {path: "usr/lib", dir: true}, {path: "lib", link: "usr/lib"},
		{path: "var/lib/dpkg/status", content: status},
		{path: "var/lib/dpkg/diversions", content: "/usr/bin/diverted\n/usr/bin/diverted.d\n:\n" +
			"/usr/bin/diverted-gone\n/usr/bin/diverted-gone.d\nq\n/usr/bin/own\n/usr/bin/own.d\np\n"},
		{path: "usr/bin/diverted", content: "q"}, {path: "usr/bin/diverted.d", content: "content"},
		{path: "usr/bin/diverted-gone", content: "content"},
		{path: "usr/bin/own", content: "content"}, {path: "usr/bin/own.d", content: "x"},
		{path: "var/lib/dpkg/info/p.list", content: list}, {path: "var/lib/dpkg/info/p.md5sums", content: sums},
		{path: "usr/bin/same", content: "content", mode: 0o755}, {path: "usr/bin/changed", content: "other"},
		{path: "usr/bin/linked", link: "changed"}, {path: "usr/bin/linked-same", link: "same"}, {path: "usr/bin/dangling", link: "nowhere"},
		{path: "usr/lib/merged.so", content: "content"}, {path: "usr/lib/merged-changed.so", content: "x"},
		{path: "usr/bin/unsummed", content: "x"}, {path: "usr/bin/link", link: "nowhere"},
		{path: "etc/same", content: "c"}, {path: "etc/changed", content: "d"},
	}
}

// deviations writes them the way `dpkg --verify` and `rpm -V` do, with the aspects that are compared here: S for
// size, M for mode, 5 for the digest, L for a link in place of a file or with another target.
func deviations(all []Verification) []string {
	var lines []string
	for _, v := range all {
		for _, d := range v.Deviations {
			mark, config := "missing  ", " "
			if !d.Missing {
				letters := []byte(".........")
				for _, aspect := range d.Changed {
					switch aspect {
					case verify.Size:
						letters[0] = 'S'
					case verify.Mode:
						letters[1] = 'M'
					case verify.Type, verify.Target:
						letters[4] = 'L'
					case verify.Digest:
						letters[2] = '5'
					}
				}
				mark = string(letters)
			}
			if d.Config {
				config = "c"
			}
			lines = append(lines, mark+" "+config+" "+d.Path)
		}
	}
	slices.Sort(lines)
	return lines
}

// reported are the deviations a package manager prints, without what is not compared here: owner, time, devices and
// capabilities.
func reported(t testing.TB, output string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(output) {
		mark, rest, found := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if !found || len(mark) > 9 {
			t.Fatalf("unknown line %q", line)
		}
		config, path := " ", strings.TrimSpace(rest)
		if kind, after, found := strings.Cut(path, " "); found && len(kind) == 1 {
			config, path = strings.Map(func(r rune) rune {
				if r == 'c' {
					return r
				}
				return ' '
			}, kind), strings.TrimSpace(after)
		}
		if mark == "missing" {
			mark = "missing  "
		} else {
			mark = strings.Map(func(r rune) rune {
				if strings.ContainsRune("SM5L", r) {
					return r
				}
				return '.'
			}, mark)
		}
		if strings.HasPrefix(mark, ".M") && strings.HasPrefix(line, "?") { // dpkg's word for another type, with or without its content
			mark = "....L...."
		}
		if mark != "........." {
			lines = append(lines, mark+" "+config+" "+path)
		}
	}
	slices.Sort(lines)
	return lines
}

// dpkgReport is what dpkg 1.21.22 prints for dpkgTree.
const dpkgReport = `??5??????   /usr/bin/changed
missing     /usr/bin/gone
?M5??????   /usr/bin/linked
?M.??????   /usr/bin/linked-same
?M???????   /usr/bin/dangling
??5??????   /lib/merged-changed.so
missing     /usr/bin/diverted-gone.d
missing     /usr/bin/unsummed-gone
missing     /usr/bin/link-gone
??5?????? c /etc/changed
missing   c /etc/gone
missing   c /etc/old
`

func TestAgreesWithDpkgVerify(t *testing.T) {
	t.Parallel()
	report := dpkgReport
	if _, err := exec.LookPath("dpkg"); err == nil {
		cmd := exec.Command("dpkg", "--verify", "--root="+laidOut(t, dpkgTree()))
		var faults bytes.Buffer
		cmd.Stderr = &faults
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || faults.Len() > 0 {
			t.Fatalf("%v\n%s", err, faults.String())
		}
		report = string(out)
	}
	if diff := cmp.Diff(reported(t, report), deviations(verified(t, dpkgTree(), dpkg.Analyzers(), DigestMD5))); diff != "" {
		t.Errorf("%s\n%s", diff, report)
	}
}

// Without MD5 nothing can be said about content, and is not.
func TestWhatCannotBeComparedIsNotTakenForUnchanged(t *testing.T) {
	t.Parallel()
	got := verified(t, dpkgTree(), dpkg.Analyzers())
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	v := got[0]
	// With sums and a file in place: same, changed, diverted, own, two below /lib, two in /etc. Without: unsummed, link.
	if v.Package != "pkg:deb/p@1?arch=all" || v.Files != 19 || v.Incomparable != 8 || v.Unrecorded != 2 || len(v.Deviations) != 9 {
		t.Errorf("got %+v", v)
	}
	if got = verified(t, dpkgTree(), dpkg.Analyzers(), DigestMD5); got[0].Incomparable != 0 {
		t.Errorf("got %+v", got)
	}
}

// rpmTree is the package of testdata/rpm, some of whose files have changed since. Its documentation was left out
// on installation.
func rpmTree(t testing.TB) []inode {
	t.Helper()
	compressed, err := os.Open("testdata/rpm/rpmdb.sqlite.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer compressed.Close()
	r, err := gzip.NewReader(compressed)
	if err != nil {
		t.Fatal(err)
	}
	database, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return []inode{
		{path: "var/lib/rpm/rpmdb.sqlite", content: string(database)},
		{path: "opt/p", dir: true}, {path: "opt/p/dir", dir: true, mode: 0o700}, {path: "opt/p/open", dir: true, mode: 0o755},
		{path: "opt/p/same", content: "content"}, {path: "opt/p/changed", content: "CONTENT"}, {path: "opt/p/resized", content: "contents"},
		{path: "opt/p/chmodded", content: "content", mode: 0o600}, {path: "opt/p/linked", link: "same"},
		{path: "opt/p/config", content: "changed"}, {path: "opt/p/any-content", content: "anything"},
		{path: "opt/p/any-mode", content: "content", mode: 0o600}, {path: "opt/p/ghost", content: "anything", mode: 0o600},
		{path: "opt/p/secret", content: "content"}, {path: "opt/p/link", link: "elsewhere"},
	}
}

// rpmReport is what rpm 4.18.0 prints for rpmTree.
const rpmReport = `.......T.    /opt/p/any-mode
..5....T.    /opt/p/changed
.M.....T.    /opt/p/chmodded
..5....T.  c /opt/p/config
missing   c /opt/p/config-gone
.M.......    /opt/p/dir
.M.......  g /opt/p/ghost
missing     /opt/p/gone
....L....    /opt/p/link
missing     /opt/p/link-gone
....L....    /opt/p/linked
.M.......    /opt/p/open
S.5....T.    /opt/p/resized
.......T.    /opt/p/same
.M.....T.    /opt/p/secret
`

func TestAgreesWithRpmVerify(t *testing.T) {
	t.Parallel()
	report := rpmReport
	if _, err := exec.LookPath("rpm"); err == nil {
		cmd := exec.Command("rpm", "--root="+laidOut(t, rpmTree(t)), "--dbpath=/var/lib/rpm", "-Va")
		var faults bytes.Buffer
		cmd.Stderr = &faults
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || faults.Len() > 0 {
			t.Fatalf("%v\n%s", err, faults.String())
		}
		report = string(out)
	}
	if diff := cmp.Diff(reported(t, report), deviations(verified(t, rpmTree(t), rpm.Analyzers()))); diff != "" {
		t.Errorf("%s\n%s", diff, report)
	}
}

func TestDigestsBesideSHA256(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 20_000)
	tree := []inode{{path: "empty"}, {path: "small", content: "abc"}, {path: "large", content: large}}
	for name, analyzers := range map[string][]catalog.Analyzer{"passed by": nil, "captured": {scanner(nil, nil)}, "spooled": {scanner(nil, nil)}} {
		limits := Limits{}
		if name == "spooled" {
			limits.SpoolAbove = 1
		}
		if len(analyzers) > 0 {
			analyzers[0].MaxSize = 1 << 20
		}
		blob := packed(t, tree)
		layer, err := NewPass(analyzers, limits, t.TempDir(), DigestSHA1, DigestMD5).Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range tree {
			e := layer.Entries[i]
			if e.SHA256 != hexOf(f.content) || e.MD5 != md5of(f.content) || e.SHA1 != fmt.Sprintf("%x", sha1.Sum([]byte(f.content))) {
				t.Errorf("%s, %s: got %+v", name, f.path, e)
			}
		}
	}
	plain, md5s := NewPass(nil, Limits{}, ""), NewPass(nil, Limits{}, "", DigestMD5)
	if plain.Set() == md5s.Set() || md5s.Set() != NewPass(nil, Limits{}, "", DigestMD5, DigestMD5).Set() {
		t.Error("the digests are part of a result's identity")
	}
	if CheckDigests([]string{DigestMD5, DigestSHA1}) != nil || !errors.Is(CheckDigests([]string{"sha512"}), ErrDigestFormat) {
		t.Error("digests are not checked")
	}
}
