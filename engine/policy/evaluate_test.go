package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/policytest"
)

var noon = time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)

const tag = "docker.io/acme/web:1"

// counting counts which facts are asked for and may refuse them.
type counting struct {
	policy.Static
	asked map[string]int
	err   error
}

func (c *counting) ask(what string) error { c.asked[what]++; return c.err }

func (c *counting) Image(ctx context.Context) (policy.Image, error) {
	return c.ImageFacts, c.ask("image")
}
func (c *counting) Config(ctx context.Context) (policy.Config, error) {
	return c.ConfigFacts, c.ask("config")
}
func (c *counting) Dockerfile(ctx context.Context) (policy.Dockerfile, error) {
	return c.DockerfileFacts, c.ask("dockerfile")
}
func (c *counting) Packages(ctx context.Context) ([]catalog.Package, error) {
	return c.PackageFacts, c.ask("packages")
}
func (c *counting) Vulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	return c.Matches, c.ask("vulnerabilities")
}
func (c *counting) FeedStatus(ctx context.Context) (policy.FeedStatus, error) {
	return c.Feeds, c.ask("feeds")
}
func (c *counting) Files(ctx context.Context) (iter.Seq[catalog.Entry], error) {
	files, _ := c.Static.Files(ctx)
	return files, c.ask("files")
}

