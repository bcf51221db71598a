package redhat

import (
	"path"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/csaf"
	"plimsoll/engine/feed/field"
)

// subject is what an advisory is about.
type subject struct {
	place
	name, module string
	kind         feed.Kind
}

// said is what a document says about a subject.
type said struct {
	fixes    map[string]*fix // by version
	state    feed.FixState   // where there is no fix; "" for nothing
	reason   string
	severity feed.Severity
}

// fix is a version with a fix.
type fix struct {
	arches  map[string]bool
	notices map[string]string // ids and URLs of the advisories that brought it
	at      *time.Time
}

// gathering sorts what a document says about a flaw by what it is about.
type gathering struct {
	id     string
	doc    *csaf.Document
	flaw   *csaf.Vulnerability
	said   map[subject]*said
	kept   map[string]bool // ids of products that are read
	whole  int             // fixes that name a module as a whole
	places map[string]*place
	parts  map[string]*component
	// By id of a product: what can be done, how bad it is, why it is not affected.
	updates, others map[string]*csaf.Remedy
	severities      map[string]feed.Severity
	reasons         map[string]string
}

func newGathering(id string, d *csaf.Document, v *csaf.Vulnerability) *gathering {
	return &gathering{
		id: id, doc: d, flaw: v, said: map[subject]*said{}, kept: map[string]bool{},
		places: map[string]*place{}, parts: map[string]*component{},
		updates: map[string]*csaf.Remedy{}, others: map[string]*csaf.Remedy{},
		severities: map[string]feed.Severity{}, reasons: map[string]string{},
	}
}

// gather reads the statements about packages of the chosen releases, nil for all.
func (g *gathering) gather(majors map[string]bool) {
	g.index()
	for _, status := range []string{csaf.Fixed, csaf.KnownAffected, csaf.UnderInvestigation, csaf.KnownNotAffected} {
		ids := g.flaw.Status[status]
		bySource := g.namedBySource(ids)
		for _, id := range ids {
			p, c, ok := g.resolve(id)
			if !ok || majors != nil && !majors[p.major] {
				continue
			}
			if c.evr == "" && c.kind == feed.Binary && bySource[p] {
				c.kind = feed.Source
			}
			g.add(status, id, subject{p, c.name, c.module, c.kind}, c)
		}
	}
}

// index sorts remediations, ratings and reasons by product. Of several of a kind the first counts.
func (g *gathering) index() {
	for i := range g.flaw.Remedies {
		r := &g.flaw.Remedies[i]
		var into map[string]*csaf.Remedy
		switch r.Category {
		case csaf.VendorFix:
			into = g.updates
		case csaf.NoneAvailable, csaf.NoFixPlanned:
			into = g.others
		default:
			continue
		}
		for _, id := range r.Products {
			if into[id] == nil {
				into[id] = r
			}
		}
	}
	for _, t := range g.flaw.Threats {
		if s, ok := feed.ParseSeverity(t.Details); ok && t.Category == csaf.Impact {
			for _, id := range t.Products {
				g.severities[id] = max(g.severities[id], s)
			}
		}
	}
	for _, f := range g.flaw.Flags {
		for _, id := range f.Products {
			g.reasons[id] = field.Prose(strings.ReplaceAll(f.Label, "_", " "), field.MaxReason)
		}
	}
}

// resolve follows a product id to platform and component; false for what is not read.
func (g *gathering) resolve(id string) (place, component, bool) {
	link, ok := g.doc.Components[id]
	if !ok {
		return place{}, component{}, false
	}
	p, known := g.places[link.Platform]
	if !known {
		if at, ok := placeOf(link.Platform, g.doc.Products[link.Platform]); ok {
			p = &at
		}
		g.places[link.Platform] = p
	}
	if p == nil {
		return place{}, component{}, false
	}
	c, known := g.parts[link.Product]
	if !known {
		if part, ok := componentOf(link.Product, g.doc.Products[link.Product]); ok {
			c = &part
		}
		g.parts[link.Product] = c
	}
	if c == nil {
		return place{}, component{}, false
	}
	return *p, *c, true
}

// namedBySource are the places of which a status names no source package as such. What it names there without an
// architecture are components, which have the names of source packages; elsewhere it lists sources and their binaries.
func (g *gathering) namedBySource(ids []string) map[place]bool {
	out := map[place]bool{}
	for _, id := range ids {
		p, c, ok := g.resolve(id)
		if !ok {
			continue
		}
		if _, known := out[p]; !known || c.kind == feed.Source {
			out[p] = c.kind != feed.Source
		}
	}
	return out
}

// add notes a statement. They come in the order of what goes first: a fix, affected, unknown, not affected.
func (g *gathering) add(status, id string, about subject, c component) {
	if status == csaf.Fixed && !c.fixes() {
		g.whole++
		return
	}
	g.kept[id] = true
	s := g.said[about]
	if s == nil {
		s = &said{fixes: map[string]*fix{}}
		g.said[about] = s
	}
	switch status {
	case csaf.Fixed:
		s.severity = max(s.severity, g.severities[id])
		s.fix(c, g.updates[id])
	case csaf.KnownAffected:
		if len(s.fixes) > 0 {
			return
		}
		s.severity = max(s.severity, g.severities[id])
		if state, reason := unfixedState(g.others[id]); s.state == "" || hope[state] > hope[s.state] {
			s.state, s.reason = state, reason
		}
	case csaf.UnderInvestigation:
		if len(s.fixes) == 0 && s.state == "" {
			s.state = feed.StateInvestigate
		}
	default:
		if len(s.fixes) == 0 && s.state == "" {
			s.state, s.reason = feed.StateNotAffected, g.reasons[id]
		}
	}
}

// fix notes a version with a fix, and the advisory that brought it.
func (s *said) fix(c component, update *csaf.Remedy) {
	f := s.fixes[c.evr]
	if f == nil {
		f = &fix{arches: map[string]bool{}, notices: map[string]string{}}
		s.fixes[c.evr] = f
	}
	f.arches[c.arch] = true
	if update == nil {
		return
	}
	if notice, err := field.ID(path.Base(update.URL)); err == nil && strings.HasPrefix(update.URL, "https://") {
		f.notices[notice] = field.Prose(update.URL, maxURL)
	}
	if at := update.Date.At; at != nil && (f.at == nil || at.Before(*f.at)) {
		f.at = at
	}
}

// unfixedWords are how Red Hat says why there is no fix.
var unfixedWords = map[string]feed.FixState{
	"affected": feed.StateAffected, "fix deferred": feed.StateDeferred, "will not fix": feed.StateWontFix, "out of support scope": feed.StateEndOfLife,
}

// hope orders the states without a fix: of several, about minor releases, the one that is best for the package counts.
var hope = map[feed.FixState]int{feed.StateAffected: 4, feed.StateDeferred: 3, feed.StateWontFix: 2, feed.StateEndOfLife: 1}

// unfixedState is the state of an affected package by its remediation, nil for none, and the vendor's words for it.
func unfixedState(r *csaf.Remedy) (feed.FixState, string) {
	if r == nil {
		return feed.StateAffected, ""
	}
	reason := field.Prose(r.Details, field.MaxReason)
	state, ok := unfixedWords[strings.ToLower(reason)]
	if !ok {
		state = feed.StateAffected
		if r.Category == csaf.NoFixPlanned {
			state = feed.StateWontFix
		}
	}
	return state, reason
}
