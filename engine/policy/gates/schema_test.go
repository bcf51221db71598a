package gates

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/trial"
)

func TestSchemaPage(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(policy.Schema(All())); err != nil {
		t.Fatal(err)
	}
	golden(t, "policy.schema.json", out.String())
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	encoded, err := json.Marshal(policy.Schema(All()))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("policy.schema.json", tree); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func validate(t *testing.T, compiled *jsonschema.Schema, document []byte) error {
	t.Helper()
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(tree)
}

// canonical writes the names of gates, triggers and parameters in lower case.
func canonical(t *testing.T, document []byte) []byte {
	t.Helper()
	var doc policy.Document
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	for _, set := range doc.RuleSets {
		for i := range set.Rules {
			r := &set.Rules[i]
			r.Gate, r.Trigger = strings.ToLower(r.Gate), strings.ToLower(r.Trigger)
			for j := range r.Params {
				r.Params[j].Name = strings.ToLower(r.Params[j].Name)
			}
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPoliciesFitTheSchema(t *testing.T) {
	t.Parallel()
	compiled := schema(t)
	if err := validate(t, compiled, policy.Default()); err != nil {
		t.Errorf("the default policy: %v", err)
	}
	paths, err := filepath.Glob("*/testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases")
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name != "policy.yaml" {
				continue
			}
			document, err := trial.ToJSON(f.Data)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, compiled, canonical(t, document)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

func TestSchemaRefusesWhatThePolicyLanguageRefuses(t *testing.T) {
	t.Parallel()
	compiled := schema(t)
	const rule = `{"id":"r","gate":"always","trigger":"always","action":"STOP","params":[]}`
	const valid = `{"id":"p","name":"n","version":"2","mappings":[],"rule_sets":[{"id":"rs","name":"","version":"2","rules":[` + rule + `]}]}`
	if err := validate(t, compiled, []byte(valid)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"key":                {`"id":"p"`, `"id":"p","x":1`},
		"version":            {`"n","version":"2"`, `"n","version":"1_0"`},
		"version inside":     {`"","version":"2"`, `"","version":"3"`},
		"action":             {`"STOP"`, `"stop"`},
		"gate":               {`"gate":"always"`, `"gate":"weather"`},
		"trigger":            {`"trigger":"always"`, `"trigger":"never"`},
		"parameter":          {`"params":[]`, `"params":[{"name":"x","value":"1"}]`},
		"required parameter": {rule, `{"id":"r","gate":"files","trigger":"name_match","action":"STOP","params":[]}`},
		"value":              {rule, `{"id":"r","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"some"}]}`},
		"number for a value": {rule, `{"id":"r","gate":"vulnerabilities","trigger":"stale_feed_data","action":"STOP","params":[{"name":"max_days_since_sync","value":2}]}`},
		"artifact type":      {`"rules":[` + rule, `"artifact_type":"sbom","rules":[{"id":"r","gate":"files","trigger":"suid_or_guid_set","action":"STOP","params":[]}`},
	} {
		document := strings.Replace(valid, edit[0], edit[1], 1)
		if document == valid {
			t.Fatalf("%s: nothing replaced", name)
		}
		if validate(t, compiled, []byte(document)) == nil {
			t.Errorf("%s: the schema accepts %s", name, document)
		}
		if _, _, err := policy.Load([]byte(document), All()); err == nil && name != "version" {
			t.Errorf("%s: the policy language accepts %s", name, document)
		}
	}
}
