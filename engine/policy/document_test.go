package policy_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
)

const smallPolicy = `{"id":"p","name":"n","version":"2",
"rule_sets":[{"id":"rs","name":"r","version":"2","rules":[
 {"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}]}],
"allowlists":[{"id":"al","name":"a","version":"2","items":[{"id":"i","gate":"always","trigger_id":"never","expires_on":null}]}],
"mappings":[{"id":"m","name":"m","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":["al"]}]}`

// edit applies replacements to smallPolicy.
func edit(t *testing.T, replacements ...string) []byte {
	t.Helper()
	doc := smallPolicy
	for i := 0; i+1 < len(replacements); i += 2 {
		if !strings.Contains(doc, replacements[i]) {
			t.Fatalf("nothing to replace: %s", replacements[i])
		}
		doc = strings.Replace(doc, replacements[i], replacements[i+1], 1)
	}
	return []byte(doc)
}

func TestFaultsNamePathRuleAndType(t *testing.T) {
	t.Parallel()
	rule := `{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}`
	type fault struct{ Type, Path, Rule string }
	tests := []struct {
		name string
		edit []string
		want []fault
	}{
		{"version comes alone", []string{`"version":"2"`, `"version":"3","zzz":1`}, []fault{{policy.ProblemVersion, "/version", ""}}},
		{"versions inside", []string{`"r","version":"2"`, `"r","version":"3"`, `"a","version":"2"`, `"a","version":"1_0"`},
			[]fault{{policy.ProblemVersion, "/rule_sets/0/version", ""}, {policy.ProblemVersion, "/allowlists/0/version", ""}}},
		{"unknown keys at every level", []string{`"id":"p"`, `"id":"p","a/b~c":1`, `"id":"r1"`, `"id":"r1","x":1`, `"id":"i"`, `"id":"i","trigger":"t"`},
			[]fault{{policy.ProblemValidation, "/a~1b~0c", ""}, {policy.ProblemValidation, "/allowlists/0/items/0/trigger", ""},
				{policy.ProblemValidation, "/rule_sets/0/rules/0/x", "r1"}}},
		{"key in other case", []string{`"name":"n"`, `"Name":"n"`},
			[]fault{{policy.ProblemValidation, "/name", ""}, {policy.ProblemValidation, "/Name", ""}}},
		{"missing and empty", []string{`"name":"n",`, `"name":"",`, `,"params":[]`, ``, `"allowlist_ids":["al"]`, `"allowlist_ids":null`},
			[]fault{{policy.ProblemValidation, "/mappings/0/allowlist_ids", ""}, {policy.ProblemValidation, "/name", ""},
				{policy.ProblemValidation, "/rule_sets/0/rules/0/params", "r1"}}},
		{"number for a value", []string{`"params":[]`, `"params":[{"name":"x","value":10}]`},
			[]fault{{policy.ProblemValidation, "/rule_sets/0/rules/0/params/0/value", "r1"}}},
		{"action in lower case", []string{`"STOP"`, `"stop"`}, []fault{{policy.ProblemValidation, "/rule_sets/0/rules/0/action", "r1"}}},
		{"form and content together", []string{`"id":"p"`, `"id":"p","x":1`, `"gate":"always","trigger":"always"`, `"gate":"nope","trigger":"t"`},
			[]fault{{policy.ProblemValidation, "/x", ""}, {policy.ProblemGate, "/rule_sets/0/rules/0/gate", "r1"}}},
		{"trigger", []string{`"trigger":"always"`, `"trigger":"nope"`}, []fault{{policy.ProblemTrigger, "/rule_sets/0/rules/0/trigger", "r1"}}},
		{"parameters", []string{rule, `{"id":"r1","gate":"vulnerabilities","trigger":"package","action":"GO","params":[
			{"name":"nope","value":"1"},{"name":"severity","value":"HIGH"},{"name":"Severity","value":"low"},
			{"name":"package_path_exclude","value":"("},{"name":"max_days_since_fix","value":"-1"}]}`},
			[]fault{{policy.ProblemParameter, "/rule_sets/0/rules/0/params/0", "r1"},
				{policy.ProblemParameterValue, "/rule_sets/0/rules/0/params/1", "r1"},
				{policy.ProblemParameterValue, "/rule_sets/0/rules/0/params/2", "r1"},
				{policy.ProblemPattern, "/rule_sets/0/rules/0/params/3", "r1"},
				{policy.ProblemParameterValue, "/rule_sets/0/rules/0/params/4", "r1"},
				{policy.ProblemParameterValue, "/rule_sets/0/rules/0/params", "r1"}}},
		{"parameters that do not go together", []string{rule, `{"id":"r1","gate":"dockerfile","trigger":"instruction","action":"GO","params":[
			{"name":"instruction","value":"RUN"},{"name":"check","value":"like"}]}`},
			[]fault{{policy.ProblemParameterValue, "/rule_sets/0/rules/0/params", "r1"}}},
		{"references", []string{`["rs"]`, `["rs","x"]`, `["al"]`, `["y"]`},
			[]fault{{policy.ProblemReference, "/mappings/0/rule_set_ids/1", ""}, {policy.ProblemReference, "/mappings/0/allowlist_ids/0", ""}}},
		{"duplicate rule set", []string{`"rule_sets":[`, `"rule_sets":[{"id":"rs","name":"","version":"2","rules":[]},`},
			[]fault{{policy.ProblemDuplicate, "/rule_sets/1/id", ""}}},
		{"rule set for sources", []string{`"name":"r",`, `"name":"r","artifact_type":"source",`},
			[]fault{{policy.ProblemValidation, "/mappings/0/rule_set_ids/0", ""}}},
		{"patterns", []string{`"registry":"*"`, `"registry":"regexp:("`, `"never"`, `"regexp:(?!.*a)"`},
			[]fault{{policy.ProblemPattern, "/allowlists/0/items/0/trigger_id", ""}, {policy.ProblemPattern, "/mappings/0/registry", ""}}},
		{"many wildcards", []string{`"never"`, `"` + strings.Repeat("a*", policy.MaxWildcards+1) + `"`},
			[]fault{{policy.ProblemLimit, "/allowlists/0/items/0/trigger_id", ""}}},
		{"large regular expression", []string{`"never"`, `"regexp:(?:(?:abcdefgh){100}x){20}"`},
			[]fault{{policy.ProblemPattern, "/allowlists/0/items/0/trigger_id", ""}}},
		{"long id and name", []string{`"id":"p","name":"n"`, `"id":"` + strings.Repeat("p", 257) + `","name":"` + strings.Repeat("n", 1025) + `"`},
			[]fault{{policy.ProblemLimit, "/id", ""}, {policy.ProblemLimit, "/name", ""}}},
		{"many parameters", []string{`"params":[]`, `"params":[` + strings.Repeat(`{"name":"x","value":""},`, policy.MaxParams) + `{"name":"x","value":""}]`},
			[]fault{{policy.ProblemLimit, "/rule_sets/0/rules/0/params", "r1"}}},
		{"long key", []string{`"id":"r1"`, `"id":"r1","` + strings.Repeat("k", 500) + `":1`}, []fault{{policy.ProblemValidation, "/rule_sets/0/rules/0", "r1"}}},
		{"long pattern", []string{`"registry":"*"`, `"registry":"` + strings.Repeat("a", 1025) + `"`},
			[]fault{{policy.ProblemLimit, "/mappings/0/registry", ""}}},
		{"expiry without zone", []string{`"expires_on":null`, `"expires_on":"2026-01-01T00:00:00"`},
			[]fault{{policy.ProblemExpiry, "/allowlists/0/items/0/expires_on", ""}}},
		{"expiry on an impossible day", []string{`"expires_on":null`, `"expires_on":"2026-02-30T00:00:00Z"`},
			[]fault{{policy.ProblemExpiry, "/allowlists/0/items/0/expires_on", ""}}},
		{"empty expiry", []string{`"expires_on":null`, `"expires_on":""`}, []fault{{policy.ProblemExpiry, "/allowlists/0/items/0/expires_on", ""}}},
		{"repeated key", []string{`"id":"m"`, `"id":"m","id":"m2"`}, []fault{{policy.ProblemValidation, "/mappings/0/id", ""}}},
		{"trailing text", []string{`"allowlist_ids":["al"]}]}`, `"allowlist_ids":["al"]}]}{}`}, []fault{{policy.ProblemValidation, "", ""}}},
		{"cut short", []string{`"allowlist_ids":["al"]}]}`, ``}, []fault{{policy.ProblemValidation, "", ""}}},
		{"deep nesting", []string{`"id":"p"`, `"id":"p","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)},
			[]fault{{policy.ProblemLimit, "/x" + strings.Repeat("/0", 16), ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := policy.Load(edit(t, tt.edit...), gates.All())
			invalid, ok := errors.AsType[*policy.InvalidError](err)
			if !ok || !errors.Is(err, policy.ErrInvalid) {
				t.Fatalf("error %v, want an InvalidError", err)
			}
			var got []fault
			for _, p := range invalid.Problems {
				got = append(got, fault{p.Type, p.Path, p.RuleID})
				if p.Severity != policy.SeverityError || !strings.Contains(p.Details, p.Path) || !strings.Contains(p.Details, p.RuleID) {
					t.Errorf("problem %+v does not tell severity, path and rule", p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessagesSuggestWhatWasMeant(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"did you mean vulnerabilities?":   {`"gate":"always","trigger":"always"`, `"gate":"vulnerabilitys","trigger":"package"`},
		"did you mean suid_or_guid_set?":  {`"gate":"always","trigger":"always"`, `"gate":"files","trigger":"suid_or_gid_set"`},
		"did you mean regex?":             {`"gate":"always","trigger":"always","action":"STOP","params":[]`, `"gate":"files","trigger":"name_match","action":"STOP","params":[{"name":"regexp","value":"x"}]`},
		"did you mean high?":              {`"gate":"always","trigger":"always","action":"STOP","params":[]`, `"gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"},{"name":"severity","value":"High"}]`},
		"did you mean STOP?":              {`"STOP"`, `"stop"`},
		"did you mean denylisted_images?": {`"name":"n"`, `"name":"n","denylist_images":[]`},
		"did you mean rs?":                {`["rs"]`, `["rS"]`},
	}
	for want, change := range tests {
		_, _, err := policy.Load(edit(t, change...), gates.All())
		invalid, ok := errors.AsType[*policy.InvalidError](err)
		if !ok || !strings.HasSuffix(invalid.Problems[0].Details, want) {
			t.Errorf("%v: %v, want %s", change, err, want)
		}
	}
	_, _, err := policy.Load(edit(t, `"gate":"always","trigger":"always"`, `"gate":"weather","trigger":"always"`), gates.All())
	if err == nil || strings.Contains(err.Error(), "mean") {
		t.Errorf("%v suggests something far off", err)
	}
}

func TestWhatHasNoEffectIsWarnedAbout(t *testing.T) {
	t.Parallel()
	p, warnings, err := policy.Load(edit(t, `["rs"]`, `["rs","rs"]`, `["al"]`, `["al","al"]`, `"id":"i","gate":"always"`, `"id":"i","gate":"alwayz"`), gates.All())
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, w := range warnings {
		paths = append(paths, w.Path)
	}
	if diff := cmp.Diff([]string{"/allowlists/0/items/0/gate", "/mappings/0/rule_set_ids/1", "/mappings/0/allowlist_ids/1"}, paths); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if result := evaluate(t, p, &policy.Static{}); result.NumberOfFindings != 1 {
		t.Errorf("%d findings of a rule set that is named twice", result.NumberOfFindings)
	}
}

func TestLargeExpressionsAreBoundedTogether(t *testing.T) {
	t.Parallel()
	var items []string
	for range policy.MaxRegexpsSize/policy.MaxRegexpSize + 50 {
		items = append(items, `{"id":"i","gate":"always","trigger_id":"regexp:\\pL{7}"}`)
	}
	_, _, err := policy.Load(edit(t, `{"id":"i","gate":"always","trigger_id":"never","expires_on":null}`, strings.Join(items, ",")), gates.All())
	invalid, ok := errors.AsType[*policy.InvalidError](err)
	if !ok || invalid.Problems[0].Type != policy.ProblemLimit {
		t.Errorf("error %v, want an exceeded limit", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	item := `{"id":"i","gate":"always","trigger_id":"never","expires_on":null}`
	rule := `{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}`
	tests := map[string][]byte{
		"bytes": append(edit(t), []byte(strings.Repeat(" ", policy.MaxDocumentBytes))...),
		"items": edit(t, item, strings.Repeat(item+",", policy.MaxAllowlistItems)+item),
		"rules": edit(t, rule, strings.Repeat(rule+",", policy.MaxRules)+rule),
		"value": edit(t, `"params":[]`, `"params":[{"name":"x","value":"`+strings.Repeat("a", policy.MaxValueBytes+1)+`"}]`),
	}
	for name, document := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := policy.Load(document, gates.All())
			invalid, ok := errors.AsType[*policy.InvalidError](err)
			if !ok || invalid.Problems[0].Type != policy.ProblemLimit {
				t.Errorf("error %v, want an exceeded limit", err)
			}
		})
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	_, err := policy.Parse(edit(t, `"params":[]`, `"params":[`+strings.Repeat("1,", 5000)+`1]`))
	invalid, ok := errors.AsType[*policy.InvalidError](err)
	if !ok || len(invalid.Problems) != policy.MaxProblems {
		t.Errorf("error %v, want %d problems", err, policy.MaxProblems)
	}
}

func TestDigestIgnoresFormAndLastUpdated(t *testing.T) {
	t.Parallel()
	digest := func(data []byte) string {
		doc, err := policy.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		d, err := doc.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := digest(edit(t))
	same := map[string][]byte{
		"key order":    edit(t, `"id":"p","name":"n"`, `"name": "n" ,"id":"p"`),
		"last_updated": edit(t, `"id":"p"`, `"id":"p","last_updated":1.5e9`),
		"empty lists":  edit(t, `"id":"p"`, `"id":"p","allowlisted_images":[],"description":""`),
		"escapes":      edit(t, `"id":"p"`, `"id":"\u0070"`),
	}
	for name, data := range same {
		if got := digest(data); got != want {
			t.Errorf("%s changes the digest", name)
		}
	}
	if digest(edit(t, `"STOP"`, `"WARN"`)) == want {
		t.Error("another action has the same digest")
	}
}

// roundTrip marshals a document and parses it again, which fails on any key the format does not know.
func roundTrip(t *testing.T, data []byte) {
	t.Helper()
	doc, err := policy.Parse(data)
	if err != nil {
		return
	}
	encoded, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	again, err := policy.Parse(encoded)
	if err != nil {
		t.Fatalf("a marshalled document is refused: %v\n%s", err, encoded)
	}
	first, err1 := doc.Digest()
	second, err2 := again.Digest()
	if err1 != nil || err2 != nil || first != second {
		t.Fatalf("digest %s became %s (%v, %v)", first, second, err1, err2)
	}
}

func TestMarshalledDocumentIsValid(t *testing.T) {
	t.Parallel()
	roundTrip(t, policy.Default())
	roundTrip(t, edit(t, `"id":"p"`, `"id":"p","last_updated":1,"source_mappings":[{"id":"s","name":"","host":"*","repository":"*","rule_set_ids":[],"allowlist_ids":[]}],
		"denylisted_images":[{"id":"d","name":"","registry":"","repository":"","image":{"type":"id","value":"x"}}]`))
}

// resolve checks that each problem points to a value of the document, or to a key its object lacks.
func resolve(t *testing.T, data []byte, problems []policy.Problem) {
	t.Helper()
	var tree any
	whole := json.Unmarshal(data, &tree) == nil
	for _, p := range problems {
		if !whole { // broken off: nothing to resolve in
			return
		}
		value := tree
		segments := strings.Split(p.Path, "/")[1:]
		for i, segment := range segments {
			key := strings.NewReplacer("~1", "/", "~0", "~").Replace(segment)
			found := false
			switch v := value.(type) {
			case map[string]any:
				value, found = v[key]
				found = found || i == len(segments)-1
			case []any:
				n, err := strconv.Atoi(key)
				if found = err == nil && n < len(v); found {
					value = v[n]
				}
			}
			if !found {
				t.Fatalf("%s of %q does not resolve in %s", p.Path, p.Details, data)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(smallPolicy))
	f.Add(policy.Default())
	f.Add([]byte(`{"version":"2","rule_sets":[null],"mappings":[{}]}`))
	f.Add([]byte(`[[[[`))
	f.Add([]byte(`{"id":"p","version":"1_0","policies":[{"id":"rs","version":"1_0","rules":[{"gate":"always","trigger":"always","action":"go","params":[{"name":"a"},{"value":"1","name":"b"}]}]}],
		"whitelists":[{"id":"w","version":"1_0"}],"mappings":[{"registry":"*","repository":"*","image":{"type":"tag","value":"*"},"policy_id":"rs"}],"blacklisted_images":[3]}`))
	all := gates.All()
	f.Fuzz(func(t *testing.T, data []byte) {
		roundTrip(t, data)
		compiled, warnings, err := policy.Load(data, all)
		resolve(t, data, warnings)
		if err != nil {
			invalid, ok := errors.AsType[*policy.InvalidError](err)
			if !ok {
				t.Fatalf("untyped error: %v", err)
			}
			resolve(t, data, invalid.Problems)
			return
		}
		if _, err := compiled.Evaluate(t.Context(), &policy.Static{}, "docker.io/a:1", noon); err != nil {
			t.Fatalf("evaluate an accepted policy: %v", err)
		}
	})
}
