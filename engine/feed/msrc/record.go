package msrc

import (
	"html"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/version"
)

// vulnerability is an element of a document (CVRF 1.1 with Microsoft's additions). What names no product is about all.
type vulnerability struct {
	Title string `xml:"Title"`
	Notes []struct {
		Type string `xml:"Type,attr"`
		Text string `xml:",chardata"`
	} `xml:"Notes>Note"`
	CVE  string `xml:"CVE"`
	CWEs []struct {
		ID string `xml:"ID,attr"`
	} `xml:"CWE"`
	Statuses []struct {
		Type     string   `xml:"Type,attr"`
		Products []string `xml:"ProductID"`
	} `xml:"ProductStatuses>Status"`
	Threats []struct {
		Type        string   `xml:"Type,attr"`
		Description string   `xml:"Description"`
		Products    []string `xml:"ProductID"`
	} `xml:"Threats>Threat"`
	Scores []struct {
		Base     string   `xml:"BaseScore"`
		Vector   string   `xml:"Vector"`
		Products []string `xml:"ProductID"`
	} `xml:"CVSSScoreSets>ScoreSet"`
	Remediations []remediation `xml:"Remediations>Remediation"`
	Revisions    []struct {
		Date moment `xml:"Date"`
	} `xml:"RevisionHistory>Revision"`
}

type remediation struct {
	Type        string   `xml:"Type,attr"`
	Description string   `xml:"Description"`
	URL         string   `xml:"URL"`
	Supersedes  string   `xml:"Supercedence"`
	FixedBuild  string   `xml:"FixedBuild"`
	Products    []string `xml:"ProductID"`
}

// Words of the documents.
const (
	noteDescription     = "Description"
	threatSeverity      = "Severity"
	statusAffected      = "Known Affected"
	statusNotAffected   = "Known Not Affected"
	remediationFix      = "Vendor Fix"
	remediationWontFix  = "Will Not Fix"
	remediationNoneYet  = "None Available"
	reasonSupersedes    = "supersedes "
	maxTitle            = 4 << 10 // bytes
	maxLink             = 2048    // bytes
	maxNotices          = 50
	maxVectors          = 50
	maxBuild            = 64 // bytes
	namespacePrefix     = "msrc:"
	knowledgeBasePrefix = "KB"
)

// about is what is said about one product.
type about struct {
	affected, spared bool
	severity         feed.Severity
	fixes            []*remediation
	others           []*remediation // that say there is no fix
}

// record makes a record of what is said about the products that are wanted, by id.
func (v *vulnerability) record(id string, products map[string]string) feed.Record {
	said := v.gather(products)
	rec := feed.Record{Vulnerability: feed.Vulnerability{
		Source: Name, ID: id, Summary: field.Prose(v.Title, maxTitle), URL: page + id, CVSS: v.vectors(products), CWEs: v.weaknesses(),
	}}
	f := &rec.Vulnerability
	for _, n := range v.Notes {
		if n.Type == noteDescription && f.Description == "" {
			f.Description = prose(n.Text)
		}
	}
	for _, r := range v.Revisions {
		if at := r.Date.at; !at.IsZero() {
			if f.Published == nil || at.Before(*f.Published) {
				f.Published = &at
			}
			if f.Modified == nil || at.After(*f.Modified) {
				f.Modified = &at
			}
		}
	}
	for _, s := range said {
		f.Severity = max(f.Severity, s.severity)
	}
	for _, product := range slices.Sorted(maps.Keys(said)) {
		s := said[product]
		if !s.affected && !s.spared {
			continue
		}
		a := s.advisory()
		a.Source, a.ID, a.Namespace, a.Package = Name, id, namespacePrefix+product, products[product]
		if s.severity != f.Severity && s.severity != feed.Unknown {
			a.Severity = &s.severity
		}
		rec.Advisories = append(rec.Advisories, a)
	}
	return rec
}

// gather sorts what is said by product.
func (v *vulnerability) gather(products map[string]string) map[string]*about {
	said := map[string]*about{}
	each := func(named []string, do func(*about)) {
		if len(named) == 0 {
			named = slices.Collect(maps.Keys(products))
		}
		for _, id := range named {
			if _, wanted := products[id]; !wanted {
				continue
			}
			if said[id] == nil {
				said[id] = &about{}
			}
			do(said[id])
		}
	}
	for _, s := range v.Statuses {
		if len(s.Products) > 0 {
			each(s.Products, func(a *about) {
				a.affected = a.affected || s.Type == statusAffected
				a.spared = a.spared || s.Type == statusNotAffected
			})
		}
	}
	for _, t := range v.Threats {
		if rated, ok := feed.ParseSeverity(t.Description); ok && t.Type == threatSeverity {
			each(t.Products, func(a *about) { a.severity = max(a.severity, rated) })
		}
	}
	for i := range v.Remediations {
		m := &v.Remediations[i]
		switch m.Type {
		case remediationFix:
			if len(m.Products) > 0 {
				each(m.Products, func(a *about) { a.fixes = append(a.fixes, m) })
			}
		case remediationWontFix, remediationNoneYet:
			each(m.Products, func(a *about) { a.others = append(a.others, m) })
		}
	}
	return said
}

