package ubuntu

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// distributionPrefix stands before the CVE in the ids of Ubuntu's records.
const distributionPrefix = "UBUNTU-"

// Bounds on one record.
const (
	maxReferences = 200
	maxURL        = 2048
	maxEntries    = 20_000
)

// unknown is how a record without a description says so.
const unknown = "[Unknown description]"

// about is what one advisory is about.
type about struct {
	place
	pkg string
}

func (a about) compare(to about) int {
	return cmp.Or(strings.Compare(a.release, to.release), strings.Compare(a.pkg, to.pkg), strings.Compare(a.channel, to.channel))
}

// gathered joins the entries of a record about one thing.
type gathered struct {
	ranges       []feed.Range
	availability string
	severity     *feed.Severity
	distros      []string
}

// record brings a document into normal form. It is false for what is no record of its own.
func (b *base) record(d *document) (feed.Record, bool) {
	id, err := field.ID(strings.TrimPrefix(d.ID, distributionPrefix))
	if err != nil || !field.IsCVE(id) && !isNotice(id) || len(d.Affected) > maxEntries {
		b.out.Bad(field.Prose(d.ID, field.MaxID), fmt.Errorf("%w: its id is none of Ubuntu's, or it has more than %d entries", ErrRecord, maxEntries))
		return feed.Record{}, false
	}
	if isNotice(id) && !standsAlone(d) {
		return feed.Record{}, false
	}
	rec := feed.Record{Vulnerability: vulnerability(id, d)}
	if rec.Vulnerability.Withdrawn != nil {
		return rec, true
	}
	found := b.gather(id, d)
	said := b.sayings(id)
	for _, a := range slices.SortedFunc(maps.Keys(found), about.compare) {
		if adv, ok := b.advisory(id, a, found[a], said); ok {
			rec.Advisories = append(rec.Advisories, adv)
		}
		plain := about{place{release: a.release}, a.pkg}
		if _, ok := found[plain]; a.channel == pro && !ok {
			if adv, ok := b.advisory(id, plain, unsubscribed(found[a]), said); ok {
				rec.Advisories = append(rec.Advisories, adv)
			}
		}
	}
	rec.Advisories = append(rec.Advisories, b.notAffected(id, said, found)...)
	rate(&rec)
	return rec, true
}

// standsAlone reports whether a notice is about flaws without a CVE. Titles end in "vulnerability" or
// "vulnerabilities", or else in "regression" or "update".
func standsAlone(d *document) bool {
	if len(flaws(d.Upstream, d.Related, d.Aliases)) > 0 || !strings.Contains(d.Summary, "vulnerabilit") {
		return false
	}
	return !slices.ContainsFunc(d.Affected, func(a affected) bool { return len(a.flaws()) > 0 })
}

func vulnerability(id string, d *document) feed.Vulnerability {
	v := feed.Vulnerability{
		Source: Name, ID: id, URL: cvePage + id,
		Summary: field.Prose(d.Summary, field.MaxReason), Description: field.Prose(d.Details, field.MaxDescription),
		Published: d.Published.at, Modified: d.Modified.at, Withdrawn: d.Withdrawn.at,
	}
	if isNotice(id) {
		v.URL = noticePage + id
	}
	if v.Description == unknown {
		v.Description = ""
	}
	for _, r := range d.Severity {
		if s, ok := feed.ParseSeverity(r.Score); ok && r.Type == "Ubuntu" {
			v.Severity = s
		}
		c, err := feed.ParseCVSS(r.Score)
		if err == nil && r.Type != "Ubuntu" && !slices.ContainsFunc(v.CVSS, func(o feed.CVSS) bool { return o.Vector == c.Vector }) {
			v.CVSS = append(v.CVSS, c)
		}
	}
	for _, alias := range d.Aliases {
		if alias, err := field.ID(alias); err == nil && strings.TrimPrefix(alias, distributionPrefix) != id && !isNotice(alias) {
			v.Aliases = append(v.Aliases, alias)
		}
	}
	slices.Sort(v.Aliases)
	v.Aliases = slices.Compact(v.Aliases)
	for _, r := range d.References {
		u, err := url.Parse(field.Prose(r.URL, maxURL))
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(v.References) < maxReferences && !slices.Contains(v.References, u.String()) {
			v.References = append(v.References, u.String())
		}
	}
	return v
}

// rate gives a record without a priority the highest of those of its packages, and leaves with these what differs.
func rate(rec *feed.Record) {
	v := &rec.Vulnerability
	if v.Severity == feed.Unknown {
		for _, a := range rec.Advisories {
			if a.Severity != nil {
				v.Severity = max(v.Severity, *a.Severity)
			}
		}
	}
	for i := range rec.Advisories {
		if s := rec.Advisories[i].Severity; s != nil && *s == v.Severity {
			rec.Advisories[i].Severity = nil
		}
	}
}

// gather sorts the entries by what they are about. An entry that cannot be read is reported.
func (b *base) gather(id string, d *document) map[about]*gathered {
	found := map[about]*gathered{}
	for i := range d.Affected {
		entry := &d.Affected[i]
		p, distro, ok := entry.place()
		if !ok {
			b.out.Bad(id, fmt.Errorf("%w: ecosystem %.60q", ErrRecord, entry.Package.Ecosystem))
			continue
		}
		if !b.wanted(p.release) {
			continue
		}
		name, err := field.Name(entry.Package.Name)
		var ranges []feed.Range
		if err == nil {
			ranges, err = entry.intervals()
		}
		if err != nil {
			b.out.Bad(id, fmt.Errorf("%w: %.60q in %s: %w", ErrRecord, entry.Package.Name, p.namespace(), err))
			continue
		}
		a := about{p, name}
		g := found[a]
		if g == nil {
			g = &gathered{}
			found[a] = g
		}
		g.ranges = append(g.ranges, ranges...)
		g.availability = cmp.Or(g.availability, entry.Ecosystem.value.Availability)
		if s, ok := feed.ParseSeverity(entry.Ecosystem.value.Priority); ok {
			g.severity = &s
		}
		if distro != "" {
			g.distros = append(g.distros, distro)
			b.learn(p, distro)
		}
	}
	return found
}

// intervals turns events, which come in the order of their versions, into ranges.
func (a *affected) intervals() ([]feed.Range, error) {
	var out []feed.Range
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		open := false
		for _, e := range r.Events {
			switch {
			case e.Introduced != "" && !open:
				out, open = append(out, feed.Range{Introduced: e.Introduced}), true
			case e.Fixed != "" && open:
				out[len(out)-1].Fixed, open = e.Fixed, false
			case e.LastAffected != "" && open:
				out[len(out)-1].LastAffected, open = e.LastAffected, false
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no range")
	}
	return feed.Union(version.Dpkg, out)
}
