package redhat

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/csaf"
	"plimsoll/engine/feed/field"
)

// Bounds on one record.
const (
	maxReferences = 200
	maxURL        = 2048
	maxScores     = 20
)

// rejections begin the texts about CVEs that were withdrawn: Red Hat's own, and the CVE list's.
var rejections = []string{"[REJECTED CVE]", "** REJECT **"}

var cweShape = regexp.MustCompile(`^CWE-[0-9]{1,6}$`)

// record brings a vulnerability into normal form.
func (r *reader) record(d *csaf.Document, v *csaf.Vulnerability) feed.Record {
	rec := feed.Record{Vulnerability: vulnerability(d, v)}
	g := newGathering(v.CVE, d, v)
	if rec.Vulnerability.Withdrawn == nil {
		g.gather(r.majors)
		var err error
		if rec.Advisories, err = g.advisories(); err != nil {
			r.out.Bad(v.CVE, err)
		}
	}
	rec.Vulnerability.CVSS = scores(v.Scores, g.kept)
	rate(&rec, d.Severity.Text)
	return rec
}

func vulnerability(d *csaf.Document, v *csaf.Vulnerability) feed.Vulnerability {
	out := feed.Vulnerability{
		Source: Name, ID: v.CVE, URL: cvePage + v.CVE, Summary: field.Prose(v.Title, field.MaxReason),
		Published: v.Released.At, Modified: d.Tracking.Modified.At,
	}
	if out.Published == nil {
		out.Published = d.Tracking.Released.At
	}
	for _, n := range v.Notes {
		if n.Category == "description" && out.Description == "" {
			out.Description = field.Prose(n.Text, field.MaxDescription)
		}
	}
	if cweShape.MatchString(v.CWE.ID) {
		out.CWEs = []string{v.CWE.ID}
	}
	for _, ref := range v.References {
		u, err := url.Parse(field.Prose(ref.URL, maxURL))
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			continue
		}
		if s := u.String(); s != out.URL && len(out.References) < maxReferences && !slices.Contains(out.References, s) {
			out.References = append(out.References, s)
		}
	}
	for _, mark := range rejections {
		if strings.HasPrefix(out.Summary, mark) || strings.HasPrefix(out.Description, mark) {
			out.Withdrawn = withdrawn(d)
		}
	}
	return out
}

// withdrawn is when the document said so; every document has a date, were it the beginning of time.
func withdrawn(d *csaf.Document) *time.Time {
	if at := d.Tracking.Modified.At; at != nil {
		return at
	}
	return new(time.Unix(0, 0).UTC())
}

// scores are the vectors, those of products that are kept where these have any.
func scores(list []csaf.Score, kept map[string]bool) []feed.CVSS {
	var own, others []feed.CVSS
	for _, s := range list {
		into := &others
		if slices.ContainsFunc(s.Products, func(id string) bool { return kept[id] }) {
			into = &own
		}
		for _, vector := range []string{s.V3.Vector, s.V2.Vector} {
			c, err := feed.ParseCVSS(vector)
			if err == nil && len(*into) < maxScores && !slices.ContainsFunc(*into, func(o feed.CVSS) bool { return o.Vector == c.Vector }) {
				*into = append(*into, c)
			}
		}
	}
	if len(own) > 0 {
		return own
	}
	return others
}

// rate gives the record the document's severity, or the highest of its packages, and leaves with these what differs.
func rate(rec *feed.Record, word string) {
	severity, ok := feed.ParseSeverity(word)
	for _, a := range rec.Advisories {
		if !ok && a.Severity != nil {
			severity = max(severity, *a.Severity)
		}
	}
	rec.Vulnerability.Severity = severity
	for i := range rec.Advisories {
		if s := rec.Advisories[i].Severity; s != nil && *s == severity {
			rec.Advisories[i].Severity = nil
		}
	}
}
