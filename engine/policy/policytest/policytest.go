// Package policytest runs the test cases of policies and gates: files that show an image, a policy and the answer.
package policytest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/trial"
)

// Run evaluates the cases in testdata/*.txtar; with update it rewrites the answers. A case has the files facts.yaml
// (policy.Static, severities as words), ask.yaml (tag and now), policy.yaml and result.json: the result without the
// policy it repeats, and with valid_until.
func Run(t *testing.T, gates []policy.Gate, update bool) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			runCase(t, path, gates, update)
		})
	}
}

func runCase(t *testing.T, path string, gates []policy.Gate, update bool) {
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
	got := answer(t, gates, files["facts.yaml"].Data, files["ask.yaml"].Data, files["policy.yaml"].Data)
	if update {
		files["result.json"].Data = got
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(files["result.json"].Data), string(got)); diff != "" {
		t.Errorf("result differs (-want +got):\n%s", diff)
	}
}

func answer(t *testing.T, gates []policy.Gate, factsYAML, askYAML, policyYAML []byte) []byte {
	t.Helper()
	facts, err := trial.ReadFacts(factsYAML)
	if err != nil {
		t.Fatal(err)
	}
	ask, err := trial.ReadAsk(askYAML)
	if err != nil {
		t.Fatal(err)
	}
	document, err := trial.ToJSON(policyYAML)
	if err != nil {
		t.Fatal(err)
	}
	compiled, _, err := policy.Load(document, gates)
	if err != nil {
		t.Fatalf("load policy: %v", err)
	}
	result, err := compiled.Evaluate(t.Context(), facts, ask.Tag, ask.Now)
	if err != nil {
		t.Fatal(err)
	}
	return Render(t, result)
}

// Render writes a result the way the API does, without details.policy and with valid_until.
func Render(t testing.TB, result *policy.Result) []byte {
	t.Helper()
	encoded, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(encoded, &tree); err != nil {
		t.Fatal(err)
	}
	if details, ok := tree["details"].(map[string]any); ok {
		delete(details, "policy")
	}
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
