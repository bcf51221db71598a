package nvd

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/cpe"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

var (
	// ErrCriterion means that match criteria were left out.
	ErrCriterion = errors.New("unusable match criterion")
	errNegated   = fmt.Errorf("%w: negated", ErrCriterion)
)

// Bounds on what one record may bring.
const (
	maxBound     = 256 // bytes of a version
	maxProducts  = 20_000
	maxExact     = 20_000 // versions of one product; NVD lists thousands for some
	maxPlatforms = 64     // that a product has to run on; applications go first
)

// Prefix of the channel that keeps advisories about one product for several ecosystems apart.
const channelSoftware = "sw:"

// unversioned is the reason of an advisory that names a product and no version.
const unversioned = "versions do not apply"

// subject is what one advisory is about.
type subject struct{ product, software string }

func (s subject) compare(to subject) int {
	return cmp.Or(strings.Compare(s.product, to.product), strings.Compare(s.software, to.software))
}

// said collects the criteria about one subject.
type said struct {
	ranges    []feed.Range
	versions  map[string]bool
	parts     map[string]bool
	platforms map[string]bool
	anywhere  bool // some criterion names no platform
	anyUpdate bool // some exact version is meant with any update
	bare      bool // some exact version has no update
}

// applicability collects what the configurations of one record say.
type applicability struct {
	found    map[subject]*said
	problems []error
}

// advisories reads the configurations of a record. The problems are ErrCriterion, each about one criterion left out.
func advisories(id string, configurations []configuration) ([]feed.Advisory, []error) {
	a := applicability{found: map[subject]*said{}}
	for i := range configurations {
		a.configuration(&configurations[i])
	}
	var out []feed.Advisory
	for _, about := range slices.SortedFunc(maps.Keys(a.found), subject.compare) {
		out = append(out, a.found[about].advisory(id, about))
	}
	return out, a.problems
}

func (a *applicability) problem(err error) { a.problems = append(a.problems, err) }

// configuration reads the nodes. Together with those of an AND that name victims, the others are platforms.
func (a *applicability) configuration(c *configuration) {
	if c.Negate {
		a.problem(errNegated)
		return
	}
	var victims []*node
	var platforms []string
	for i := range c.Nodes {
		n := &c.Nodes[i]
		switch {
		case n.Negate:
			a.problem(errNegated)
		case slices.ContainsFunc(n.Criteria, func(m criterion) bool { return m.Vulnerable }):
			victims = append(victims, n)
		case strings.EqualFold(c.Operator, "AND"):
			platforms = a.platforms(platforms, n)
		}
	}
	for _, n := range victims {
		on := platforms
		if strings.EqualFold(n.Operator, "AND") {
			on = a.platforms(slices.Clip(platforms), n)
		}
		for i := range n.Criteria {
			if n.Criteria[i].Vulnerable {
				a.victim(&n.Criteria[i], on)
			}
		}
	}
}

// platforms appends the names of what is not vulnerable itself.
func (a *applicability) platforms(list []string, n *node) []string {
	for _, m := range n.Criteria {
		if m.Vulnerable {
			continue
		}
		name, err := named(m.Name)
		if err != nil {
			a.problem(err)
			continue
		}
		list = append(list, name.Part+":"+name.Vendor+":"+name.Product)
	}
	return list
}

// named reads a name that names a product.
func named(text string) (cpe.Name, error) {
	name, err := cpe.Parse(text)
	if err != nil {
		return name, fmt.Errorf("%w: %w", ErrCriterion, err)
	}
	for _, v := range []string{name.Vendor, name.Product} {
		if v == "" || v == cpe.None {
			return name, fmt.Errorf("%w: %.80q names no product", ErrCriterion, text)
		}
	}
	return name, nil
}

func (a *applicability) victim(m *criterion, on []string) {
	name, err := named(m.Name)
	if err != nil {
		a.problem(err)
		return
	}
	if name.Part == "h" {
		return
	}
	about := subject{product: name.Vendor + ":" + name.Product}
	if name.TargetSW != cpe.None {
		about.software = name.TargetSW
	}
	within, bounded, err := m.interval()
	if err == nil && (len(about.product) > field.MaxName || len(about.software) > field.MaxID || len(name.Version)+len(name.Update) > maxBound) {
		err = fmt.Errorf("%w: %.80q is too long", ErrCriterion, m.Name)
	}
	s := a.found[about]
	if err == nil && s == nil {
		if len(a.found) == maxProducts {
			err = fmt.Errorf("%w: more than %d products", ErrCriterion, maxProducts)
		}
		s = &said{versions: map[string]bool{}, parts: map[string]bool{}, platforms: map[string]bool{}}
	}
	if err != nil {
		a.problem(err)
		return
	}
	a.found[about] = s
	s.parts[name.Part] = true
	s.anywhere = s.anywhere || len(on) == 0
	for _, p := range on {
		s.platforms[p] = true
	}
	switch {
	case bounded:
		s.ranges = append(s.ranges, within)
	case name.Version == "":
		s.ranges = append(s.ranges, feed.Range{Introduced: "0"})
	default:
		s.exactly(name)
	}
}

