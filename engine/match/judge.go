package match

import (
	"cmp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
)

// Candidate is a statement about one of a subject's names, with what its source says about the flaw.
type Candidate struct {
	feed.Advisory
	Group    string
	Aliases  []string
	Upstream []string
	Rating   feed.Severity // of the vulnerability, by its source
	// Fallback is what the NVD rates the vulnerability, for sources that do not rate.
	Fallback feed.Severity
}

// rating is the candidate's own severity for the package.
func (c *Candidate) rating() feed.Severity {
	if c.Severity != nil {
		return *c.Severity
	}
	return c.Rating
}

// Confidence says how sure it is that the advisory means this package.
type Confidence string

// High: the distribution or the ecosystem speaks about the package by its own name. Low: a CPE name was guessed.
const (
	High Confidence = "high"
	Low  Confidence = "low"
)

// Finding is a vulnerability a subject has. One vulnerability is one finding, by whatever names and from however many
// sources it comes.
type Finding struct {
	ID        string
	Source    string
	Group     string
	Namespace string
	Package   string // as the advisory names it
	Scope     feed.Scope
	// FixVersion is the nearest fix: where the affected range around the installed version ends. "" when there
	// is none.
	FixVersion string
	State      feed.FixState
	Severity   feed.Severity
	Also       []string // its other names, as far as the sources that speak about the package know them; sorted
	Confidence Confidence
}

// opinion is what one statement says about the subject.
type opinion struct {
	*Candidate
	as      reading // how the subject was looked at
	heard   hearing
	verdict verdict
	fix     string
	state   feed.FixState
	within  *feed.Range // that holds the version
}

// verdict is the outcome of a comparison.
type verdict int

const (
	unreadable verdict = iota // a version or a range cannot be compared: no opinion
	clean
	affected
)

// Version is raised whenever the same statements are judged to something else, or looked up by other names.
const Version = 2

// Judge decides which vulnerabilities the subject has. It is a pure function of its arguments: candidates may come in
// any order, and those that speak about something else change nothing.
func (r Rules) Judge(s Subject, candidates []Candidate, exclusions []feed.Exclusion) []Finding {
	var out []Finding
	for _, about := range clusters(r.opinions(s, candidates)) {
		deciding := decide(about)
		if f, ok := conclude(about, deciding); ok {
			if _, is := excluded(s, f, exclusions); !is {
				out = append(out, f)
			}
		}
	}
	out = covered(out, candidates)
	slices.SortFunc(out, func(a, b Finding) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// opinions asks every candidate that hears, in a fixed order.
func (r Rules) opinions(s Subject, candidates []Candidate) []opinion {
	readings := r.readings(s)
	var out []opinion
	for i := range candidates {
		c := &candidates[i]
		if r.WithoutSources[c.Source] {
			continue
		}
		if o, ok := hear(s, readings, c); ok {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b opinion) int {
		return cmp.Or(
			cmp.Compare(a.as.tier, b.as.tier), cmp.Compare(r.priority(b.Source), r.priority(a.Source)), cmp.Compare(a.Source, b.Source),
			cmp.Compare(idRank(a.ID), idRank(b.ID)), strings.Compare(a.ID, b.ID), strings.Compare(a.Group, b.Group),
			cmp.Compare(a.Namespace+"\x00"+a.Package, b.Namespace+"\x00"+b.Package), compareScope(a.Scope, b.Scope))
	})
	return out
}

func compareScope(a, b feed.Scope) int {
	return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Module, b.Module),
		strings.Compare(a.Channel, b.Channel), slices.Compare(a.Arches, b.Arches))
}

// hear finds the reading a candidate speaks about, and asks it. A statement that does not say which kind of package it
// names means the kind its namespace uses, which is the first reading.
func hear(s Subject, readings []reading, c *Candidate) (opinion, bool) {
	for i, n := range readings {
		if n.Namespace != c.Namespace || n.Name != c.Package || c.Kind == feed.Convention && n.tier == tierVendor && i > 0 {
			continue
		}
		if h := n.listen(s, c.Advisory); h != deaf {
			o := opinion{Candidate: c, as: n, heard: h}
			o.compare()
			return o, true
		}
	}
	return opinion{}, false
}

// clusters groups the opinions that are about one flaw: names of one are names of another. The order stays.
func clusters(list []opinion) [][]opinion {
	parent := map[string]string{}
	var root func(string) string
	root = func(name string) string {
		up, ok := parent[name]
		if !ok || up == name {
			return name
		}
		top := root(up)
		parent[name] = top
		return top
	}
	for _, o := range list {
		for _, alias := range o.Aliases {
			if a, b := root(o.ID), root(alias); a != b {
				parent[a] = b
			}
		}
	}
	index := map[string]int{}
	var out [][]opinion
	for _, o := range list {
		top := root(o.ID)
		i, ok := index[top]
		if !ok {
			i = len(out)
			index[top] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], o)
	}
	return out
}

