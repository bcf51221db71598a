package suse

import (
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/errata"
	"plimsoll/engine/feed/oval"
)

// term is a product or a statement about a package.
type term struct {
	product
	errata.Build
}

// reader reads criteria. Those it cannot make anything of count as never met; the last one is kept to be reported.
type reader struct{ failed error }

func (r *reader) read(c oval.Criterion) (term, oval.Meaning, error) {
	comment := strings.TrimSpace(c.Comment)
	if m := installed.FindStringSubmatch(comment); m != nil {
		p, ok := products(m[1])
		switch {
		case ok:
			return term{product: p}, oval.Term, nil
		case strings.Contains(m[1], " "): // a product's name; those of packages have none
			return term{}, oval.Never, nil
		}
	}
	if c.Test == nil {
		r.failed = fmt.Errorf("criterion %.100q leads to no test of a package", comment)
		return term{}, oval.Never, nil
	}
	b, meaning, err := statement(c.Test)
	if err != nil {
		r.failed = fmt.Errorf("criterion %.100q: %w", comment, err)
	}
	return term{Build: b}, meaning, nil
}

// nothing are the versions SUSE compares with where there is no repair.
var nothing = []string{"0", "0-0", "0:0-0"}

// statement reads the test of a package. Products of which the name alone does not tell that they are some are asked for
// by the version of their release package.
func statement(t *oval.Test) (errata.Build, oval.Meaning, error) {
	b := errata.Build{Package: t.Package}
	for _, c := range t.Conditions {
		none := slices.Contains(nothing, c.Value)
		versions := c.Field == "evr" || c.Field == "version"
		switch {
		case c.Field == "signature_keyid":
		case c.Field == "arch":
			b.Arches = strings.Split(strings.Trim(c.Value, "()"), "|")
		case versions && none && c.Operation == "equals":
			b.State = feed.StateNotAffected
		case versions && none && c.Operation == "greater than":
			b.State, b.Range = feed.StateAffected, feed.Range{Introduced: "0"}
		case versions && c.Operation == "less than":
			b.State, b.Range = feed.StateFixed, feed.Range{Introduced: "0", Fixed: c.Value}
		case c.Field == "version" && strings.HasSuffix(t.Package, "-release"):
			return b, oval.Never, nil
		default:
			return b, oval.Never, fmt.Errorf("%w: %.20q compared by %.40q", oval.ErrCriteria, c.Field, c.Operation)
		}
	}
	if b.State == "" {
		if len(t.Conditions) > 0 {
			return b, oval.Always, nil // of a signature only
		}
		return b, oval.Never, fmt.Errorf("%w: no version", oval.ErrCriteria)
	}
	return b, oval.Term, nil
}

// builds lists what the criteria say, without what is set aside.
func builds(c oval.Criteria) ([]errata.Build, error) {
	var r reader
	ways, err := oval.Alternatives(c, r.read)
	if err != nil {
		return nil, err
	}
	type about struct{ namespace, pkg string }
	own := map[about]bool{}
	var said []term
	for _, way := range ways {
		var all term
		for _, t := range way {
			if t.namespace != "" {
				all.product = t.product
			} else {
				all.Build = t.Build
			}
		}
		if len(way) != 2 || all.namespace == "" || all.Package == "" {
			r.failed = fmt.Errorf("%w: not one product and one package", oval.ErrCriteria)
			continue
		}
		all.Namespace = all.namespace
		said = append(said, all)
		own[about{all.Namespace, all.Package}] = own[about{all.Namespace, all.Package}] || !all.aside
	}
	var out []errata.Build
	for _, t := range said {
		if !t.aside || !own[about{t.Namespace, t.Package}] {
			out = append(out, t.Build)
		}
	}
	return out, r.failed
}
