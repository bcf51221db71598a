package matching

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Counts is how many differences of a class there are.
type Counts map[Counted]int

// Counted is one line of the table of known differences.
type Counted struct{ Class, Witness, Ecosystem, Sign string }

// Count sorts differences into classes; those that none explains are returned, too.
func (e *Explainer) Count(results []Comparison) (Counts, []Difference) {
	counts := Counts{}
	var open []Difference
	for _, c := range results {
		for _, d := range c.Differences {
			class, ok := e.Explain(d)
			if !ok {
				open = append(open, d)
				continue
			}
			counts[Counted{class.ID, c.Witness, c.Ecosystem, d.Sign}]++
		}
	}
	return counts, open
}

// Table lists every difference with its class, "?" for none.
func (e *Explainer) Table(results []Comparison) string {
	var out strings.Builder
	for _, c := range results {
		for _, d := range c.Differences {
			class, ok := e.Explain(d)
			if !ok {
				class.ID = "?"
			}
			fmt.Fprintln(&out, strings.Join([]string{
				class.ID, d.Witness, d.Sign, d.Ecosystem, d.Name, d.Version, d.ID, strings.Join(d.Ours, ","), strings.Join(d.Theirs, ","),
			}, "\t"))
		}
	}
	return out.String()
}

func (c Counts) keys() []Counted {
	return slices.SortedFunc(maps.Keys(c), func(a, b Counted) int {
		return cmp.Or(strings.Compare(a.Class, b.Class), strings.Compare(a.Witness, b.Witness), strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Sign, b.Sign))
	})
}

// String is the table of known differences.
func (c Counts) String() string {
	var out strings.Builder
	out.WriteString("# class\twitness\tecosystem\tsign\tdifferences\n")
	for _, k := range c.keys() {
		fmt.Fprintf(&out, "%s\t%s\t%s\t%s\t%d\n", k.Class, k.Witness, k.Ecosystem, k.Sign, c[k])
	}
	return out.String()
}

// ReadCounts reads what String wrote.
func ReadCounts(text string) (Counts, error) {
	out := Counts{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) != 5 {
			return nil, fmt.Errorf("table of differences: not five columns: %q", line)
		}
		n, err := strconv.Atoi(columns[4])
		if err != nil {
			return nil, fmt.Errorf("table of differences: %q: %w", line, err)
		}
		out[Counted{columns[0], columns[1], columns[2], columns[3]}] = n
	}
	return out, nil
}

// Above tells where there are more differences than before.
func (c Counts) Above(before Counts) []string {
	var out []string
	for _, k := range c.keys() {
		if n := before[k]; c[k] > n {
			out = append(out, fmt.Sprintf("%s, %s, %s, %s: %d, known are %d", k.Class, k.Witness, k.Ecosystem, k.Sign, c[k], n))
		}
	}
	return out
}

// Figures writes the figures, the classes and what our drivers cannot read for people.
func Figures(results []Comparison, counts Counts, unreadable map[string][]string) string {
	var out strings.Builder
	out.WriteString(`# Matching against other scanners

Written by ` + "`make accuracy-match`" + `. Precision is the share of our findings the witness has, too, recall the share of its findings that
we have; explained differences count against both. The fix column is the share of common findings with the same fix. *Ours
right* is the share of differing findings and fixes in which the records and the source of the rule side with us, or with both.

Where a line names a format – tracker, secdb, VEX – we read the distribution's own documents by the driver for them, and the witness
records made of the same; the rest are OSV records on both sides.

| ecosystem | witness | packages | ours | witness's | precision | recall | same fix | differences | ours right |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
`)
	for _, c := range slices.SortedStableFunc(slices.Values(results), func(a, b Comparison) int { return strings.Compare(a.Ecosystem, b.Ecosystem) }) {
		fix := "–"
		if c.Both > c.WithoutFix {
			fix = fmt.Sprintf("%.4f", c.FixAgreement())
		}
		fmt.Fprintf(&out, "| %s | %s | %d | %d | %d | %.4f | %.4f | %s | %d | %.4f |\n", c.Ecosystem, c.Witness, c.Packages, c.Ours, c.Theirs,
			c.Precision(), c.Recall(), fix, len(c.Differences), ratio(counts.ours(c), len(c.Differences)))
	}
	out.WriteString("\n## Why they differ\n\n| class | differences | right | reason | rule |\n|---|---:|---|---|---|\n")
	for _, class := range slices.Concat(Classes, NativeClasses) {
		n := 0
		for k, count := range counts {
			if k.Class == class.ID {
				n += count
			}
		}
		if n > 0 {
			fmt.Fprintf(&out, "| %s | %d | %s | %s | %s |\n", class.ID, n, class.Right, class.Reason, class.Source)
		}
	}
	out.WriteString("\n## What we cannot read\n\nEntries of records that are left out, because a bound is no version of the ecosystem.\n\n")
	for _, group := range slices.Sorted(maps.Keys(unreadable)) {
		fmt.Fprintf(&out, "- %s: %d, such as %s\n", group, len(unreadable[group]), unreadable[group][0])
	}
	return out.String()
}

// ours is in how many differences of a comparison we are right.
func (c Counts) ours(of Comparison) int {
	n := 0
	for k, count := range c {
		right := slices.ContainsFunc(slices.Concat(Classes, NativeClasses), func(class Class) bool { return class.ID == k.Class && class.Right != them })
		if right && k.Witness == of.Witness && k.Ecosystem == of.Ecosystem {
			n += count
		}
	}
	return n
}
