package php

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errSerialized reports bytes that are not in the format of PHP's serialize().
var errSerialized = errors.New("not in the format of serialize()")

// maxDepth bounds nested arrays; the records of PEAR have six levels.
const maxDepth = 32

// array is a PHP array; its values are string or array, keys of numbers are written out.
type array map[string]any

// text returns the string of that key, "" if it is none.
func (a array) text(key string) string {
	s, _ := a[key].(string)
	return s
}

// array returns the array of that key, nil if it is none.
func (a array) array(key string) array {
	sub, _ := a[key].(array)
	return sub
}

// unserialize reads an array of strings, numbers, booleans, null and such arrays. Objects and references are
// refused: nothing we read holds them, and they are what makes unserialize() of PHP dangerous.
func unserialize(text string) (array, error) {
	d := &decoder{in: text}
	v, err := d.value(0)
	if err != nil {
		return nil, fmt.Errorf("%w at byte %d", err, d.at)
	}
	if a, ok := v.(array); ok {
		return a, nil
	}
	return nil, errSerialized
}

type decoder struct {
	in string
	at int
}

// until reads up to a mark and passes it.
func (d *decoder) until(mark string) (string, error) {
	before, _, found := strings.Cut(d.in[d.at:min(d.at+32, len(d.in))], mark) // numbers are short
	if !found {
		return "", errSerialized
	}
	d.at += len(before) + len(mark)
	return before, nil
}

func (d *decoder) value(depth int) (any, error) {
	rest := d.in[d.at:]
	if strings.HasPrefix(rest, "N;") {
		d.at += 2
		return "", nil
	}
	if len(rest) < 2 || rest[1] != ':' || depth > maxDepth {
		return nil, errSerialized
	}
	d.at += 2
	switch rest[0] {
	case 'b', 'i', 'd':
		return d.until(";")
	case 's':
		return d.text()
	case 'a':
		return d.array(depth)
	}
	return nil, errSerialized
}

// text reads LENGTH:"...";
func (d *decoder) text() (any, error) {
	n, err := d.length(`:"`)
	if err != nil || n > len(d.in)-d.at {
		return nil, errSerialized
	}
	value := d.in[d.at : d.at+n]
	d.at += n
	return value, d.pass(`";`)
}

// array reads COUNT:{ key value ... }
func (d *decoder) array(depth int) (any, error) {
	n, err := d.length(":{")
	if err != nil {
		return nil, err
	}
	all := array{}
	for range n {
		key, err := d.value(maxDepth) // no array
		if err != nil {
			return nil, err
		}
		value, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, errSerialized
		}
		all[name] = value
	}
	return all, d.pass("}")
}

func (d *decoder) length(mark string) (int, error) {
	digits, err := d.until(mark)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0, errSerialized
	}
	return int(n), nil
}

func (d *decoder) pass(mark string) error {
	if !strings.HasPrefix(d.in[d.at:], mark) {
		return errSerialized
	}
	d.at += len(mark)
	return nil
}
