package vulnerabilities_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates/vulnerabilities"
)

const documentForm = `{"id":"p","name":"p","version":"2",
"mappings":[{"id":"m","name":"m","registry":"*","repository":"*","image":{"type":"tag","value":"*"},"rule_set_ids":["rs"],"allowlist_ids":[]}],
"rule_sets":[{"id":"rs","name":"rs","version":"2","rules":[{"id":"r","gate":"vulnerabilities","trigger":"package","action":"STOP","params":[%s]}]}]}`

// fires reports whether a package rule with the parameters, given as name and value in turn, fires for a vulnerability.
func fires(t *testing.T, v policy.Vulnerability, now time.Time, params ...string) bool {
	t.Helper()
	written := `{"name":"package_type","value":"all"}`
	for i := 0; i < len(params); i += 2 {
		written += fmt.Sprintf(`,{"name":%q,"value":%q}`, params[i], params[i+1])
	}
	compiled, problems, err := policy.Load([]byte(fmt.Sprintf(documentForm, written)), []policy.Gate{vulnerabilities.Gate})
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v: %v, %v", params, err, problems)
	}
	result, err := compiled.Evaluate(t.Context(), &policy.Static{
		Matches: []policy.Vulnerability{v}, Feeds: policy.FeedStatus{Exploited: true, Predicted: true},
	}, "docker.io/a:1", now)
	if err != nil || result.Err() != nil || len(result.EvaluationProblems) > 0 {
		t.Fatalf("%v: %v, %v, %v", params, err, result.Err(), result.EvaluationProblems)
	}
	return result.NumberOfFindings == 1
}

var comparisons = map[string]func(a, b float64) bool{
	"=": func(a, b float64) bool { return a == b }, "!=": func(a, b float64) bool { return a != b },
	"<": func(a, b float64) bool { return a < b }, ">": func(a, b float64) bool { return a > b },
	"<=": func(a, b float64) bool { return a <= b }, ">=": func(a, b float64) bool { return a >= b },
}

// Every operator with every score that is below, at and above the limit, and with none.
func TestScoresAreComparedByEveryOperator(t *testing.T) {
	t.Parallel()
	const limit = "0.5"
	give := func(set func(v *policy.Vulnerability, score float64)) func(score float64) policy.Vulnerability {
		return func(score float64) policy.Vulnerability {
			v := policy.Vulnerability{ID: "CVE-1", Severity: feed.High, Package: policy.AffectedPackage{Name: "a", Version: "1", Type: "apkg"}}
			// Neither an old nor a new version of CVSS counts, nor the other list, nor the other values.
			v.NVD = []feed.CVSS{{Version: "2.0", Base: &score}, {Version: "4.0", Impact: &score}}
			v.Vendor = v.NVD
			if score >= 0 {
				set(&v, score)
			}
			return v
		}
	}
	scores := map[string]func(float64) policy.Vulnerability{
		"cvss_v3_base_score": give(func(v *policy.Vulnerability, s float64) { v.NVD = append(v.NVD, feed.CVSS{Version: "3.0", Base: &s}) }),
		"cvss_v3_exploitability_score": give(func(v *policy.Vulnerability, s float64) {
			v.NVD = append(v.NVD, feed.CVSS{Version: "3.1", Exploitability: &s})
		}),
		"cvss_v3_impact_score": give(func(v *policy.Vulnerability, s float64) { v.NVD = append(v.NVD, feed.CVSS{Version: "3.1", Impact: &s}) }),
		"vendor_cvss_v3_base_score": give(func(v *policy.Vulnerability, s float64) {
			v.Vendor = append(v.Vendor, feed.CVSS{Version: "3.0", Base: &s})
		}),
		"vendor_cvss_v3_exploitability_score": give(func(v *policy.Vulnerability, s float64) {
			v.Vendor = append(v.Vendor, feed.CVSS{Version: "3.1", Exploitability: &s})
		}),
		"vendor_cvss_v3_impact_score": give(func(v *policy.Vulnerability, s float64) {
			v.Vendor = append(v.Vendor, feed.CVSS{Version: "3.1", Impact: &s})
		}),
		"epss_score":      give(func(v *policy.Vulnerability, s float64) { v.EPSS = &policy.EPSS{Score: s, Percentile: 1 - s} }),
		"epss_percentile": give(func(v *policy.Vulnerability, s float64) { v.EPSS = &policy.EPSS{Score: 1 - s, Percentile: s} }),
	}
	for param, scored := range scores {
		for operator, holds := range comparisons {
			for _, score := range []float64{0, 0.2, 0.5, 0.9, -1} { // -1: none
				if want, got := holds(score, 0.5), fires(t, scored(score), time.Now(), param, limit, param+"_comparison", operator); got != want {
					t.Errorf("%s: %v %s %s fires: %t, want %t", param, score, operator, limit, got, want)
				}
			}
		}
		if !fires(t, scored(0.5), time.Now(), param, limit) || fires(t, scored(0.4), time.Now(), param, limit) {
			t.Errorf("%s is not compared with >= by default", param)
		}
		if !fires(t, scored(-1), time.Now(), param+"_comparison", "<") {
			t.Errorf("%s_comparison alone has an effect", param)
		}
	}
}

