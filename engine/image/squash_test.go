package image

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// layerOf reads one entry per word: d/dir, f/file=content, s/link>target, h/hardlink>target, w/whiteout, o/opaque.
func layerOf(t testing.TB, words string) []catalog.Entry {
	t.Helper()
	var entries []catalog.Entry
	for _, word := range strings.Fields(words) {
		e := catalog.Entry{Path: word[1:], Mode: 0o755}
		e.Path, e.Link, _ = strings.Cut(e.Path, ">")
		switch word[0] {
		case 'd':
			e.Type = catalog.Directory
		case 'f':
			var content string
			e.Path, content, _ = strings.Cut(e.Path, "=")
			e.Type, e.Mode, e.Size, e.SHA256 = catalog.Regular, 0o640, int64(len(content)), hexOf(content)
		case 's':
			e.Type, e.Mode = catalog.Symlink, 0o777
		case 'h':
			e.Type, e.Mode = catalog.Hardlink, 0
		case 'w':
			e.Type, e.Mode = catalog.Whiteout, 0
		case 'o':
			e.Type, e.Mode = catalog.Opaque, 0
		default:
			t.Fatalf("unknown word %q", word)
		}
		entries = append(entries, e)
	}
	return entries
}

// show writes a file system as words of layerOf's kind, each with the layer it comes from.
func show(all []SquashedEntry) string {
	var words []string
	for _, e := range all {
		link := ""
		if e.Link != "" {
			link = ">" + e.Link
		}
		words = append(words, fmt.Sprintf("%c%s%s@%d", e.Type[0], e.Path, link, e.Layer))
	}
	return strings.Join(words, " ")
}

