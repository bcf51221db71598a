package policy

import (
	"cmp"
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
	sources  []pairSelector // by host and repository
	sboms    []pairSelector // by name and version
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
	check := newDocCheck(gates)
	problems := check.document(doc)
	for _, problem := range problems {
		if problem.Severity == SeverityError {
			p.faults = append(p.faults, problem)
		}
	}
	c := compiler{gates: gates, regexps: check.regexps}
	for i := range doc.RuleSets {
		if check.ruleCount > MaxRules {
			break // a fault already, and no end of work
		}
		set := &ruleSet{doc: &doc.RuleSets[i]}
		for j := range set.doc.Rules {
			set.rules = append(set.rules, c.rule(&set.doc.Rules[j], at("rule_sets", i)+at("rules", j), set.doc.artifact()))
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
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Severity, b.Severity) })
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
	for _, m := range p.doc.SourceMappings {
		s, err := compilePair(m.Host, m.Repository)
		if err != nil {
			return err
		}
		p.sources = append(p.sources, s)
	}
	for _, m := range p.doc.SBOMMappings {
		version := "*"
		if m.SBOMVersion != nil {
			version = *m.SBOMVersion
		}
		s, err := compilePair(m.SBOMName, version)
		if err != nil {
			return err
		}
		p.sboms = append(p.sboms, s)
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
	regexps  int // size of all expressions so far
}

func (c *compiler) note(r *rule, severity, kind, path, text string) {
	problem := newProblem(severity, kind, path, r.doc.ID, text)
	c.problems = append(c.problems, problem)
	if kind == ProblemEndOfLife || kind == ProblemDeprecated {
		r.notes = append(r.notes, problem)
	}
}

// rule compiles one rule. It is left without a check when something is wrong with it.
func (c *compiler) rule(doc *Rule, path, artifact string) rule {
	r := rule{doc: doc, path: path}
	var err error
	if r.action, err = parseAction(doc.Action); err != nil {
		c.note(&r, SeverityError, ProblemValidation, path+"/action", err.Error())
	}
	gate := find(c.gates, doc.Gate, func(g *Gate) string { return g.Name })
	if gate == nil {
		c.note(&r, SeverityError, ProblemGate, path+"/gate",
			fmt.Sprintf("unknown gate %q, there are: %s%s", doc.Gate, strings.Join(gateNames(c.gates), ", "), suggest(doc.Gate, gateNames(c.gates))))
		return r
	}
	trigger := find(gate.Triggers, doc.Trigger, func(t *Trigger) string { return t.Name })
	if trigger == nil {
		c.note(&r, SeverityError, ProblemTrigger, path+"/trigger", fmt.Sprintf("unknown trigger %q of gate %s, there are: %s%s",
			doc.Trigger, gate.Name, strings.Join(gate.triggerNames(), ", "), suggest(doc.Trigger, gate.triggerNames())))
		return r
	}
	r.gate, r.trigger = gate.Name, trigger.Name
	gone := c.lifecycle(&r, "gate "+gate.Name, path+"/gate", gate.Lifecycle)
	if c.lifecycle(&r, "trigger "+trigger.Name, path+"/trigger", trigger.Lifecycle) || gone {
		return r
	}
	if !trigger.suits(artifact) {
		c.note(&r, SeverityError, ProblemValidation, path+"/trigger", fmt.Sprintf(
			"trigger %s of gate %s looks at images and cannot be used in a rule set of type %s; there are: %s",
			trigger.Name, gate.Name, artifact, strings.Join(suitable(c.gates, artifact), ", ")))
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
	if len(r.doc.Params) > MaxParams {
		c.note(r, SeverityError, ProblemLimit, path+"/params", fmt.Sprintf("has %d entries, at most %d are allowed", len(r.doc.Params), MaxParams))
		return nil
	}
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
	// Texts count as if they were expressions: only the trigger knows which of them it compiles.
	for _, rp := range r.doc.Params {
		if p := trigger.param(rp.Name); p != nil && (p.Type.Name == Regexp.Name || p.Type.Name == String.Name) {
			if _, size, err := checkRegexp(rp.Value, ""); err == nil {
				c.regexps += size
			}
		}
	}
	if c.regexps > MaxRegexpsSize {
		c.note(r, SeverityError, ProblemLimit, path+"/params", tooManyRegexps)
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

// gateNames and triggerNames list what documents are to use, without what is gone.
func gateNames(gates []Gate) []string {
	var all []string
	for _, g := range gates {
		if g.state() != EndOfLife {
			all = append(all, g.Name)
		}
	}
	slices.Sort(all)
	return all
}

func (g *Gate) triggerNames() []string {
	var all []string
	for i := range g.Triggers {
		if g.Triggers[i].state() != EndOfLife {
			all = append(all, g.Triggers[i].Name)
		}
	}
	slices.Sort(all)
	return all
}
