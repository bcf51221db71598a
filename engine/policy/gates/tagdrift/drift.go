package tagdrift

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/match"
	"plimsoll/engine/version"
)

// change is a package at one place before and after; a missing version says that it is not there.
type change struct {
	kind, name, before, after, location string
}

func (c change) message() string {
	text := "Package " + c.name + " (" + c.kind + ") "
	switch {
	case c.before == "":
		text += c.after + " was added"
	case c.after == "":
		text += c.before + " was removed"
	default:
		text += "changed from " + c.before + " to " + c.after
	}
	if c.location != "" {
		text += " at " + c.location
	}
	return text
}

func (c change) key() []string {
	switch {
	case c.before == "":
		return []string{c.kind, c.name, c.after}
	case c.after == "":
		return []string{c.kind, c.name, c.before}
	}
	return []string{c.kind, c.name, c.before, c.after}
}

type drift struct{ added, removed, modified []change }

// product is what versions are compared of.
type product struct{ kind, name, arch string }

type installed struct{ version, location string }

func compare(before, after []catalog.Package) *drift {
	old, present := byProduct(before), byProduct(after)
	all := maps.Clone(old)
	maps.Copy(all, present)
	products := slices.SortedFunc(maps.Keys(all), func(a, b product) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name), strings.Compare(a.arch, b.arch))
	})
	out := new(drift)
	for _, p := range products {
		out.product(p, old[p], present[p])
	}
	return out
}

// byProduct lists what is installed of each product, each version once at a place, in the order of versions.
func byProduct(packages []catalog.Package) map[product][]installed {
	out := map[product][]installed{}
	for i := range packages {
		p := &packages[i]
		key := product{p.Type, p.Name, p.Arch}
		out[key] = append(out[key], installed{p.Version, p.Location})
	}
	for key, list := range out {
		slices.SortFunc(list, func(a, b installed) int {
			order, err := version.Compare(match.Order(key.kind), a.version, b.version)
			if err != nil {
				order = 0
			}
			return cmp.Or(order, strings.Compare(a.version, b.version), strings.Compare(a.location, b.location))
		})
		out[key] = slices.Compact(list)
	}
	return out
}

// product pairs what was installed of a product with what is: the same version at the same place, else anywhere, is no
// change; another version at the same place is one, and so are those that are left, in their order.
func (d *drift) product(p product, old, present []installed) {
	none := func(installed, installed) {}
	changed := func(a, b installed) {
		d.modified = append(d.modified, change{p.kind, p.name, a.version, b.version, b.location})
	}
	old, present = pair(old, present, func(i installed) installed { return i }, none)
	old, present = pair(old, present, func(i installed) string { return i.version }, none)
	old, present = pair(old, present, func(i installed) string { return i.location }, changed)
	n := min(len(old), len(present))
	for i := range n {
		changed(old[i], present[i])
	}
	for _, a := range old[n:] {
		d.removed = append(d.removed, change{kind: p.kind, name: p.name, before: a.version, location: a.location})
	}
	for _, b := range present[n:] {
		d.added = append(d.added, change{kind: p.kind, name: p.name, after: b.version, location: b.location})
	}
}

// pair takes out those of equal keys, first come first served, and returns the others. Images may have thousands.
func pair[K comparable](old, present []installed, key func(installed) K, found func(a, b installed)) (restOld, rest []installed) {
	waiting := map[K][]int{} // indexes into present
	for i, b := range present {
		waiting[key(b)] = append(waiting[key(b)], i)
	}
	taken := make([]bool, len(present))
	for _, a := range old {
		list := waiting[key(a)]
		if len(list) == 0 {
			restOld = append(restOld, a)
			continue
		}
		found(a, present[list[0]])
		taken[list[0]], waiting[key(a)] = true, list[1:]
	}
	for i, b := range present {
		if !taken[i] {
			rest = append(rest, b)
		}
	}
	return restOld, rest
}
