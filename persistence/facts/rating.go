package facts

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"plimsoll/engine/policy"
	"plimsoll/persistence"
)

// RatedVulnerabilities adds what is known of the CVEs behind the findings.
func (s *stored) RatedVulnerabilities(ctx context.Context) ([]policy.Vulnerability, error) {
	list, err := s.Vulnerabilities(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(list))
	for i := range list {
		ids = slices.AppendSeq(ids, cves(&list[i]))
	}
	slices.Sort(ids)
	known, err := s.matches.Ratings(ctx, slices.Compact(ids))
	if err != nil {
		return nil, fmt.Errorf("load vulnerabilities: %w", err)
	}
	for i := range list {
		rate(&list[i], known)
	}
	return list, nil
}

// rate takes the worst of each.
func rate(v *policy.Vulnerability, known map[string]persistence.Rating) {
	for id := range cves(v) {
		r := known[id]
		v.NVD = append(v.NVD, r.CVSS...)
		v.Exploited = v.Exploited || r.Exploited
		if r.Probability == nil || v.EPSS != nil && v.EPSS.Score >= *r.Probability {
			continue
		}
		v.EPSS = &policy.EPSS{Score: *r.Probability}
		if r.Percentile != nil {
			v.EPSS.Percentile = *r.Percentile
		}
	}
}

// cves are those among the names of a vulnerability.
func cves(v *policy.Vulnerability) iter.Seq[string] {
	return func(yield func(string) bool) {
		if isCVE(v.ID) && !yield(v.ID) {
			return
		}
		for _, name := range v.Also {
			if isCVE(name) && !yield(name) {
				return
			}
		}
	}
}

func isCVE(name string) bool { return strings.HasPrefix(name, "CVE-") }
