package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Policy is a compiled document.
type Policy struct {
	doc      *Document
	ruleSets map[string]*ruleSet
	allow    map[string]*allowlist
	mappings []selector
	// allowed and denied are the image lists, in the order of the document.
	allowed, denied []selector
	// faults keep the policy from being evaluated: every image is stopped.
	faults []Problem
}

type ruleSet struct {
	doc   *RuleSet
	rules []rule
}

// rule is a compiled Rule.
type rule struct {
	doc           *Rule
	path          string
	gate, trigger string // canonical names
	action        Action
	check         Check     // nil: never fires
	notes         []Problem // about retired parts, repeated in each evaluation
}

// Document returns the document the policy was compiled from. It must not be changed.
func (p *Policy) Document() *Document { return p.doc }

// Compile checks what a document says, all of it whether mappings refer to it or not, and prepares it for
// evaluation. All problems are returned; HasErrors tells whether the document is to be refused. The policy is
// never nil: a stored document that has become invalid stops every image and says why.
func Compile(doc *Document, gates []Gate) (*Policy, []Problem) {
	p := &Policy{doc: doc, ruleSets: map[string]*ruleSet{}, allow: map[string]*allowlist{}}
	problems := doc.check()
	p.faults = slices.Clone(problems)
	c := compiler{gates: gates}
	for i := range doc.RuleSets {
		set := &ruleSet{doc: &doc.RuleSets[i]}
		for j := range set.doc.Rules {
			set.rules = append(set.rules, c.rule(&set.doc.Rules[j], at("rule_sets", i)+at("rules", j)))
		}
		p.ruleSets[set.doc.ID] = set
	}
	problems = append(problems, c.problems...)
	for _, problem := range c.problems {
		// Retired parts do not change the verdict of stored policies.
		if problem.Severity == SeverityError && problem.Type != ProblemEndOfLife {
			p.faults = append(p.faults, problem)
		}
	}
	if len(p.faults) == 0 {
		if err := p.compileSelections(); err != nil {
			fault := newProblem(SeverityError, ProblemValidation, "", "", err.Error())
			p.faults, problems = append(p.faults, fault), append(problems, fault)
		}
	}
	return p, problems[:min(len(problems), MaxProblems)]
}

// compileSelections compiles what the document check has passed.
func (p *Policy) compileSelections() error {
	for i := range p.doc.Allowlists {
		list, err := compileAllowlist(&p.doc.Allowlists[i])
		if err != nil {
			return err
		}
		p.allow[list.doc.ID] = list
	}
	for _, m := range p.doc.Mappings {
		s, err := compileSelector(m.Registry, m.Repository, m.Image)
		if err != nil {
			return err
		}
		p.mappings = append(p.mappings, s)
	}
	var err error
	if p.allowed, err = compileSelectors(p.doc.AllowlistedImages); err != nil {
		return err
	}
	p.denied, err = compileSelectors(p.doc.DenylistedImages)
	return err
}

func compileSelectors(list []ImageSelector) ([]selector, error) {
	var compiled []selector
	for _, entry := range list {
		s, err := compileSelector(entry.Registry, entry.Repository, entry.Image)
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, s)
	}
	return compiled, nil
}

// compiler collects the problems of rules.
type compiler struct {
	gates    []Gate
	problems []Problem
}

func (c *compiler) note(r *rule, severity, kind, path, text string) {
	problem := newProblem(severity, kind, path, r.doc.ID, text)
	c.problems = append(c.problems, problem)
	if kind == ProblemEndOfLife || kind == ProblemDeprecated {
		r.notes = append(r.notes, problem)
	}
}

// rule compiles one rule. It is left without a check when something is wrong with it.
func (c *compiler) rule(doc *Rule, path string) rule {
	r := rule{doc: doc, path: path}
	var err error
	if r.action, err = parseAction(doc.Action); err != nil {
		c.note(&r, SeverityError, ProblemValidation, path+"/action", err.Error())
	}
	gate := find(c.gates, doc.Gate, func(g *Gate) string { return g.Name })
	if gate == nil {
		c.note(&r, SeverityError, ProblemGate, path+"/gate",
			fmt.Sprintf("unknown gate %q, there are: %s", doc.Gate, names(c.gates, func(g *Gate) string { return g.Name })))
		return r
	}
	trigger := find(gate.Triggers, doc.Trigger, func(t *Trigger) string { return t.Name })
	if trigger == nil {
		c.note(&r, SeverityError, ProblemTrigger, path+"/trigger", fmt.Sprintf("unknown trigger %q of gate %s, there are: %s",
			doc.Trigger, gate.Name, names(gate.Triggers, func(t *Trigger) string { return t.Name })))
		return r
	}
	r.gate, r.trigger = gate.Name, trigger.Name
	gone := c.lifecycle(&r, "gate "+gate.Name, path+"/gate", gate.Lifecycle)
	if c.lifecycle(&r, "trigger "+trigger.Name, path+"/trigger", trigger.Lifecycle) || gone {
		return r
	}
	r.check = c.prepare(&r, trigger, path)
	return r
}

// lifecycle notes retirement and reports whether the thing is gone.
func (c *compiler) lifecycle(r *rule, what, path string, l Lifecycle) bool {
	switch l.state() {
	case EndOfLife:
		c.note(r, SeverityError, ProblemEndOfLife, path, retired(what, l))
		return true
	case Deprecated:
		c.note(r, SeverityWarn, ProblemDeprecated, path, retired(what, l))
	}
	return false
}

func (c *compiler) prepare(r *rule, trigger *Trigger, path string) Check {
	args, faults := bindArgs(trigger, r.doc.Params)
	broken := false
	for _, f := range faults {
		where, severity := path+"/params", SeverityError
		if f.index >= 0 {
			where += fmt.Sprintf("/%d", f.index)
		}
		if f.warn {
			severity = SeverityWarn
		}
		broken = broken || !f.warn
		c.note(r, severity, f.kind, where, f.text)
	}
	if broken {
		return nil
	}
	check, err := trigger.Prepare(args)
	if err != nil {
		c.note(r, SeverityError, ProblemParameterValue, path+"/params", err.Error())
		return nil
	}
	return check
}

// find returns the element with the name, compared without case, or nil.
func find[T any](list []T, name string, nameOf func(*T) string) *T {
	for i := range list {
		if strings.EqualFold(nameOf(&list[i]), name) {
			return &list[i]
		}
	}
	return nil
}

func names[T any](list []T, nameOf func(*T) string) string {
	all := make([]string, len(list))
	for i := range list {
		all[i] = nameOf(&list[i])
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
