package matching

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Signs of differences.
const (
	Surplus = "+"   // only we find it
	Missing = "-"   // only the witness does
	FixSign = "fix" // both do, with different fixes
)

// Difference is a finding on which the sides do not agree.
type Difference struct {
	Subject
	Witness string
	Sign    string
	ID      string // ours, or the witness's where we have none
	Ours    []string
	Theirs  []string // fixes
}

// Comparison is how far a witness agrees about one ecosystem.
type Comparison struct {
	Ecosystem, Witness string // without the release
	Packages           int
	Ours, Theirs       int // findings
	Both               int // of ours, those the witness has under any of their names
	Found              int // of the witness's, those we have under any name
	SameFix            int // of Both
	WithoutFix         int // of Both, where the witness does not tell about fixes
	Differences        []Difference
}

// Precision is the share of our findings that the witness has, too. Explained differences count against it.
func (c *Comparison) Precision() float64 { return ratio(c.Both, c.Ours) }

// Recall is the share of the witness's findings that we have, too.
func (c *Comparison) Recall() float64 { return ratio(c.Found, c.Theirs) }

// FixAgreement is the share of common findings with the same fix, as far as the witness tells.
func (c *Comparison) FixAgreement() float64 { return ratio(c.SameFix, c.Both-c.WithoutFix) }

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// Compare holds our answers about subjects against a witness's, ecosystem by ecosystem.
func Compare(witness string, subjects []Subject, ours, theirs Answers) []Comparison {
	byEcosystem := map[string]*Comparison{}
	for _, s := range subjects {
		name, _, _ := strings.Cut(s.Ecosystem, ":")
		c := byEcosystem[name]
		if c == nil {
			c = &Comparison{Ecosystem: name, Witness: witness}
			byEcosystem[name] = c
		}
		c.Packages++
		c.add(s, ours[s], theirs[s])
	}
	var out []Comparison
	for _, name := range slices.Sorted(maps.Keys(byEcosystem)) {
		c := byEcosystem[name]
		slices.SortFunc(c.Differences, func(a, b Difference) int {
			return cmp.Or(compareSubjects(a.Subject, b.Subject), strings.Compare(a.Sign, b.Sign), strings.Compare(a.ID, b.ID))
		})
		out = append(out, *c)
	}
	return out
}

func (c *Comparison) add(s Subject, ours, theirs []Finding) {
	c.Ours, c.Theirs = c.Ours+len(ours), c.Theirs+len(theirs)
	known := map[string]bool{}
	for _, f := range ours {
		var fixes []string
		there, told := false, false
		for _, t := range theirs {
			if overlap(f.IDs, t.IDs) {
				if there = true; t.NoFixes || len(t.FixesOf) > 0 && !overlap(f.IDs, t.FixesOf) {
					continue
				}
				told = true
				fixes = append(fixes, t.Fixes...)
			}
		}
		for _, id := range f.IDs {
			known[id] = true
		}
		switch {
		case !there:
			c.differ(s, Surplus, f.IDs[0], f.Fixes, nil)
			continue
		case !told:
			c.WithoutFix++
		case sameFix(f.Fixes, fixes):
			c.SameFix++
		default:
			slices.Sort(fixes)
			c.differ(s, FixSign, f.IDs[0], f.Fixes, slices.Compact(fixes))
		}
		c.Both++
	}
	for _, t := range theirs {
		if slices.ContainsFunc(t.IDs, func(id string) bool { return known[id] }) {
			c.Found++
			continue
		}
		c.differ(s, Missing, t.IDs[0], nil, t.Fixes)
	}
}

func (c *Comparison) differ(s Subject, sign, id string, ours, theirs []string) {
	c.Differences = append(c.Differences, Difference{Subject: s, Witness: c.Witness, Sign: sign, ID: id, Ours: ours, Theirs: theirs})
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(id string) bool { return slices.Contains(b, id) })
}

// sameFix reports whether our fix is among the witness's; a flaw with several names may have one for each.
func sameFix(ours, theirs []string) bool {
	if len(ours) == 0 {
		return len(theirs) == 0
	}
	return overlap(ours, theirs)
}
