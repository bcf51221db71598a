package matching

import (
	"slices"
	"strings"
)

// Class is a reason why a witness may answer otherwise. A difference belongs to the first class that the records, not the
// answers, show to apply; where none does, it is unexplained.
type Class struct {
	ID     string
	Right  string // who is: "Plimsoll", the witness, or "both": the same, said differently
	Reason string
	// Source is where the rule that decides is written.
	Source  string
	applies func(d Difference, about evidence) bool
}

// evidence is what the records say about a difference's flaw.
type evidence struct {
	records []*Record  // of the flaw, by whatever name
	entries []Affected // of those about the subject's package in its ecosystem, whatever the release
	exact   []Affected // of those about its release
	said    []string   // what the distribution's own documents say, where our side reads these
}

// Explainer finds the class of a difference.
type Explainer struct {
	classes []Class
	byID    map[string][]*Record
	said    Said
}

// NewExplainer knows the records that answers rest on.
func NewExplainer(records ...[]Record) *Explainer {
	e := &Explainer{classes: Classes, byID: map[string][]*Record{}}
	for _, list := range records {
		for i := range list {
			r := &list[i]
			for _, id := range append(withoutView([]string{r.ID}), r.Aliases...) {
				e.byID[id] = append(e.byID[id], r)
			}
		}
	}
	return e
}

// NewNativeExplainer knows the documents that our answers rest on, and the records that the witnesses' do.
func NewNativeExplainer(said Said, records []Record) *Explainer {
	e := &Explainer{classes: NativeClasses, byID: map[string][]*Record{}, said: said}
	for i := range records {
		r := &records[i]
		for _, id := range slices.Concat([]string{r.ID}, r.Upstream, r.Aliases, r.Related) {
			e.byID[id] = append(e.byID[id], r)
		}
	}
	return e
}

// Explain returns the class of a difference.
func (e *Explainer) Explain(d Difference) (Class, bool) {
	about := e.evidence(d)
	for _, c := range e.classes {
		if c.applies(d, about) {
			return c, true
		}
	}
	return Class{}, false
}

func (e *Explainer) evidence(d Difference) evidence {
	out := evidence{said: e.said[About{d.Ecosystem, d.Name, d.ID}]}
	name, _, _ := strings.Cut(d.Ecosystem, ":")
	records := e.flaw(d.ID)
	if e.said != nil {
		records = e.byID[d.ID] // a notice about several flaws makes them no names of one
	}
	for _, r := range records {
		speaks := false
		for _, a := range r.Affected {
			if !a.About(name) || !strings.EqualFold(a.Package.Name, d.Name) {
				continue
			}
			speaks = true
			out.entries = append(out.entries, a)
			if a.Package.Ecosystem == d.Ecosystem && a.Package.Name == d.Name {
				out.exact = append(out.exact, a)
			}
		}
		if speaks {
			out.records = append(out.records, r)
		}
	}
	return out
}

// flaw are the records of a flaw under all its names.
func (e *Explainer) flaw(id string) []*Record {
	var out []*Record
	names, seen := []string{id}, map[string]bool{id: true}
	for len(names) > 0 {
		for _, r := range e.byID[names[0]] {
			if slices.Contains(out, r) {
				continue
			}
			out = append(out, r)
			for _, other := range append(withoutView([]string{r.ID}), r.Aliases...) {
				if !seen[other] {
					seen[other] = true
					names = append(names, other)
				}
			}
		}
		names = names[1:]
	}
	return out
}

func (e evidence) anyEntry(is func(Affected) bool) bool { return slices.ContainsFunc(e.entries, is) }
func (e evidence) anyRecord(is func(*Record) bool) bool { return slices.ContainsFunc(e.records, is) }
func (d Difference) against(witness, signs string) bool {
	return d.Witness == witness && strings.Contains(signs, d.Sign)
}
func (d Difference) of(ecosystems ...string) bool {
	name, _, _ := strings.Cut(d.Ecosystem, ":")
	return slices.Contains(ecosystems, name)
}
