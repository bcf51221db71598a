package nvd

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
)

// item is an entry of "vulnerabilities" (csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema).
type item struct {
	CVE struct {
		ID             string          `json:"id"`
		Published      string          `json:"published"`
		Modified       string          `json:"lastModified"`
		Status         string          `json:"vulnStatus"`
		Descriptions   []text          `json:"descriptions"`
		Metrics        metrics         `json:"metrics"`
		Weaknesses     []weakness      `json:"weaknesses"`
		Configurations []configuration `json:"configurations"`
		References     []reference     `json:"references"`
	} `json:"cve"`
}

type text struct {
	Language string `json:"lang"`
	Value    string `json:"value"`
}

type weakness struct {
	Description []text `json:"description"`
}

type reference struct {
	URL string `json:"url"`
}

type metrics struct {
	V40 []metric `json:"cvssMetricV40"`
	V31 []metric `json:"cvssMetricV31"`
	V30 []metric `json:"cvssMetricV30"`
	V20 []metric `json:"cvssMetricV2"`
}

type metric struct {
	Source         string   `json:"source"`
	Type           string   `json:"type"`
	Exploitability *float64 `json:"exploitabilityScore"`
	Impact         *float64 `json:"impactScore"`
	Data           struct {
		Vector string   `json:"vectorString"`
		Base   *float64 `json:"baseScore"`
	} `json:"cvssData"`
}

// configuration says together with what a product is affected.
type configuration struct {
	Operator string `json:"operator,omitempty"`
	Negate   bool   `json:"negate,omitempty"`
	Nodes    []node `json:"nodes"`
}

type node struct {
	Operator string      `json:"operator,omitempty"`
	Negate   bool        `json:"negate,omitempty"`
	Criteria []criterion `json:"cpeMatch"`
}

type criterion struct {
	Vulnerable     bool   `json:"vulnerable"`
	Name           string `json:"criteria"`
	StartIncluding string `json:"versionStartIncluding,omitempty"`
	StartExcluding string `json:"versionStartExcluding,omitempty"`
	EndIncluding   string `json:"versionEndIncluding,omitempty"`
	EndExcluding   string `json:"versionEndExcluding,omitempty"`
}

// rejected is the status of CVEs that were withdrawn.
const rejected = "Rejected"

// Bounds on what one record may bring, above what real ones have.
const (
	maxReferences = 500
	maxLink       = 2048 // bytes
	maxWeaknesses = 100
	maxVectors    = 50
	maxScorer     = 128 // bytes
)

// vulnerability is what a record says about the flaw itself.
func (i *item) vulnerability() feed.Vulnerability {
	c := &i.CVE
	v := feed.Vulnerability{
		Source: Name, ID: c.ID, URL: page + c.ID,
		CVSS: c.Metrics.vectors(), CWEs: weaknesses(c.Weaknesses), References: links(c.References),
		Published: moment(c.Published), Modified: moment(c.Modified),
	}
	for _, d := range c.Descriptions {
		if d.Language == "en" || v.Description == "" && strings.HasPrefix(d.Language, "en") {
			v.Description = field.Prose(d.Value, field.MaxDescription)
		}
	}
	v.Severity = severity(v.CVSS)
	if c.Status == rejected {
		v.Withdrawn = cmp.Or(v.Modified, v.Published, new(time.Unix(0, 0).UTC())) // a time is what marks it
	}
	return v
}

// moment reads a time, which NVD writes without a zone and means in UTC.
func moment(s string) *time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 1 && t.Year() < 10000 {
			return new(t.UTC())
		}
	}
	return nil
}

// vectors lists the vectors, newest version first, of each version the primary ones first.
func (m *metrics) vectors() []feed.CVSS {
	var out []feed.CVSS
	for _, of := range [][]metric{m.V40, m.V31, m.V30, m.V20} {
		var secondary []feed.CVSS
		for _, given := range of {
			c, err := feed.ParseCVSS(strings.Trim(given.Data.Vector, "() "))
			if err != nil {
				continue
			}
			c.By, c.Secondary = field.Prose(given.Source, maxScorer), given.Type == "Secondary"
			c.Base = stated(given.Data.Base, c.Base)
			c.Exploitability, c.Impact = stated(given.Exploitability, c.Exploitability), stated(given.Impact, c.Impact)
			if c.Secondary {
				secondary = append(secondary, c)
			} else {
				out = append(out, c)
			}
		}
		out = append(out, secondary...)
	}
	return out[:min(len(out), maxVectors)]
}

// stated is the score NVD gives, or else the one the vector yields.
func stated(given, computed *float64) *float64 {
	if given == nil || *given < 0 || *given > 10 {
		return computed
	}
	return given
}

// severity is the band of the newest primary vector, else of the newest secondary one.
func severity(list []feed.CVSS) feed.Severity {
	for _, secondary := range []bool{false, true} {
		for i, c := range list {
			rated := c.Severity()
			if c.Secondary != secondary || rated == feed.Unknown {
				continue
			}
			for _, other := range list[i+1:] {
				if other.Version == c.Version && other.Secondary == secondary {
					rated = max(rated, other.Severity())
				}
			}
			return rated
		}
	}
	return feed.Unknown
}

var weaknessID = regexp.MustCompile(`^CWE-[0-9]{1,6}$`)

func weaknesses(list []weakness) []string {
	var out []string
	for _, w := range list {
		for _, d := range w.Description {
			if weaknessID.MatchString(d.Value) && len(out) < maxWeaknesses {
				out = append(out, d.Value)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// links keeps web addresses only: people click them.
func links(list []reference) []string {
	var out []string
	for _, r := range list {
		u, err := url.Parse(strings.TrimSpace(r.URL))
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			continue
		}
		if link := u.String(); len(link) <= maxLink && len(out) < maxReferences && !slices.Contains(out, link) {
			out = append(out, link)
		}
	}
	return out
}
