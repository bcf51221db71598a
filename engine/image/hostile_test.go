package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func TestNamesStayInsideTheRoot(t *testing.T) {
	t.Parallel()
	l := mustRead(t, archive(t,
		file("../../etc/passwd", "1"), file("/abs/olute", "2"), file("a/../../b", "3"), file("./c//d/./e", "4"),
		dir("./"), hardlink("h", "../../etc/passwd"),
	))
	want := []string{"file /etc/passwd", "file /abs/olute", "file /b", "file /c/d/e", "dir /", "hardlink /h"}
	if diff := cmp.Diff(want, paths(l.Entries)); diff != "" {
		t.Error(diff)
	}
	if l.Entries[5].Link != "/etc/passwd" {
		t.Errorf("hard link leads to %s", l.Entries[5].Link)
	}
}

func TestOddEntries(t *testing.T) {
	t.Parallel()
	odd := func(flag byte, name string) item { return item{tar.Header{Typeflag: flag, Name: name}, ""} }
	dev := odd(tar.TypeChar, "dev/null")
	dev.Devmajor, dev.Devminor = 1, 3
	suid := file("su", "x")
	suid.Mode = 0o104755
	l := mustRead(t, archive(t,
		dev, odd(tar.TypeBlock, "dev/sda"), odd(tar.TypeFifo, "pipe"), suid,
		file("caf\xe9.list", "latin1"), file("caf\xea.list", "latin2"), file(strings.Repeat("n/", 2500)+"f", "deep"),
		symlink("long", strings.Repeat("x", 5000)), symlink("/", "elsewhere"),
		odd(tar.TypeChar, "gone"), file("etc/.wh.file", ""), file("etc/.wh..wh..opq", ""), dir("var/.wh.dir"),
		file(".wh.", ""), file(".wh...", ""), file("etc/.wh..", ""), file(".wh..wh.plnk/1.2", "aufs"), file(".wh..wh.aufs", ""),
	), nameList())
	want := []string{
		"chardev /dev/null", "blockdev /dev/sda", "fifo /pipe", "file /su", `file /caf\xe9.list`, `file /caf\xea.list`,
		"whiteout /gone", "whiteout /etc/file", "opaque /etc", "whiteout /var/dir",
	}
	if diff := cmp.Diff(want, paths(l.Entries)); diff != "" {
		t.Error(diff)
	}
	if l.Entries[3].Mode != 0o4755 {
		t.Errorf("mode %o", l.Entries[3].Mode)
	}
	var records []string
	for _, m := range l.Incomplete {
		records = append(records, m.Reason+" "+shorten(m.Path, 20)+" "+m.Detail)
	}
	wantRecords := []string{
		"bad_path / names the root directory",
		"bad_path /.wh. whiteout without a name",
		"bad_path /.wh... whiteout without a name",
		`bad_path /caf\xe9.list name is not valid UTF-8, bad bytes are written as \xNN`,
		`bad_path /caf\xea.list name is not valid UTF-8, bad bytes are written as \xNN`,
		"bad_path /etc/.wh.. whiteout without a name",
		"bad_path long longer than 4096 bytes, left out",
		"bad_path n/n/n/n/n/n/n/n/n/n/... longer than 4096 bytes, left out",
	}
	if diff := cmp.Diff(wantRecords, records); diff != "" {
		t.Error(diff)
	}
	if len(l.Evidence) != 2 {
		t.Errorf("evidence of files with odd names: %v", l.Evidence)
	}
}

