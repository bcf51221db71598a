package rubysec

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// advisory is a file of the database (its README, "Schema").
type advisory struct {
	Gem         string    `yaml:"gem"`
	Engine      string    `yaml:"engine"`
	CVE         string    `yaml:"cve"` // without its prefix, as the other ids
	GHSA        string    `yaml:"ghsa"`
	OSVDB       string    `yaml:"osvdb"`
	URL         string    `yaml:"url"`
	Title       string    `yaml:"title"`
	Date        string    `yaml:"date"`
	Description string    `yaml:"description"`
	V2          yaml.Node `yaml:"cvss_v2"`
	V3          yaml.Node `yaml:"cvss_v3"`
	V4          yaml.Node `yaml:"cvss_v4"`
	Patched     []string  `yaml:"patched_versions"`
	Unaffected  []string  `yaml:"unaffected_versions"`
	Related     struct {
		URL []string `yaml:"url"`
	} `yaml:"related"`
}

// entry is what a file says: about a flaw, and about a package.
type entry struct {
	flaw  feed.Vulnerability
	about feed.Advisory
}

// Bounds on what one file may bring.
const (
	maxReferences = 200
	maxLink       = 2048
	maxDepth      = 20
	maxKeys       = 100
)

// read reads a file named by an id.
func read(id string, raw []byte) (entry, error) {
	var tree yaml.Node
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		return entry{}, fmt.Errorf("%w: %s", ErrRecord, field.Prose(err.Error(), field.MaxReason))
	}
	if !plain(&tree, 0) {
		return entry{}, fmt.Errorf("%w: aliases, or more keys or levels than an advisory has", ErrRecord)
	}
	var a advisory
	if err := tree.Decode(&a); err != nil {
		return entry{}, fmt.Errorf("%w: %s", ErrRecord, field.Prose(err.Error(), field.MaxReason))
	}
	flaw, err := a.flaw(id)
	if err != nil {
		return entry{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	namespace, name := gems, a.Gem
	if a.Engine != "" {
		namespace, name = rubys, a.Engine
	}
	if name, err = field.Name(name); err != nil {
		return entry{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	ranges, err := a.ranges()
	if err != nil {
		return entry{}, fmt.Errorf("%w: %s: %w", ErrRecord, name, err)
	}
	about := feed.Advisory{Source: Name, ID: flaw.ID, Namespace: namespace, Package: name, Ranges: ranges}
	about.State = state(ranges)
	return entry{flaw, about}, nil
}

// plain reports whether a tree is of the kind advisories are. The library compares every key of a mapping with every
// other one, and follows aliases.
func plain(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || depth > maxDepth || n.Kind == yaml.MappingNode && len(n.Content) > 2*maxKeys {
		return false
	}
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !plain(c, depth+1) })
}

func (a *advisory) flaw(id string) (feed.Vulnerability, error) {
	var names []string
	for _, n := range []struct{ prefix, id string }{{"CVE-", a.CVE}, {"GHSA-", a.GHSA}, {"OSVDB-", a.OSVDB}} {
		if n.id == "" {
			continue
		}
		if full, err := field.ID(n.prefix + n.id); err == nil {
			names = append(names, full)
		}
	}
	if len(names) == 0 {
		own, err := field.ID(id)
		if err != nil {
			return feed.Vulnerability{}, err
		}
		names = []string{own}
	}
	v := feed.Vulnerability{
		Source: Name, ID: names[0], Aliases: slices.Sorted(slices.Values(names[1:])),
		Summary: field.Prose(a.Title, field.MaxReason), Description: field.Prose(a.Description, field.MaxDescription),
		Severity: a.severity(),
	}
	for _, link := range append([]string{a.URL}, a.Related.URL...) {
		if u, err := url.Parse(strings.TrimSpace(link)); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") &&
			len(link) <= maxLink && len(v.References) < maxReferences && !slices.Contains(v.References, u.String()) {
			v.References = append(v.References, u.String())
		}
	}
	if len(v.References) > 0 {
		v.URL = v.References[0]
	}
	if t, err := time.Parse(time.DateOnly, a.Date); err == nil {
		v.Published = &t
	}
	return v, nil
}

// severity is the band of the newest score; the bands of versions 3 and 4 are the same.
func (a *advisory) severity() feed.Severity {
	for _, s := range []struct {
		version string
		score   yaml.Node
	}{{"4.0", a.V4}, {"3.1", a.V3}, {"2.0", a.V2}} {
		var base float64
		if s.score.Decode(&base) == nil && base > 0 && base <= 10 {
			return feed.CVSS{Version: s.version, Base: &base}.Severity()
		}
	}
	return feed.Unknown
}

func (a *advisory) ranges() ([]feed.Range, error) {
	if n := len(a.Patched) + len(a.Unaffected); n > maxRequirements {
		return nil, fmt.Errorf("%w: %d of them", errRequirement, n)
	}
	var safe []interval
	for i, text := range append(slices.Clone(a.Patched), a.Unaffected...) {
		s, err := parseRequirement(text)
		if err != nil {
			return nil, err
		}
		s.patched = i < len(a.Patched)
		safe = append(safe, s)
	}
	return gaps(safe)
}

func state(ranges []feed.Range) feed.FixState {
	switch {
	case len(ranges) == 0:
		return feed.StateNotAffected
	case slices.ContainsFunc(ranges, func(r feed.Range) bool { return r.Fixed != "" }):
		return feed.StateFixed
	}
	return feed.StateAffected
}

// merge joins two statements about one package.
func merge(a, b feed.Advisory) feed.Advisory {
	// Both come from Union, so that their ends can be ordered.
	if all, err := feed.Union(version.RubyGems, slices.Concat(a.Ranges, b.Ranges)); err == nil {
		a.Ranges = all
	}
	a.State = state(a.Ranges)
	return a
}
