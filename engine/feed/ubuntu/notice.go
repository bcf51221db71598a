package ubuntu

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
)

// notice is a security notice.
type notice struct {
	id        string
	published *time.Time
}

// subject is a flaw of a source package in a place, all by number.
type subject struct{ flaw, place, pkg uint32 }

func (s subject) compare(to subject) int {
	return cmp.Or(cmp.Compare(s.flaw, to.flaw), cmp.Compare(s.place, to.place), cmp.Compare(s.pkg, to.pkg))
}

// noticed says that a notice brought a version that fixes the subject.
type noticed struct {
	subject
	notice, fixed uint32
}

// readNotices notes what the notices of the OSV archive fixed, and learns the code names.
func (b *base) readNotices(ctx context.Context, doc feed.Fetched) error {
	members := 0
	err := archive.Walk(ctx, doc, limits, func(m archive.Member) error {
		members++
		if !isNotice(stem(m.Name)) {
			return nil
		}
		d, err := b.decode(m)
		if d == nil || err != nil {
			return err
		}
		return b.notice(d)
	})
	if err == nil && members == 0 {
		return fmt.Errorf("%w: nothing in it", ErrDocument)
	}
	slices.SortFunc(b.noticed, func(x, y noticed) int {
		return cmp.Or(x.compare(y.subject), cmp.Compare(x.notice, y.notice))
	})
	return err
}

func (b *base) notice(d *document) error {
	id, _ := field.ID(d.ID) // what is wrong is reported when the records are read
	if !isNotice(id) || d.Withdrawn.at != nil {
		return nil
	}
	number := uint32(len(b.notices))
	b.notices = append(b.notices, notice{id: id, published: d.Published.at})
	named := flaws(d.Upstream, d.Related, d.Aliases)
	if standsAlone(d) {
		named = []string{id}
	}
	for i := range d.Affected {
		a := &d.Affected[i]
		p, distro, ok := a.place()
		name, err := field.Name(a.Package.Name)
		if !ok || err != nil {
			continue
		}
		b.learn(p, distro)
		about := named
		if own := a.flaws(); len(own) > 0 {
			about = own
		}
		if err := b.count(len(about)); err != nil {
			return err
		}
		for _, flaw := range about {
			b.noticed = append(b.noticed, noticed{
				subject{b.words.Number(flaw), b.words.Number(p.key()), b.words.Number(name)}, number, b.words.Number(a.fixed()),
			})
		}
	}
	return nil
}

// flaws are the CVEs among ids, each once, without the prefix of a distribution's view.
func flaws(lists ...[]string) []string {
	var out []string
	for _, list := range lists {
		for _, id := range list {
			if id = strings.TrimPrefix(id, distributionPrefix); field.IsCVE(id) {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// flaws are the CVEs a notice fixes in one package, where it says so.
func (a *affected) flaws() []string {
	var ids []string
	for _, c := range a.Database.value.Map.CVEs {
		ids = append(ids, c.ID)
	}
	return flaws(ids)
}

// fixed is the last version called fixed, or "".
func (a *affected) fixed() string {
	fixed := ""
	for _, r := range a.Ranges {
		for _, e := range r.Events {
			fixed = cmp.Or(e.Fixed, fixed)
		}
	}
	return fixed
}

// noticesOf are the notices about a subject.
func (b *base) noticesOf(s subject) []noticed {
	from, _ := slices.BinarySearchFunc(b.noticed, s, func(n noticed, s subject) int { return n.compare(s) })
	to := from
	for to < len(b.noticed) && b.noticed[to].subject == s {
		to++
	}
	return b.noticed[from:to]
}
