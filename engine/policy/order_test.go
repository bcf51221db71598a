package policy_test

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// mixedPolicy has rules whose findings come from several facts, and mappings that overlap.
const mixedPolicy = `{"id":"p","name":"n","version":"2","rule_sets":[{"id":"rs","name":"","version":"2","rules":[
{"id":"r1","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[{"name":"package_type","value":"all"}]},
{"id":"r2","gate":"files","trigger":"name_match","action":"WARN","params":[{"name":"regex","value":"/a"}]},
{"id":"r3","gate":"packages","trigger":"denylist","action":"WARN","params":[{"name":"name","value":"p1"}]},
{"id":"r4","gate":"custom","trigger":"expression","action":"GO","params":[{"name":"each","value":"package"},{"name":"expression","value":"pkg.version == '1'"}]},
{"id":"r5","gate":"always","trigger":"always","action":"GO","params":[]}]},
{"id":"none","name":"","version":"2","rules":[]}],
"allowlists":[{"id":"al","name":"","version":"2","items":[{"id":"i","gate":"vulnerabilities","trigger_id":"CVE-1+*"}]}],
"mappings":[{"id":"m1","name":"","registry":"*","repository":"acme/*","image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":["al"]},
{"id":"m2","name":"","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["none"],"allowlist_ids":[]}]}`

func mixedFacts() *policy.Static {
	facts := &policy.Static{}
	for _, name := range []string{"p1", "p2", "p3"} {
		facts.PackageFacts = append(facts.PackageFacts, catalog.Package{Type: catalog.TypeNpm, Name: name, Version: "1", Location: "/srv/" + name + "/package.json"})
		for _, id := range []string{"CVE-1", "CVE-2"} {
			facts.Matches = append(facts.Matches, policy.Vulnerability{ID: id, Severity: feed.High,
				Package: policy.AffectedPackage{Name: name, Version: "1", Type: catalog.TypeNpm, Location: "/srv/" + name + "/package.json"}})
		}
		facts.Entries = append(facts.Entries, catalog.Entry{Path: "/a" + name}, catalog.Entry{Path: "/b" + name})
	}
	return facts
}

func TestOrderOfFactsChangesNothing(t *testing.T) {
	t.Parallel()
	p := load(t, []byte(mixedPolicy))
	want := evaluate(t, p, mixedFacts())
	if want.NumberOfFindings < 12 {
		t.Fatalf("only %d findings", want.NumberOfFindings)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		facts := mixedFacts()
		shuffle(random, facts.PackageFacts)
		shuffle(random, facts.Matches)
		shuffle(random, facts.Entries)
		if diff := gocmp.Diff(verdictOf(want), verdictOf(evaluate(t, p, facts))); diff != "" {
			t.Fatalf("another order of facts (-want +got):\n%s", diff)
		}
	}
}

func TestOrderOfRulesChangesNeitherVerdictNorFindings(t *testing.T) {
	t.Parallel()
	sorted := func(r *policy.Result) []policy.Finding {
		return slices.SortedFunc(slices.Values(r.Details.Findings), func(a, b policy.Finding) int {
			return cmp.Or(cmp.Compare(a.RuleID, b.RuleID), cmp.Compare(a.TriggerID, b.TriggerID), cmp.Compare(a.Message, b.Message))
		})
	}
	want := evaluate(t, load(t, []byte(mixedPolicy)), mixedFacts())
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var doc policy.Document
		decode(t, []byte(mixedPolicy), &doc)
		shuffle(random, doc.RuleSets[0].Rules)
		shuffle(random, doc.RuleSets)
		got := evaluate(t, load(t, encode(t, doc)), mixedFacts())
		if diff := gocmp.Diff(sorted(want), sorted(got)); diff != "" || got.FinalAction != want.FinalAction {
			t.Fatalf("another order of rules answers %s (-want +got):\n%s", got.FinalAction, diff)
		}
	}
}

func TestOrderOfMappingsDecides(t *testing.T) {
	t.Parallel()
	var doc policy.Document
	decode(t, []byte(mixedPolicy), &doc)
	slices.Reverse(doc.Mappings)
	got := evaluate(t, load(t, encode(t, doc)), mixedFacts())
	if got.MatchedMappingRule.ID != "m2" || got.FinalAction != policy.Go {
		t.Errorf("mapping %s, %s", got.MatchedMappingRule.ID, got.FinalAction)
	}
}

func encode(t *testing.T, doc policy.Document) []byte {
	t.Helper()
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func shuffle[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}
