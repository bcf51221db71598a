package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Evaluate answers for one image under one full tag (registry/repository:tag). A rule that cannot be run is a
// problem in the result, not an error: errors are ErrTag, a context that ended, and image facts a digest or id
// selector needed and did not get.
func (p *Policy) Evaluate(ctx context.Context, facts Facts, tag string, now time.Time) (*Result, error) {
	ref, err := parseReference(tag)
	if err != nil {
		return nil, err
	}
	e := p.evaluation(facts, tag, now)
	return e.answer(ctx, tag, func() error { return e.selectRules(ctx, ref) })
}

// evaluation starts one; what is not an image has no tag.
func (p *Policy) evaluation(facts Facts, tag string, now time.Time) *evaluation {
	e := &evaluation{
		policy: p, facts: &memory{facts: facts}, tag: tag, now: now.UTC().Truncate(time.Second),
	}
	e.result = &Result{
		EvaluationTime: e.now, EvaluationProblems: []Problem{},
		Details: &Details{Policy: p.doc, PolicyAction: Go, Findings: []Finding{}},
	}
	return e
}

// answer runs the rules of the mapping that choose finds, and derives the verdict.
func (e *evaluation) answer(ctx context.Context, what string, choose func() error) (*Result, error) {
	if faults := e.policy.faults; len(faults) > 0 {
		e.result.EvaluationProblems = faults[:min(len(faults), MaxProblems)]
		e.result.Details.PolicyAction = Stop
		return e.conclude(), nil
	}
	err := choose()
	if err == nil {
		err = e.runMapped(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate policy %s on %s: %w", e.policy.doc.ID, what, err)
	}
	return e.conclude(), nil
}

// evaluation is the state of one Evaluate.
type evaluation struct {
	policy *Policy
	facts  *memory
	tag    string
	// artifact is the type of what is evaluated; empty: image.
	artifact string
	now      time.Time
	result   *Result
	mapped   *mapped // nil: no mapping matches
	remedies remedies
}

// selectRules finds the mapping and the entries of the image lists.
func (e *evaluation) selectRules(ctx context.Context, ref reference) error {
	image := func() (Image, error) { return e.facts.Image(ctx) }
	find := func(list []selector) (int, error) {
		for i := range list {
			if ok, err := list[i].match(ref, image); ok || err != nil {
				return i, err
			}
		}
		return -1, nil
	}
	first, err := find(e.policy.mappings)
	if err != nil {
		return err
	}
	allowed, err := find(e.policy.allowed)
	if err != nil {
		return err
	}
	denied, err := find(e.policy.denied)
	if err != nil {
		return err
	}
	r, doc := e.result, e.policy.doc
	if first >= 0 {
		m := &doc.Mappings[first]
		r.ImageMappedToRule, r.MatchedMappingRule, e.mapped = true, m, &mapped{m.RuleSetIDs, m.AllowlistIDs}
	}
	if allowed >= 0 {
		r.ImageAllowlisted, r.MatchedAllowlistedImagesRule = true, &doc.AllowlistedImages[allowed]
	}
	if denied >= 0 {
		r.ImageDenylisted, r.MatchedDenylistedImagesRule = true, &doc.DenylistedImages[denied]
	}
	return nil
}

// runMapped runs all rules of the matched mapping. Nothing ends it early: findings never depend on each other.
func (e *evaluation) runMapped(ctx context.Context) error {
	if e.mapped == nil {
		e.problem(newProblem(SeverityWarn, ProblemUnmapped, e.mappings(), "",
			"no mapping matches the "+cmp.Or(e.artifact, ArtifactImage)+", so no rule was applied; add a mapping that matches everything at the end"))
		return nil
	}
	var lists []*allowlist
	for _, id := range distinct(e.mapped.allowlists) {
		lists = append(lists, e.policy.allow[id])
	}
	for _, id := range distinct(e.mapped.ruleSets) {
		set := e.policy.ruleSets[id]
		if set.doc.artifact() != cmp.Or(e.artifact, ArtifactImage) {
			e.problem(newProblem(SeverityWarn, ProblemValidation, e.mappings(), "",
				fmt.Sprintf("rule set %s is for artifacts of type %s and was left out", id, set.doc.artifact())))
			continue
		}
		for i := range set.rules {
			if err := e.run(ctx, set, &set.rules[i], lists); err != nil {
				return err
			}
		}
	}
	return nil
}

// distinct leaves out what was there before.
func distinct(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		before := seen[id]
		seen[id] = true
		return before
	})
}

