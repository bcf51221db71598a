package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Explanation tells how a result came to be, in the order of the evaluation.
type Explanation struct {
	Mappings  []Considered  `json:"mappings"`            // as far as they were looked at: the last one is the one that matched, if any did
	Untried   int           `json:"untried"`             // mappings behind it
	Denylist  []Considered  `json:"denylist,omitempty"`  // entries of the denied images, as far as they were looked at
	Allowlist []Considered  `json:"allowlist,omitempty"` // entries of the allowed images, likewise
	Rules     []RuleOutcome `json:"rules"`               // of the mapping's rule sets, in order
	Problems  []Problem     `json:"problems"`            // that belong to no rule
	Change    Change        `json:"change"`
}

// Considered is a mapping, or an entry of an image list, that was compared with the image.
type Considered struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Matched bool   `json:"matched"`
	Why     string `json:"why,omitempty"` // what kept it from matching
}

// RuleOutcome is what one rule said.
type RuleOutcome struct {
	RuleSet  string    `json:"rule_set"` // its name
	Rule     Rule      `json:"rule"`
	Findings []Finding `json:"findings"`
	Claimed  int       `json:"claimed"` // findings that an allowlist turned into go
	Problems []Problem `json:"problems,omitempty"`
}

// Change says what would have to change for another final action.
type Change struct {
	Action   Action   `json:"action"`   // the final action once everything in Deciding is gone
	Deciding []string `json:"deciding"` // what makes the final action, most of it first
	Advice   []Advice `json:"advice,omitempty"`
}

// Advice removes some of the deciding findings.
type Advice struct {
	Message string `json:"message"`
	Removes int    `json:"removes"` // deciding findings
}

// ErrNoDetails says that a result cannot be explained because it came without its details.
var ErrNoDetails = errors.New("the result has no details")

// Explain takes a result apart. It needs the details and what the evaluation was about; ErrNoDetails, ErrTag.
func Explain(result *Result, image Image, tag string) (*Explanation, error) {
	if result.Details == nil || result.Details.Policy == nil {
		return nil, ErrNoDetails
	}
	ref, err := parseReference(tag)
	if err != nil {
		return nil, err
	}
	doc := result.Details.Policy
	e := &Explanation{Mappings: []Considered{}, Rules: []RuleOutcome{}, Problems: []Problem{}}
	for i, m := range doc.Mappings {
		c := consider(m.ID, m.Name, m.Registry, m.Repository, m.Image, ref, image)
		e.Mappings = append(e.Mappings, c)
		if c.Matched {
			e.Untried = len(doc.Mappings) - i - 1
			break
		}
	}
	e.Denylist = considerImages(doc.DenylistedImages, ref, image)
	e.Allowlist = considerImages(doc.AllowlistedImages, ref, image)
	e.rules(result)
	e.change(result)
	return e, nil
}

func considerImages(list []ImageSelector, ref reference, image Image) (out []Considered) {
	for _, s := range list {
		c := consider(s.ID, s.Name, s.Registry, s.Repository, s.Image, ref, image)
		if out = append(out, c); c.Matched {
			break
		}
	}
	return out
}

func consider(id, name, registry, repository string, wanted ImageRef, ref reference, image Image) Considered {
	c := Considered{ID: id, Name: name}
	s, err := compileSelector(registry, repository, wanted)
	switch {
	case err != nil:
		c.Why = "cannot be read: " + err.Error()
	case !s.registry.match(ref.registry):
		c.Why = fmt.Sprintf("registry %q does not match %q", ref.registry, registry)
	case !s.repository.match(ref.repository):
		c.Why = fmt.Sprintf("repository %q does not match %q", ref.repository, repository)
	case s.kind == SelectTag && !s.tag.match(ref.tag):
		c.Why = fmt.Sprintf("tag %q does not match %q", ref.tag, wanted.Value)
	case s.kind == SelectDigest && image.Digest != s.value:
		c.Why = fmt.Sprintf("digest %s is not %s", image.Digest, s.value)
	case s.kind == SelectID && image.ID != s.value:
		c.Why = fmt.Sprintf("image id %s is not %s", image.ID, s.value)
	default:
		c.Matched = true
	}
	return c
}

