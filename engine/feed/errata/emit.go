package errata

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/feed"
)

// Emit hands out the records, sorted by id.
func (t *Table) Emit(ctx context.Context) error {
	about := maps.Clone(t.flaws)
	for i := range t.errata {
		if e := &t.errata[i]; e.flaws == 0 && len(e.rows) > 0 && about[e.id] == nil {
			about[e.id] = e.self
		}
	}
	said := 0
	for _, id := range slices.Sorted(maps.Keys(about)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec := t.record(id, about[id])
		if said += len(rec.Advisories); said > maxAdvisories {
			return fmt.Errorf("%w: more than %d statements about flaws in packages", ErrTooLarge, maxAdvisories)
		}
		if len(rec.Advisories) == 0 {
			continue
		}
		if err := t.out.Record(rec); err != nil {
			return err
		}
	}
	return nil
}

// piece is a row with the advisory it is of.
type piece struct {
	row
	of *erratum
}

func (t *Table) record(id string, f *flaw) feed.Record {
	groups := map[subject][]piece{}
	for _, at := range f.errata {
		of := &t.errata[at]
		for _, r := range of.rows {
			groups[r.subject] = append(groups[r.subject], piece{r, of})
		}
	}
	var rec feed.Record
	for _, about := range slices.SortedFunc(maps.Keys(groups), t.order) {
		rec.Advisories = append(rec.Advisories, t.advisories(id, about, groups[about])...)
	}
	v := feed.Vulnerability{
		Source: t.cfg.Source, ID: id, Summary: f.summary, Description: f.description, Severity: f.severity,
		CVSS: f.cvss, CWEs: f.cwes, URL: f.url, Published: f.published,
	}
	if v.URL == "" && t.cfg.Page != "" {
		v.URL = fmt.Sprintf(t.cfg.Page, id)
	}
	if v.Severity == feed.Unknown {
		for _, a := range rec.Advisories {
			v.Severity = max(v.Severity, *a.Severity)
		}
	}
	for i := range rec.Advisories {
		if a := &rec.Advisories[i]; f.severity != feed.Unknown || *a.Severity == v.Severity || *a.Severity == feed.Unknown {
			a.Severity = nil
		}
	}
	rec.Vulnerability = v
	return rec
}

// order sorts by what a person reads.
func (t *Table) order(a, b subject) int {
	for _, pair := range [][2]uint32{{a.namespace, b.namespace}, {a.pkg, b.pkg}, {a.module, b.module}, {a.channel, b.channel}} {
		if c := strings.Compare(t.words.Text(pair[0]), t.words.Text(pair[1])); c != 0 {
			return c
		}
	}
	return 0
}

// advisories answers for one subject: once, or by architecture where the answers differ.
func (t *Table) advisories(id string, about subject, pieces []piece) []feed.Advisory {
	var everywhere []piece
	byArch := map[string][]piece{}
	for _, p := range pieces {
		if p.arches == 0 {
			everywhere = append(everywhere, p)
			continue
		}
		for _, arch := range strings.Split(t.words.Text(p.arches), archSeparator) {
			byArch[arch] = append(byArch[arch], p)
		}
	}
	if len(byArch) == 0 {
		byArch[""] = nil
	}
	var out []feed.Advisory
	for _, arch := range slices.Sorted(maps.Keys(byArch)) {
		a, err := t.advisory(id, about, slices.Concat(everywhere, byArch[arch]))
		if err != nil {
			t.out.Bad(id, fmt.Errorf("%w: %s: %w", ErrErratum, a.Package, err))
			continue
		}
		same := slices.IndexFunc(out, func(o feed.Advisory) bool { return sameAnswer(o, a) })
		if same < 0 {
			same = len(out)
			out = append(out, a)
		}
		out[same].Arches = append(out[same].Arches, arch)
		out[same].Notices = notices(append(out[same].Notices, a.Notices...))
		*out[same].Severity = max(*out[same].Severity, *a.Severity)
	}
	if len(out) == 1 {
		out[0].Arches = nil
	}
	for i := range out {
		out[i].Arches = alsoOn64(out[i].Arches, byArch)
	}
	return out
}

// alsoOn64 adds the 32-bit packages a 64-bit system takes, where nothing else is said about them.
func alsoOn64(named []string, all map[string][]piece) []string {
	if _, own := all["i686"]; !own && slices.Contains(named, "x86_64") {
		named = append(named, "i686")
		slices.Sort(named)
	}
	return named
}

func sameAnswer(a, b feed.Advisory) bool {
	return a.State == b.State && a.Reason == b.Reason && slices.Equal(a.Ranges, b.Ranges)
}

// advisory joins what is said about one subject on one architecture. Its severity is set.
func (t *Table) advisory(id string, about subject, pieces []piece) (feed.Advisory, error) {
	a := feed.Advisory{
		Source: t.cfg.Source, ID: id, Namespace: t.words.Text(about.namespace), Package: t.words.Text(about.pkg),
		Scope:    feed.Scope{Module: t.words.Text(about.module), Channel: t.words.Text(about.channel)},
		Severity: new(feed.Unknown),
	}
	var ranges []feed.Range
	for _, p := range pieces {
		if state := t.state(p); state != feed.StateNotAffected && state != feed.StateInvestigate {
			ranges = append(ranges, t.span(p.row))
		}
		if stronger(t.state(p), a.State) {
			a.State, a.Reason = t.state(p), t.words.Text(p.reason)
		}
		*a.Severity = max(*a.Severity, p.of.severity)
		a.Notices = append(a.Notices, p.of.notices...)
	}
	a.Notices = notices(a.Notices)
	var err error
	if a.Ranges, err = feed.Union(t.cfg.Scheme, ranges); err != nil {
		return a, err
	}
	if n := len(a.Ranges); n > 0 && a.Ranges[n-1].Fixed != "" {
		for _, p := range pieces {
			if p.end == fixed && t.words.Text(p.to) == a.Ranges[n-1].Fixed && p.of.issued != nil && (a.FixedAt == nil || p.of.issued.Before(*a.FixedAt)) {
				a.FixedAt = new(*p.of.issued)
			}
		}
	}
	return a, nil
}

func (t *Table) state(p piece) feed.FixState { return feed.FixState(t.words.Text(p.state)) }

func (t *Table) span(r row) feed.Range {
	out := feed.Range{Introduced: cmp.Or(t.words.Text(r.from), "0")}
	if r.after {
		out = feed.Range{After: t.words.Text(r.from)}
	}
	switch to := t.words.Text(r.to); r.end {
	case fixed:
		out.Fixed = to
	case before:
		out.Before = to
	case last:
		out.LastAffected = to
	}
	return out
}

// states, weakest first: that something is not affected counts only where nothing else is said.
var states = []feed.FixState{
	"", feed.StateNotAffected, feed.StateInvestigate, feed.StateUnknown, feed.StateFixed,
	feed.StateEndOfLife, feed.StateWontFix, feed.StateDeferred, feed.StateAffected,
}

func stronger(a, b feed.FixState) bool { return slices.Index(states, a) > slices.Index(states, b) }
