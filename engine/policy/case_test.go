package policy_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
)

var update = flag.Bool("update", false, "rewrite expected results")

// TestCases evaluates the cases in testdata/*.txtar. A case has the files facts.yaml (policy.Static, severities as
// words), ask.yaml (tag and now), policy.yaml and result.json: the result without the policy it repeats, and with
// valid_until.
func TestCases(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			runCase(t, path)
		})
	}
}

func runCase(t *testing.T, path string) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*txtar.File{}
	for i := range archive.Files {
		files[archive.Files[i].Name] = &archive.Files[i]
	}
	for _, name := range []string{"facts.yaml", "ask.yaml", "policy.yaml", "result.json"} {
		if files[name] == nil {
			t.Fatalf("%s lacks %s", path, name)
		}
	}
	var ask struct {
		Tag string    `json:"tag"`
		Now time.Time `json:"now"`
	}
	decode(t, toJSON(t, files["ask.yaml"].Data), &ask)
	compiled := load(t, toJSON(t, files["policy.yaml"].Data))
	result, err := compiled.Evaluate(t.Context(), readFacts(t, files["facts.yaml"].Data), ask.Tag, ask.Now)
	if err != nil {
		t.Fatal(err)
	}
	got := render(t, result)
	if *update {
		files["result.json"].Data = got
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(files["result.json"].Data), string(got)); diff != "" {
		t.Errorf("result differs (-want +got):\n%s", diff)
	}
}

func load(t testing.TB, document []byte) *policy.Policy {
	t.Helper()
	compiled, _, err := policy.Load(document, gates.All())
	if err != nil {
		t.Fatalf("load policy: %v", err)
	}
	return compiled
}

// render writes a result the way the API does, without details.policy and with valid_until.
func render(t testing.TB, result *policy.Result) []byte {
	t.Helper()
	encoded, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	decode(t, encoded, &tree)
	delete(tree["details"].(map[string]any), "policy")
	if !result.ValidUntil.IsZero() {
		tree["valid_until"] = result.ValidUntil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(tree); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func decode(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

func toJSON(t testing.TB, data []byte) []byte {
	t.Helper()
	return encode(t, fromYAML(t, data))
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func fromYAML(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func readFacts(t testing.TB, data []byte) *policy.Static {
	t.Helper()
	tree := fromYAML(t, data)
	list, _ := tree["vulnerabilities"].([]any)
	ordinals := map[any]int{"unknown": 0, "negligible": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
	for _, v := range list {
		entry := v.(map[string]any)
		ordinal, ok := ordinals[entry["severity"]]
		if !ok {
			t.Fatalf("severity %v of %v is unheard of", entry["severity"], entry["id"])
		}
		entry["severity"] = ordinal
	}
	decoder := json.NewDecoder(bytes.NewReader(encode(t, tree)))
	decoder.DisallowUnknownFields()
	facts := new(policy.Static)
	if err := decoder.Decode(facts); err != nil {
		t.Fatal(err)
	}
	return facts
}