// rules sorts findings and problems by the rules they come from.
func (e *Explanation) rules(result *Result) {
	told := make([]bool, len(result.EvaluationProblems))
	if m := result.MatchedMappingRule; m != nil {
		for _, id := range m.RuleSetIDs {
			for i := range result.Details.Policy.RuleSets {
				if set := &result.Details.Policy.RuleSets[i]; set.ID == id {
					e.ruleSet(result, set, at("rule_sets", i), told)
				}
			}
		}
	}
	for i, p := range result.EvaluationProblems {
		if !told[i] {
			e.Problems = append(e.Problems, p)
		}
	}
}

func (e *Explanation) ruleSet(result *Result, set *RuleSet, path string, told []bool) {
	for j := range set.Rules {
		out := RuleOutcome{RuleSet: set.Name, Rule: set.Rules[j], Findings: []Finding{}}
		for _, f := range result.Details.Findings {
			if f.PolicyID == set.ID && f.RuleID == out.Rule.ID && strings.EqualFold(f.Gate, out.Rule.Gate) {
				out.Findings = append(out.Findings, f)
				if f.Allowlisted {
					out.Claimed++
				}
			}
		}
		for k, p := range result.EvaluationProblems {
			if p.of(path + at("rules", j)) {
				out.Problems, told[k] = append(out.Problems, p), true
			}
		}
		e.Rules = append(e.Rules, out)
	}
}

// of reports whether the problem is at or below a path. Answers of the API carry the path in the text alone.
func (p Problem) of(path string) bool {
	rest, ok := strings.CutPrefix(p.Details, path)
	return ok && rest != "" && strings.ContainsRune("/ :", rune(rest[0]))
}

func (e *Explanation) change(result *Result) {
	e.Change = Change{Action: result.FinalAction, Deciding: []string{}}
	switch {
	case result.FinalActionReason == ReasonDenylisted:
		e.decided(result.Details.PolicyAction, "an entry of the denied images", result.MatchedDenylistedImagesRule)
		if result.ImageAllowlisted {
			e.Change.Action = Go
		}
	case result.FinalActionReason == ReasonAllowlisted:
		e.decided(result.Details.PolicyAction, "an entry of the allowed images", result.MatchedAllowlistedImagesRule)
	case result.FinalAction != Go:
		e.decidedByRules(result)
	}
}

func (e *Explanation) decided(otherwise Action, what string, entry *ImageSelector) {
	if entry != nil {
		what += fmt.Sprintf(": %s (%s)", entry.Name, entry.ID)
	}
	e.Change.Action, e.Change.Deciding = otherwise, append(e.Change.Deciding, what)
}

func (e *Explanation) decidedByRules(result *Result) {
	e.Change.Action = Go
	for _, p := range e.Problems {
		if p.Severity == SeverityError {
			e.Change.Deciding = append(e.Change.Deciding, p.Details)
		}
	}
	deciding := map[string]bool{}
	for i := range e.Rules {
		rule := &e.Rules[i]
		n := 0
		for _, f := range rule.Findings {
			if f.Action == result.FinalAction {
				n++
				deciding[f.TriggerID] = true
			} else {
				e.Change.Action = worse(e.Change.Action, f.Action)
			}
		}
		if n > 0 {
			e.Change.Deciding = append(e.Change.Deciding, fmt.Sprintf("%s of rule %s", findings(n), rule.title()))
		}
		for _, p := range rule.Problems {
			if p.Severity == SeverityError && p.Type == ProblemTriggerFailed {
				e.Change.Deciding = append(e.Change.Deciding, p.Details)
			}
		}
	}
	for _, r := range result.Details.Remediations {
		removes := 0
		for _, id := range r.TriggerIDs {
			if deciding[id] {
				removes++
			}
		}
		if removes == 0 {
			continue
		}
		for _, s := range r.Suggestions {
			e.Change.Advice = append(e.Change.Advice, Advice{Message: s.Message, Removes: removes})
		}
	}
}

func findings(n int) string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", n)
}

// title is how people know a rule.
func (o *RuleOutcome) title() string {
	name := o.Rule.Gate + "." + o.Rule.Trigger
	if o.Rule.Description != "" {
		name += fmt.Sprintf(" %q", o.Rule.Description)
	}
	return name + " (" + o.Rule.ID + ")"
}
