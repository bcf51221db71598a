package gates

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/policy"
)

var update = flag.Bool("update", false, "rewrite the reference page and the specification")

func TestGatesAreWellFormed(t *testing.T) {
	t.Parallel()
	if err := policy.Validate(All()); err != nil {
		t.Error(err)
	}
}

func TestMalformedGatesAreRefused(t *testing.T) {
	t.Parallel()
	prepare := All()[0].Triggers[0].Prepare
	good := func() policy.Trigger {
		return policy.Trigger{Name: "t", Doc: "d", Prepare: prepare,
			Params: []policy.Param{{Name: "p", Doc: "d", Type: policy.Integer, Default: "1", Example: "2"}}}
	}
	tests := map[string]func(*policy.Gate){
		"gate name":          func(g *policy.Gate) { g.Name = "Bad-Name" },
		"gate documentation": func(g *policy.Gate) { g.Doc = " " },
		"no trigger":         func(g *policy.Gate) { g.Triggers = nil },
		"trigger twice":      func(g *policy.Gate) { g.Triggers = append(g.Triggers, good()) },
		"no preparation":     func(g *policy.Gate) { g.Triggers[0].Prepare = nil },
		"no type":            func(g *policy.Gate) { g.Triggers[0].Params[0].Type = policy.Type{} },
		"bad default":        func(g *policy.Gate) { g.Triggers[0].Params[0].Default = "x" },
		"bad example":        func(g *policy.Gate) { g.Triggers[0].Params[0].Example = "x" },
		"required default":   func(g *policy.Gate) { g.Triggers[0].Params[0].Required = true },
		"alias is taken":     func(g *policy.Gate) { g.Triggers[0].Params[0].Aliases = []string{"p"} },
	}
	for name, spoil := range tests {
		gate := policy.Gate{Name: "g", Doc: "d", Triggers: []policy.Trigger{good()}}
		if err := policy.Validate([]policy.Gate{gate}); err != nil {
			t.Fatal(err)
		}
		spoil(&gate)
		if policy.Validate([]policy.Gate{gate}) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if policy.Validate([]policy.Gate{All()[0], All()[0]}) == nil {
		t.Error("gate twice: accepted")
	}
}

func TestReferencePage(t *testing.T) {
	t.Parallel()
	golden(t, "REFERENCE.md", policy.Reference(All()))
}

func TestSpecification(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(policy.Spec(All())); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/spec.json", out.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs, run with -update after a review (-want +got):\n%s", path, diff)
	}
}
