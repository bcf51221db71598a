package correction

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"plimsoll/engine/catalog"
	"plimsoll/engine/imported"
	"plimsoll/engine/match"
)

// Set is the rules of one account, ready for many packages.
type Set struct {
	byType map[string][]rule // in the order in which they apply
}

// rule is a Rule with its values parsed.
type rule struct {
	Rule
	order  int
	values [][]piece // of Replace
}

// NewSet compiles rules, the first to apply first: ErrRule.
func NewSet(rules []Rule) (*Set, error) {
	s := &Set{byType: map[string][]rule{}}
	for i, r := range rules {
		if err := r.Check(); err != nil {
			return nil, err
		}
		compiled := rule{Rule: r, order: i}
		for _, f := range r.Replace {
			value, err := parse(f.Value)
			if err != nil {
				return nil, err
			}
			compiled.values = append(compiled.values, value)
		}
		s.byType[r.Type] = append(s.byType[r.Type], compiled)
	}
	return s, nil
}

// Empty reports whether the set corrects nothing.
func (s *Set) Empty() bool { return len(s.byType) == 0 }

// Reach tells which packages the rules may be about: their types, and for each the names, none standing for all names.
// AnyOS is one of the types.
func (s *Set) Reach() map[string][]string {
	out := map[string][]string{}
	for kind, rules := range s.byType {
		names := []string{}
		for _, r := range rules {
			at := slices.IndexFunc(r.Match, func(f Field) bool { return f.Name == FieldPackage })
			if at < 0 {
				names = nil
				break
			}
			names = append(names, r.Match[at].Value)
		}
		slices.Sort(names)
		out[kind] = slices.Compact(names)
	}
	return out
}

// of lists the rules for a package type, in order.
func (s *Set) of(packageType string) []rule {
	if !catalog.IsOS(packageType) {
		return s.byType[packageType]
	}
	common, own := s.byType[AnyOS], s.byType[packageType]
	if len(own) == 0 {
		return common
	}
	both := slices.Concat(common, own)
	slices.SortFunc(both, func(a, b rule) int { return cmp.Compare(a.order, b.order) })
	return both
}

// Correct returns the identity and purl a package should have. ok is false where no rule changes anything.
func (s *Set) Correct(id catalog.Identity, purl string) (corrected catalog.Identity, newPURL string, ok bool) {
	c := change{of: id, purl: purl}
	for _, r := range s.of(id.Type) {
		if r.means(id, purl) {
			c.apply(r)
		}
	}
	return c.conclude()
}

// Package corrects a package of an image document, and reports whether it did.
func (s *Set) Package(p *catalog.Package) bool {
	id := p.Identity()
	id.Known = match.Known(id, p.PURL)
	corrected, purl, ok := s.Correct(id, imported.SharedPURL(p))
	if !ok {
		return false
	}
	p.Name, p.Version, p.Source, p.SourceVersion, p.CPEs = corrected.Name, corrected.Version, corrected.Source, corrected.SourceVersion, corrected.CPEList()
	if !catalog.IsOS(p.Type) {
		p.PURL = purl
	} else if p.Name != id.Name || p.Version != id.Version {
		p.PURL = renamed(p.PURL, id.Type, id.Name, p.Name, p.Version)
	}
	return true
}

// means reports whether the rule is about the package.
func (r rule) means(id catalog.Identity, purl string) bool {
	for _, f := range r.Match {
		if f.Name == FieldCPEs {
			if !slices.Contains(id.CPEList(), f.Value) {
				return false
			}
		} else if valueOf(f.Name, id, purl) != f.Value {
			return false
		}
	}
	return true
}

func valueOf(field string, id catalog.Identity, purl string) string {
	switch field {
	case FieldPackage:
		return id.Name
	case FieldVersion:
		return id.Version
	case FieldType:
		return id.Type
	case FieldPURL:
		return purl
	case FieldSource:
		return id.Source
	case FieldSourceVersion:
		return id.SourceVersion
	}
	return ""
}

// change gathers the new values of a package's fields.
type change struct {
	of     catalog.Identity
	purl   string
	values map[string]string
	cpes   []string
}

// apply notes what a rule says. The CPE names of a later rule replace those of an earlier one.
func (c *change) apply(r rule) {
	var cpes []string
	for i, f := range r.Replace {
		value, ok := fill(f.Name, r.values[i], func(field string) string { return valueOf(field, c.of, c.purl) })
		switch {
		case !ok:
		case f.Name == FieldCPEs:
			cpes = append(cpes, value)
		default:
			if c.values == nil {
				c.values = map[string]string{}
			}
			c.values[f.Name] = value
		}
	}
	if cpes != nil {
		c.cpes = cpes
	}
}

// conclude makes the identity that follows from the new values.
func (c *change) conclude() (catalog.Identity, string, bool) {
	out := c.of
	for field, into := range map[string]*string{
		FieldPackage: &out.Name, FieldVersion: &out.Version, FieldSource: &out.Source, FieldSourceVersion: &out.SourceVersion,
	} {
		*into = cmp.Or(c.values[field], *into)
	}
	if c.cpes != nil {
		out.CPEs = strings.Join(c.cpes, "\n")
	}
	purl := c.purl
	if out.Name != c.of.Name || out.Version != c.of.Version {
		purl = renamed(purl, out.Type, c.of.Name, out.Name, out.Version)
		if out.Known != "" {
			out.Known = cmp.Or(match.Known(out, purl), out.Known)
		}
	}
	named := c.values[FieldPURL]
	if named != "" {
		purl, out.Known = named, match.KnownByPURL(named)
	}
	if out == c.of && purl == c.purl {
		return c.of, c.purl, false
	}
	sum := sha256.Sum256([]byte(c.of.Claim + "\n" + purl))
	out.Claim = match.ClaimOfCorrection(hex.EncodeToString(sum[:16]), c.cpes != nil)
	return out, purl, true
}

// renamed is a purl with another name and version; one that cannot be read stays as it is.
func renamed(purl, kind, was, name, version string) string {
	u, err := packageurl.FromString(purl)
	if err != nil {
		return purl
	}
	if name != was {
		u.Name = name
		switch kind {
		case catalog.TypeNpm, catalog.TypeComposer, catalog.TypeGo: // their names hold the namespace
			u.Namespace = ""
			if i := strings.LastIndexByte(name, '/'); i > 0 {
				u.Namespace, u.Name = name[:i], name[i+1:]
			}
		}
	}
	u.Version = version
	return u.ToString()
}