// decide picks the opinions that count for a flaw: those of the best tier that has a readable one, there of the best
// source where the distribution itself speaks, and each id once elsewhere. None decide where a build for extended support
// has the fix of its own stream.
func decide(about []opinion) (deciding []opinion) {
	about = slices.Clone(about)
	about = slices.DeleteFunc(about, func(o opinion) bool { return o.verdict == unreadable })
	if len(about) == 0 {
		return nil
	}
	best := about[0]
	deciding = slices.DeleteFunc(about, func(o opinion) bool { return o.as.tier != best.as.tier })
	if best.as.tier != tierVendor {
		return firstOfEachID(deciding)
	}
	deciding = slices.DeleteFunc(deciding, func(o opinion) bool { return o.Source != best.Source })
	for _, o := range deciding {
		if o.heard == clears && o.verdict == clean && o.Advisory.State == feed.StateFixed {
			return nil
		}
	}
	deciding = slices.DeleteFunc(deciding, func(o opinion) bool { return o.heard == clears })
	if slices.ContainsFunc(deciding, func(o opinion) bool { return o.heard == hearsWe }) {
		deciding = slices.DeleteFunc(deciding, func(o opinion) bool { return o.heard != hearsWe })
	}
	// What is said about the binary itself goes before what is said about its source as a whole.
	if slices.ContainsFunc(deciding, func(o opinion) bool { return o.Kind == feed.Binary }) {
		deciding = slices.DeleteFunc(deciding, func(o opinion) bool { return o.Kind == feed.Source })
	}
	return deciding
}

// firstOfEachID keeps, of several sources that carry one record, the best.
func firstOfEachID(list []opinion) []opinion {
	source := map[string]string{}
	return slices.DeleteFunc(list, func(o opinion) bool {
		known, ok := source[o.ID]
		if !ok {
			source[o.ID] = o.Source
		}
		return ok && known != o.Source
	})
}

// conclude makes one finding of what was decided about a flaw.
func conclude(about, deciding []opinion) (Finding, bool) {
	at := slices.IndexFunc(deciding, func(o opinion) bool { return o.verdict == affected })
	if at < 0 {
		return Finding{}, false
	}
	o := deciding[at]
	f := Finding{
		ID: o.ID, Source: o.Source, Group: o.Group, Namespace: o.Namespace, Package: o.Package, Scope: o.Scope,
		FixVersion: o.fix, State: o.state, Severity: severityOf(about, o), Confidence: o.as.tier.confidence(),
	}
	for _, other := range deciding {
		if f.FixVersion == "" && other.verdict == affected && other.fix != "" {
			f.FixVersion, f.State = other.fix, feed.StateFixed
		}
	}
	for _, other := range about {
		f.Also = append(append(f.Also, other.ID), other.Aliases...)
	}
	slices.Sort(f.Also)
	f.Also = slices.DeleteFunc(slices.Compact(f.Also), func(id string) bool { return id == f.ID })
	return f, true
}

// severityOf is the rating of the source that speaks; where it is silent that of the next best one about the same flaw,
// then the NVD's.
func severityOf(about []opinion, speaks opinion) feed.Severity {
	for _, o := range append([]opinion{speaks}, about...) {
		if rated := o.rating(); rated != feed.Unknown {
			return rated
		}
	}
	for _, o := range append([]opinion{speaks}, about...) {
		if o.Fallback != feed.Unknown {
			return o.Fallback
		}
	}
	return feed.Unknown
}

// covered drops a distribution's advisory (DSA, USN) where the same source tells about each of its vulnerabilities.
func covered(list []Finding, candidates []Candidate) []Finding {
	type told struct{ namespace, id string }
	known := map[told]bool{}
	upstream := map[string][]string{}
	for i := range candidates {
		c := &candidates[i]
		known[told{c.Namespace, c.ID}] = true
		if len(c.Upstream) > 0 {
			upstream[c.Source+"\x00"+c.ID] = c.Upstream
		}
	}
	return slices.DeleteFunc(list, func(f Finding) bool {
		fixes := upstream[f.Source+"\x00"+f.ID]
		if len(fixes) == 0 || strings.HasPrefix(f.ID, "CVE-") {
			return false
		}
		return !slices.ContainsFunc(fixes, func(id string) bool { return !known[told{f.Namespace, id}] })
	})
}

// excluded finds the curated statement that says that the finding is false.
func excluded(s Subject, f Finding, exclusions []feed.Exclusion) (*feed.Exclusion, bool) {
	names := append([]string{f.ID}, f.Also...)
	at := slices.IndexFunc(exclusions, func(x feed.Exclusion) bool {
		return slices.ContainsFunc(x.Vulnerabilities, func(id string) bool { return slices.Contains(names, id) }) &&
			(x.Namespace == "" || x.Namespace == f.Namespace) && (x.PackageType == "" || x.PackageType == s.Type) &&
			(x.Package == "" || wildcard(x.Package, s.Name)) && (len(x.Versions) == 0 || slices.Contains(x.Versions, s.Version))
	})
	if at < 0 {
		return nil, false
	}
	return &exclusions[at], true
}

// wildcard matches a text with a pattern in which * stands for any characters.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// idRank orders the names of one flaw: GitHub's are those language communities go by.
func idRank(id string) int {
	switch {
	case strings.HasPrefix(id, "GHSA-"):
		return 0
	case strings.HasPrefix(id, "CVE-"):
		return 1
	}
	return 2
}
