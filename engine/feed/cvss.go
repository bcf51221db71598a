package feed

import (
	"errors"
	"fmt"
	"strings"

	cvss20 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"
)

// ErrCVSS means that a text is no CVSS vector.
var ErrCVSS = errors.New("not a CVSS vector")

// maxVector bounds a vector in bytes; the longest one version 4.0 can express has about 230.
const maxVector = 512

// ParseCVSS reads a vector of version 2.0 (without prefix), 3.0, 3.1 or 4.0 and scores it. Version 4.0 has no
// sub-scores.
func ParseCVSS(vector string) (CVSS, error) {
	vector = strings.TrimSpace(vector)
	if len(vector) > maxVector {
		return CVSS{}, fmt.Errorf("%w: %d bytes long", ErrCVSS, len(vector))
	}
	c, err := score(vector)
	if err != nil {
		return CVSS{}, fmt.Errorf("%w: %q: %w", ErrCVSS, vector, err)
	}
	c.Vector = vector
	return c, nil
}

func score(vector string) (CVSS, error) {
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		v, err := cvss40.ParseVector(vector)
		if err != nil {
			return CVSS{}, err
		}
		return CVSS{Version: "4.0", Base: new(v.Score())}, nil
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		v, err := cvss31.ParseVector(vector)
		if err != nil {
			return CVSS{}, err
		}
		return scored("3.1", v), nil
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		v, err := cvss30.ParseVector(vector)
		if err != nil {
			return CVSS{}, err
		}
		return scored("3.0", v), nil
	default:
		v, err := cvss20.ParseVector(vector)
		if err != nil {
			return CVSS{}, err
		}
		return scored("2.0", v), nil
	}
}

type scorer interface {
	BaseScore() float64
	Exploitability() float64
	Impact() float64
}

func scored(version string, v scorer) CVSS {
	return CVSS{Version: version, Base: new(v.BaseScore()), Exploitability: new(tenth(v.Exploitability())), Impact: new(tenth(v.Impact()))}
}

// tenth rounds a sub-score as NVD publishes it. An impact can come out slightly below zero when nothing is
// impacted.
func tenth(x float64) float64 {
	if x <= 0 {
		return 0
	}
	return float64(int(x*10+0.5)) / 10
}

// Severity is the band the base score falls into: CVSS 3.1 section 5 and 4.0 section 6, and NVD's bands for
// 2.0, which end at high. A score of zero is Unknown: it says that nothing was scored.
func (c CVSS) Severity() Severity {
	if c.Base == nil || *c.Base <= 0 {
		return Unknown
	}
	switch b := *c.Base; {
	case b < 4:
		return Low
	case b < 7:
		return Medium
	case b < 9 || c.Version == "2.0":
		return High
	}
	return Critical
}

// SeverityOf is the highest band among the vectors of versions 3 and 4; a version 2.0 vector counts when there
// is no other.
func SeverityOf(vectors []CVSS) Severity {
	old, current := Unknown, Unknown
	for _, c := range vectors {
		if c.Version == "2.0" {
			old = max(old, c.Severity())
		} else {
			current = max(current, c.Severity())
		}
	}
	if current != Unknown {
		return current
	}
	return old
}
