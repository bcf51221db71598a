package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/trial"
)

func TestBundlesAreReadAsDocuments(t *testing.T) {
	t.Parallel()
	const path = "testdata/former/bundle.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := trial.ToJSON(archive.Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := policy.Parse(bytes.Replace(bundle, []byte("{"), []byte(`{"id":"hr",`), 1))
	if err != nil {
		t.Fatal(err)
	}
	if !doc.Former() {
		t.Error("the document does not say that it was a bundle")
	}
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(doc); err != nil {
		t.Fatal(err)
	}
	if *update {
		archive.Files[1].Data = got.Bytes()
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(archive.Files[1].Data), got.String()); diff != "" {
		t.Errorf("document differs (-want +got):\n%s", diff)
	}
	again, err := policy.Parse(got.Bytes())
	if err != nil || again.Former() {
		t.Errorf("the document itself: %v, former %v", err, again.Former())
	}
}

// bundleOf writes a document in the former format.
func bundleOf(t *testing.T, document []byte) []byte {
	t.Helper()
	var doc map[string]any
	decode(t, document, &doc)
	rename := func(tree map[string]any, names ...string) {
		for i := 0; i+1 < len(names); i += 2 {
			if value, ok := tree[names[i]]; ok {
				delete(tree, names[i])
				tree[names[i+1]] = value
			}
		}
	}
	each := func(tree map[string]any, key string, do func(map[string]any)) {
		list, _ := tree[key].([]any)
		for _, entry := range list {
			do(entry.(map[string]any))
		}
	}
	doc["version"] = "1_0"
	rename(doc, "description", "comment", "rule_sets", "policies", "allowlists", "whitelists",
		"allowlisted_images", "whitelisted_images", "denylisted_images", "blacklisted_images")
	each(doc, "policies", func(set map[string]any) {
		set["version"] = "1_0"
		rename(set, "description", "comment")
		each(set, "rules", func(rule map[string]any) { delete(rule, "description") })
	})
	each(doc, "whitelists", func(list map[string]any) {
		list["version"] = "1_0"
		each(list, "items", func(item map[string]any) { item["trigger"] = "anything" })
	})
	each(doc, "mappings", func(m map[string]any) { rename(m, "rule_set_ids", "policy_ids", "allowlist_ids", "whitelist_ids") })
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBundleJudgesAsItsDocument(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases")
	}
	more, err := filepath.Glob("gates/*/testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, more...) {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range archive.Files {
				files[f.Name] = f.Data
			}
			facts, err1 := trial.ReadFacts(files["facts.yaml"])
			ask, err2 := trial.ReadAsk(files["ask.yaml"])
			document, err3 := trial.ToJSON(files["policy.yaml"])
			if err := errors.Join(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			imported := load(t, bundleOf(t, document))
			stored, err := json.Marshal(imported.Document())
			if err != nil {
				t.Fatal(err)
			}
			want, err := load(t, document).Evaluate(t.Context(), facts, ask.Tag, ask.Now)
			if err != nil {
				t.Fatal(err)
			}
			for name, p := range map[string]*policy.Policy{"as sent": imported, "as stored": load(t, stored)} {
				got, err := p.Evaluate(t.Context(), facts, ask.Tag, ask.Now)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(verdictOf(want), verdictOf(got)); diff != "" {
					t.Errorf("bundle %s (-document +bundle):\n%s", name, diff)
				}
			}
		})
	}
}

// verdictOf is what a result says of the image. Import writes deprecated names of triggers anew, so that the document's are
// read as the new ones, and what is said about them is left out.
func verdictOf(r *policy.Result) any {
	findings := slices.Clone(r.Details.Findings)
	for i := range findings {
		findings[i].Trigger = strings.Replace(findings[i].Trigger, "blacklist", "denylist", 1)
	}
	problems := slices.DeleteFunc(slices.Clone(r.EvaluationProblems), func(p policy.Problem) bool { return p.Type == policy.ProblemDeprecated })
	return struct {
		Final, Policy policy.Action
		Reason        string
		Mapped        bool
		Findings      []policy.Finding
		Problems      []policy.Problem
	}{r.FinalAction, r.Details.PolicyAction, r.FinalActionReason, r.ImageMappedToRule, findings, problems}
}

