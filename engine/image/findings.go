package image

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// Bounds on the findings of one image.
const (
	maxFoundHits   = 100_000
	maxKeptContent = 64 << 20 // bytes of all kept files
)

// found gathers hits of all layers and the kept files of the final file system, each by path. missing says what was
// left out because there is too much.
func (a *assembly) found() (f Findings, missing []catalog.Incompleteness) {
	linked := a.linked()
	for i, l := range a.layers {
		for j := range l.Evidence {
			e := &l.Evidence[j]
			index, ok := a.byPath[i][e.Path]
			if len(e.Evidence.Hits) == 0 || !ok || index < 0 {
				continue
			}
			path, removed := e.Path, false
			switch n := a.survivors[i][index]; {
			case n != nil:
				path = n.path()
			case linked[origin{i, index}] != "":
				path = linked[origin{i, index}]
			default:
				removed = true
			}
			for _, h := range e.Evidence.Hits {
				f.Hits = append(f.Hits, Hit{SearchHit: h, Path: path, Layer: l.Digest, Removed: removed})
			}
		}
	}
	slices.SortStableFunc(f.Hits, compareHits)
	if len(f.Hits) > maxFoundHits {
		f.Hits = f.Hits[:maxFoundHits]
		missing = append(missing, catalog.Incompleteness{Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("more than %d search hits in the image", maxFoundHits)})
	}
	return f, append(missing, a.kept(&f)...)
}

// compareHits orders by path; of one path what remains comes first, and within a search the lower layer's.
func compareHits(a, b Hit) int {
	rank := func(h *Hit) int {
		if h.Removed {
			return 1
		}
		return 0
	}
	return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(rank(&a), rank(&b)), strings.Compare(a.Search, b.Search))
}

// linked are the files that remain under another name only: by their origin, the first path of a hard link.
func (a *assembly) linked() map[origin]string {
	paths := map[origin]string{}
	a.overlay.each(func(path string, n *node) {
		if n.source == nil {
			return
		}
		from := origin{n.source.layer, n.source.index}
		if known, ok := paths[from]; !ok || path < known {
			paths[from] = path
		}
	})
	return paths
}

// kept takes in the kept files that remain, up to maxKeptContent.
func (a *assembly) kept(f *Findings) (missing []catalog.Incompleteness) {
	total := 0
	for i := range a.alive {
		e := &a.alive[i]
		if e.Evidence.Retrieved == nil {
			continue
		}
		if total+len(e.Evidence.Retrieved.Content) > maxKeptContent {
			missing = append(missing, catalog.Incompleteness{
				Path: e.path, Analyzer: e.Analyzer, Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("kept files of an image may have %d bytes together", maxKeptContent),
			})
			continue
		}
		total += len(e.Evidence.Retrieved.Content)
		f.Retrieved = append(f.Retrieved, Retrieved{RetrievedFile: *e.Evidence.Retrieved, Path: e.path})
	}
	return missing
}
