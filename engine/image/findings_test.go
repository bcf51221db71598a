package image

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

func hitIn(path string, names ...string) FileEvidence {
	e := FileEvidence{Path: path, Analyzer: "search"}
	for i, name := range names {
		e.Evidence.Hits = append(e.Evidence.Hits, catalog.SearchHit{Search: catalog.SearchSecret, Name: name, Line: i + 1})
	}
	return e
}

func keptAs(path, content string) FileEvidence {
	return FileEvidence{path, "keep", catalog.Evidence{Retrieved: &catalog.RetrievedFile{Content: []byte(content)}}}
}

func findingsOf(t testing.TB, layers ...*Layer) (*Image, Findings) {
	t.Helper()
	img, found, err := Assemble(layers, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return img, found
}

// told writes hits as path:name:line@layer, with a minus in front of removed ones.
func told(hits []Hit) string {
	var words []string
	for _, h := range hits {
		sign := ""
		if h.Removed {
			sign = "-"
		}
		words = append(words, fmt.Sprintf("%s%s:%s:%d@%s", sign, h.Path, h.Name, h.Line, strings.TrimPrefix(h.Layer, "sha256:")))
	}
	return strings.Join(words, " ")
}

func TestHitsOfAllLayers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		layers []*Layer
		want   string
	}{
		{"stays", []*Layer{layerWith(t, 1, "f/a=1", hitIn("/a", "K", "L"))}, "/a:K:1@1 /a:L:2@1"},
		{"deleted", []*Layer{layerWith(t, 1, "f/a=1", hitIn("/a", "K")), layerWith(t, 2, "w/a")}, "-/a:K:1@1"},
		{"deleted with its directory", []*Layer{layerWith(t, 1, "f/d/a=1", hitIn("/d/a", "K")), layerWith(t, 2, "o/d")}, "-/d/a:K:1@1"},
		{"replaced", []*Layer{layerWith(t, 1, "f/a=1", hitIn("/a", "K")), layerWith(t, 2, "f/a=2", hitIn("/a", "L"))}, "/a:L:1@2 -/a:K:1@1"},
		{"moved by a link", []*Layer{layerWith(t, 1, "d/usr/lib s/lib>usr/lib"), layerWith(t, 2, "f/lib/a=1", hitIn("/lib/a", "K"))}, "/usr/lib/a:K:1@2"},
		{"remains under another name", []*Layer{layerWith(t, 1, "f/a=1 h/c>/a h/b>/a", hitIn("/a", "K")), layerWith(t, 2, "w/a")}, "/b:K:1@1"},
		{"removed under every name", []*Layer{layerWith(t, 1, "f/a=1 h/b>/a", hitIn("/a", "K")), layerWith(t, 2, "w/a w/b")}, "-/a:K:1@1"},
		{"comes back", []*Layer{layerWith(t, 1, "f/a=1", hitIn("/a", "K")), layerWith(t, 2, "w/a"), layerWith(t, 3, "f/a=1", hitIn("/a", "K"))}, "/a:K:1@3 -/a:K:1@1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, found := findingsOf(t, tt.layers...)
			if diff := cmp.Diff(tt.want, told(found.Hits)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever layers do to files, every hit is found once and marked exactly when its file is not in the final file system.
func TestEveryHitIsFoundAndMarked(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var layers []*Layer
		planted := 0
		for n := range 1 + random.IntN(5) {
			var words []string
			var evidence []FileEvidence
			for _, name := range []string{"/a", "/b", "/d/a", "/d/b"} {
				switch random.IntN(4) {
				case 0:
					words = append(words, "f"+name+fmt.Sprintf("=%d", n))
					evidence = append(evidence, hitIn(name, "K"))
					planted++
				case 1:
					words = append(words, "w"+name)
				}
			}
			if random.IntN(5) == 0 {
				words = append(words, "o/d")
			}
			layers = append(layers, layerWith(t, n, strings.Join(words, " "), evidence...))
		}
		_, found := findingsOf(t, layers...)
		if len(found.Hits) != planted {
			t.Fatalf("seed %d: %d hits of %d", seed, len(found.Hits), planted)
		}
		final := map[string]bool{}
		entries := make([][]catalog.Entry, len(layers))
		for i, l := range layers {
			entries[i] = l.Entries
		}
		for _, e := range Squash(entries) {
			final[fmt.Sprint(e.Path, " ", layers[e.Layer].Digest)] = true
		}
		for _, h := range found.Hits {
			if h.Removed == final[fmt.Sprint(h.Path, " ", h.Layer)] {
				t.Fatalf("seed %d: %+v", seed, h)
			}
		}
	}
}

func TestKeptFilesAreThoseOfTheFinalFileSystem(t *testing.T) {
	t.Parallel()
	img, found := findingsOf(t,
		layerWith(t, 1, "f/etc/passwd=1 f/etc/motd=1 f/gone=1", keptAs("/etc/passwd", "old"), keptAs("/etc/motd", "ahoy"), keptAs("/gone", "x")),
		layerWith(t, 2, "f/etc/passwd=2 w/gone", keptAs("/etc/passwd", "new")))
	var got []string
	for _, r := range found.Retrieved {
		got = append(got, r.Path+"="+string(r.Content))
	}
	if diff := cmp.Diff([]string{"/etc/motd=ahoy", "/etc/passwd=new"}, got); diff != "" || len(img.Incomplete) > 0 {
		t.Error(diff, img.Incomplete)
	}
}

func TestFindingsOfAnImageAreBounded(t *testing.T) {
	t.Parallel()
	many := FileEvidence{Path: "/a", Analyzer: "search", Evidence: catalog.Evidence{Hits: slices.Repeat(hitIn("/a", "K").Evidence.Hits, maxFoundHits)}}
	large := strings.Repeat("x", maxKeptContent/2)
	img, found := findingsOf(t, layerWith(t, 1, "f/a=1 f/b=1 f/c=1 f/d=1 f/e=1", many, hitIn("/b", "K"), keptAs("/c", large), keptAs("/d", large), keptAs("/e", "x")))
	if len(found.Hits) != maxFoundHits || len(found.Retrieved) != 2 || len(img.Incomplete) != 2 {
		t.Errorf("%d hits, %d files, %+v", len(found.Hits), len(found.Retrieved), img.Incomplete)
	}
}

func TestFindingsOfALayerAreBounded(t *testing.T) {
	t.Parallel()
	a := catalog.Analyzer{
		Name: "finder", Version: 1, MaxSize: 100, Wants: func(catalog.Candidate) bool { return true },
		Analyze: func(context.Context, *catalog.File) (catalog.Evidence, error) {
			return catalog.Evidence{Hits: hitIn("", "K", "L").Evidence.Hits, Retrieved: keptAs("", "four").Evidence.Retrieved}, nil
		},
	}
	blob := packed(t, []inode{{path: "a", content: "x"}, {path: "b", content: "x"}, {path: "c", content: "x"}})
	l, err := NewPass([]catalog.Analyzer{a}, Limits{Hits: 4, Kept: 4}, t.TempDir()).Read(t.Context(), digestOf(blob), bytes.NewReader(blob), nil)
	if err != nil {
		t.Fatal(err)
	}
	hits, kept := 0, 0
	for _, e := range l.Evidence {
		hits += len(e.Evidence.Hits)
		if e.Evidence.Retrieved != nil {
			kept++
		}
	}
	if hits != 4 || kept != 1 || len(l.Incomplete) != 3 {
		t.Errorf("%d hits, %d files, %+v", hits, kept, l.Incomplete)
	}
}
