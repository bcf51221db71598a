package risk_test

import (
	"math"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/risk"
)

func TestScore(t *testing.T) {
	t.Parallel()
	cvss := func(scores ...float64) (out []feed.CVSS) {
		for _, s := range scores {
			out = append(out, feed.CVSS{Base: &s})
		}
		return out
	}
	for name, c := range map[string]struct {
		known risk.Known
		want  float64
	}{
		"the worst score counts":           {risk.Known{CVSS: cvss(5.0, 9.8, 7.5), Probability: new(0.5)}, 49},
		"what is exploited is certain":     {risk.Known{CVSS: cvss(7.5), Probability: new(0.001), Exploited: true}, 75},
		"a small prediction":               {risk.Known{CVSS: cvss(10), Probability: new(0.00043)}, 0.04},
		"no prediction":                    {risk.Known{CVSS: cvss(10)}, 3},
		"predicted not to be":              {risk.Known{CVSS: cvss(10), Probability: new(0.0)}, 0},
		"a rating without a score":         {risk.Known{Severity: feed.Critical, Exploited: true}, 95},
		"a vector without a score":         {risk.Known{Severity: feed.Low, CVSS: []feed.CVSS{{Version: "3.1"}}, Exploited: true}, 20},
		"nothing known":                    {risk.Known{}, 1.65},
		"scores and chances out of bounds": {risk.Known{CVSS: cvss(99), Probability: new(7.0)}, 100},
		"no numbers":                       {risk.Known{CVSS: cvss(math.NaN()), Probability: new(math.NaN())}, 0},
	} {
		if got := risk.Score(c.known); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
