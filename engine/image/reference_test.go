package image

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// reference is the plainest model of a file system that layers are extracted into: a map of paths, every rule
// written as one would explain it, nothing shared with overlay.
type reference struct {
	at   map[string]SquashedEntry
	dirs map[string]bool // directories the current layer names
}

// resolve gives the real path of a directory as an extracting engine finds it; ok is false when links go in
// circles or, without create, when there is no such directory.
func (r *reference) resolve(dir string, layer int, create bool) (string, bool) {
	links := 0
	return r.descend("/", strings.Split(strings.Trim(dir, "/"), "/"), strings.Count(dir, "/"), dir, layer, create, &links)
}

// descend goes on from a real directory; of the names, the last own ones are the asked path's.
func (r *reference) descend(at string, names []string, own int, asked string, layer int, create bool, links *int) (string, bool) {
	if len(names) == 0 {
		return at, true
	}
	name, rest := names[0], names[1:]
	if name == "" || name == "." {
		return r.descend(at, rest, min(own, len(rest)), asked, layer, create, links)
	}
	next := path.Join(at, name)
	if next == "/" || name == ".." {
		return r.descend(next, rest, min(own, len(rest)), asked, layer, create, links)
	}
	e, exists := r.at[next]
	isOwn := len(names) <= own
	prefix := "/" + strings.Join(strings.Split(strings.Trim(asked, "/"), "/")[:max(0, strings.Count(asked, "/")-len(rest))], "/")
	switch {
	case exists && e.Type == catalog.Directory:
	case exists && e.Type == catalog.Symlink && !(isOwn && r.dirs[prefix]):
		if *links++; *links > 40 {
			return "", false
		}
		if strings.HasPrefix(e.Link, "/") {
			at = "/"
		}
		target := strings.Split(e.Link, "/")
		return r.descend(at, append(target, rest...), min(own, len(rest)), asked, layer, create, links)
	case !create:
		return "", false
	default:
		r.remove(next)
		r.at[next] = SquashedEntry{catalog.Entry{Path: next, Type: catalog.Directory, Mode: 0o755}, layer}
	}
	return r.descend(next, rest, min(own, len(rest)), asked, layer, create, links)
}

func (r *reference) remove(p string) {
	delete(r.at, p)
	r.empty(p)
}

func (r *reference) empty(dir string) {
	for p := range r.at {
		if strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/") {
			delete(r.at, p)
		}
	}
}

func (r *reference) apply(layer int, entries []catalog.Entry) {
	r.dirs = map[string]bool{}
	for _, e := range entries {
		if e.Type == catalog.Directory {
			r.dirs[e.Path] = true
		}
	}
	for _, e := range entries {
		switch e.Type {
		case catalog.Whiteout:
			if dir, ok := r.resolve(path.Dir(e.Path), layer, false); ok {
				r.remove(path.Join(dir, path.Base(e.Path)))
			}
		case catalog.Opaque:
			if dir, ok := r.resolve(e.Path, layer, false); ok {
				r.empty(dir)
			}
		}
	}
	var late []string
	for _, e := range entries {
		if e.Type == catalog.Whiteout || e.Type == catalog.Opaque {
			continue
		}
		dir, ok := r.resolve(path.Dir(e.Path), layer, true)
		if !ok {
			continue
		}
		e.Path = path.Join(dir, path.Base(e.Path))
		old, existed := r.at[e.Path]
		if !existed || old.Type != catalog.Directory || e.Type != catalog.Directory {
			r.remove(e.Path)
		}
		r.at[e.Path] = SquashedEntry{e, layer}
		if e.Type == catalog.Hardlink && !r.link(e.Path, layer) {
			late = append(late, e.Path)
		}
	}
	for _, p := range late {
		if e := r.at[p]; e.Type == catalog.Hardlink && e.Layer == layer && e.SHA256 == "" {
			r.link(p, layer)
		}
	}
}

func (r *reference) link(p string, layer int) bool {
	e := r.at[p]
	dir, ok := r.resolve(path.Dir(e.Link), layer, false)
	if !ok {
		return false
	}
	target, ok := r.at[path.Join(dir, path.Base(e.Link))]
	if !ok || target.Path == p || target.Type == catalog.Directory || target.Type == catalog.Hardlink && target.Mode == 0 {
		return false
	}
	e.Mode, e.Size, e.SHA256 = target.Mode, target.Size, target.SHA256
	r.at[p] = e
	return true
}

func (r *reference) list() []SquashedEntry {
	var all []SquashedEntry
	for _, e := range r.at {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b SquashedEntry) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// randomStack makes layers over few names, so that everything meets everything.
func randomStack(r *rand.Rand) [][]catalog.Entry {
	names := []string{"a", "b", "c"}
	somewhere := func() string {
		p := ""
		for range 1 + r.IntN(3) {
			p += "/" + names[r.IntN(len(names))]
		}
		return p
	}
	targets := []string{"a", "b", "/c", "/a/b", "../b", "../../a/c", ".", "b/./c/", "/", "..//a"}
	layers := make([][]catalog.Entry, 1+r.IntN(4))
	for i := range layers {
		taken := map[string]bool{}
		for j := range r.IntN(9) {
			e := catalog.Entry{Path: somewhere()}
			switch k := r.IntN(14); {
			case k < 4:
				e.Type, e.Mode = catalog.Directory, uint32(0o700+i)
			case k < 8:
				content := fmt.Sprint(i, j)
				e.Type, e.Mode, e.Size, e.SHA256 = catalog.Regular, 0o644, int64(len(content)), hexOf(content)
			case k < 10:
				e.Type, e.Mode, e.Link = catalog.Symlink, 0o777, targets[r.IntN(len(targets))]
			case k < 11:
				e.Type, e.Link = catalog.Hardlink, somewhere()
			case k < 13:
				e.Type = catalog.Whiteout
			default:
				e.Type = catalog.Opaque
			}
			key := e.Path
			if e.Type == catalog.Whiteout || e.Type == catalog.Opaque {
				key = string(e.Type) + e.Path
			}
			if !taken[key] { // what a Pass guarantees
				taken[key] = true
				layers[i] = append(layers[i], e)
			}
		}
	}
	return layers
}

func TestSquashEqualsReference(t *testing.T) {
	t.Parallel()
	rounds := uint64(10_000)
	if testing.Short() {
		rounds = 2_000
	}
	for seed := range rounds {
		layers := randomStack(rand.New(rand.NewPCG(seed, 1)))
		r := &reference{at: map[string]SquashedEntry{}}
		for i, entries := range layers {
			r.apply(i, entries)
		}
		if want, got := r.list(), Squash(layers); !slices.Equal(want, got) {
			for i, entries := range layers {
				t.Logf("layer %d: %v", i, entries)
			}
			t.Fatalf("seed %d (-reference +squash): %s", seed, cmp.Diff(want, got))
		}
	}
}
