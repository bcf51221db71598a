package match

import (
	"slices"

	"plimsoll/engine/feed"
)

// Explanation says why a subject has a flaw, or has not.
type Explanation struct {
	Statements []Opinion // about the flaw under any of its names: those heard first, best first
	// Finding is what is answered; nil: the subject does not have the flaw.
	Finding *Finding
	// Exclusion is the curated statement that took the finding away.
	Exclusion *feed.Exclusion
	// Covered: it is an advisory whose vulnerabilities the same source tells one by one.
	Covered bool
}

// Opinion is one statement about a subject, for people who ask why.
type Opinion struct {
	ID         string
	Source     string
	Group      string
	Namespace  string
	Package    string // the name it was looked up by
	Version    string // the version it was compared with
	Scheme     string // the order of versions
	Scope      feed.Scope
	State      feed.FixState
	Reason     string      // the source's words
	Range      *feed.Range // that holds the version
	FixVersion string      // where that range ends
	Outcome    Outcome
	Decides    bool // the answer rests on it
	Severity   feed.Severity
	Aliases    []string
	Confidence Confidence
}

// Outcome is what came of a statement.
type Outcome string

// The outcomes.
const (
	OutcomeAffected   Outcome = "affected"
	OutcomeClean      Outcome = "not_affected"
	OutcomeUnreadable Outcome = "not_comparable"
	OutcomeElsewhere  Outcome = "about_another_package" // module, architecture, stream, kind or platform differ
	OutcomeNotAsked   Outcome = "source_not_asked"      // the rules in force leave the source out
)

// Explain lists every statement about the flaw that goes by the name, which of them decided, and what came of it. It
// comes to the same answer as Judge, by the same steps.
func (r Rules) Explain(s Subject, candidates []Candidate, exclusions []feed.Exclusion, id string) Explanation {
	var out Explanation
	shown := map[*Candidate]bool{}
	for _, about := range clusters(r.opinions(s, candidates)) {
		if !slices.ContainsFunc(about, func(o opinion) bool { return o.ID == id || slices.Contains(o.Aliases, id) }) {
			continue
		}
		deciding := decide(about)
		for _, o := range about {
			shown[o.Candidate] = true
			decides := slices.ContainsFunc(deciding, func(d opinion) bool { return d.Candidate == o.Candidate })
			out.Statements = append(out.Statements, explained(o, decides))
		}
		if f, ok := conclude(about, deciding); ok {
			out.conclude(s, f, candidates, exclusions)
		}
	}
	for i := range candidates {
		if c := &candidates[i]; !shown[c] && (c.ID == id || slices.Contains(c.Aliases, id)) {
			out.Statements = append(out.Statements, r.unheard(c))
		}
	}
	return out
}

func (e *Explanation) conclude(s Subject, f Finding, candidates []Candidate, exclusions []feed.Exclusion) {
	if by, is := excluded(s, f, exclusions); is {
		e.Exclusion = by
		return
	}
	if len(covered([]Finding{f}, candidates)) == 0 {
		e.Covered = true
		return
	}
	e.Finding = &f
}

func explained(o opinion, decides bool) Opinion {
	outcome := map[verdict]Outcome{affected: OutcomeAffected, clean: OutcomeClean, unreadable: OutcomeUnreadable}[o.verdict]
	return Opinion{
		ID: o.ID, Source: o.Source, Group: o.Group, Namespace: o.Namespace, Package: o.Package, Version: o.as.version,
		Scheme: string(o.as.scheme), Scope: o.Scope, State: o.State, Reason: o.Reason, Range: o.within, FixVersion: o.fix,
		Outcome: outcome, Decides: decides, Severity: o.rating(), Aliases: o.Aliases, Confidence: o.as.tier.confidence(),
	}
}

// unheard is a statement about one of the subject's names that does not mean the subject.
func (r Rules) unheard(c *Candidate) Opinion {
	o := Opinion{
		ID: c.ID, Source: c.Source, Group: c.Group, Namespace: c.Namespace, Package: c.Package, Scope: c.Scope,
		State: c.State, Reason: c.Reason, Outcome: OutcomeElsewhere, Severity: c.rating(), Aliases: c.Aliases,
	}
	if r.WithoutSources[c.Source] {
		o.Outcome = OutcomeNotAsked
	}
	return o
}
