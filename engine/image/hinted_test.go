package image

import (
	"testing"

	"plimsoll/engine/catalog"
)

const hintsFile = "/plimsoll_hints.json"

// hint is a hints file that claims one package; place may be empty.
func hint(kind, name, version, place string) catalog.Package {
	p := catalog.Package{Type: kind, Name: name, Version: version, Location: hintsFile,
		Metadata: map[string]string{catalog.MetadataEvidence: catalog.EvidenceHint}}
	if place != "" {
		p.Location = place
	}
	return p
}

func TestHintsAddAndNeverReplace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hints  []catalog.Package
		listed string
	}{
		"nothing found":                    {[]catalog.Package{hint("npm", "y", "1", "")}, "a=1@1 x=1@1 y=1@1"},
		"another version":                  {[]catalog.Package{hint("npm", "x", "2", "")}, "a=1@1 x=1@1 x=2@1"},
		"the same package":                 {[]catalog.Package{hint("npm", "x", "1", "/elsewhere")}, "a=1@1 x=1@1"},
		"a place that is taken":            {[]catalog.Package{hint("npm", "y", "2", "/n/x/package.json")}, "a=1@1 x=1@1"},
		"another type":                     {[]catalog.Package{hint("gem", "x", "1", "")}, "a=1@1 x=1@1 x=1@1"},
		"an OS package found":              {[]catalog.Package{hint("dpkg", "a", "2", "")}, "a=1@1 x=1@1"},
		"an OS package not found":          {[]catalog.Package{hint("dpkg", "b", "2", "")}, "a=1@1 b=2@1 x=1@1"},
		"an OS package in the database":    {[]catalog.Package{hint("dpkg", "b", "2", status)}, "a=1@1 b=2@1 x=1@1"},
		"twice":                            {[]catalog.Package{hint("npm", "y", "1", ""), hint("npm", "y", "1", "/p")}, "a=1@1 x=1@1 y=1@1"},
		"an OS package in two versions":    {[]catalog.Package{hint("dpkg", "b", "1", ""), hint("dpkg", "b", "2", "")}, "a=1@1 b=1@1 x=1@1"},
		"two at one place, both not found": {[]catalog.Package{hint("npm", "y", "1", "/p"), hint("npm", "z", "1", "/p")}, "a=1@1 x=1@1 y=1@1 z=1@1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			img := assemble(t, layerWith(t, 1, "f"+status+" f/n/x/package.json f"+hintsFile,
				dpkgs(status, "a=1"), npm("/n/x/package.json", "x"),
				FileEvidence{hintsFile, "content-hints", catalog.Evidence{Packages: test.hints}}))
			if got := summary(img.Packages, nothing); got != test.listed {
				t.Errorf("got %s", got)
			}
		})
	}
}
