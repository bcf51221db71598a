package custom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/custom"
)

var noon = time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)

// load makes a policy of one rule; params are names and values in turn.
func load(t testing.TB, params ...string) (*policy.Policy, error) {
	t.Helper()
	rule := policy.Rule{ID: "own", Gate: "custom", Trigger: "expression", Action: "WARN", Params: []policy.RuleParam{}}
	for i := 0; i+1 < len(params); i += 2 {
		rule.Params = append(rule.Params, policy.RuleParam{Name: params[i], Value: params[i+1]})
	}
	document, err := json.Marshal(policy.Document{
		ID: "p", Name: "n", Version: policy.Version,
		RuleSets: []policy.RuleSet{{ID: "rs", Version: policy.Version, Rules: []policy.Rule{rule}}},
		Mappings: []policy.Mapping{{
			ID: "m", Registry: "*", Repository: "*", Image: policy.ImageRef{Type: policy.SelectTag, Value: "*"},
			RuleSetIDs: []string{"rs"}, AllowlistIDs: []string{},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	compiled, _, err := policy.Load(document, []policy.Gate{custom.Gate})
	return compiled, err
}

func evaluate(t testing.TB, facts policy.Facts, params ...string) *policy.Result {
	t.Helper()
	compiled, err := load(t, params...)
	if err != nil {
		t.Fatal(err)
	}
	result, err := compiled.Evaluate(t.Context(), facts, "docker.io/acme/web:1", noon)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestExpressionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		params     []string
	}{
		{"syntax", "line 1, column 7", []string{"expression", "tag ==="}},
		{"unknown variable", "undeclared reference to 'pakages'", []string{"expression", "pakages.size() > 0"}},
		{"unknown field", "undefined field 'nam'", []string{"expression", "packages.exists(p, p.nam == 'a')"}},
		{"mixed types", "found no matching overload for '_<_'", []string{"expression", "tag < 3"}},
		{"second line", "line 2, column 4", []string{"expression", "true &&\n   nope"}},
		{"not a truth", "expression: must be of type bool, is of type string", []string{"expression", "tag"}},
		{"element of another kind", "undeclared reference to 'file'", []string{"expression", "file.path == ''", "each", "package"}},
		{"no element", "undeclared reference to 'pkg'", []string{"expression", "pkg.name == ''"}},
		{"message of no text", "message: must be of type string, is of type int", []string{"expression", "true", "message", "1"}},
		{"key of no text", "key: must be of type string, is of type bool", []string{"expression", "true", "key", "true"}},
		{"all parameters at once", "key: must be", []string{"expression", "nope", "key", "true"}},
		{"time zone", "getHours() takes no time zone", []string{"expression", "now.getHours('Europe/Berlin') > 3"}},
		{"regular expression from data", "has to be a literal", []string{"expression", "tag.matches(image.os)"}},
		{"broken regular expression", "missing closing )", []string{"expression", "tag.matches('(')"}},
		{"large regular expression", "", []string{"expression", "tag.matches('((a{100}){9}b){1,1}(c{900}d{900}e{900}f{900}g{900}h{900}i{900}j{900}k{900}l{900}m{900}n{900})')"}},
		{"look-around", "look-around is not translated", []string{"expression", "tag.matches('a(?!b)')"}},
		{"long", "size exceeds limit", []string{"expression", "tag == '" + strings.Repeat("a", 5000) + "'"}},
		{"deep", "", []string{"expression", strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500)}},
		{"lists within lists within lists", "far too many steps", []string{"expression", "packages.exists(a, packages.exists(b, packages.exists(c, packages.exists(d, a.name == d.name))))"}},
		{"clock", "undeclared reference to 'time'", []string{"expression", "time() > now"}},
		{"empty", "", []string{"expression", ""}},
	}
	for _, tt := range tests {
		_, err := load(t, tt.params...)
		if !errors.Is(err, policy.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func packages(n int) *policy.Static {
	facts := &policy.Static{}
	for i := range n {
		facts.PackageFacts = append(facts.PackageFacts, catalog.Package{Type: catalog.TypeNpm, Name: fmt.Sprintf("p%d", i), Version: "1", Location: "/a"})
	}
	return facts
}

func TestRuleThatFailsStopsTheImage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		params     []string
	}{
		{"too costly", "takes more than", []string{"expression", "packages.all(a, packages.exists(b, a.name == b.name && b.version != '2' && b.name != 'x'))"}},
		{"too costly in all", "takes more than", []string{"each", "package", "expression", "packages.all(b, pkg.name != b.name + 'x' || b.name == '' || b.version == 'xx')"}},
		{"index", "expression fails: index out of bounds", []string{"expression", "packages[100000].name == 'x'"}},
		{"division", "expression fails for package p0 1 (npm) at /a: division by zero", []string{"each", "package", "expression", "1 / pkg.size == 1"}},
		{"message", "message fails: index out of bounds", []string{"expression", "true", "message", "packages[100000].name"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result := evaluate(t, packages(4000), tt.params...)
			if result.FinalAction != policy.Stop || len(result.EvaluationProblems) != 1 {
				t.Fatalf("%s, problems %+v", result.FinalAction, result.EvaluationProblems)
			}
			p := result.EvaluationProblems[0]
			if p.Severity != policy.SeverityError || p.RuleID != "own" || !strings.Contains(p.Details, tt.want) {
				t.Errorf("problem %+v, want %q", p, tt.want)
			}
		})
	}
}

// refusing has no facts.
type refusing struct{ policy.Static }

func (*refusing) Packages(context.Context) ([]catalog.Package, error) {
	return nil, errors.New("asked for packages")
}

func (*refusing) Vulnerabilities(context.Context) ([]policy.Vulnerability, error) {
	return nil, errors.New("asked for vulnerabilities")
}

func TestOnlyMentionedFactsAreLoaded(t *testing.T) {
	t.Parallel()
	if result := evaluate(t, &refusing{}, "expression", "image.os == '' && config.user == ''"); result.Err() != nil {
		t.Error(result.Err())
	}
	if result := evaluate(t, &refusing{}, "expression", "image.os == 'x' && packages == []"); result.Err() == nil {
		t.Error("a rule about packages was answered without them")
	}
	if result := evaluate(t, &refusing{}, "expression", "true", "message", "packages[0].name"); result.Err() == nil {
		t.Error("a message about packages was made without them")
	}
}

func TestEvaluationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	compiled, err := load(t, "expression", "packages.all(a, packages.exists(b, a.name == b.name))")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compiled.Evaluate(ctx, packages(100), "docker.io/acme/web:1", noon); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestIDsFollowTheKeyOrTheElement(t *testing.T) {
	t.Parallel()
	id := func(facts policy.Facts, params ...string) string {
		result := evaluate(t, facts, params...)
		if len(result.Details.Findings) != 1 {
			t.Fatalf("%d findings", len(result.Details.Findings))
		}
		return result.Details.Findings[0].TriggerID
	}
	one := packages(1)
	other := &policy.Static{PackageFacts: []catalog.Package{{Type: catalog.TypeNpm, Name: "p0", Version: "2", Location: "/a"}}}
	each := []string{"each", "package", "expression", "pkg.name == 'p0'"}
	if id(one, each...) == id(other, each...) {
		t.Error("two packages share an id")
	}
	if id(one, each...) != id(one, append(each, "message", "'said otherwise'")...) {
		t.Error("the wording is part of the id")
	}
	keyed := append(each, "key", "pkg.name")
	if id(one, keyed...) != id(other, keyed...) {
		t.Error("equal keys have different ids")
	}
	if got, want := id(one, keyed...), policy.TriggerID("custom", "expression", "p0"); got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

func TestRulesThatMentionNowAreAskedAgain(t *testing.T) {
	t.Parallel()
	if at := evaluate(t, &policy.Static{}, "expression", "now < timestamp('2020-01-01T00:00:00Z')").ValidUntil; !at.Equal(noon.AddDate(0, 0, 1)) {
		t.Errorf("valid until %s", at)
	}
	if at := evaluate(t, &policy.Static{}, "expression", "tag == 'x'").ValidUntil; !at.IsZero() {
		t.Errorf("valid until %s without mentioning now", at)
	}
}

func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"pkg.name == 'a'", "packages.exists(p, p.name.matches('^a+'))", "now.getHours() > 3", "1 / 0 == 1", "[1, 2].map(x, x * 2) == [2]", "{'a': 1}['b'] == 1",
		"pkg.metadata['x'] == ''", "string(now) == tag", "custom.Package{name: 'x'} == pkg", "size(tag) > 9223372036854775807", "b'\\xff' == bytes(tag)", "type(pkg) == type(1)",
		"dyn(pkg).nope == 1", "has(pkg.name)", "pkg.licenses[0] in ['a']", "duration('1h') < now - feeds.last_sync", "optional.of(1)", "((((", "'\\u0000'", "cel.bind(a, 1, a == 1)",
	} {
		f.Add(seed)
	}
	facts := packages(2)
	f.Fuzz(func(t *testing.T, expression string) {
		compiled, err := load(t, "each", "package", "expression", expression, "key", "string(pkg.size)", "message", "pkg.name")
		if err != nil {
			if !errors.Is(err, policy.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		first, err := compiled.Evaluate(t.Context(), facts, "docker.io/acme/web:1", noon)
		if err != nil {
			t.Fatal(err)
		}
		again, err := compiled.Evaluate(t.Context(), facts, "docker.io/acme/web:1", noon)
		if err != nil || again.FinalAction != first.FinalAction || again.NumberOfFindings != first.NumberOfFindings {
			t.Errorf("%q answers %s, then %s (%v)", expression, first.FinalAction, again.FinalAction, err)
		}
	})
}

func BenchmarkEachOf1800Packages(b *testing.B) {
	compiled, err := load(b, "each", "package", "expression", `pkg.type == "npm" && pkg.name.startsWith("@acme/") && pkg.licenses.size() == 0`)
	if err != nil {
		b.Fatal(err)
	}
	facts := packages(1800)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compiled.Evaluate(b.Context(), facts, "docker.io/acme/web:1", noon); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExistsIn1800Packages(b *testing.B) {
	compiled, err := load(b, "expression", `packages.exists(p, p.type == "npm" && p.name.matches("^@acme/") && p.licenses.size() == 0)`)
	if err != nil {
		b.Fatal(err)
	}
	facts := packages(1800)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compiled.Evaluate(b.Context(), facts, "docker.io/acme/web:1", noon); err != nil {
			b.Fatal(err)
		}
	}
}