// run runs one rule and fails only when the evaluation as a whole is to end.
func (e *evaluation) run(ctx context.Context, set *ruleSet, r *rule, lists []*allowlist) error {
	for _, note := range r.notes {
		e.problem(note)
	}
	if r.check == nil {
		return nil
	}
	pass := &Pass{Facts: e.facts, Now: e.now, Tag: e.tag, gate: r.gate, trigger: r.trigger, ruleID: r.doc.ID}
	failure := r.check(ctx, pass)
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, warning := range pass.warnings {
		e.problem(newProblem(SeverityWarn, ProblemIncomplete, r.path, r.doc.ID, warning))
	}
	if failure != nil {
		e.fail(r, failure)
	}
	e.result.ValidUntil = earlier(e.result.ValidUntil, pass.validUntil, e.now)
	if e.result.NumberOfFindings += len(pass.found); e.result.NumberOfFindings > MaxTotalFindings {
		e.fail(r, fmt.Errorf("%w: more than %d in all rules together, its own are left out", ErrTooManyFindings, MaxTotalFindings))
		e.result.NumberOfFindings -= len(pass.found)
		return nil
	}
	slices.SortFunc(pass.found, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.triggerID, b.triggerID), cmp.Compare(a.message, b.message))
	})
	for _, hit := range pass.found {
		if err := ctx.Err(); err != nil {
			return err
		}
		e.finding(set, r, hit, lists)
	}
	return nil
}

// fail makes a rule that could not be run visible and the image stopped.
func (e *evaluation) fail(r *rule, failure error) {
	text := fmt.Sprintf("%s.%s could not be checked: %v", r.gate, r.trigger, failure)
	if load, ok := errors.AsType[*loadError](failure); ok {
		text = fmt.Sprintf("%s.%s could not be checked: facts about the %s are not available, evaluate again", r.gate, r.trigger, load.what)
	}
	e.problem(newProblem(SeverityError, ProblemTriggerFailed, r.path, r.doc.ID, text))
	e.result.failures = append(e.result.failures, fmt.Errorf("rule %s (%s.%s): %w", r.doc.ID, r.gate, r.trigger, failure))
	e.result.Details.PolicyAction = Stop
}

func (e *evaluation) problem(p Problem) {
	e.result.EvaluationProblems = append(e.result.EvaluationProblems, p)
}

func (e *evaluation) finding(set *ruleSet, r *rule, hit found, lists []*allowlist) {
	f := Finding{
		TriggerID: hit.triggerID, Gate: r.gate, Trigger: r.trigger, Message: hit.message, Action: r.action,
		PolicyID: set.doc.ID, RuleID: r.doc.ID, Recommendation: r.doc.Recommendation,
	}
	for _, list := range lists {
		i := list.claim(r.gate, hit.triggerID, e.now)
		if i < 0 {
			continue
		}
		f.Action, f.Allowlisted = Go, true
		f.AllowlistMatch = &AllowlistMatch{ID: list.doc.ID, Name: list.doc.Name, MatchedRuleID: list.doc.Items[i].ID}
		e.result.ValidUntil = earlier(e.result.ValidUntil, list.items[i].expires, e.now)
		break
	}
	d := e.result.Details
	d.Findings = append(d.Findings, f)
	d.PolicyAction = worse(d.PolicyAction, f.Action)
	if f.Action != Go {
		e.remedies.add(hit)
	}
}

// conclude derives the verdict from the policy action and the image lists: deny beats allow beats the rules.
func (e *evaluation) conclude() *Result {
	r := e.result
	r.Details.Remediations = e.remedies.list()
	switch {
	case r.ImageDenylisted:
		r.FinalAction, r.FinalActionReason = Stop, ReasonDenylisted
	case r.ImageAllowlisted:
		r.FinalAction, r.FinalActionReason = Go, ReasonAllowlisted
	default:
		r.FinalAction, r.FinalActionReason = r.Details.PolicyAction, ReasonEvaluation
	}
	r.Status = Passed
	if r.FinalAction == Stop {
		r.Status = Failed
	}
	return r
}