func TestFaultsOfBundlesPointIntoTheBundle(t *testing.T) {
	t.Parallel()
	bundle := `{"id":"p","name":"n","version":"1_0",
"policies":[{"id":"rs","version":"1_0","rules":[{"gate":"always","trigger":"always","action":"STOP","params":[]}]}],
"whitelists":[{"id":"wl","version":"1_0","items":[{"gate":"always","trigger_id":"x"}]}],
"mappings":[{"registry":"*","repository":"*","image":{"type":"tag","value":"*"},"policy_id":"rs","whitelist_ids":["wl"]}]}`
	tests := map[string]struct{ old, now, want string }{
		"neither policy":       {`"policy_id":"rs",`, ``, "/mappings/0/policy_ids"},
		"both":                 {`"policy_id":"rs"`, `"policy_id":"rs","policy_ids":["rs"]`, "/mappings/0/policy_id"},
		"dangling policy":      {`"policy_id":"rs"`, `"policy_id":"zz"`, "/mappings/0/policy_id"},
		"dangling policies":    {`"policy_id":"rs"`, `"policy_ids":["rs","zz"]`, "/mappings/0/policy_ids/1"},
		"dangling whitelist":   {`["wl"]`, `["zz"]`, "/mappings/0/whitelist_ids/0"},
		"version of a policy":  {`"rs","version":"1_0"`, `"rs","version":"2"`, "/policies/0/version"},
		"no version":           {`"wl","version":"1_0"`, `"wl"`, "/whitelists/0/version"},
		"unknown gate":         {`"gate":"always","trigger":"always"`, `"gate":"nope","trigger":"always"`, "/policies/0/rules/0/gate"},
		"pattern":              {`"trigger_id":"x"`, `"trigger_id":"regexp:("`, "/whitelists/0/items/0/trigger_id"},
		"parameter after null": {`"params":[]`, `"params":[{"name":"a","value":null},{"name":"b","value":"1"}]`, "/policies/0/rules/0/params/1"},
		"wrong type":           {`"image":{"type":"tag","value":"*"}`, `"image":"x"`, "/mappings/0/image"},
		"policies of no list":  {`"policies":[`, `"policies":3,"x":[`, "/policies"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(bundle, tt.old) {
				t.Fatal("nothing to replace")
			}
			_, _, err := policy.Load([]byte(strings.Replace(bundle, tt.old, tt.now, 1)), gates.All())
			invalid, ok := errors.AsType[*policy.InvalidError](err)
			if !ok {
				t.Fatalf("error %v, want an InvalidError", err)
			}
			if p := invalid.Problems[0]; p.Path != tt.want || !strings.HasPrefix(p.Details, tt.want) {
				t.Errorf("first fault %+v, want %s", p, tt.want)
			}
		})
	}
}

func TestBundleWithoutIDIsNamedByTheAccount(t *testing.T) {
	t.Parallel()
	bundle := []byte(`{"name":"n","version":"1_0","policies":[],"mappings":[]}`)
	p, _, err := policy.LoadFor("harbour", bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Document().ID, "e27353bf1e1b2fcf4f58de0c9803b7dd"; got != want { // md5 of harbour:n
		t.Errorf("id %s, want %s", got, want)
	}
	if _, _, err := policy.Load(bundle, nil); err == nil {
		t.Error("a bundle without id was accepted for no account")
	}
}

func TestFormerHashIDsAreWarnedAbout(t *testing.T) {
	t.Parallel()
	_, warnings, err := policy.Load([]byte(`{"id":"p","version":"1_0","policies":[],"mappings":[],
		"whitelists":[{"id":"wl","version":"1_0","items":[{"gate":"dockerfile","trigger_id":"x"},{"gate":"dockerfile","trigger_id":"41cb7cdf04850e33a11f80c42bf660b3"}]}]}`), gates.All())
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Type != policy.ProblemFormerID || warnings[0].Path != "/whitelists/0/items/1/trigger_id" {
		t.Errorf("warnings %+v", warnings)
	}
}
