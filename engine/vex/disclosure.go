package vex

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"plimsoll/engine/feed"
)

// Disclosed is a finding as a vulnerability report tells it.
type Disclosed struct {
	Flaw        feed.Vulnerability // what its source says
	ID          string
	Also        []string      // other names
	Severity    feed.Severity // as we rate it
	Fix         string        // version that fixes it; may be empty
	PURL        string        // of the package; may be empty
	PackageName string
	Version     string
	Said        *Assertion // about it; nil: nothing
	SaidAt      time.Time
}

// Disclosure writes a vulnerability report of an image as CycloneDX 1.6 in JSON. The report has no statements.
func Disclosure(w io.Writer, r Report, found []Disclosed) error {
	return r.disclose(w, cdx.BOMFileFormatJSON, found)
}

// DisclosureXML writes the same in XML.
func DisclosureXML(w io.Writer, r Report, found []Disclosed) error {
	return r.disclose(w, cdx.BOMFileFormatXML, found)
}

func (r *Report) disclose(w io.Writer, format cdx.BOMFileFormat, found []Disclosed) error {
	parts := partsOf{}
	refs := map[string][]string{} // by what is said
	var order []*Disclosed
	for i := range found {
		f := &found[i]
		key := f.key()
		if refs[key] == nil {
			order = append(order, f)
		}
		refs[key] = append(refs[key], parts.add(f.PURL, f.PackageName, f.Version))
	}
	vulnerabilities := make([]cdx.Vulnerability, 0, len(order))
	for i, f := range order {
		v := f.vulnerability()
		v.BOMRef = strconv.Itoa(i+1) + "-" + f.ID
		v.Affects = cdxAffected(refs[f.key()])
		vulnerabilities = append(vulnerabilities, v)
	}
	return r.encode(w, format, "disclosure", parts.list(), vulnerabilities)
}

// key is the same of findings about which the same is told.
func (f *Disclosed) key() string {
	said := ""
	if f.Said != nil {
		said = fmt.Sprintf("%q", *f.Said)
	}
	return strings.Join([]string{f.ID, f.PackageName, f.Fix, f.Flaw.Source, f.Severity.String(), said}, "\x00")
}

func (f *Disclosed) vulnerability() cdx.Vulnerability {
	v := cdx.Vulnerability{
		ID: f.ID, References: cdxReferences(f.Also), Description: cmp.Or(f.Flaw.Description, f.Flaw.Summary), Ratings: f.ratings(), CWEs: f.cwes(),
		Published: day(f.Flaw.Published), Updated: day(f.Flaw.Modified),
	}
	if f.Flaw.Source != "" || f.Flaw.URL != "" {
		v.Source = &cdx.Source{Name: f.Flaw.Source, URL: f.Flaw.URL}
	}
	if f.Fix != "" {
		v.Recommendation = "Upgrade " + f.PackageName + " to " + f.Fix + " or later."
	}
	if f.Said != nil {
		f.Said.write(&v, f.SaidAt)
	}
	return v
}

func day(at *time.Time) string {
	if at == nil || at.IsZero() {
		return ""
	}
	return whole(*at).Format(time.RFC3339)
}

var cdxSeverities = map[feed.Severity]cdx.Severity{
	feed.Critical: cdx.SeverityCritical, feed.High: cdx.SeverityHigh, feed.Medium: cdx.SeverityMedium, feed.Low: cdx.SeverityLow,
	feed.Negligible: cdx.SeverityInfo,
}

var cdxMethods = []struct {
	version string
	method  cdx.ScoringMethod
}{{"2", cdx.ScoringMethodCVSSv2}, {"3.1", cdx.ScoringMethodCVSSv31}, {"3", cdx.ScoringMethodCVSSv3}, {"4", cdx.ScoringMethodCVSSv4}}

// ratings gives our severity first, then the scores.
func (f *Disclosed) ratings() *[]cdx.VulnerabilityRating {
	out := []cdx.VulnerabilityRating{{Severity: cmp.Or(cdxSeverities[f.Severity], cdx.SeverityUnknown)}}
	for _, c := range f.Flaw.CVSS {
		rating := cdx.VulnerabilityRating{Score: c.Base, Vector: c.Vector, Method: cdx.ScoringMethodOther}
		if by := cmp.Or(c.By, f.Flaw.Source); by != "" {
			rating.Source = &cdx.Source{Name: by}
		}
		for _, m := range slices.Backward(cdxMethods) {
			if strings.HasPrefix(c.Version, m.version) {
				rating.Method = m.method
			}
		}
		out = append(out, rating)
	}
	return &out
}

func (f *Disclosed) cwes() *[]int {
	var out []int
	for _, name := range f.Flaw.CWEs {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "CWE-")); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	if out == nil {
		return nil
	}
	return &out
}
