// Package impact compares what two policies say of one image: whether the verdict differs, and what makes the
// difference. It is how a policy is tried on a fleet before it is activated, and how two policies are told apart.
//
// The outcome is bounded, whatever the policies find: MaxCauses rules, and as many examples of each as asked for.
package impact

import (
	"cmp"
	"slices"
	"strings"

	"plimsoll/engine/policy"
)

// Rank orders outcomes by how much they matter.
type Rank int16

// Ranks, what matters most first.
const (
	NewlyFailing Rank = iota // passed, would be stopped
	NewlyPassing             // stopped, would pass
	Moved                    // between go and warn
	NotEvaluable             // nothing can be said
	Unchanged
)

var rankNames = []string{"newly_failing", "newly_passing", "changed", "not_evaluable", "unchanged"}

func (r Rank) String() string { return rankNames[r] }

// ParseRank reads the name of a rank.
func ParseRank(name string) (Rank, bool) {
	i := slices.Index(rankNames, name)
	return Rank(i), i >= 0
}

// Bounds of an outcome.
const (
	MaxCauses   = 20
	MaxExamples = 20
	maxText     = 400 // of a message or id, in bytes
)

// Sides a cause may be on.
const (
	Draft    = "draft"
	Baseline = "baseline"
)

// Outcome is what becomes of one image under one tag.
type Outcome struct {
	Before policy.Action // of the baseline
	After  policy.Action // of the draft
	Causes []Cause       // none when the actions are equal; most findings first
}

// Cause is a rule of one side whose findings the other side lacks or takes less seriously, or, with a note, something else
// that decides.
type Cause struct {
	Side     string        `json:"side"` // whose rule it is: the draft's where the verdict got worse
	RuleSet  string        `json:"rule_set_id,omitempty"`
	Rule     string        `json:"rule_id,omitempty"`
	Gate     string        `json:"gate,omitempty"`
	Trigger  string        `json:"trigger,omitempty"`
	Action   policy.Action `json:"action,omitempty"`
	Findings int           `json:"findings"`
	Examples []Example     `json:"examples,omitempty"`
	Note     string        `json:"note,omitempty"`
}

// Example is one of the findings.
type Example struct {
	TriggerID string `json:"trigger_id"`
	Message   string `json:"message"`
}

// Rank says how much the outcome matters.
func (o *Outcome) Rank() Rank {
	switch {
	case o.Before == o.After:
		return Unchanged
	case o.After == policy.Stop:
		return NewlyFailing
	case o.Before == policy.Stop:
		return NewlyPassing
	}
	return Moved
}

// Of compares the results of baseline and draft for one image and tag; both need their details.
func Of(before, after *policy.Result, examples int) Outcome {
	out := Outcome{Before: before.FinalAction, After: after.FinalAction}
	if out.Before == out.After {
		return out
	}
	out.Causes = append(out.Causes, overrides(before, Baseline)...)
	out.Causes = append(out.Causes, overrides(after, Draft)...)
	if weight(after.FinalAction) > weight(before.FinalAction) {
		out.Causes = append(out.Causes, surplus(after, before, Draft, examples)...)
	} else {
		out.Causes = append(out.Causes, surplus(before, after, Baseline, examples)...)
	}
	out.Causes = out.Causes[:min(len(out.Causes), MaxCauses)]
	return out
}

func weight(a policy.Action) int {
	return slices.Index([]policy.Action{policy.Go, policy.Warn, policy.Stop}, a)
}

// overrides are what decides on a side beside the findings of rules.
func overrides(r *policy.Result, side string) (out []Cause) {
	note := func(text string) { out = append(out, Cause{Side: side, Note: text}) }
	switch {
	case r.ImageDenylisted && r.MatchedDenylistedImagesRule != nil:
		note("denied by entry " + clean(r.MatchedDenylistedImagesRule.ID) + " of the denied images")
	case r.ImageAllowlisted && r.MatchedAllowlistedImagesRule != nil:
		note("allowed by entry " + clean(r.MatchedAllowlistedImagesRule.ID) + " of the allowed images")
	case !r.ImageMappedToRule && !policy.HasErrors(r.EvaluationProblems):
		note("no mapping matches")
	}
	for _, p := range r.EvaluationProblems {
		if p.Severity == policy.SeverityError && len(out) < MaxCauses {
			note(clean(p.Details))
		}
	}
	return out
}

type identity struct{ gate, trigger, id string }

// surplus are the rules of a result whose findings ask for its final action and are not met by the like in the other.
func surplus(r, other *policy.Result, side string, examples int) []Cause {
	if r.Details == nil {
		return nil
	}
	met := map[identity]policy.Action{}
	if other.Details != nil {
		for i := range other.Details.Findings {
			f := &other.Details.Findings[i]
			key := identity{f.Gate, f.Trigger, f.TriggerID}
			if have, ok := met[key]; !ok || weight(f.Action) > weight(have) {
				met[key] = f.Action
			}
		}
	}
	type ruleKey struct{ set, rule, gate, trigger string }
	index := map[ruleKey]int{}
	var out []Cause
	for i := range r.Details.Findings {
		f := &r.Details.Findings[i]
		if f.Action != r.Details.PolicyAction {
			continue
		}
		if have, ok := met[identity{f.Gate, f.Trigger, f.TriggerID}]; ok && weight(have) >= weight(f.Action) {
			continue
		}
		key := ruleKey{f.PolicyID, f.RuleID, f.Gate, f.Trigger}
		at, known := index[key]
		if !known {
			at = len(out)
			index[key] = at
			out = append(out, Cause{Side: side, RuleSet: clean(f.PolicyID), Rule: clean(f.RuleID), Gate: f.Gate, Trigger: f.Trigger, Action: f.Action})
		}
		out[at].Findings++
		if len(out[at].Examples) < min(examples, MaxExamples) {
			out[at].Examples = append(out[at].Examples, Example{clean(f.TriggerID), clean(f.Message)})
		}
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return cmp.Compare(b.Findings, a.Findings) })
	return out
}

// clean keeps texts short, and free of what databases do not store.
func clean(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "\uFFFD")
}
