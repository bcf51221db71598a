package vex

import (
	"bytes"
	"slices"

	"plimsoll/engine/feed/csaf"
)

// csafStatuses are the product groups that say something about affectedness (CSAF 2.0, section 3.2.3.9), in a fixed order.
var csafStatuses = []struct {
	group  string
	status Status
}{
	{csaf.KnownNotAffected, NotAffected}, {csaf.Fixed, Fixed}, {"first_fixed", Fixed}, {csaf.KnownAffected, Affected},
	{"first_affected", Affected}, {"last_affected", Affected}, {csaf.UnderInvestigation, UnderInvestigation},
}

func (r *reader) csaf(data []byte) error {
	document, err := csaf.Read(bytes.NewReader(data))
	if err != nil {
		return err
	}
	r.ID = document.Tracking.ID
	for _, at := range []csaf.Moment{document.Tracking.Released, document.Tracking.Modified} {
		if at.At != nil && at.At.After(r.At) {
			r.At = *at.At
		}
	}
	r.Author, r.Version = document.Publisher.Name, document.Tracking.Version
	for i := range document.Vulnerabilities {
		if err := r.csafVulnerability(document, &document.Vulnerabilities[i]); err != nil {
			return err
		}
	}
	r.finish()
	return nil
}

// csafVulnerability makes statements of products about which the same is said.
func (r *reader) csafVulnerability(d *csaf.Document, v *csaf.Vulnerability) error {
	said := csafSaid(v)
	var names []string
	for _, id := range v.IDs {
		names = append(names, id.Text)
	}
	for _, s := range csafStatuses {
		together := map[Assertion][]Product{}
		var order []Assertion
		for _, id := range v.Status[s.group] {
			if r.products++; r.products > r.limits.Products {
				return r.tooMany()
			}
			a := said(id, s.status)
			if together[a] == nil {
				order = append(order, a)
			}
			together[a] = append(together[a], csafProduct(d, id))
		}
		for _, a := range order {
			r.products -= len(together[a]) // add counts them again
			if err := r.add(Statement{Vulnerability: v.CVE, Aliases: names, Products: together[a], Assertion: a}); err != nil {
				return err
			}
		}
	}
	return nil
}

// csafSaid finds what is said about a product beside its status: flags, threats and remediations, which without products
// hold for all.
func csafSaid(v *csaf.Vulnerability) func(id string, status Status) Assertion {
	flags, impacts, actions := map[string]string{}, map[string]string{}, map[string]string{}
	note := func(into map[string]string, products []string, text string) {
		if len(products) == 0 {
			products = []string{""}
		}
		for _, id := range products {
			if into[id] == "" {
				into[id] = text
			}
		}
	}
	for _, f := range v.Flags {
		note(flags, f.Products, f.Label)
	}
	for _, t := range v.Threats {
		if t.Category == csaf.Impact {
			note(impacts, t.Products, t.Details)
		}
	}
	for _, a := range v.Remedies {
		note(actions, a.Products, a.Details)
		if a.Category == csaf.NoFixPlanned {
			note(flags, a.Products, string(FixNotPlanned))
		}
	}
	of := func(from map[string]string, id string) string {
		if text := from[id]; text != "" {
			return text
		}
		return from[""]
	}
	return func(id string, status Status) Assertion {
		a := Assertion{Status: status}
		switch word := Justification(of(flags, id)); {
		case status == NotAffected && slices.Contains(justifications, word), status == Affected && word == FixNotPlanned:
			a.Justification = word
		}
		if status == NotAffected {
			a.Impact = of(impacts, id)
		}
		if status == Affected {
			a.Action = of(actions, id)
		}
		return a
	}
}

// csafProduct recognises a product. One that is part of another is recognised in that alone, unless its version tells
// which build it is and the platform is named in words only.
func csafProduct(d *csaf.Document, id string) Product {
	if c, composed := d.Components[id]; composed {
		part, platform := csafSingle(d, c.Product), csafSingle(d, c.Platform)
		if u, ok := parse(part.Package); ok && u.Version != "" && platform.Unclear == UnclearIdentifier {
			return part
		}
		return within(platform, part)
	}
	return csafSingle(d, id)
}

func csafSingle(d *csaf.Document, id string) Product {
	out := identity{purl: d.Products[id].PURL}.product()
	if out.Given == "" {
		out.Given = clip(id)
	}
	return out
}
