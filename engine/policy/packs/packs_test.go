package packs

import (
	"io/fs"
	"strings"
	"testing"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/trial"
)

func TestPacksAreValidAndKeepTheirPromises(t *testing.T) {
	t.Parallel()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, p := range all {
		compiled, warnings, err := policy.Load(p.Document, gates.All())
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v", p.Name, err, warnings)
			continue
		}
		if other, taken := ids[p.ID]; taken || p.Title == "" || p.Description == "" {
			t.Errorf("%s: id of %q, title %q, description %q", p.Name, other, p.Title, p.Description)
		}
		ids[p.ID] = p.Name
		_, tests, err := Files(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		suite, err := trial.ReadSuite(tests)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		outcomes, err := suite.Run(t.Context(), trial.Surroundings{Gates: gates.All(), Read: func(name string) ([]byte, error) { return fs.ReadFile(files, name) }})
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		fired := map[string]bool{}
		for _, o := range outcomes {
			for _, fault := range o.Faults {
				t.Errorf("%s: %s: %s", p.Name, o.Case, fault)
			}
			if o.Result == nil {
				continue
			}
			for _, f := range o.Result.Details.Findings {
				fired[f.RuleID] = true
			}
		}
		for _, set := range compiled.Document().RuleSets {
			for _, rule := range set.Rules {
				if !fired[rule.ID] {
					t.Errorf("%s: no test shows what rule %s does (%s)", p.Name, rule.ID, rule.Description)
				}
			}
		}
	}
}

func TestEveryFileBelongsToAPack(t *testing.T) {
	t.Parallel()
	entries, err := fs.ReadDir(files, ".")
	if err != nil || len(entries) != 2*len(names) {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".yaml"), "_test")
		if _, _, err := Files(name); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := Files("unheard"); err == nil {
		t.Error("an unknown pack has files")
	}
}
