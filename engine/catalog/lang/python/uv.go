package python

import (
	"context"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
	"plimsoll/engine/catalog/toml"
)

// analyzeUV reads uv.lock: what the projects in it need, with optional but without development dependencies,
// which the projects' entries name apart.
func analyzeUV(_ context.Context, f *catalog.File) (catalog.Evidence, error) {
	tables, err := packages(f)
	list := listing.Declared(f, catalog.TypePython, "PythonUvLockMetadata")
	needed := reachable(tables)
	for i, t := range tables {
		if needed[i] && !isProject(t) {
			list.Add(locked(t.Text("name"), t.Text("version")))
		}
	}
	return list.Evidence(err)
}

// isProject tells what lies beside the lock from what is fetched.
func isProject(t toml.Table) bool {
	source := t.Table("source")
	for _, kind := range []string{"virtual", "editable", "directory"} {
		if source.Text(kind) != "" {
			return true
		}
	}
	return false
}

// reachable returns the indexes of the packages that projects need; all, if no entry is a project.
func reachable(tables []toml.Table) map[int]bool {
	needed := map[int]bool{}
	byName := map[string][]int{}
	var open []int
	need := func(i int) {
		if !needed[i] {
			needed[i] = true
			open = append(open, i)
		}
	}
	for i, t := range tables {
		byName[t.Text("name")] = append(byName[t.Text("name")], i)
		if isProject(t) {
			need(i)
		}
	}
	if len(open) == 0 {
		for i := range tables {
			needed[i] = true
		}
		return needed
	}
	// Work stays linear however often a name is asked for: all of a name are taken once.
	whole := map[string]bool{}
	for len(open) > 0 {
		t := tables[open[len(open)-1]]
		open = open[:len(open)-1]
		for _, d := range needs(t) {
			name, version := d.Text("name"), d.Text("version") // the version only where there are several
			if whole[name] {
				continue
			}
			whole[name] = version == ""
			for _, i := range byName[name] {
				if version == "" || tables[i].Text("version") == version {
					need(i)
				}
			}
		}
	}
	return needed
}

func needs(t toml.Table) []toml.Table {
	all := toml.List[toml.Table](t, "dependencies")
	optional := t.Table("optional-dependencies")
	for extra := range listing.Sorted(optional) {
		all = append(all, toml.List[toml.Table](optional, extra)...)
	}
	return all
}
