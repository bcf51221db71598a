package osv

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// Bounds on what one record may bring, far above what real ones do.
const (
	maxVersion    = 256     // bytes of a version
	maxSummary    = 4 << 10 // bytes; longer ones are cut
	maxIDs        = 1000    // aliases, upstream ids
	maxReferences = 200     // per vulnerability; further ones are dropped
	maxURL        = 2048    // bytes; longer references are dropped
	maxEntries    = 100_000
	maxValues     = 2_000_000
	maxAdvisories = 20_000 // namespaces, packages and scopes of one record
	maxVersions   = 20_000 // enumerated versions outside the ranges, per advisory
)

var (
	// ErrRecord means that a record cannot be used as a whole.
	ErrRecord = errors.New("unusable OSV record")
	// ErrEntry means that one affected entry of a record was left out.
	ErrEntry = errors.New("unusable affected entry")
)

// subject is what one advisory of a record is about.
type subject struct {
	namespace, name, module, channel string
	kind                             feed.Kind
}

func (s subject) compare(to subject) int {
	return cmp.Or(
		strings.Compare(s.namespace, to.namespace), strings.Compare(s.name, to.name), strings.Compare(string(s.kind), string(to.kind)),
		strings.Compare(s.module, to.module), strings.Compare(s.channel, to.channel))
}

// gathered collects the affected entries of one subject.
type gathered struct {
	ranges, pro []feed.Range
	versions    []string
	listed      bool // the plain channel speaks about the package, not only Ubuntu Pro
	endOfLife   bool
}

// convert brings a decoded document into normal form.
func (d Dialect) convert(doc *document) (feed.Record, []error, error) {
	if id, err := field.ID(doc.ID); err != nil || id != doc.ID {
		return feed.Record{}, nil, fmt.Errorf("%w: id %.40q", ErrRecord, doc.ID)
	}
	rec := feed.Record{Vulnerability: d.vulnerability(doc)}
	if doc.Withdrawn.at != nil || strings.HasPrefix(doc.ID, livepatch) {
		return rec, nil, nil
	}
	found, problems := d.gather(doc)
	if len(found) > maxAdvisories {
		return feed.Record{}, nil, fmt.Errorf("%w: %s is about %d packages, at most %d are read", ErrRecord, doc.ID, len(found), maxAdvisories)
	}
	for _, about := range slices.SortedFunc(maps.Keys(found), subject.compare) {
		a, keep, err := d.advisory(flaw(doc.ID), about, found[about])
		if err != nil {
			problems = append(problems, err)
		}
		if keep {
			rec.Advisories = append(rec.Advisories, a)
		}
	}
	return rec, problems, nil
}

// livepatch is the id prefix of Ubuntu's notices about kernel live patches, which are not packages.
const livepatch = "LSN-"

// gather sorts the affected entries by what they are about.
func (d Dialect) gather(doc *document) (map[subject]*gathered, []error) {
	found := map[subject]*gathered{}
	streams := modules(doc.Summary)
	var problems []error
	for i := range doc.Affected {
		a := &doc.Affected[i]
		where, e, ok := d.placeOf(a.Package.Ecosystem)
		if !ok || a.Database.value.Informational != "" {
			continue
		}
		about := subject{
			namespace: where.namespace, name: feed.PackageName(where.namespace, field.Prose(a.Package.Name, field.MaxName+1)),
			channel: where.channel, kind: e.kind,
		}
		if about.name == "" || len(about.name) > field.MaxName {
			problems = append(problems, fmt.Errorf("%w: package name %.40q", ErrEntry, a.Package.Name))
			continue
		}
		scheme, _ := version.SchemeFor(where.namespace)
		ranges, narrowed, err := entryRanges(scheme, a)
		if err != nil {
			problems = append(problems, fmt.Errorf("%w: %s %s: %w", ErrEntry, about.namespace, about.name, err))
			continue
		}
		for _, about.module = range modulesOf(ranges, streams) {
			g := found[about]
			if g == nil {
				g = &gathered{}
				found[about] = g
			}
			g.add(a, where.pro, ranges, narrowed)
		}
	}
	return found, problems
}

