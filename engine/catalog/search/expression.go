package search

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// Bounds on what an operator may set and a file may take up.
const (
	MaxExpressions = 200
	maxName        = 128  // bytes
	maxExpression  = 2048 // bytes
	// MaxLine is how much of a line an expression sees, in bytes; longer lines are looked at in pieces.
	MaxLine = 64 << 10
	// MaxHits bounds the hits of one expression in one file.
	MaxHits = 100
	// MaxValue bounds a stored hit, in bytes.
	MaxValue = 256
)

// ErrExpression reports an expression of the operator that cannot be used.
var ErrExpression = errors.New("unusable expression")

// Expression is a named regular expression, looked for in each line of a file.
type Expression struct {
	Name  string `yaml:"name" json:"name"`
	Regex string `yaml:"regex" json:"regex"`
}

// Compile checks the expressions and prepares them; it returns all faults.
func Compile(all []Expression) ([]*regexp.Regexp, error) {
	var faults []error
	if len(all) > MaxExpressions {
		faults = append(faults, fmt.Errorf("%w: %d are given, at most %d are allowed", ErrExpression, len(all), MaxExpressions))
	}
	seen := map[string]bool{}
	compiled := make([]*regexp.Regexp, len(all))
	for i, e := range all {
		re, err := regexp.Compile(e.Regex)
		switch {
		case e.Name == "" || len(e.Name) > maxName || catalog.Text(e.Name) != e.Name || strings.ContainsAny(e.Name, ",="):
			err = errors.New("the name must be 1 to 128 bytes of text without comma and equals sign")
		case seen[e.Name]:
			err = errors.New("the name is used twice")
		case len(e.Regex) > maxExpression:
			err = fmt.Errorf("longer than %d bytes", maxExpression)
		case err == nil && re.MatchString(""):
			err = errors.New("matches the empty text")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%w: number %d, %q: %w", ErrExpression, i+1, e.Name, err))
		}
		seen[e.Name] = true
		compiled[i] = re
	}
	return compiled, errors.Join(faults...)
}

// EachLine calls look with every line of a text and its number, longer ones in pieces, until ctx ends.
func EachLine(ctx context.Context, text []byte, look func(line []byte, number int)) error {
	for number := 1; len(text) > 0; number++ {
		if number%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, rest, _ := bytes.Cut(text, newline)
		for text = rest; len(line) > MaxLine; line = line[MaxLine:] {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			look(line[:MaxLine], number)
		}
		look(bytes.TrimSuffix(line, []byte{'\r'}), number)
	}
	return nil
}

// Hits gathers what a file shows, at most MaxHits of each name and each name once a line.
type Hits struct {
	kind   string
	values bool
	all    []catalog.SearchHit
	counts map[string]int
	last   map[string]int // line
	full   []string       // names that had more
}

// NewHits gathers hits of a kind of search (catalog.SearchSecret, catalog.SearchContent), with what was found if
// values are wanted.
func NewHits(kind string, values bool) *Hits { return &Hits{kind: kind, values: values} }

// Add takes in one hit.
func (h *Hits) Add(name string, line int, value []byte) {
	if h.counts == nil {
		h.counts, h.last = map[string]int{}, map[string]int{}
	}
	if h.last[name] == line {
		return
	}
	h.last[name] = line
	h.counts[name]++
	switch n := h.counts[name]; {
	case n == MaxHits+1:
		h.Full(name)
		return
	case n > MaxHits:
		return
	}
	hit := catalog.SearchHit{Search: h.kind, Name: name, Line: line}
	if h.values {
		hit.Value = catalog.Text(string(value[:min(len(value), MaxValue)]))
	}
	h.all = append(h.all, hit)
}

// Full notes that an expression has more to find than is looked for.
func (h *Hits) Full(name string) { h.full = append(h.full, name) }

// Result is what an analyzer returns about the file: err joined with a record of what was left out.
func (h *Hits) Result(path string, err error) (catalog.Evidence, error) {
	slices.SortStableFunc(h.all, func(a, b catalog.SearchHit) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	slices.Sort(h.full)
	faults := []error{err}
	for _, name := range slices.Compact(h.full) {
		faults = append(faults, &catalog.Incompleteness{Path: path, Reason: catalog.ReasonTooMany, Detail: "more of " + name + " than is looked at and kept of one file"})
	}
	return catalog.Evidence{Hits: h.all}, errors.Join(faults...)
}
