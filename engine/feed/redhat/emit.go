package redhat

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/feed"
)

func (s subject) compare(to subject) int {
	return cmp.Or(
		cmp.Compare(len(s.major), len(to.major)), strings.Compare(s.major, to.major), strings.Compare(s.channel, to.channel),
		strings.Compare(s.name, to.name), strings.Compare(string(s.kind), string(to.kind)), strings.Compare(s.module, to.module))
}

// advisories brings what was gathered into normal form, in a fixed order. The error tells what could not be.
func (g *gathering) advisories() ([]feed.Advisory, error) {
	var failed error
	if g.whole > 0 {
		failed = fmt.Errorf("%w: %d fixes without the version of a package", ErrRecord, g.whole)
	}
	g.dropRepeated()
	g.continueMain()
	var out []feed.Advisory
	for _, about := range slices.SortedFunc(maps.Keys(g.said), subject.compare) {
		list, err := g.about(about, g.said[about])
		failed = errors.Join(failed, err)
		out = append(out, list...)
	}
	return out, failed
}

// build is what a version of a source package is known by.
type build struct {
	place
	module, evr string
}

// dropRepeated leaves out, in the streams for subscribers, binaries that have the version of a source package: what is
// said of that is enough.
func (g *gathering) dropRepeated() {
	sources := map[build]bool{}
	for about, s := range g.said {
		if about.kind == feed.Source && about.channel != "" && about.channel != streamEnded {
			for evr := range s.fixes {
				sources[build{about.place, about.module, evr}] = true
			}
		}
	}
	for about, s := range g.said {
		if about.kind != feed.Binary || len(s.fixes) == 0 {
			continue
		}
		maps.DeleteFunc(s.fixes, func(evr string, _ *fix) bool { return sources[build{about.place, about.module, evr}] })
		if len(s.fixes) == 0 {
			delete(g.said, about)
		}
	}
}

// continueMain says of the main stream what is said of the one that goes on after its end, and of it alone.
func (g *gathering) continueMain() {
	for about, s := range maps.Clone(g.said) {
		if about.channel != streamEnded {
			continue
		}
		about.channel = ""
		if g.said[about] != nil {
			continue
		}
		out := *s
		if len(s.fixes) > 0 {
			out.state = feed.StateEndOfLife
		}
		g.said[about] = &out
	}
}

// about writes the advisories about a subject: one, or where architectures were fixed differently, one for each.
func (g *gathering) about(about subject, s *said) ([]feed.Advisory, error) {
	base := feed.Advisory{
		Source: Name, ID: g.id, Namespace: about.namespace(), Package: about.name, State: s.state, Reason: s.reason,
		Scope: feed.Scope{Kind: about.kind, Module: about.module, Channel: about.channel},
	}
	if s.severity != feed.Unknown {
		base.Severity = new(s.severity)
	}
	if len(s.fixes) == 0 {
		if s.state != feed.StateNotAffected && s.state != feed.StateInvestigate {
			base.Ranges = []feed.Range{{Introduced: "0"}}
		}
		return []feed.Advisory{base}, nil
	}
	if s.state == "" {
		base.State = feed.StateFixed
	}
	var out []feed.Advisory
	var failed error
	for _, arches := range s.arches() {
		a, err := s.fixed(base, arches, about.module != "")
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%w: %s in %s: %w", ErrRecord, about.name, base.Namespace, err))
			continue
		}
		out = append(out, a)
	}
	return out, failed
}

// arches groups the architectures by the versions that fix them.
func (s *said) arches() [][]string {
	versions := map[string][]string{}
	for _, evr := range slices.Sorted(maps.Keys(s.fixes)) {
		for arch := range s.fixes[evr].arches {
			versions[arch] = append(versions[arch], evr)
		}
	}
	groups := map[string][]string{}
	for _, arch := range slices.Sorted(maps.Keys(versions)) {
		key := strings.Join(versions[arch], "\n")
		groups[key] = append(groups[key], arch)
	}
	var out [][]string
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, groups[key])
	}
	return out
}

// fixed completes an advisory with the fixes for some architectures. A state says that they are none for everybody.
func (s *said) fixed(a feed.Advisory, arches []string, labelled bool) (feed.Advisory, error) {
	if !slices.Contains(arches, "") && !slices.Contains(arches, "noarch") {
		a.Arches = arches
	}
	var versions []string
	notices := map[string]string{}
	for evr, f := range s.fixes {
		if !f.arches[arches[0]] {
			continue
		}
		versions = append(versions, evr)
		maps.Copy(notices, f.notices)
		if a.State == feed.StateFixed && f.at != nil && (a.FixedAt == nil || f.at.Before(*a.FixedAt)) {
			a.FixedAt = f.at
		}
	}
	var err error
	if a.Ranges, err = ranges(versions, labelled); err != nil {
		return a, err
	}
	for i := range a.Ranges {
		if a.State != feed.StateFixed {
			a.Ranges[i].Fixed, a.Ranges[i].Before = "", a.Ranges[i].Fixed
		}
	}
	for _, id := range slices.Sorted(maps.Keys(notices)) {
		a.Notices = append(a.Notices, feed.Notice{ID: id, URL: notices[id]})
	}
	return a, nil
}