func TestOnlyNeededFactsAreLoadedAndOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit []string
		want map[string]int
	}{
		"no rule needs any": {nil, map[string]int{}},
		"two rules, one load": {[]string{`{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}`,
			`{"id":"r1","gate":"files","trigger":"suid_or_guid_set","action":"STOP","params":[]},
			 {"id":"r2","gate":"files","trigger":"name_match","action":"STOP","params":[{"name":"regex","value":"x"}]}`},
			map[string]int{"files": 1}},
		"selector by digest": {[]string{`{"type":"tag","value":"*"}`, `{"type":"digest","value":"sha256:1"}`}, map[string]int{"image": 1}},
		"unmapped": {[]string{`"gate":"always","trigger":"always"`, `"gate":"files","trigger":"suid_or_guid_set"`, `"registry":"*"`, `"registry":"x"`},
			map[string]int{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts := &counting{asked: map[string]int{}}
			if _, err := load(t, edit(t, tt.edit...)).Evaluate(t.Context(), facts, tag, noon); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, facts.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRuleThatCannotBeRunStopsTheImage(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection to 10.0.0.1 lost")
	facts := &counting{asked: map[string]int{}, err: broken}
	document := edit(t, `{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}`,
		`{"id":"r0","gate":"files","trigger":"suid_or_guid_set","action":"GO","params":[]},
		 {"id":"r1","gate":"always","trigger":"always","action":"GO","params":[]}`)
	result, err := load(t, document).Evaluate(t.Context(), facts, tag, noon)
	if err != nil {
		t.Fatal(err)
	}
	if result.FinalAction != policy.Stop || result.Status != policy.Failed || result.FinalActionReason != policy.ReasonEvaluation {
		t.Errorf("verdict %s %s %s, want a stop", result.Status, result.FinalAction, result.FinalActionReason)
	}
	if result.NumberOfFindings != 1 {
		t.Errorf("%d findings, want that of the other rule", result.NumberOfFindings)
	}
	if len(result.EvaluationProblems) != 1 || result.EvaluationProblems[0].Type != policy.ProblemTriggerFailed ||
		result.EvaluationProblems[0].Severity != policy.SeverityError || result.EvaluationProblems[0].RuleID != "r0" {
		t.Errorf("problems %+v, want one about rule r0", result.EvaluationProblems)
	}
	if strings.Contains(result.EvaluationProblems[0].Details, "10.0.0.1") {
		t.Errorf("details %q show the inside of the system", result.EvaluationProblems[0].Details)
	}
	if !errors.Is(result.Err(), broken) {
		t.Errorf("Err() = %v, want the cause", result.Err())
	}
}

func TestTooManyFindingsStopTheImage(t *testing.T) {
	t.Parallel()
	facts := &policy.Static{}
	for i := range policy.MaxFindings + 1 {
		facts.Entries = append(facts.Entries, catalog.Entry{Path: fmt.Sprintf("/%d", i)})
	}
	document := edit(t, `"gate":"always","trigger":"always","action":"STOP","params":[]`,
		`"gate":"files","trigger":"name_match","action":"GO","params":[{"name":"regex","value":"/"}]`)
	result, err := load(t, document).Evaluate(t.Context(), facts, tag, noon)
	if err != nil {
		t.Fatal(err)
	}
	if result.FinalAction != policy.Stop || !errors.Is(result.Err(), policy.ErrTooManyFindings) || result.NumberOfFindings != policy.MaxFindings {
		t.Errorf("%s with %d findings and %v", result.FinalAction, result.NumberOfFindings, result.Err())
	}
}

func TestTooManyFindingsOfAllRulesStopTheImage(t *testing.T) {
	t.Parallel()
	facts := &policy.Static{}
	for i := range policy.MaxFindings {
		facts.Entries = append(facts.Entries, catalog.Entry{Path: fmt.Sprintf("/%d", i)})
	}
	rule := `{"id":"r1","gate":"files","trigger":"name_match","action":"GO","params":[{"name":"regex","value":"/"}]}`
	document := edit(t, `{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}`,
		strings.Repeat(rule+",", policy.MaxTotalFindings/policy.MaxFindings)+rule)
	result := evaluate(t, load(t, document), facts)
	if result.FinalAction != policy.Stop || !errors.Is(result.Err(), policy.ErrTooManyFindings) ||
		result.NumberOfFindings != policy.MaxTotalFindings || len(result.Details.Findings) != policy.MaxTotalFindings {
		t.Errorf("%s with %d findings and %v", result.FinalAction, result.NumberOfFindings, result.Err())
	}
}

func TestEvaluationErrors(t *testing.T) {
	t.Parallel()
	compiled := load(t, edit(t, `{"type":"tag","value":"*"}`, `{"type":"id","value":"1"}`))
	if _, err := compiled.Evaluate(t.Context(), &policy.Static{}, "", noon); !errors.Is(err, policy.ErrTag) {
		t.Errorf("no tag: %v", err)
	}
	lost := errors.New("lost")
	if _, err := compiled.Evaluate(t.Context(), &counting{asked: map[string]int{}, err: lost}, tag, noon); !errors.Is(err, lost) {
		t.Errorf("no image for a selector: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := load(t, edit(t)).Evaluate(ctx, &policy.Static{}, tag, noon); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestInvalidStoredPolicyStopsEveryImage(t *testing.T) {
	t.Parallel()
	doc, err := policy.Parse(edit(t, `"gate":"always"`, `"gate":"gone"`, `"id":"p"`,
		`"id":"p","allowlisted_images":[{"id":"a","name":"","registry":"*","repository":"*","image":{"type":"tag","value":"*"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	compiled, problems := policy.Compile(doc, gates.All())
	if !policy.HasErrors(problems) {
		t.Fatal("no problem found")
	}
	result, err := compiled.Evaluate(t.Context(), &policy.Static{}, tag, noon)
	if err != nil {
		t.Fatal(err)
	}
	if result.FinalAction != policy.Stop || result.FinalActionReason != policy.ReasonEvaluation || result.NumberOfFindings != 0 ||
		len(result.EvaluationProblems) != 1 || result.EvaluationProblems[0].Type != policy.ProblemGate {
		t.Errorf("result %+v", result)
	}
}

func TestRetiredTriggers(t *testing.T) {
	t.Parallel()
	gate := gates.All()[0] // always
	prepare := gate.Triggers[0].Prepare
	gate.Triggers = []policy.Trigger{
		{Name: "old", Doc: "x", Prepare: prepare, Lifecycle: policy.Lifecycle{State: policy.Deprecated, SupersededBy: "always"}},
		{Name: "gone", Doc: "x", Prepare: prepare, Lifecycle: policy.Lifecycle{State: policy.EndOfLife, SupersededBy: "always"}},
	}
	doc, err := policy.Parse(edit(t, `{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}`,
		`{"id":"r1","gate":"always","trigger":"old","action":"WARN","params":[]},{"id":"r2","gate":"always","trigger":"gone","action":"STOP","params":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	compiled, problems := policy.Compile(doc, []policy.Gate{gate})
	if !policy.HasErrors(problems) || len(problems) != 2 {
		t.Errorf("problems %+v, want a warning and a refusal", problems)
	}
	result, err := compiled.Evaluate(t.Context(), &policy.Static{}, tag, noon)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range result.EvaluationProblems {
		got = append(got, p.Severity+" "+p.Type+" "+p.RuleID)
		if !strings.HasSuffix(p.Details, "use always") {
			t.Errorf("details %q do not name the successor", p.Details)
		}
	}
	want := []string{"warn DeprecatedWarning r1", "error EndOfLifedError r2"}
	if diff := cmp.Diff(want, got); diff != "" || result.FinalAction != policy.Warn || result.NumberOfFindings != 1 {
		t.Errorf("final action %s, %d findings, problems (-want +got):\n%s", result.FinalAction, result.NumberOfFindings, diff)
	}
}

func TestVerdictTruthTable(t *testing.T) {
	t.Parallel()
	rank := map[policy.Action]int{policy.Go: 0, policy.Warn: 1, policy.Stop: 2}
	actions := []policy.Action{"", policy.Go, policy.Warn, policy.Stop} // "": no rule
	selector := `[{"id":"s","name":"","registry":"*","repository":"*","image":{"type":"tag","value":"*"}}]`
	for _, first := range actions {
		for _, second := range actions {
			for lists := range 8 {
				claimed, allowed, denied := lists&1 != 0, lists&2 != 0, lists&4 != 0
				name := fmt.Sprintf("%q %q claimed=%v allowed=%v denied=%v", first, second, claimed, allowed, denied)
				ruleSets, extra := "", ""
				for i, action := range []policy.Action{first, second} {
					rules := ""
					if action != "" {
						rules = fmt.Sprintf(`{"id":"r%d","gate":"always","trigger":"always","action":%q,"params":[]}`, i, strings.ToUpper(string(action)))
					}
					ruleSets += fmt.Sprintf(`,{"id":"rs%d","name":"","version":"2","rules":[%s]}`, i, rules)
				}
				replace := []string{`]}],` + "\n" + `"allowlists"`, `]}` + ruleSets + `],"allowlists"`, `["rs"]`, `["rs0","rs1"]`}
				if claimed {
					replace = append(replace, `"never"`, `"alw*"`)
				}
				if allowed {
					extra += `,"allowlisted_images":` + selector
				}
				if denied {
					extra += `,"denylisted_images":` + selector
				}
				replace = append(replace, `"name":"n"`, `"name":"n"`+extra)
				result, err := load(t, edit(t, replace...)).Evaluate(t.Context(), &policy.Static{}, tag, noon)
				if err != nil {
					t.Fatal(err)
				}
				worst := policy.Go
				for _, action := range []policy.Action{first, second} {
					if !claimed && rank[action] > rank[worst] {
						worst = action
					}
				}
				want, reason := worst, policy.ReasonEvaluation
				if denied {
					want, reason = policy.Stop, policy.ReasonDenylisted
				} else if allowed {
					want, reason = policy.Go, policy.ReasonAllowlisted
				}
				passes := want != policy.Stop
				if result.FinalAction != want || result.FinalActionReason != reason || result.Details.PolicyAction != worst ||
					(result.Status == policy.Passed) != passes || result.ImageAllowlisted != allowed || result.ImageDenylisted != denied {
					t.Errorf("%s: %s %s by %s, rules %s; want %s by %s, rules %s", name, result.Status, result.FinalAction,
						result.FinalActionReason, result.Details.PolicyAction, want, reason, worst)
				}
			}
		}
	}
}

// TestOrderNeverChangesTheAnswer shuffles facts, which must not change a byte, and rules, which must not change
// the verdict nor the set of findings.
func TestOrderNeverChangesTheAnswer(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	doc, err := policy.Parse(policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		facts := manyFacts(random, 60)
		compiled, _ := policy.Compile(doc, gates.All())
		first := evaluate(t, compiled, facts)
		random.Shuffle(len(facts.Matches), func(i, j int) {
			facts.Matches[i], facts.Matches[j] = facts.Matches[j], facts.Matches[i]
		})
		if diff := cmp.Diff(string(policytest.Render(t, first)), string(policytest.Render(t, evaluate(t, compiled, facts)))); diff != "" {
			t.Fatalf("round %d: the order of facts changed the result:\n%s", round, diff)
		}
		shuffled := *doc
		shuffled.RuleSets = append([]policy.RuleSet(nil), doc.RuleSets...)
		rules := append([]policy.Rule(nil), doc.RuleSets[0].Rules...)
		random.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		shuffled.RuleSets[0].Rules = rules
		compiled, _ = policy.Compile(&shuffled, gates.All())
		second := evaluate(t, compiled, facts)
		if first.FinalAction != second.FinalAction || !first.ValidUntil.Equal(second.ValidUntil) {
			t.Fatalf("round %d: the order of rules changed the verdict", round)
		}
		if diff := cmp.Diff(findingCounts(first), findingCounts(second)); diff != "" {
			t.Fatalf("round %d: the order of rules changed the findings:\n%s", round, diff)
		}
	}
}

func findingCounts(r *policy.Result) map[string]int {
	counts := map[string]int{}
	for _, f := range r.Details.Findings {
		counts[f.RuleID+" "+f.TriggerID+" "+f.Message]++
	}
	return counts
}

// TestValidUntilIsHonest compares the result just before valid_until, which must be the same, and at it, which
// must differ for these facts.
func TestValidUntilIsHonest(t *testing.T) {
	t.Parallel()
	document := edit(t, `{"id":"r1","gate":"always","trigger":"always","action":"STOP","params":[]}`,
		`{"id":"r1","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"},{"name":"max_days_since_creation","value":"3"}]},
		 {"id":"r2","gate":"vulnerabilities","trigger":"stale_feed_data","action":"WARN","params":[{"name":"max_days_since_sync","value":"2"}]}`,
		`"gate":"always","trigger_id":"never","expires_on":null`, `"gate":"vulnerabilities","trigger_id":"CVE-2+p2","expires_on":"2026-06-12T00:00:00Z"`)
	facts := &policy.Static{Feeds: policy.FeedStatus{LastSync: noon.Add(-5 * time.Hour)}}
	for i := range 5 {
		facts.Matches = append(facts.Matches, policy.Vulnerability{ID: fmt.Sprintf("CVE-%d", i), Severity: feed.High,
			Package:    policy.AffectedPackage{Name: fmt.Sprintf("p%d", i), Version: "1", Type: catalog.TypeDpkg},
			DetectedAt: noon.Add(-time.Duration(i) * 20 * time.Hour)})
	}
	compiled := load(t, document)
	answer := func(now time.Time) (*policy.Result, string) {
		result, err := compiled.Evaluate(t.Context(), facts, tag, now)
		if err != nil {
			t.Fatal(err)
		}
		copied := *result
		copied.EvaluationTime, copied.ValidUntil = time.Time{}, time.Time{}
		return result, string(policytest.Render(t, &copied))
	}
	steps := 0
	for now := noon; ; steps++ {
		result, text := answer(now)
		if result.ValidUntil.IsZero() {
			break
		}
		if _, before := answer(result.ValidUntil.Add(-time.Second)); before != text {
			t.Fatalf("valid until %s, but different one second earlier", result.ValidUntil)
		}
		if _, then := answer(result.ValidUntil); then == text {
			t.Fatalf("valid until %s, but the same then", result.ValidUntil)
		}
		now = result.ValidUntil
	}
	if steps != 6 { // CVE-3 to CVE-0 grow old, the data grows stale, the item expires
		t.Errorf("%d moments of change, want 6", steps)
	}
}

func TestCompareMarksWhatTheBaseHas(t *testing.T) {
	t.Parallel()
	document := edit(t, `"gate":"always","trigger":"always","action":"STOP","params":[]`,
		`"gate":"files","trigger":"suid_or_guid_set","action":"STOP","params":[]`)
	su := catalog.Entry{Path: "/bin/su", Mode: 0o4755}
	base := &policy.Static{Entries: []catalog.Entry{su}}
	derived := &policy.Static{Entries: []catalog.Entry{su, {Path: "/bin/x", Mode: 0o4755}}}
	compiled := load(t, document)
	result := evaluate(t, compiled, derived)
	result.Compare(evaluate(t, compiled, base), "sha256:base")
	got := map[string]bool{}
	for _, f := range result.Details.Findings {
		got[f.Message[:6]] = *f.InheritedFromBase
	}
	if diff := cmp.Diff(map[string]bool{"/bin/s": true, "/bin/x": false}, got); diff != "" || *result.ComparisonImageDigest != "sha256:base" {
		t.Errorf("inherited (-want +got):\n%s", diff)
	}
}

func TestResultCarriesAValidPolicy(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(evaluate(t, load(t, policy.Default()), &policy.Static{}))
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Details struct{ Policy json.RawMessage }
	}
	decode(t, encoded, &result)
	if _, err := policy.Parse(result.Details.Policy); err != nil {
		t.Errorf("a strict client refuses details.policy: %v", err)
	}
}

func TestDefaultPolicyIsValid(t *testing.T) {
	t.Parallel()
	_, warnings, err := policy.Load(policy.Default(), gates.All())
	if err != nil || len(warnings) > 0 {
		t.Errorf("default policy: %v %v", err, warnings)
	}
}

func evaluate(t testing.TB, compiled *policy.Policy, facts policy.Facts) *policy.Result {
	t.Helper()
	result, err := compiled.Evaluate(t.Context(), facts, tag, noon)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// manyFacts makes an image with packages of several types and two vulnerabilities for each.
func manyFacts(random *rand.Rand, packages int) *policy.Static {
	facts := &policy.Static{
		ImageFacts:      policy.Image{Digest: "sha256:1", ID: "1", Distro: &catalog.Distro{ID: "debian", VersionID: "12"}},
		DockerfileFacts: policy.Dockerfile{Text: "FROM debian\nEXPOSE 22 80\nUSER app\n", Mode: policy.DockerfileActual},
		Feeds:           policy.FeedStatus{LastSync: noon.Add(-time.Hour), Namespaces: []string{"debian:12"}},
	}
	base := 7.5
	kinds := []string{catalog.TypeDpkg, catalog.TypeNpm, catalog.TypeJava, catalog.TypePython}
	for i := range packages {
		for j := range 2 {
			v := policy.Vulnerability{
				ID: fmt.Sprintf("CVE-2026-%d", random.IntN(packages)), Severity: feed.Severity(random.IntN(6)),
				Package: policy.AffectedPackage{Name: fmt.Sprintf("package-%d", i), Version: "1.2.3-4",
					Type: kinds[random.IntN(len(kinds))], Location: fmt.Sprintf("/usr/lib/node_modules/p%d/package.json", i)},
				URL: "https://example.org/CVE", DetectedAt: noon.Add(-time.Duration(i+j) * time.Hour),
				NVD: []feed.CVSS{{Version: "3.1", Base: &base}}, WillNotFix: random.IntN(10) == 0,
			}
			if random.IntN(2) == 0 {
				v.FixedIn = []string{"1.2.4"}
			}
			facts.Matches = append(facts.Matches, v)
		}
	}
	return facts
}

// BenchmarkDefaultPolicy evaluates the default policy on 1,800 packages with 3,600 matches.
func BenchmarkDefaultPolicy(b *testing.B) {
	facts := manyFacts(rand.New(rand.NewPCG(1, 2)), 1800)
	compiled := load(b, policy.Default())
	b.ReportAllocs()
	for b.Loop() {
		evaluate(b, compiled, facts)
	}
}