// advisory says from which build on the product is fixed.
func (s *about) advisory() feed.Advisory {
	if !s.affected {
		return feed.Advisory{State: feed.StateNotAffected}
	}
	a := feed.Advisory{State: feed.StateAffected, Ranges: []feed.Range{{Introduced: "0"}}}
	if len(s.fixes) == 0 {
		for _, m := range s.others {
			a.Reason = prose(m.Description)
			if m.Type == remediationWontFix {
				a.State = feed.StateWontFix
				break
			}
		}
		a.Reason = field.Prose(a.Reason, field.MaxReason)
		return a
	}
	a.State = feed.StateFixed
	var superseded []string
	for _, m := range s.fixes {
		a.Ranges[0].Fixed = higher(a.Ranges[0].Fixed, strings.TrimSpace(m.FixedBuild))
		a.Notices = append(a.Notices, m.notice()...)
		superseded = append(superseded, articles.FindAllString(m.Supersedes, maxNotices)...)
	}
	slices.SortFunc(a.Notices, func(a, b feed.Notice) int { return strings.Compare(a.ID, b.ID) })
	a.Notices = slices.CompactFunc(a.Notices, func(a, b feed.Notice) bool { return a.ID == b.ID })
	a.Notices = a.Notices[:min(len(a.Notices), maxNotices)]
	if slices.Sort(superseded); len(superseded) > 0 {
		superseded = slices.Compact(superseded)
		a.Reason = field.Prose(reasonSupersedes+knowledgeBasePrefix+strings.Join(superseded, ", "+knowledgeBasePrefix), field.MaxReason)
	}
	return a
}

// build is what a version of a Microsoft product looks like; some documents have words or links in its place.
var build = regexp.MustCompile(`^[0-9]+(\.[0-9]+)+$`)

func higher(a, b string) string {
	if !build.MatchString(b) || len(b) > maxBuild {
		return a
	}
	if c, err := version.Compare(version.Rpm, a, b); a != "" && (err != nil || c >= 0) {
		return a
	}
	return b
}

var (
	articles = regexp.MustCompile(`[0-9]{6,8}`)
	article  = regexp.MustCompile(`^(?:KB)?([0-9]{6,8})$`)
)

// notice is the article about an update. Some remediations name release notes instead.
func (m *remediation) notice() []feed.Notice {
	number := article.FindStringSubmatch(strings.TrimSpace(m.Description))
	if number == nil {
		return nil
	}
	n := feed.Notice{ID: knowledgeBasePrefix + number[1]}
	if u, err := url.Parse(strings.TrimSpace(m.URL)); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && len(u.String()) <= maxLink {
		n.URL = u.String()
	}
	return []feed.Notice{n}
}

// vectors are those of the wanted products, each once.
func (v *vulnerability) vectors(products map[string]string) []feed.CVSS {
	var out []feed.CVSS
	for _, s := range v.Scores {
		wanted := len(s.Products) == 0 || slices.ContainsFunc(s.Products, func(id string) bool { return products[id] != "" })
		c, err := feed.ParseCVSS(s.Vector)
		if !wanted || err != nil || len(out) == maxVectors || slices.ContainsFunc(out, func(o feed.CVSS) bool { return o.Vector == c.Vector }) {
			continue
		}
		if base, err := strconv.ParseFloat(strings.TrimSpace(s.Base), 64); err == nil && base >= 0 && base <= 10 {
			c.Base = &base
		}
		out = append(out, c)
	}
	return out
}

var weakness = regexp.MustCompile(`^CWE-[0-9]{1,6}$`)

func (v *vulnerability) weaknesses() []string {
	var out []string
	for _, w := range v.CWEs {
		if weakness.MatchString(w.ID) {
			out = append(out, w.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var tags = regexp.MustCompile(`<[^<>]*>`)

// prose takes the HTML out of a text.
func prose(s string) string {
	s = html.UnescapeString(tags.ReplaceAllString(s, ""))
	return field.Prose(strings.TrimSpace(s), field.MaxDescription)
}
