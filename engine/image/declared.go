package image

import (
	"path"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// dependencyTrees are directories package tools unpack dependencies into: a lock file in there speaks of how a
// dependency was developed, not of what the image holds.
var dependencyTrees = []string{
	"/node_modules/", "/site-packages/", "/dist-packages/", "/vendor/", "/gems/", "/.cargo/registry/", "/go/pkg/mod/", "/.nuget/packages/",
}

// undeclared drops packages that are only asked for wherever there is better evidence: the image holds a package
// of that name, whatever the version, or the tree the list describes is installed below it (what it lacks was left
// out on purpose, as development dependencies are). Of several lists in one directory the first by name speaks.
func undeclared(all []located) []located {
	installed := map[typed]bool{}
	trees := map[string][]string{} // type to where its installed packages lie
	for i := range all {
		if p := &all[i]; !p.Declared() {
			installed[typeAndName(&p.Package)] = true
			trees[p.Type] = append(trees[p.Type], p.from.path)
		}
	}
	for _, places := range trees {
		slices.Sort(places)
	}
	type line struct {
		dir string
		catalog.Identity
	}
	seen := map[line]string{} // to the list that has it
	return slices.DeleteFunc(all, func(p located) bool {
		if !p.Declared() {
			return false
		}
		list := p.from.path
		dir := path.Dir(list)
		if installed[typeAndName(&p.Package)] || holds(trees[p.Type], dir) || slices.ContainsFunc(dependencyTrees, func(tree string) bool { return strings.Contains(list, tree) }) {
			return true
		}
		key := line{dir, p.Identity()}
		first, known := seen[key]
		if !known {
			seen[key] = list
		}
		return known && first != list
	})
}

type typed struct{ kind, name string }

// typeAndName compares Python's names as their index does (PEP 503); lists and wheels spell them differently.
func typeAndName(p *catalog.Package) typed {
	name := p.Name
	if p.Type == catalog.TypePython {
		name = pythonName.Replace(strings.ToLower(name))
	}
	return typed{p.Type, name}
}

var pythonName = strings.NewReplacer("_", "-", ".", "-")

// holds reports whether one of the sorted places lies below a directory. The root says nothing: everything does.
func holds(places []string, dir string) bool {
	if dir == "/" {
		return false
	}
	i, _ := slices.BinarySearch(places, dir+"/")
	return i < len(places) && strings.HasPrefix(places[i], dir+"/")
}
