package image

import (
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// Squash lays layers over each other, bottom first, and returns the final file system sorted by path, each
// entry with the layer that gave it its present shape. Directories that no layer names but that must exist
// are listed with mode 0755; the root only if a layer names it. Hard links carry the size, digest, mode and
// owner of what they lead to. Of layers that CheckSquash refuses, only a part is returned.
func Squash(layers [][]catalog.Entry) []SquashedEntry {
	o := newOverlay()
	_ = o.stack(layers) // whoever stored the layers has refused such
	var all []SquashedEntry
	o.each(func(p string, n *node) {
		e := n.entry
		e.Path = p
		all = append(all, SquashedEntry{Entry: e, Layer: n.layer})
	})
	slices.SortFunc(all, func(a, b SquashedEntry) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// CheckSquash reports layers that together ask for more than an image may: ErrLimit.
func CheckSquash(layers [][]catalog.Entry) error { return newOverlay().stack(layers) }

func (o *overlay) stack(layers [][]catalog.Entry) error {
	for i, entries := range layers {
		if err := o.apply(i, entries); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return nil
}

// each visits all nodes but an unnamed root, in no particular order.
func (o *overlay) each(visit func(path string, n *node)) {
	if o.root.index >= 0 {
		visit("/", o.root)
	}
	o.root.descend("", visit)
}

func (n *node) descend(prefix string, visit func(string, *node)) {
	for name, child := range n.children {
		p := prefix + "/" + name
		visit(p, child)
		child.descend(p, visit)
	}
}
