package debian

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// emit hands out a record per flaw that anything is said about.
func (t *table) emit(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(t.flaws)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec := t.record(id, t.flaws[id])
		if len(rec.Advisories) == 0 {
			continue
		}
		if err := t.out.Record(rec); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) record(id string, f *flaw) feed.Record {
	v := feed.Vulnerability{Source: Name, ID: id, Description: f.description, URL: page + id}
	if f.bug > 0 {
		v.References = []string{bugPage + strconv.FormatInt(f.bug, 10)}
	}
	rec := feed.Record{Advisories: t.advisories(id, f)}
	for _, a := range rec.Advisories {
		if a.Severity != nil {
			v.Severity = max(v.Severity, *a.Severity)
		}
	}
	for i := range rec.Advisories {
		if s := rec.Advisories[i].Severity; s != nil && *s == v.Severity {
			rec.Advisories[i].Severity = nil
		}
	}
	rec.Vulnerability = v
	return rec
}

// advisories joins statements and notices by subject. Where the tracker says nothing the notices stand for
// themselves, but of a package it speaks about in a release it would not keep a CVE back, had that not been rejected since.
func (t *table) advisories(id string, f *flaw) []feed.Advisory {
	noticed := map[subject][]noticed{}
	for _, n := range f.noticed {
		noticed[n.subject] = append(noticed[n.subject], n)
	}
	said := map[subject]statement{}
	for _, s := range f.statements {
		if _, twice := said[s.subject]; twice {
			t.out.Bad(id, fmt.Errorf("%w: second one about %s in %s", ErrStatement, t.words.Text(s.pkg), t.words.Text(s.release)))
			continue
		}
		said[s.subject] = s
	}
	for about, by := range noticed {
		if _, ok := said[about]; !ok && (f.tracked || !t.covered[about] || !field.IsCVE(id)) {
			said[about] = t.byNotice(by)
		}
	}
	var out []feed.Advisory
	for _, about := range slices.SortedFunc(maps.Keys(said), t.order) {
		out = append(out, t.advisory(id, said[about], noticed[about]))
	}
	return out
}

// order sorts by namespace and package.
func (t *table) order(a, b subject) int {
	return cmp.Or(strings.Compare(t.words.Text(a.release), t.words.Text(b.release)), strings.Compare(t.words.Text(a.pkg), t.words.Text(b.pkg)))
}

// byNotice is what the advisories alone say about a subject. Of several fixes the highest counts: who has an earlier
// one has what the later ones had to repair.
func (t *table) byNotice(by []noticed) statement {
	best := by[0]
	for _, n := range by[1:] {
		if n.fixed != 0 && (best.fixed == 0 || t.compare(n.fixed, best.fixed) > 0) {
			best = n
		}
	}
	return statement{subject: best.subject, fixed: best.fixed, state: best.state}
}

// compare orders two fixed versions, which are valid.
func (t *table) compare(a, b uint32) int {
	c, err := version.Compare(version.Dpkg, t.words.Text(a), t.words.Text(b))
	if err != nil {
		return 0
	}
	return c
}

func (t *table) advisory(id string, s statement, by []noticed) feed.Advisory {
	a := feed.Advisory{
		Source: Name, ID: id, Namespace: t.words.Text(s.release), Package: t.words.Text(s.pkg),
		State: feed.FixState(t.words.Text(s.state)), Reason: t.words.Text(s.reason),
	}
	if s.severity != nil {
		a.Severity = new(*s.severity)
	}
	switch {
	case s.fixed != 0:
		a.Ranges = []feed.Range{{Introduced: "0", Fixed: t.words.Text(s.fixed)}}
	case a.State != feed.StateNotAffected:
		a.Ranges = []feed.Range{{Introduced: "0"}}
	}
	for _, n := range by {
		of := t.notices[n.notice]
		if n.fixed != 0 {
			a.Notices = append(a.Notices, feed.Notice{ID: of.id, URL: page + of.id})
		}
		// The advisory that brought the fix dates it; a fix of another version came some other way.
		if n.fixed != 0 && s.fixed != 0 && t.compare(n.fixed, s.fixed) == 0 && (a.FixedAt == nil || of.date.Before(*a.FixedAt)) {
			a.FixedAt = new(of.date)
		}
	}
	slices.SortFunc(a.Notices, func(x, y feed.Notice) int { return strings.Compare(x.ID, y.ID) })
	a.Notices = slices.Compact(a.Notices)
	return a
}