// exactly notes one version; none where versions do not apply.
func (s *said) exactly(name cpe.Name) {
	releases := name.Releases()
	if len(s.versions)+len(releases) > maxExact {
		return
	}
	for _, v := range releases {
		s.versions[v] = true
	}
	if len(releases) > 0 && (name.Update == "" || name.Update == cpe.None) {
		s.bare = true
		s.anyUpdate = s.anyUpdate || name.Update == ""
	}
}

// interval reads the bounds; bounded is false when there are none.
func (m *criterion) interval() (r feed.Range, bounded bool, err error) {
	for _, bound := range []*string{&m.StartIncluding, &m.StartExcluding, &m.EndIncluding, &m.EndExcluding} {
		*bound = strings.ReplaceAll(*bound, `\`, "") // escaped as in names: 12.6\(1\)
		bounded = bounded || *bound != ""
		if len(*bound) > maxBound || field.Prose(*bound, maxBound) != *bound || *bound == "*" || *bound == cpe.None {
			return r, true, fmt.Errorf("%w: version %.80q", ErrCriterion, *bound)
		}
	}
	if m.StartIncluding != "" && m.StartExcluding != "" || m.EndIncluding != "" && m.EndExcluding != "" {
		return r, true, fmt.Errorf("%w: %.80q has two ends on one side", ErrCriterion, m.Name)
	}
	r = feed.Range{Introduced: m.StartIncluding, After: m.StartExcluding, LastAffected: m.EndIncluding, Fixed: m.EndExcluding}
	if r.FromStart() {
		r.Introduced = "0"
	}
	return r, bounded, nil
}

// advisory joins what the criteria say.
func (s *said) advisory(id string, about subject) feed.Advisory {
	a := feed.Advisory{
		Source: Name, ID: id, Namespace: Namespace, Package: about.product, Ranges: joined(s.ranges),
		CPE: &feed.CPE{TargetSW: about.software},
	}
	if about.software != "" {
		a.Channel = channelSoftware + about.software
	}
	if len(s.versions) > 0 && !slices.Contains(a.Ranges, feed.Range{Introduced: "0"}) {
		a.Versions = slices.Sorted(maps.Keys(s.versions))
		if s.bare && !s.anyUpdate {
			a.CPE.Update = cpe.None
		}
	}
	if len(s.parts) == 1 {
		for part := range s.parts {
			a.CPE.Part = part
		}
	}
	if !s.anywhere {
		a.CPE.RunningOn = slices.SortedFunc(maps.Keys(s.platforms), comparePlatform)
		a.CPE.RunningOn = a.CPE.RunningOn[:min(len(a.CPE.RunningOn), maxPlatforms)]
	}
	switch {
	case len(a.Ranges) == 0 && len(a.Versions) == 0:
		a.State, a.Reason = feed.StateUnknown, unversioned
	case slices.ContainsFunc(a.Ranges, func(r feed.Range) bool { return r.Fixed != "" }):
		a.State = feed.StateFixed
	default:
		a.State = feed.StateAffected
	}
	return a
}

// comparePlatform puts applications first and hardware last.
func comparePlatform(a, b string) int {
	hardware := func(s string) int {
		if strings.HasPrefix(s, "h:") {
			return 1
		}
		return 0
	}
	return cmp.Or(hardware(a)-hardware(b), strings.Compare(a, b))
}

// plain is a version that every scheme orders alike.
var plain = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

// joined makes ranges disjoint, where their order does not depend on the kind of package.
func joined(ranges []feed.Range) []feed.Range {
	numeric := !slices.ContainsFunc(ranges, func(r feed.Range) bool {
		return slices.ContainsFunc([]string{r.Introduced, r.After, r.Fixed, r.LastAffected}, func(v string) bool {
			return v != "" && !plain.MatchString(v)
		})
	})
	if numeric {
		if out, err := feed.Union(version.Rpm, ranges); err == nil {
			return out
		}
	}
	var out []feed.Range
	for _, r := range ranges {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
