// Package risk puts findings in the order in which they deserve attention.
//
// A score is how bad a flaw is times how likely it is to be used: 100 · severity · likelihood. Severity is the highest
// CVSS base score known, by ten; where nobody scored, what the rating stands for. Likelihood is the exploit prediction
// (EPSS), and certain for what is known to be exploited (KEV). The formula has no hidden parts: people can follow it with
// the data beside it.
package risk

import (
	"math"

	"plimsoll/engine/feed"
)

// unpredicted is the likelihood of what has no prediction: about the mean of all predictions there are.
const unpredicted = 0.03

// rated is the middle of the CVSS band of a rating (CVSS v3.1, section 5), by ten. Nobody's rating counts as medium.
var rated = map[feed.Severity]float64{
	feed.Critical: 0.95, feed.High: 0.8, feed.Medium: 0.55, feed.Low: 0.2, feed.Negligible: 0.05, feed.Unknown: 0.55,
}

// Known is what a score is made of.
type Known struct {
	Severity    feed.Severity
	CVSS        []feed.CVSS // whoever scored
	Probability *float64    // of exploitation within 30 days; nil: none was predicted
	Exploited   bool
}

// Score is between 0 and 100, to two places.
func Score(k Known) float64 {
	likelihood := unpredicted
	switch {
	case k.Exploited:
		likelihood = 1
	case k.Probability != nil:
		likelihood = bounded(*k.Probability)
	}
	return math.Round(10_000*severity(k)*likelihood) / 100
}

func severity(k Known) float64 {
	worst, scored := 0.0, false
	for _, c := range k.CVSS {
		if c.Base != nil {
			worst, scored = max(worst, bounded(*c.Base/10)), true
		}
	}
	if scored {
		return worst
	}
	return rated[k.Severity]
}

// bounded keeps what others computed within its range; what is no number counts as nothing.
func bounded(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, 0), 1)
}
