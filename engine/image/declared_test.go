package image

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
)

// lock is a list that asks for packages.
func lock(path, kind string, names ...string) FileEvidence {
	e := FileEvidence{Path: path, Analyzer: "lock"}
	for _, n := range names {
		e.Evidence.Packages = append(e.Evidence.Packages, catalog.Package{Type: kind, Name: n, Version: "2", Location: path,
			Metadata: map[string]string{catalog.MetadataEvidence: catalog.EvidenceDeclared}})
	}
	return e
}

func npm(path, name string) FileEvidence {
	return FileEvidence{path, "npm", catalog.Evidence{Packages: []catalog.Package{{Type: catalog.TypeNpm, Name: name, Version: "1", Location: path}}}}
}

func TestDeclaredPackagesGiveWayToInstalledOnes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		found  []FileEvidence
		listed string
	}{
		{"a lock alone counts", []FileEvidence{lock("/a/package-lock.json", "npm", "x", "y")}, "x=2@1 y=2@1"},
		{
			"installed elsewhere in another version",
			[]FileEvidence{npm("/lib/node_modules/x/package.json", "x"), lock("/a/package-lock.json", "npm", "x", "y")}, "x=1@1 y=2@1",
		},
		{
			"beside its installed tree",
			[]FileEvidence{npm("/a/node_modules/x/package.json", "x"), lock("/a/package-lock.json", "npm", "x", "dev")}, "x=1@1",
		},
		{
			"a tree of another type",
			[]FileEvidence{python("/a/x.dist-info/METADATA", "x"), lock("/a/package-lock.json", "npm", "x")}, "x=2@1 x=1@1",
		},
		{
			"the root directory is everybody's",
			[]FileEvidence{npm("/lib/node_modules/x/package.json", "x"), lock("/package-lock.json", "npm", "y")}, "x=1@1 y=2@1",
		},
		{"a dependency's own lock", []FileEvidence{lock("/a/vendor/d/Gemfile.lock", "gem", "x")}, ""},
		{
			"two locks of one project",
			[]FileEvidence{lock("/a/package-lock.json", "npm", "x", "y"), lock("/a/yarn.lock", "npm", "x", "z")}, "x=2@1 y=2@1 z=2@1",
		},
		{
			"the locks of two projects",
			[]FileEvidence{lock("/a/yarn.lock", "npm", "x"), lock("/b/yarn.lock", "npm", "x")}, "x=2@1 x=2@1",
		},
		{
			"Python spells names in several ways",
			[]FileEvidence{python("/lib/Foo_Bar.dist-info/METADATA", "Foo_Bar"), lock("/a/poetry.lock", "python", "foo-bar")}, "Foo_Bar=1@1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			words := ""
			for _, f := range tt.found {
				words += " f" + f.Path
			}
			img := assemble(t, layerWith(t, 1, words, tt.found...))
			if diff := cmp.Diff(tt.listed, summary(img.Packages, nothing)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
