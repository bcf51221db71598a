package vex

import (
	"net/url"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// The words of CycloneDX 1.6, "vulnerabilities.analysis", beside ours. Where several of theirs mean one of ours, the
// first is written; where one of theirs is several of ours, the first is read, unless a property tells.
var (
	cdxStates = []struct {
		theirs cdx.ImpactAnalysisState
		ours   Status
	}{
		{cdx.IASNotAffected, NotAffected}, {cdx.IASFalsePositive, NotAffected}, {cdx.IASResolved, Fixed}, {cdx.IASResolvedWithPedigree, Fixed},
		{cdx.IASExploitable, Affected}, {cdx.IASInTriage, UnderInvestigation},
	}
	cdxJustifications = []struct {
		theirs cdx.ImpactAnalysisJustification
		ours   Justification
	}{
		{cdx.IAJCodeNotPresent, CodeNotPresent}, {cdx.IAJCodeNotPresent, ComponentNotPresent}, {cdx.IAJCodeNotReachable, CodeNotExecuted},
		{cdx.IAJRequiresConfiguration, CodeNotControlled}, {cdx.IAJRequiresDependency, CodeNotExecuted}, {cdx.IAJRequiresEnvironment, CodeNotControlled},
		{cdx.IAJProtectedByMitigatingControl, MitigationsExist}, {cdx.IAJProtectedByCompiler, MitigationsExist},
		{cdx.IAJProtectedAtRuntime, MitigationsExist}, {cdx.IAJProtectedAtPerimeter, MitigationsExist},
	}
)

// Properties of a vulnerability that tell what CycloneDX has no word for.
const (
	propertyJustification = "plimsoll:vex:justification"
	propertyNotes         = "plimsoll:vex:status_notes"
	propertyDetails       = "plimsoll:vex:additional_details"
)

// cdxVulnerability is what is read of a vulnerability (CycloneDX 1.4 to 1.7).
type cdxVulnerability struct {
	ID         string
	References few[struct{ ID string }]
	Analysis   struct {
		State         cdx.ImpactAnalysisState
		Justification cdx.ImpactAnalysisJustification
		Response      few[cdx.ImpactAnalysisResponse]
		Detail        string
		FirstIssued   moment
		LastUpdated   moment
	}
	Affects        few[cdxAffects]
	Recommendation string
	Workaround     string
	Updated        moment
	Properties     few[cdxProperty]
}

type cdxAffects struct {
	Ref      string
	Versions few[cdxVersion]
}

type cdxVersion struct{ Version, Range, Status string }

type cdxProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:",chardata"`
}

// cdxComponent is what is read of a component.
type cdxComponent struct {
	Type    string
	Ref     string `json:"bom-ref"`
	Version string
	PURL    string
	Hashes  few[cdxHash]
}

type cdxHash struct {
	Algorithm string `json:"alg" xml:"alg,attr"`
	Content   string `xml:",chardata"`
}

func (c *cdxComponent) identity() identity {
	out := identity{id: c.Ref, purl: c.PURL, hashes: map[string]string{}}
	for _, h := range c.Hashes {
		out.hashes[h.Algorithm] = h.Content
	}
	if c.Type == string(cdx.ComponentTypeContainer) && c.PURL == "" && imageDigest(c.Version) != "" {
		out.id = c.Version
	}
	return out
}

// cdxReader keeps what vulnerabilities refer to until all is read.
type cdxReader struct {
	*reader
	subject         *cdxComponent
	components      map[string]Product // by reference
	vulnerabilities []cdxVulnerability
	affected        int
}

// component notes what a reference means.
func (r *cdxReader) component(c *cdxComponent) error {
	if c.Ref == "" {
		return nil
	}
	if len(r.components) >= maxComponents {
		return r.tooManyComponents()
	}
	if _, twice := r.components[c.Ref]; !twice {
		r.components[c.Ref] = c.identity().product()
	}
	return nil
}

// vulnerability keeps one that says something about affectedness.
func (r *cdxReader) vulnerability(v cdxVulnerability) error {
	if r.affected += max(1, len(v.Affects)); r.affected > r.limits.Products {
		return r.tooMany()
	}
	if v.Analysis.State == "" {
		r.refuse(v.ID, "it has no analysis with a state")
		return nil
	}
	r.vulnerabilities = append(r.vulnerabilities, v)
	return nil
}

// done makes statements of what was read.
func (r *cdxReader) done() error {
	for i := range r.vulnerabilities {
		if err := r.add(r.statement(&r.vulnerabilities[i])); err != nil {
			return err
		}
	}
	r.finish()
	return nil
}

func (r *cdxReader) statement(v *cdxVulnerability) Statement {
	out := Statement{Vulnerability: v.ID, Assertion: v.assertion(), At: latest(v.Analysis.FirstIssued.Time, v.Analysis.LastUpdated.Time, v.Updated.Time)}
	for _, ref := range v.References {
		out.Aliases = append(out.Aliases, ref.ID)
	}
	for _, a := range v.Affects {
		out.Products = append(out.Products, versions(r.resolve(a.Ref), a.Versions)...)
	}
	return out
}

func (v *cdxVulnerability) assertion() Assertion {
	out := Assertion{Status: Status(v.Analysis.State), Impact: v.Analysis.Detail, Action: v.Recommendation}
	for _, s := range cdxStates {
		if s.theirs == v.Analysis.State {
			out.Status = s.ours
		}
	}
	for _, j := range slices.Backward(cdxJustifications) {
		if j.theirs == v.Analysis.Justification {
			out.Justification = j.ours
		}
	}
	if out.Status == Affected && slices.Contains(v.Analysis.Response, cdx.IARWillNotFix) {
		out.Justification = FixNotPlanned
	}
	if out.Action == "" {
		out.Action = v.Workaround
	}
	if v.Analysis.State == cdx.IASFalsePositive && out.Impact == "" && out.Justification == "" {
		out.Impact = "Marked as a false positive."
	}
	for _, p := range v.Properties {
		switch p.Name {
		case propertyJustification:
			out.Justification = Justification(p.Value)
		case propertyNotes:
			out.Notes = p.Value
		case propertyDetails:
			out.Details = p.Value
		}
	}
	return out
}

// resolve finds what a reference means. Parts of what the document is about are parts of that alone.
func (r *cdxReader) resolve(ref string) Product {
	var about *Product
	if r.subject != nil {
		about = new(r.subject.identity().product())
		if ref == r.subject.Ref && ref != "" {
			return *about
		}
	}
	part, known := r.components[ref]
	if !known {
		link, linked := strings.CutPrefix(ref, "urn:cdx:")
		if !linked {
			return identity{id: ref}.external()
		}
		_, target, _ := strings.Cut(link, "#")
		plain, err := url.QueryUnescape(target)
		if err != nil || about == nil || about.Image == "" {
			return Product{Given: clip(ref), Unclear: UnclearReference}
		}
		part = identity{id: plain}.external()
	}
	if about == nil || part == *about {
		return part
	}
	return within(*about, part)
}

// external recognises a reference to what is not in the document.
func (i identity) external() Product {
	out := i.product()
	if out.Unclear == UnclearIdentifier {
		out.Unclear = UnclearReference
	}
	return out
}

// versions narrows a product to the versions that are told to be meant.
func versions(p Product, told []cdxVersion) []Product {
	if len(told) == 0 || p.Unclear != "" || p.Package == "" {
		return []Product{p}
	}
	var out []Product
	for _, v := range told {
		u, ok := parse(p.Package)
		switch {
		case v.Status != "" && v.Status != string(cdx.VulnerabilityStatusAffected):
			continue
		case !ok || v.Range != "" || v.Version == "" || u.Version != "" && u.Version != v.Version:
			out = append(out, Product{Given: p.Given, Unclear: UnclearRange})
		default:
			u.Version = v.Version
			out = append(out, Product{Given: p.Given, Image: p.Image, Package: u.ToString()})
		}
	}
	if len(out) == 0 {
		return []Product{{Given: p.Given, Unclear: UnclearRange}}
	}
	return out
}
