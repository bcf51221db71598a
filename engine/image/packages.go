package image

import (
	"cmp"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// located is a package with the evidence it comes from.
type located struct {
	catalog.Package
	from     *finding
	analyzer string
}

// packages collects the surviving packages: relocated, named after the distro, with the layer that introduced
// them, licences declared elsewhere and the OS package that owns their file; each once per place.
func (a *assembly) packages(d *catalog.Distro, namespace string) []catalog.Package {
	var all []located
	for i := range a.alive {
		f := &a.alive[i]
		var since map[catalog.Identity]int
		for _, p := range f.Evidence.Packages {
			layer := f.layer
			if catalog.IsOS(p.Type) {
				if since == nil {
					since = a.history(f.node)
				}
				layer = since[p.Identity()]
			}
			p.Layer = a.layers[layer].Digest
			p.Location = relocate(p.Location, f.FileEvidence.Path, f.path)
			catalog.SetDistro(&p, d, namespace)
			all = append(all, located{p, f, f.Analyzer})
		}
	}
	slices.SortStableFunc(all, compareLocated)
	all = unhinted(undeclared(unite(all)))
	a.license(all)
	a.own(all)
	packages := make([]catalog.Package, len(all))
	for i := range all {
		packages[i] = all[i].Package
	}
	return packages
}

func compareLocated(a, b located) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch), strings.Compare(a.Source, b.Source),
		strings.Compare(a.SourceVersion, b.SourceVersion), strings.Compare(a.Location, b.Location), strings.Compare(a.analyzer, b.analyzer))
}

// relocate moves a location along with its file when a symbolic link of a lower layer took that elsewhere.
func relocate(location, was, is string) string {
	if location == "" {
		return is
	}
	if rest, ok := strings.CutPrefix(location, was); ok && was != is && (rest == "" || rest[0] == ':') {
		return is + rest
	}
	return location
}

// history tells for each package of a database file since which layer every version of the file has it.
func (a *assembly) history(n *node) map[catalog.Identity]int {
	since := map[catalog.Identity]int{}
	for id := range a.identities(n) {
		since[id] = n.layer
	}
	unbroken := maps.Clone(since)
	for n = n.before; n != nil && len(unbroken) > 0; n = n.before {
		older := a.identities(n)
		for id := range unbroken {
			if older[id] {
				since[id] = n.layer
			} else {
				delete(unbroken, id)
			}
		}
	}
	return since
}

func (a *assembly) identities(n *node) map[catalog.Identity]bool {
	ids := map[catalog.Identity]bool{}
	n = n.file()
	for _, f := range a.findings[origin{n.layer, n.index}] {
		for i := range f.Evidence.Packages {
			ids[f.Evidence.Packages[i].Identity()] = true
		}
	}
	return ids
}

// unite makes one package of what several analyzers found at the same place; the first by name leads, the
// others fill in what it lacks.
func unite(sorted []located) []located {
	kept := sorted[:0]
	for _, p := range sorted {
		if last := len(kept) - 1; last >= 0 && kept[last].Identity() == p.Identity() && kept[last].Location == p.Location {
			fill(&kept[last].Package, &p.Package)
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

func fill(p, other *catalog.Package) {
	p.PURL = cmp.Or(p.PURL, other.PURL)
	p.Origin = cmp.Or(p.Origin, other.Origin)
	p.Size = cmp.Or(p.Size, other.Size)
	if len(p.CPEs) == 0 {
		p.CPEs = other.CPEs
	}
	if len(p.Licenses) == 0 {
		p.Licenses = other.Licenses
	}
	if p.MetadataType == "" {
		p.MetadataType, p.Metadata = other.MetadataType, other.Metadata
	}
}

// license gives packages without licences those that another file states for them.
func (a *assembly) license(all []located) {
	type named struct{ kind, name string }
	stated := map[named][]string{}
	for i := range a.alive {
		if s := a.alive[i].Evidence.Licenses; s != nil {
			if key := (named{s.Type, s.Name}); stated[key] == nil {
				stated[key] = s.Licenses
			}
		}
	}
	for i := range all {
		if p := &all[i].Package; len(p.Licenses) == 0 {
			p.Licenses = stated[named{p.Type, p.Name}]
		}
	}
}

// own marks packages whose file the OS package database lists as part of one of its packages. Paths compare
// after their directories' symbolic links are followed: dpkg lists /lib/x where the image has /usr/lib/x.
func (a *assembly) own(all []located) {
	wanted := map[*node]string{} // file of a non-OS package to its owner's purl
	names := map[string]bool{}
	for i := range all {
		if p := &all[i]; !catalog.IsOS(p.Type) {
			wanted[p.from.node] = ""
			names[path.Base(p.from.path)] = true
		}
	}
	if len(wanted) == 0 {
		return
	}
	diverted := a.diversions()
	owners := newOwners(func(yield func(*catalog.Package) bool) {
		for i := range all {
			if !yield(&all[i].Package) {
				return
			}
		}
	})
	for i := range a.alive {
		owns := a.alive[i].Evidence.Owns
		for j := range owns {
			a.claim(wanted, names, owners.find(a, &owns[j]), &owns[j], diverted)
		}
	}
	for i := range all {
		if p := &all[i]; !catalog.IsOS(p.Type) {
			p.Owner = wanted[p.from.node]
		}
	}
}

// claim sets the owner of the wanted files among the listed ones that have none yet.
func (a *assembly) claim(wanted map[*node]string, names map[string]bool, purl string, owns *catalog.Ownership, diverted diversions) {
	if purl == "" {
		return
	}
	for listed := range owns.Files() {
		listed = diverted.of(owns, listed)
		if !names[path.Base(listed)] {
			continue
		}
		n := a.overlay.place(listed)
		if owner, ok := wanted[n]; ok && owner == "" {
			wanted[n] = purl
		}
	}
}

// place finds the node of a path whose directories may be symbolic links; the last component is not followed.
func (o *overlay) place(file string) *node {
	dir, base := path.Split(file)
	if parent := o.follow(dir); parent != nil {
		return parent.children[base]
	}
	return nil
}

// owners finds OS packages by the ways an Ownership names them.
type owners struct {
	byName   map[[2]string]string // type, name
	byArch   map[[3]string]string // type, name, arch
	byRecord map[string]string    // location
}

func newOwners(all iter.Seq[*catalog.Package]) *owners {
	o := &owners{map[[2]string]string{}, map[[3]string]string{}, map[string]string{}}
	for p := range all {
		if !catalog.IsOS(p.Type) {
			continue
		}
		keep(o.byName, [2]string{p.Type, p.Name}, p.PURL)
		keep(o.byArch, [3]string{p.Type, p.Name, p.Arch}, p.PURL)
		keep(o.byRecord, p.Location, p.PURL)
	}
	return o
}

// keep sets a key that is not set yet: the first in the packages' order wins.
func keep[K comparable, V any](m map[K]V, key K, value V) {
	if _, ok := m[key]; !ok {
		m[key] = value
	}
}

func (o *owners) find(a *assembly, own *catalog.Ownership) string {
	switch {
	case own.Record != "":
		record := own.Record
		if n := a.overlay.place(record); n != nil {
			record = n.path()
		}
		return o.byRecord[record]
	case own.Arch != "":
		return o.byArch[[3]string{own.Type, own.Name, own.Arch}]
	}
	return o.byName[[2]string{own.Type, own.Name}]
}
