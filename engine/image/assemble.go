package image

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// errNoLayer reports a hole in the list given to Assemble, a fault of the caller.
var errNoLayer = errors.New("layer result is missing")

// Assemble lays layer results over each other, bottom first, and returns what the image holds and what was found in
// its files. namespace names
// a distro as advisories do; its argument may be nil.
//
// Evidence counts if the surviving entry of its path comes from the layer the evidence was found in. A package
// of an OS package database is introduced by the lowest layer from which on every version of that database has
// it; any other package by the layer of its file.
//
// A layer may be listed more than once. ErrLimit when the layers together ask for more than an image may.
func Assemble(layers []*Layer, namespace func(*catalog.Distro) string) (*Image, Findings, error) {
	return assembleOn(newOverlay(), layers, namespace)
}

func assembleOn(empty *overlay, layers []*Layer, namespace func(*catalog.Distro) string) (*Image, Findings, error) {
	a := &assembly{layers: layers, overlay: empty}
	img := &Image{Packages: []catalog.Package{}, Layers: make([]LayerSummary, 0, len(layers))}
	for i, l := range layers {
		if l == nil {
			return nil, Findings{}, fmt.Errorf("assemble image: layer %d: %w", i+1, errNoLayer)
		}
		if err := a.overlay.apply(i, l.Entries); err != nil {
			return nil, Findings{}, fmt.Errorf("assemble image: layer %d: %w", i+1, err)
		}
		img.Layers = append(img.Layers, LayerSummary{l.Digest, l.DiffID, l.CompressedSize, l.Size})
		img.Size += l.Size
	}
	a.survey(img)
	a.sift()
	img.Distro = a.distro()
	img.Packages = a.packages(img.Distro, namespace(img.Distro))
	findings, missing := a.found()
	img.Incomplete = append(a.incompleteness(), missing...)
	slices.SortStableFunc(img.Incomplete, compareIncomplete)
	img.Scans, img.Malware = a.scans(), a.malware()
	img.Verified = a.verifications(img.Packages)
	return img, findings, nil
}

// assembly is the state of one Assemble.
type assembly struct {
	layers  []*Layer
	overlay *overlay
	// survivors maps, per layer, an entry's index to its place in the final file system.
	survivors []map[int]*node
	byPath    []map[string]int     // per layer, the entries that evidence and records speak of
	findings  map[origin][]finding // all evidence, by file
	alive     []finding            // evidence that counts, by path and analyzer
}

// origin is a file of a layer.
type origin struct{ layer, index int }

type finding struct {
	*FileEvidence
	origin
	path string // in the image
	node *node
}

// survey finds the places of all entries that evidence or incompleteness speaks of.
func (a *assembly) survey(img *Image) {
	a.byPath = make([]map[string]int, len(a.layers))
	a.survivors = make([]map[int]*node, len(a.layers))
	for i, l := range a.layers {
		spoken := make(map[string]int, len(l.Evidence)+len(l.Incomplete))
		for j := range l.Evidence {
			spoken[l.Evidence[j].Path] = -1
		}
		for j := range l.Incomplete {
			for p := l.Incomplete[j].Path; p != ""; p = outer(p) {
				spoken[p] = -1
			}
		}
		for j := range l.Entries {
			e := &l.Entries[j]
			if _, ok := spoken[e.Path]; ok && e.Type != catalog.Whiteout && e.Type != catalog.Opaque {
				spoken[e.Path] = j
			}
		}
		a.byPath[i], a.survivors[i] = spoken, make(map[int]*node, len(spoken))
	}
	a.overlay.each(func(_ string, n *node) {
		img.FileCount++
		if n.index < 0 {
			return
		}
		if _, ok := a.byPath[n.layer][a.layers[n.layer].Entries[n.index].Path]; ok {
			a.survivors[n.layer][n.index] = n
		}
	})
}

// sift separates the evidence that counts from what upper layers hide.
func (a *assembly) sift() {
	a.findings = map[origin][]finding{}
	for i, l := range a.layers {
		for j := range l.Evidence {
			e := &l.Evidence[j]
			index, ok := a.byPath[i][e.Path]
			if !ok || index < 0 {
				continue
			}
			f := finding{FileEvidence: e, origin: origin{i, index}}
			if n := a.survivors[i][index]; n != nil {
				f.node, f.path = n, n.path()
				a.alive = append(a.alive, f)
			}
			a.findings[f.origin] = append(a.findings[f.origin], f)
		}
	}
	slices.SortStableFunc(a.alive, func(x, y finding) int {
		return cmp.Or(strings.Compare(x.path, y.path), strings.Compare(x.Analyzer, y.Analyzer))
	})
}

// distro is what the surviving os-release says: the one /etc/os-release leads to, else the surviving file of
// the lowest catalog.DistroRank (a broken /etc/os-release leaves /usr/lib/os-release, os-release(5)).
func (a *assembly) distro() *catalog.Distro {
	if n := a.overlay.follow("/etc/os-release"); n != nil {
		for _, f := range a.findings[origin{n.file().layer, n.file().index}] {
			if f.Evidence.Distro != nil {
				return f.Evidence.Distro
			}
		}
	}
	var best *finding
	for i := range a.alive {
		f := &a.alive[i]
		if f.Evidence.Distro != nil && (best == nil || catalog.DistroRank(f.path) < catalog.DistroRank(best.path)) {
			best = f
		}
	}
	if best == nil {
		return nil
	}
	return best.Evidence.Distro
}

// incompleteness keeps the records about files that survive or have no entry, under their final path.
func (a *assembly) incompleteness() []catalog.Incompleteness {
	var all []catalog.Incompleteness
	for i, l := range a.layers {
		for _, m := range l.Incomplete {
			if m, ok := a.final(i, m); ok {
				all = append(all, m)
			}
		}
	}
	for _, f := range a.overlay.fault {
		all = append(all, catalog.Incompleteness{Path: a.layers[f.layer].Entries[f.index].Path, Reason: f.reason, Detail: shorten(f.detail, recordDetail)})
	}
	slices.SortStableFunc(all, compareIncomplete)
	all = slices.Compact(all)
	if more := a.overlay.faults - len(a.overlay.fault); more > 0 {
		all = append(all, catalog.Incompleteness{Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("%d more entries have no place in the image", more)})
	}
	return all
}

// final gives a record the path its file has in the image; false when the file does not survive.
func (a *assembly) final(layer int, m catalog.Incompleteness) (catalog.Incompleteness, bool) {
	for p := m.Path; p != ""; p = outer(p) {
		if index := a.byPath[layer][p]; index >= 0 {
			n := a.survivors[layer][index]
			if n != nil {
				m.Path = n.path() + m.Path[len(p):]
			}
			return m, n != nil
		}
	}
	return m, true
}

// outer strips the last member of a nested archive's path: /app.jar:BOOT-INF/lib/x.jar gives /app.jar.
func outer(p string) string { return p[:max(strings.LastIndexByte(p, ':'), 0)] }