// A thousand paths of four kilobytes take next to nothing in a compressed layer and megabytes in memory.
func TestNamesOfALayerAreBounded(t *testing.T) {
	t.Parallel()
	blob := archive(t, file(strings.Repeat("a", 60), ""), symlink(strings.Repeat("b", 60), strings.Repeat("c", 80)))
	for limit, refused := range map[int64]bool{200: false, 199: true} {
		_, err := NewPass(nil, Limits{Names: limit}, t.TempDir()).Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
		var exceeded *LimitError
		if errors.As(err, &exceeded) != refused || refused && exceeded.What != "Names" {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// What layers ask for together is more than the sum of their entries: paths imply directories, links lead through links,
// and a manifest may list a layer as often as it likes.
func TestWhatLayersAskForTogetherIsBounded(t *testing.T) {
	t.Parallel()
	deep := layerOf(t, "f/"+strings.Repeat("d/", 100)+"f")
	again := [][]catalog.Entry{layerOf(t, "f/a f/b"), layerOf(t, "f/a f/b"), layerOf(t, "f/a f/b")}
	links := [][]catalog.Entry{layerOf(t, "d/d s/l>"+strings.Repeat("/d/..", 30)+"/d f/l/f f/l/g")}
	for name, tt := range map[string]struct {
		layers [][]catalog.Entry
		change func(*overlay)
		want   string
	}{
		"implied directories, enough": {[][]catalog.Entry{deep}, func(o *overlay) { o.nodes = 101 }, ""},
		"implied directories":         {[][]catalog.Entry{deep}, func(o *overlay) { o.nodes = 100 }, "files and directories"},
		"a layer listed again":        {again, func(o *overlay) { o.nodes = 5 }, "files and directories"},
		"long paths":                  {[][]catalog.Entry{deep}, func(o *overlay) { o.names = 9000 }, "bytes of paths"},
		"long links, enough":          {links, func(o *overlay) { o.steps = 200 }, ""},
		"long links":                  {links, func(o *overlay) { o.steps = 100 }, "steps"},
	} {
		o := newOverlay()
		tt.change(o)
		var layers []*Layer
		for _, entries := range tt.layers {
			layers = append(layers, &Layer{Entries: entries})
		}
		_, _, err := assembleOn(o, layers, func(*catalog.Distro) string { return "" })
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntriesWithoutAPlaceAreToldUpToABound(t *testing.T) {
	t.Parallel()
	var entries []catalog.Entry
	for i := range maxFaults + 5 {
		entries = append(entries, catalog.Entry{Path: fmt.Sprintf("/h%d", i), Type: catalog.Hardlink, Link: "/gone"})
	}
	img, _, err := Assemble([]*Layer{{Entries: entries}}, func(*catalog.Distro) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if n := len(img.Incomplete); n != maxFaults+1 || img.Incomplete[0].Reason != catalog.ReasonTooMany || !strings.HasPrefix(img.Incomplete[0].Detail, "5 more") {
		t.Errorf("%d records, the first %+v", n, img.Incomplete[0])
	}
}

func TestUnknownTypeIsLeftOutAndRecorded(t *testing.T) {
	t.Parallel()
	blob := archive(t, file("odd", "content"), file("after", "x"))
	blob[156] = 'D'
	fixChecksum(blob)
	l := mustRead(t, blob)
	if diff := cmp.Diff([]string{"file /after"}, paths(l.Entries)); diff != "" {
		t.Error(diff)
	}
	if len(l.Incomplete) != 1 || l.Incomplete[0].Reason != catalog.ReasonUnreadable {
		t.Errorf("records %v", l.Incomplete)
	}
}

func TestLaterEntryOfTheSamePathWins(t *testing.T) {
	t.Parallel()
	l := mustRead(t, archive(t,
		file("a.list", "old"), file("./b.list", "gone"), file("/a.list", "new"), symlink("b.list", "a.list"),
		file(".wh.c", ""), file("c", "added"), file(".wh.c", ""),
	), nameList())
	want := []string{"file /a.list", "symlink /b.list", "whiteout /c", "file /c"}
	if diff := cmp.Diff(want, paths(l.Entries)); diff != "" {
		t.Error(diff)
	}
	if len(l.Evidence) != 1 || l.Evidence[0].Evidence.Packages[0].Name != "new" {
		t.Errorf("evidence %v", l.Evidence)
	}
}

func TestHardLinkUnderAWantedNameIsRecorded(t *testing.T) {
	t.Parallel()
	l := mustRead(t, archive(t, file("plain", "p"), hardlink("by-link.list", "plain"), file("x.list", "q"), hardlink("y.list", "x.list")), nameList())
	want := []catalog.Incompleteness{{Path: "/by-link.list", Analyzer: "name-list", Reason: catalog.ReasonUnreadable, Detail: "hard link to /plain, read under that name only"}}
	if diff := cmp.Diff(want, l.Incomplete); diff != "" {
		t.Error(diff)
	}
}

// A sparse file claims more content than the archive carries: holes cost nothing to send and everything to hash.
func TestSparseFileCannotClaimWithoutEnd(t *testing.T) {
	t.Parallel()
	// PAX sparse format 0.1 (GNU tar manual, "Sparse Formats"): one data fragment, the rest of the size a hole.
	var records strings.Builder
	for _, r := range []string{"major=0", "minor=1", "name=sparse.img", "size=68719476736000", "numblocks=1", "map=0,16"} {
		record := " GNU.sparse." + r + "\n"
		fmt.Fprintf(&records, "%d%s", len(record)+2, record) // all lengths have two digits
	}
	blob := archive(t, file("records", records.String()), file("sparse", strings.Repeat("x", 16)))
	blob[156] = 'x'
	fixChecksum(blob)
	p := NewPass(nil, Limits{DecompressedBytes: 1 << 20}, t.TempDir())
	if _, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
	p = NewPass(nil, Limits{RatioAfter: 1 << 20}, t.TempDir())
	if _, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	var items []item
	for range 50 {
		items = append(items, file(".wh.", ""))
	}
	blob := archive(t, items...)
	p := NewPass(nil, Limits{Incomplete: 3}, t.TempDir())
	l, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Incomplete) != 4 || l.Incomplete[0].Reason != catalog.ReasonTooMany {
		t.Errorf("records %v", l.Incomplete)
	}
}

func TestPackagesAreBounded(t *testing.T) {
	t.Parallel()
	blob := archive(t, file("a.list", "a b"), file("b.list", "c d"))
	p := NewPass([]catalog.Analyzer{nameList()}, Limits{Packages: 3}, t.TempDir())
	l, err := p.Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Evidence) != 1 || len(l.Incomplete) != 1 || l.Incomplete[0].Reason != catalog.ReasonTooMany {
		t.Errorf("evidence %v, records %v", l.Evidence, l.Incomplete)
	}
}
