package match

import (
	"slices"

	"plimsoll/engine/feed"
)

// Opinion is one statement about a subject, for people who ask why.
type Opinion struct {
	ID        string
	Source    string
	Group     string
	Namespace string
	Package   string // the name it was looked up by
	Version   string // the version it was compared with
	Scheme    string // the order of versions
	Scope     feed.Scope
	State     feed.FixState
	Reason    string      // the source's words
	Range     *feed.Range // that holds the version
	Outcome   Outcome
	Decides   bool // the answer rests on it
	Severity  feed.Severity
	Aliases   []string
}

// Outcome is what came of a statement.
type Outcome string

// The outcomes.
const (
	OutcomeAffected   Outcome = "affected"
	OutcomeClean      Outcome = "not_affected"
	OutcomeUnreadable Outcome = "not_comparable"
	OutcomeElsewhere  Outcome = "about_another_package" // module, architecture, stream, kind or platform differ
)

// Explain lists every statement about the flaw that goes by the name, and which of them decided. It comes to the same
// answer as Judge, by the same steps.
func (r Rules) Explain(s Subject, candidates []Candidate, id string) []Opinion {
	var out []Opinion
	shown := map[*Candidate]bool{}
	list := r.opinions(s, candidates)
	for _, about := range clusters(list) {
		if !slices.ContainsFunc(about, func(o opinion) bool { return o.ID == id || slices.Contains(o.Aliases, id) }) {
			continue
		}
		deciding := decide(about)
		for _, o := range about {
			shown[o.Candidate] = true
			decides := slices.ContainsFunc(deciding, func(d opinion) bool { return d.Candidate == o.Candidate })
			out = append(out, explained(o, decides))
		}
	}
	for i := range candidates {
		c := &candidates[i]
		if !shown[c] && (c.ID == id || slices.Contains(c.Aliases, id)) {
			out = append(out, Opinion{
				ID: c.ID, Source: c.Source, Group: c.Group, Namespace: c.Namespace, Package: c.Package, Scope: c.Scope,
				State: c.State, Reason: c.Reason, Outcome: OutcomeElsewhere, Severity: c.rating(), Aliases: c.Aliases,
			})
		}
	}
	return out
}

func explained(o opinion, decides bool) Opinion {
	outcome := map[verdict]Outcome{affected: OutcomeAffected, clean: OutcomeClean, unreadable: OutcomeUnreadable}[o.verdict]
	return Opinion{
		ID: o.ID, Source: o.Source, Group: o.Group, Namespace: o.Namespace, Package: o.Package, Version: o.as.version,
		Scheme: string(o.as.scheme), Scope: o.Scope, State: o.State, Reason: o.Reason, Range: o.within,
		Outcome: outcome, Decides: decides, Severity: o.rating(), Aliases: o.Aliases,
	}
}