func TestSquash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		layers []string
		want   string
	}{
		{"nothing", nil, ""},
		{"implied directories", []string{"f/a/b/c"}, "d/a@0 d/a/b@0 f/a/b/c@0"},
		{"sorted by path as text", []string{"f/a/b f/a-b d/a"}, "d/a@0 f/a-b@0 f/a/b@0"},
		{"root only if named", []string{"d/ f/a"}, "d/@0 f/a@0"},
		{"file replaced", []string{"f/a=1", "f/a=2"}, "f/a@1"},
		{"directory named again keeps its children", []string{"d/a f/a/b", "d/a"}, "d/a@1 f/a/b@0"},
		{"whiteout of a file", []string{"f/a f/b", "w/a"}, "f/b@0"},
		{"whiteout of a directory", []string{"f/a/b/c f/ab", "w/a"}, "f/ab@0"},
		{"whiteout of nothing", []string{"f/a", "w/b w/a/c w/x/y"}, "f/a@0"},
		{"whiteout spares its own layer, before", []string{"f/a/x", "w/a f/a/y"}, "d/a@1 f/a/y@1"},
		{"whiteout spares its own layer, after", []string{"f/a/x", "f/a/y w/a"}, "d/a@1 f/a/y@1"},
		{"opaque directory", []string{"d/a f/a/x f/a/d/y f/b", "d/a f/a/z o/a"}, "d/a@1 f/a/z@1 f/b@0"},
		{"opaque directory without an entry", []string{"d/a f/a/x", "o/a f/a/z"}, "d/a@0 f/a/z@1"},
		{"opaque root", []string{"f/a f/b/c", "o/ f/d"}, "f/d@1"},
		{"opaque file does nothing", []string{"f/a", "o/a"}, "f/a@0"},
		{"file over directory drops its children", []string{"f/a/b/c", "f/a"}, "f/a@1"},
		{"directory over file", []string{"f/a", "f/a/b"}, "d/a@1 f/a/b@1"},
		{"nothing comes back", []string{"f/a/b", "w/a", "d/a"}, "d/a@2"},
		{"parent is a link", []string{"d/usr/lib s/lib>usr/lib", "f/lib/x"}, "s/lib>usr/lib@0 d/usr@0 d/usr/lib@0 f/usr/lib/x@1"},
		{"parent is an absolute link", []string{"d/usr/lib s/lib>/usr/lib", "f/lib/x"}, "s/lib>/usr/lib@0 d/usr@0 d/usr/lib@0 f/usr/lib/x@1"},
		{"link leads out of the root", []string{"s/a>../../../b", "f/a/x"}, "s/a>../../../b@0 d/b@1 f/b/x@1"},
		{"link over links", []string{"d/c s/a>b s/b>c", "f/a/x"}, "s/a>b@0 s/b>c@0 d/c@0 f/c/x@1"},
		{"link in the same layer", []string{"d/b s/a>b f/a/x"}, "s/a>b@0 d/b@0 f/b/x@0"},
		{"layer makes the link a directory", []string{"d/b f/b/y s/a>b", "d/a f/a/x"}, "d/a@1 f/a/x@1 d/b@0 f/b/y@0"},
		{"layer makes the link a directory later", []string{"d/b s/a>b", "f/a/x d/a"}, "d/a@1 f/a/x@1 d/b@0"},
		{"broken link as parent", []string{"s/a>b/c", "f/a/x"}, "s/a>b/c@0 d/b@1 d/b/c@1 f/b/c/x@1"},
		{"links in a circle", []string{"s/a>b s/b>a", "f/a/x f/c"}, "s/a>b@0 s/b>a@0 f/c@1"},
		{"whiteout below a link", []string{"f/b/x s/a>b", "w/a/x"}, "s/a>b@0 d/b@0"},
		{"whiteout below a link that becomes a directory", []string{"f/b/x s/a>b", "w/a/x d/a"}, "d/a@1 d/b@0 f/b/x@0"},
		{"whiteout of a link spares its target", []string{"f/b/x s/a>b", "w/a"}, "d/b@0 f/b/x@0"},
		{"opaque below a link", []string{"f/b/x s/a>b", "o/a"}, "s/a>b@0 d/b@0"},
		{"link over directory", []string{"f/a/x f/b/y", "s/a>b"}, "s/a>b@1 d/b@0 f/b/y@0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var layers [][]catalog.Entry
			for _, words := range tt.layers {
				layers = append(layers, layerOf(t, words))
			}
			if diff := cmp.Diff(tt.want, show(Squash(layers))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSquashResolvesHardLinks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		layers []string
		link   string
		want   string // content of link, "-" for none
	}{
		{"own layer", []string{"f/a=1 h/l>/a"}, "/l", "1"},
		{"own layer, named first", []string{"h/l>/a f/a=1"}, "/l", "1"},
		{"lower layer", []string{"f/a=1", "h/l>/a"}, "/l", "1"},
		{"link to a link", []string{"f/a=1 h/k>/a", "h/l>/k"}, "/l", "1"},
		{"target replaced later", []string{"f/a=1 h/l>/a", "f/a=2"}, "/l", "1"},
		{"target replaced in the same layer", []string{"f/a=1", "f/a=2 h/l>/a"}, "/l", "2"},
		{"target deleted later", []string{"f/a=1 h/l>/a", "w/a"}, "/l", "1"},
		{"target deleted before", []string{"f/a=1", "w/a h/l>/a"}, "/l", "-"},
		{"target below a link", []string{"f/usr/lib/a=1 s/lib>usr/lib", "h/l>/lib/a"}, "/l", "1"},
		{"target is a directory", []string{"d/a h/l>/a"}, "/l", "-"},
		{"target is itself", []string{"h/l>/l"}, "/l", "-"},
		{"target missing", []string{"h/l>/x/y"}, "/l", "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var layers [][]catalog.Entry
			for _, words := range tt.layers {
				layers = append(layers, layerOf(t, words))
			}
			for _, e := range Squash(layers) {
				if e.Path != tt.link {
					continue
				}
				want := catalog.Entry{Path: tt.link, Type: catalog.Hardlink, Link: e.Link}
				if tt.want != "-" {
					want.Mode, want.Size, want.SHA256 = 0o640, int64(len(tt.want)), hexOf(tt.want)
				}
				if diff := cmp.Diff(want, e.Entry); diff != "" {
					t.Error(diff)
				}
				return
			}
			t.Error("link is missing")
		})
	}
}

// Links of upper layers into deep directories of lower ones must not stack up without end.
func TestSquashBoundsPaths(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("/d", 1500)
	layers := [][]catalog.Entry{layerOf(t, "d"+deep)}
	for range 5 {
		layers = append(layers, layerOf(t, "s/a>."+deep+" f/a"+deep+"/f s"+deep+deep+"/b>. f"+deep+deep+"/f"))
	}
	for _, e := range Squash(layers) {
		if len(e.Path) > maxPath {
			t.Fatalf("path of %d bytes", len(e.Path))
		}
	}
}
