package ubuntu

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// unsubscribed is what an entry for Pro says about a plain image: it is affected until it has what it cannot get.
func unsubscribed(g *gathered) *gathered {
	out := &gathered{ranges: slices.Clone(g.ranges), availability: g.availability, severity: g.severity}
	for i, r := range out.ranges {
		if r.Fixed != "" {
			out.ranges[i].Fixed, out.ranges[i].Before = "", r.Fixed
		}
	}
	for _, distro := range g.distros {
		if codename, _, ok := split(distro); ok {
			out.distros = append(out.distros, codename)
		}
	}
	// What subscribers do not get either, nobody gets.
	out.distros = append(out.distros, g.distros...)
	return out
}

// advisory says what was gathered about one thing. It is false when there is nothing to say.
func (b *base) advisory(id string, about about, g *gathered, said sayings) (feed.Advisory, bool) {
	ranges, err := feed.Union(version.Dpkg, g.ranges)
	if err != nil {
		b.out.Bad(id, fmt.Errorf("%w: %s in %s: %w", ErrRecord, about.pkg, about.namespace(), err))
		return feed.Advisory{}, false
	}
	a := feed.Advisory{
		Source: Name, ID: id, Namespace: about.namespace(), Package: about.pkg, Scope: feed.Scope{Channel: about.channel},
		Ranges: ranges, State: feed.StateAffected, Severity: g.severity,
	}
	switch {
	case len(ranges) == 0:
		a.State = feed.StateNotAffected
	case slices.ContainsFunc(ranges, func(r feed.Range) bool { return r.Fixed != "" }):
		a.State = feed.StateFixed
	default:
		b.explain(&a, g, said)
	}
	b.announce(&a, subject{b.words.Number(id), b.words.Number(about.key()), b.words.Number(about.pkg)})
	return a, true
}

// explain tells why there is no fix.
func (b *base) explain(a *feed.Advisory, g *gathered, said sayings) {
	if slices.ContainsFunc(a.Ranges, func(r feed.Range) bool { return r.Before != "" }) {
		a.Reason = field.Prose(g.availability, field.MaxReason)
	}
	for _, distro := range g.distros {
		s, ok := said[[2]uint32{b.words.Number(a.Package), b.words.Number(distro)}]
		if state := feed.FixState(b.words.Text(s.state)); ok && state != feed.StateNotAffected {
			a.State, a.Reason = state, cmp.Or(b.words.Text(s.reason), a.Reason)
			return
		}
	}
}

// announce adds the notices about a subject, and the date of the one that brought the fix.
func (b *base) announce(a *feed.Advisory, s subject) {
	for _, n := range b.noticesOf(s) {
		of := b.notices[n.notice]
		if !slices.ContainsFunc(a.Notices, func(o feed.Notice) bool { return o.ID == of.id }) {
			a.Notices = append(a.Notices, feed.Notice{ID: of.id, URL: noticePage + of.id})
		}
		brought := slices.ContainsFunc(a.Ranges, func(r feed.Range) bool { return r.Fixed != "" && r.Fixed == b.words.Text(n.fixed) })
		if brought && of.published != nil && (a.FixedAt == nil || of.published.Before(*a.FixedAt)) {
			a.FixedAt = of.published
		}
	}
	slices.SortFunc(a.Notices, func(x, y feed.Notice) int { return strings.Compare(x.ID, y.ID) })
}

// notAffected are the advisories about what the VEX data calls not affected and the OSV data does not name. What Pro's
// package does not have, the plain one of the same release never had.
func (b *base) notAffected(id string, said sayings, found map[about]*gathered) []feed.Advisory {
	silent, derived := map[about]uint32{}, map[about]uint32{}
	for _, s := range said {
		codename, channel, ok := split(b.words.Text(s.distro))
		release := b.codenames[codename]
		if !ok || release == "" || !b.wanted(release) || feed.FixState(b.words.Text(s.state)) != feed.StateNotAffected {
			continue
		}
		a := about{place{release, channel}, b.words.Text(s.pkg)}
		b.keep(silent, a, s.reason)
		if channel == pro {
			b.keep(derived, about{place{release: release}, a.pkg}, s.reason)
		}
	}
	for a, reason := range derived {
		if _, ok := silent[a]; !ok {
			silent[a] = reason
		}
	}
	var out []feed.Advisory
	for _, a := range slices.SortedFunc(maps.Keys(silent), about.compare) {
		_, named := found[a]
		_, subscribed := found[about{place{a.release, pro}, a.pkg}]
		if named || subscribed && a.channel == "" {
			continue
		}
		out = append(out, feed.Advisory{
			Source: Name, ID: id, Namespace: a.namespace(), Package: a.pkg, Scope: feed.Scope{Channel: a.channel},
			State: feed.StateNotAffected, Reason: b.words.Text(silent[a]),
		})
	}
	return out
}

// keep notes a reason. Of two about the same place ("esm-infra", "esm-apps") always the same one is kept.
func (b *base) keep(reasons map[about]uint32, a about, reason uint32) {
	if other, ok := reasons[a]; !ok || b.words.Text(other) < b.words.Text(reason) {
		reasons[a] = reason
	}
}
