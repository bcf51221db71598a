package vex

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// CycloneDX writes a CycloneDX 1.6 document in JSON that holds statements alone, and the packages they name.
func CycloneDX(w io.Writer, r Report) error { return r.cyclonedx(w, cdx.BOMFileFormatJSON) }

// CycloneDXXML writes the same in XML.
func CycloneDXXML(w io.Writer, r Report) error { return r.cyclonedx(w, cdx.BOMFileFormatXML) }

func (r *Report) cyclonedx(w io.Writer, format cdx.BOMFileFormat) error {
	vulnerabilities := make([]cdx.Vulnerability, 0, len(r.Statements))
	parts := partsOf{}
	for i := range r.Statements {
		s := &r.Statements[i]
		refs := make([]string, 0, len(s.Products))
		for _, p := range s.Products {
			if p.Package == "" {
				refs = append(refs, r.Image.Digest)
				continue
			}
			refs = append(refs, parts.add(p.Package, "", ""))
		}
		v := cdx.Vulnerability{ID: s.Vulnerability, References: cdxReferences(s.Aliases), Affects: cdxAffected(refs)}
		s.Assertion.write(&v, s.At)
		vulnerabilities = append(vulnerabilities, v)
	}
	return r.encode(w, format, "vex", parts.list(), vulnerabilities)
}

// encode writes a document about the image.
func (r *Report) encode(w io.Writer, format cdx.BOMFileFormat, kind string, components []cdx.Component, vulnerabilities []cdx.Vulnerability) error {
	bom := cdx.NewBOM()
	bom.SerialNumber = r.name("cyclonedx-" + kind).URN()
	bom.Metadata = &cdx.Metadata{
		Timestamp: whole(r.At).Format(time.RFC3339),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: Tool, Version: r.ToolVersion}}},
		Component: &cdx.Component{
			BOMRef: r.Image.Digest, Type: cdx.ComponentTypeContainer, Name: cmp.Or(r.Image.Name, r.Image.Digest), Version: r.Image.Digest, PackageURL: r.Image.PURL,
		},
	}
	if r.Author != "" {
		bom.Metadata.Authors = &[]cdx.OrganizationalContact{{Name: r.Author}}
	}
	bom.Components, bom.Vulnerabilities = &components, &vulnerabilities
	e := cdx.NewBOMEncoder(w, format).SetPretty(true).SetEscapeHTML(false)
	if err := e.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("write CycloneDX document of %s: %w", r.Image.Digest, err)
	}
	return nil
}

// partsOf collects the packages a document refers to, by their references.
type partsOf map[string]cdx.Component

// add returns the reference of a package. What it is called is read from its purl where that tells.
func (p partsOf) add(purl, name, version string) string {
	ref := cmp.Or(purl, name+"@"+version)
	if _, there := p[ref]; !there {
		c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: purl}
		if u, ok := parse(purl); ok && name == "" {
			c.Group, c.Name, c.Version = u.Namespace, u.Name, u.Version
		}
		p[ref] = c
	}
	return ref
}

func (p partsOf) list() []cdx.Component {
	out := make([]cdx.Component, 0, len(p))
	for _, c := range p {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	return out
}

// cdxReferences names a vulnerability's other names; who gave one is told by its first letters.
func cdxReferences(aliases []string) *[]cdx.VulnerabilityReference {
	var out []cdx.VulnerabilityReference
	for _, name := range aliases {
		prefix, _, _ := strings.Cut(name, "-")
		out = append(out, cdx.VulnerabilityReference{ID: name, Source: &cdx.Source{Name: prefix}})
	}
	if out == nil {
		return nil
	}
	return &out
}

func cdxAffected(refs []string) *[]cdx.Affects {
	slices.Sort(refs)
	out := []cdx.Affects{}
	for _, ref := range slices.Compact(refs) {
		out = append(out, cdx.Affects{Ref: ref})
	}
	return &out
}

// write puts what is said into the words of CycloneDX.
func (a Assertion) write(v *cdx.Vulnerability, at time.Time) {
	said := cdx.VulnerabilityAnalysis{Detail: a.Impact}
	for _, s := range slices.Backward(cdxStates) {
		if s.ours == a.Status {
			said.State = s.theirs
		}
	}
	var told []cdx.Property
	tell := func(name, value string) {
		if value != "" {
			told = append(told, cdx.Property{Name: name, Value: value})
		}
	}
	switch {
	case a.Justification == FixNotPlanned:
		said.Response = &[]cdx.ImpactAnalysisResponse{cdx.IARWillNotFix}
		if a.Status != Affected {
			tell(propertyJustification, string(a.Justification))
		}
	case a.Justification != "":
		said.Justification = a.justify()
		if readBack(said.Justification) != a.Justification {
			tell(propertyJustification, string(a.Justification))
		}
	case a.Status == NotAffected && a.Impact == "":
		said.Detail = noReason
	}
	if !at.IsZero() {
		said.FirstIssued, said.LastUpdated = whole(at).Format(time.RFC3339), whole(at).Format(time.RFC3339)
	}
	tell(propertyNotes, a.Notes)
	tell(propertyDetails, a.Details)
	v.Analysis = &said
	v.Recommendation = cmp.Or(a.Action, v.Recommendation)
	if told != nil {
		v.Properties = &told
	}
}

func (a Assertion) justify() (theirs cdx.ImpactAnalysisJustification) {
	for _, j := range slices.Backward(cdxJustifications) {
		if j.ours == a.Justification {
			theirs = j.theirs
		}
	}
	return theirs
}

// readBack is the justification that a reader takes a word for.
func readBack(word cdx.ImpactAnalysisJustification) (ours Justification) {
	for _, j := range slices.Backward(cdxJustifications) {
		if j.theirs == word {
			ours = j.ours
		}
	}
	return ours
}
