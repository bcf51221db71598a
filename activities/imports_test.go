package activities

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

func TestClaimsDoNotReachTheDictionaryThatAccountsShare(t *testing.T) {
	t.Parallel()
	honest := catalog.Package{Type: catalog.TypeNpm, Name: "left-pad", Version: "1.2.0", PURL: "pkg:npm/left-pad@1.2.0", Location: "/p"}
	claim := catalog.Package{Type: catalog.TypeBinary, Name: "redis", Version: "7.0", PURL: "pkg:npm/harmless@1", Location: "/r"}
	other := claim
	other.PURL = "pkg:npm/another@1"
	img := &image.Image{Packages: []catalog.Package{honest, claim, other}}
	own, rows := packageRows(img), importedRows(img)
	if rows[0] != own[0] {
		t.Errorf("%+v does not share the entry of %+v", rows[0], own[0])
	}
	if rows[1].Identity == own[1].Identity || rows[1].Identity == rows[2].Identity {
		t.Errorf("claims share an entry: %+v, %+v", rows[1].Identity, rows[2].Identity)
	}
	rules := match.DefaultRules()
	if diff := cmp.Diff(rules.Targets(match.Subject{Identity: own[1].Identity}), rules.Targets(match.Subject{Identity: rows[1].Identity})); diff != "" {
		t.Errorf("the claim is matched under other names: %s", diff)
	}
}

func TestImportsOfAccountsAreKeptApart(t *testing.T) {
	t.Parallel()
	a := &Activities{}
	use := persistence.ImportUse{Operation: "1", Contents: map[string]string{"packages": "sha256:a", "manifest": "sha256:b"}}
	again := persistence.ImportUse{Operation: "2", Contents: map[string]string{"manifest": "sha256:b", "packages": "sha256:a"}}
	changed := persistence.ImportUse{Operation: "1", Contents: map[string]string{"manifest": "sha256:b", "packages": "sha256:c"}}
	set := a.importedSet("mine", use)
	if !strings.HasPrefix(set, "import:mine:") || set != a.importedSet("mine", again) {
		t.Errorf("the same documents are %s and %s", set, a.importedSet("mine", again))
	}
	for _, other := range []string{a.importedSet("theirs", use), a.importedSet("mine", changed)} {
		if other == set {
			t.Errorf("another import is stored under %s, too", set)
		}
	}
}