// add joins what an entry says. narrowed: its enumerated versions say too much.
func (g *gathered) add(a *affected, pro bool, ranges []feed.Range, narrowed bool) {
	if pro {
		g.pro = append(g.pro, ranges...)
		return
	}
	g.listed = true
	g.ranges = append(g.ranges, ranges...)
	if !narrowed {
		g.versions = append(g.versions, a.Versions...)
	}
	g.endOfLife = g.endOfLife || strings.EqualFold(string(a.Ecosystem.value.Urgency), "end-of-life")
}

// moduleNames finds streams of rpm modules in the title of an advisory, which says nowhere else what it is about:
// "Moderate: virt:rhel and virt-devel:rhel security update". moduleBuild marks their builds.
var moduleNames = regexp.MustCompile(`(?:^|\s)([0-9A-Za-z][0-9A-Za-z_.+-]*:[0-9A-Za-z][0-9A-Za-z_.+-]*)`)

const moduleBuild = ".module"

func modules(title string) []string {
	var out []string
	for _, m := range moduleNames.FindAllStringSubmatch(field.Prose(title, maxSummary), maxIDs) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// modulesOf are the streams an entry is about: none, unless its builds are of a module.
func modulesOf(ranges []feed.Range, streams []string) []string {
	built := slices.ContainsFunc(ranges, func(r feed.Range) bool { return strings.Contains(r.Fixed, moduleBuild) })
	if !built || len(streams) == 0 {
		return []string{""}
	}
	return streams
}

// advisory joins what was gathered about one package. It is false for a subject nothing usable was said about.
func (d Dialect) advisory(id string, about subject, g *gathered) (feed.Advisory, bool, error) {
	scheme, _ := version.SchemeFor(about.namespace)
	fail := func(err error) (feed.Advisory, bool, error) {
		return feed.Advisory{}, false, fmt.Errorf("%w: %s %s: %w", ErrEntry, about.namespace, about.name, err)
	}
	said := g.ranges
	if !g.listed || unfixed(said) && len(g.pro) > 0 {
		said = subscribersOnly(g.pro)
	}
	ranges, err := feed.Union(scheme, said)
	if err != nil {
		return fail(err)
	}
	a := feed.Advisory{
		Source: d.Source, ID: id, Namespace: about.namespace, Package: about.name, Ranges: ranges,
		Scope: feed.Scope{Kind: about.kind, Module: about.module, Channel: about.channel},
	}
	a.Versions = uncovered(scheme, ranges, g.versions)
	var dropped error
	if len(a.Versions) > maxVersions {
		_, _, dropped = fail(fmt.Errorf("%d versions listed, the first %d are kept", len(a.Versions), maxVersions))
		a.Versions = a.Versions[:maxVersions]
	}
	a.State = state(a, len(said) > 0, g.endOfLife)
	return a, a.State != feed.StateUnknown, dropped
}

// state tells what the advisory says about a fix. Ranges that all turned out empty are a statement that nothing
// is affected; no range and no version is no statement.
func state(a feed.Advisory, hadRanges, endOfLife bool) feed.FixState {
	switch {
	case len(a.Ranges) == 0 && len(a.Versions) == 0 && hadRanges:
		return feed.StateNotAffected
	case len(a.Ranges) == 0 && len(a.Versions) == 0:
		return feed.StateUnknown
	case slices.ContainsFunc(a.Ranges, func(r feed.Range) bool { return r.Fixed != "" }):
		return feed.StateFixed
	case endOfLife:
		return feed.StateWontFix
	}
	return feed.StateAffected
}

// unfixed reports whether the ranges are one that never ends.
func unfixed(ranges []feed.Range) bool {
	return len(ranges) == 1 && ranges[0].FromStart() && ranges[0].ToEnd()
}

// subscribersOnly keeps the bounds of an Ubuntu Pro fix and no longer calls them one: the version tells who is
// patched, but a plain image cannot get it.
func subscribersOnly(ranges []feed.Range) []feed.Range {
	out := slices.Clone(ranges)
	for i, r := range out {
		if r.Fixed != "" {
			out[i].Fixed, out[i].Before = "", r.Fixed
		}
	}
	return out
}
