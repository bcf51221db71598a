package oval

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrCriteria means that criteria are built in a way no distribution builds them.
var ErrCriteria = errors.New("unusual OVAL criteria")

// maxTerms bounds how many terms are put together on the way to the alternatives of one definition. The kernel in all
// products of a vendor takes some hundred thousand.
const maxTerms = 5_000_000

// Meaning is what a criterion is for the reader.
type Meaning int

// The meanings.
const (
	Term   Meaning = iota // it is part of the statement
	Always                // it can be taken for true: a signature, that a package manager is there
	Never                 // it is about something that is of no interest; nothing said under it is
)

// Alternatives returns the ways in which the criteria can be met, each with the terms that have to hold together. read
// says what a criterion means; its error is returned as it is: ErrCriteria.
func Alternatives[T any](c Criteria, read func(Criterion) (T, Meaning, error)) ([][]T, error) {
	left := maxTerms
	return alternatives(c, read, &left)
}

func alternatives[T any](c Criteria, read func(Criterion) (T, Meaning, error), left *int) ([][]T, error) {
	if len(c.Extended) > 0 || !plain(c.Negate) {
		return nil, fmt.Errorf("%w: negated, or referring to another definition", ErrCriteria)
	}
	either := strings.EqualFold(c.Operator, "OR")
	if !either && c.Operator != "" && !strings.EqualFold(c.Operator, "AND") {
		return nil, fmt.Errorf("%w: operator %.20q", ErrCriteria, c.Operator)
	}
	j := joined[T]{either: either, left: left}
	for _, leaf := range c.Criterion {
		if !plain(leaf.Negate) {
			return nil, fmt.Errorf("%w: %.100q negated", ErrCriteria, leaf.Comment)
		}
		term, meaning, err := read(leaf)
		if err != nil {
			return nil, err
		}
		var ways [][]T
		switch meaning {
		case Term:
			ways = [][]T{{term}}
		case Always:
			ways = [][]T{nil}
		}
		if err := j.add(ways); err != nil {
			return nil, err
		}
	}
	for _, inner := range c.Criteria {
		if j.settled() {
			break
		}
		ways, err := alternatives(inner, read, left)
		if err != nil {
			return nil, err
		}
		if err := j.add(ways); err != nil {
			return nil, err
		}
	}
	return j.ways, nil
}

func plain(negate string) bool { return negate == "" || negate == "false" || negate == "0" }

// joined collects the ways of several conditions.
type joined[T any] struct {
	either bool
	ways   [][]T
	any    bool
	left   *int // terms that may still be put together
}

// settled reports that nothing further can make a way out of none.
func (j *joined[T]) settled() bool { return j.any && !j.either && len(j.ways) == 0 }

func (j *joined[T]) add(ways [][]T) error {
	first := !j.any
	j.any = true
	switch {
	case first:
		j.ways = ways
		return nil
	case j.either:
		if err := j.spend(len(ways)); err != nil {
			return err
		}
		j.ways = append(j.ways, ways...)
		return nil
	}
	if err := j.spend(len(j.ways) * len(ways)); err != nil {
		return err
	}
	product := make([][]T, 0, len(j.ways)*len(ways))
	for _, a := range j.ways {
		for _, b := range ways {
			if err := j.spend(len(a) + len(b)); err != nil {
				return err
			}
			product = append(product, slices.Concat(a, b))
		}
	}
	j.ways = product
	return nil
}

func (j *joined[T]) spend(terms int) error {
	if *j.left -= terms; *j.left < 0 {
		return fmt.Errorf("%w: its alternatives have more than %d terms", ErrCriteria, maxTerms)
	}
	return nil
}
