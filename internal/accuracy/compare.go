package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// set holds packages of one type as "name version".
type set map[string]bool

// found are packages by type.
type found map[string]set

func (f found) add(kind, name, version string) {
	if f[kind] == nil {
		f[kind] = set{}
	}
	if kind == "python" { // PEP 503
		name = strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
	}
	f[kind][name+" "+version] = true
}

// comparison is one subject's packages of one type against one witness.
type comparison struct {
	subject, kind, witness string
	ours, theirs, both     int
	surplus, missing       []string // only ours, only theirs
}

func compare(subject, kind, witness string, ours, theirs set) comparison {
	c := comparison{subject: subject, kind: kind, witness: witness, ours: len(ours), theirs: len(theirs)}
	for p := range ours {
		if theirs[p] {
			c.both++
		} else {
			c.surplus = append(c.surplus, p)
		}
	}
	for p := range theirs {
		if !ours[p] {
			c.missing = append(c.missing, p)
		}
	}
	slices.Sort(c.surplus)
	slices.Sort(c.missing)
	return c
}

// precision and recall are as plain as can be: explained differences count against both.
func (c *comparison) precision() float64 { return ratio(c.both, c.ours) }
func (c *comparison) recall() float64    { return ratio(c.both, c.theirs) }

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// report prints differences and returns how many have no explanation.
func (c *comparison) report(out io.Writer, explained *table, all bool) int {
	open := 0
	for _, side := range []struct {
		sign     string
		packages []string
	}{{"+", c.surplus}, {"-", c.missing}} {
		for _, p := range side.packages {
			reason, known := explained.reason(c, side.sign, p)
			if !known {
				open++
				reason = "NOT EXPLAINED"
			}
			if !known || all {
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", c.subject, c.kind, c.witness, side.sign, p, reason)
			}
		}
	}
	return open
}

// table is the committed explanation of differences. A line holds, between tabs: subject, type, witness, + (only we
// find it) or - (only the witness does), a pattern of "name version" as path.Match reads it, and the reason.
type table struct {
	lines []line
	used  []bool
}

type line struct{ subject, kind, witness, sign, pattern, reason string }

func readTable(file string) (*table, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read explanations: %w", err)
	}
	defer f.Close()
	t := &table{}
	for s := bufio.NewScanner(f); s.Scan(); {
		if s.Text() == "" || s.Text()[0] == '#' {
			continue
		}
		parts := strings.Split(s.Text(), "\t")
		if len(parts) != 6 {
			return nil, fmt.Errorf("read explanations: %s: not six columns: %q", file, s.Text())
		}
		l := line{parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]}
		if _, err := path.Match(l.pattern, ""); err != nil {
			return nil, fmt.Errorf("read explanations: %s: pattern %q: %w", file, l.pattern, err)
		}
		t.lines = append(t.lines, l)
	}
	t.used = make([]bool, len(t.lines))
	return t, nil
}

func (t *table) reason(c *comparison, sign, p string) (string, bool) {
	// A slash is nothing special in a package's name.
	flat := strings.NewReplacer("/", "|")
	for i, l := range t.lines {
		if l.subject != c.subject || l.kind != c.kind || l.witness != c.witness || l.sign != sign {
			continue
		}
		if ok, _ := path.Match(flat.Replace(l.pattern), flat.Replace(p)); ok {
			t.used[i] = true
			return l.reason, true
		}
	}
	return "", false
}

// idle lists lines about the subjects at hand, and witnesses that were heard, which explained nothing.
func (t *table) idle(subjects []*subject) []string {
	var idle []string
	for i, l := range t.lines {
		for _, s := range subjects {
			if s.name == l.subject && s.heard[l.witness] && !t.used[i] {
				idle = append(idle, strings.Join([]string{l.subject, l.kind, l.witness, l.sign, l.pattern}, " "))
			}
		}
	}
	return idle
}
