package vulnerabilities

import (
	"strconv"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
)

// noScore is what a vulnerability without a score counts as: less than any score.
const noScore = -1

// score is one value rules can compare.
type score struct {
	param, label, doc, example string
	decimals                   int // written in messages
	of                         func(*policy.Vulnerability) float64
	// rated: only RatedVulnerabilities tell.
	rated bool
	// predicted: it comes from the list of predictions.
	predicted bool
}

var scores = []score{
	cvss("cvss_v3_base_score", "NVD base score", nvdList, basePart),
	cvss("cvss_v3_exploitability_score", "NVD exploitability score", nvdList, exploitPart),
	cvss("cvss_v3_impact_score", "NVD impact score", nvdList, impactPart),
	cvss("vendor_cvss_v3_base_score", "vendor base score", vendorList, basePart),
	cvss("vendor_cvss_v3_exploitability_score", "vendor exploitability score", vendorList, exploitPart),
	cvss("vendor_cvss_v3_impact_score", "vendor impact score", vendorList, impactPart),
	epss("epss_score", "EPSS score", func(e *policy.EPSS) float64 { return e.Score }),
	epss("epss_percentile", "EPSS percentile", func(e *policy.EPSS) float64 { return e.Percentile }),
}

// cvss compares the highest value of all CVSS 3.0 and 3.1 entries of a list.
func cvss(param, label string, list func(*policy.Vulnerability) []feed.CVSS, part func(*feed.CVSS) *float64) score {
	return score{
		param: param, label: label, decimals: 1, example: "7.5", rated: strings.HasPrefix(label, "NVD"),
		doc: "Compared with the highest CVSS v3 " + label + "; a vulnerability without one counts as -1.",
		of: func(v *policy.Vulnerability) float64 {
			highest := float64(noScore)
			list := list(v)
			for i := range list {
				if value := part(&list[i]); value != nil && strings.HasPrefix(list[i].Version, "3.") {
					highest = max(highest, *value)
				}
			}
			return highest
		},
	}
}

// epss compares a value FIRST publishes from 0 to 1.
func epss(param, label string, part func(*policy.EPSS) float64) score {
	return score{
		param: param, label: label, decimals: -1, example: "0.1", rated: true, predicted: true,
		doc: "Compared with the highest " + label + ", from 0 to 1, of the CVEs behind the vulnerability; one without counts as -1.",
		of: func(v *policy.Vulnerability) float64 {
			if v.EPSS == nil {
				return noScore
			}
			return part(v.EPSS)
		},
	}
}

func nvdList(v *policy.Vulnerability) []feed.CVSS    { return v.NVD }
func vendorList(v *policy.Vulnerability) []feed.CVSS { return v.Vendor }
func basePart(c *feed.CVSS) *float64                 { return c.Base }
func exploitPart(c *feed.CVSS) *float64              { return c.Exploitability }
func impactPart(c *feed.CVSS) *float64               { return c.Impact }

// scoreFilter is a comparison a rule asks for.
type scoreFilter struct {
	*score
	comparison string
	value      float64
}

// text says what was compared.
func (f scoreFilter) text(v *policy.Vulnerability) string {
	write := func(x float64) string { return strconv.FormatFloat(x, 'f', f.decimals, 64) }
	return f.label + " " + write(f.of(v)) + " " + f.comparison + " " + write(f.value)
}

var comparisons = policy.Enum("=", "!=", "<", ">", "<=", ">=")

// holds applies a comparison to a and b.
func holds(comparison string, a, b float64) bool {
	switch comparison {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "<=":
		return a <= b
	}
	return a >= b
}