func TestSeveritiesAreComparedByEveryOperator(t *testing.T) {
	t.Parallel()
	words := []string{"unknown", "negligible", "low", "medium", "high", "critical"}
	for ordinal := feed.Unknown - 1; ordinal <= feed.Critical+1; ordinal++ {
		counts := float64(ordinal)
		if ordinal < feed.Unknown || ordinal > feed.Critical {
			counts = float64(feed.Unknown)
		}
		v := policy.Vulnerability{ID: "CVE-1", Severity: ordinal, Package: policy.AffectedPackage{Name: "a", Version: "1", Type: "apkg"}}
		for operator, holds := range comparisons {
			for limit, word := range words {
				if want, got := holds(counts, float64(limit)), fires(t, v, time.Now(), "severity", word, "severity_comparison", operator); got != want {
					t.Errorf("severity %d %s %s fires: %t, want %t", ordinal, operator, word, got, want)
				}
			}
			if want, got := holds(counts, 0), fires(t, v, time.Now(), "severity_comparison", operator); got != want {
				t.Errorf("severity %d %s (none) fires: %t, want %t", ordinal, operator, got, want)
			}
		}
		if want := counts > float64(feed.Unknown); fires(t, v, time.Now()) != want {
			t.Errorf("severity %d fires by default: want %t", ordinal, want)
		}
	}
}

// The age counts from the second of detection on, its limit included; a fix counts from when the feed first had it.
func TestAgesIncludeTheirLimit(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 900_000_000, time.UTC)
	due := at.AddDate(0, 0, 7).Truncate(time.Second)
	v := policy.Vulnerability{ID: "CVE-1", Severity: feed.High, Package: policy.AffectedPackage{Name: "a", Version: "1", Type: "apkg"}}
	detected, fixed, fixedSometime := v, v, v
	detected.DetectedAt = at
	fixed.FixedIn, fixed.FixObservedAt = []string{"2"}, at
	fixedSometime.FixedIn = []string{"2"}
	tests := []struct {
		name   string
		v      policy.Vulnerability
		now    time.Time
		params []string
		want   bool
	}{
		{"a second too young", detected, due.Add(-time.Second), []string{"max_days_since_creation", "7"}, false},
		{"just old enough", detected, due, []string{"max_days_since_creation", "7"}, true},
		{"no days", detected, at, []string{"max_days_since_creation", "0"}, true},
		{"nobody knows since when", v, due, []string{"max_days_since_creation", "7"}, true},
		{"fix a second too young", fixed, due.Add(-time.Second), []string{"max_days_since_fix", "7", "fix_available", "true"}, false},
		{"fix just old enough", fixed, due, []string{"max_days_since_fix", "7", "fix_available", "true"}, true},
		{"fix known since an unknown time", fixedSometime, at, []string{"max_days_since_fix", "7", "fix_available", "true"}, true},
		{"age of a fix nobody asks for", fixed, at, []string{"max_days_since_fix", "7"}, true},
		{"age of a fix there must not be", v, at, []string{"max_days_since_fix", "7", "fix_available", "false"}, true},
	}
	for _, tt := range tests {
		if got := fires(t, tt.v, tt.now, tt.params...); got != tt.want {
			t.Errorf("%s: fires %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestUnknownAnnotationsAreRefused(t *testing.T) {
	t.Parallel()
	document := fmt.Sprintf(documentForm, `{"name":"package_type","value":"all"},{"name":"annotation_status","value":"none, not affected"}`)
	_, _, err := policy.Load([]byte(document), []policy.Gate{vulnerabilities.Gate})
	if _, refused := errors.AsType[*policy.InvalidError](err); !refused {
		t.Errorf("%v, want InvalidError", err)
	}
}
