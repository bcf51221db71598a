package matching

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Finding is a vulnerability of a subject, under every name the finder has for it, and the versions it calls a fix.
type Finding struct {
	IDs   []string // the finder's own name first
	Fixes []string // sorted; empty: there is none
	// FixesOf are the names the fixes belong to, where the finder joins flaws and tells fixes of one; empty: of all.
	FixesOf []string
	// Upstream are the vulnerabilities that the finding, if it is a notice (DSA, ALSA), is about.
	Upstream []string
	// NoFixes: the finder does not tell about fixes.
	NoFixes bool
}

// Answers are what one side finds, by subject.
type Answers map[Subject][]Finding

// Add notes a finding.
func (a Answers) Add(s Subject, f Finding) { a[s] = append(a[s], f) }

// Count is the number of findings.
func (a Answers) Count() int {
	n := 0
	for _, list := range a {
		n += len(list)
	}
	return n
}

// Write writes answers as lines a person can read and compare: ecosystem, name, version, ids, fixes. Subjects without
// a finding have a line as well, so that it is seen that they were asked about.
func (a Answers) Write(out io.Writer, subjects []Subject) error {
	w := bufio.NewWriter(out)
	for _, s := range subjects {
		list := slices.SortedFunc(slices.Values(a[s]), func(x, y Finding) int { return cmp.Compare(x.IDs[0], y.IDs[0]) })
		for _, f := range list {
			fmt.Fprintln(w, strings.Join([]string{s.Ecosystem, s.Name, s.Version, strings.Join(f.IDs, " "), strings.Join(f.Fixes, " ")}, "\t"))
		}
		if len(list) == 0 {
			fmt.Fprintln(w, strings.Join([]string{s.Ecosystem, s.Name, s.Version, "", ""}, "\t"))
		}
	}
	return w.Flush()
}

// ReadAnswers reads what Write wrote.
func ReadAnswers(in io.Reader) (Answers, []Subject, error) {
	all := Answers{}
	asked := map[Subject]bool{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		columns := strings.Split(lines.Text(), "\t")
		if len(columns) != 5 {
			return nil, nil, fmt.Errorf("not five columns: %q", lines.Text())
		}
		s := Subject{columns[0], columns[1], columns[2]}
		asked[s] = true
		if columns[3] != "" {
			all.Add(s, Finding{IDs: strings.Fields(columns[3]), Fixes: strings.Fields(columns[4])})
		}
	}
	return all, slices.SortedFunc(maps.Keys(asked), compareSubjects), lines.Err()
}
