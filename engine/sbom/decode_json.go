package sbom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"plimsoll/engine/catalog"
)

// JSON documents are read list by list and entry by entry: three bytes of an empty object become hundreds once they
// are a package, so that a document within its limit would otherwise take gigabytes.

// longestList is how many members a list inside an entry has at most.
const longestList = 1 << 18

// few is a list inside an entry.
type few[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (f *few[T]) UnmarshalJSON(raw []byte) error {
	if n := bytes.Count(raw, []byte{','}); n > longestList {
		return fmt.Errorf("a list inside an entry has more than %d members", longestList)
	}
	return json.Unmarshal(raw, (*[]T)(f))
}

var (
	errNotObject = errors.New("not an object")
	errNotList   = errors.New("not a list")
)

// fields says how to read the members of an object: each with the decoder before its value.
type fields map[string]func(*json.Decoder) error

// members walks an object that is a document.
func members(data []byte, take fields) error {
	return object(json.NewDecoder(bytes.NewReader(data)), take)
}

// object walks an object and passes over members that are not named. Anything else is errNotObject, read to its end.
func object(d *json.Decoder, take fields) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return errors.Join(errNotObject, leave(d, t))
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if read := take[name]; read != nil {
			err = read(d)
		} else {
			err = d.Decode(&json.RawMessage{})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", catalog.Text(name), err)
		}
	}
	_, err = d.Token()
	return err
}

// leave reads the rest of a value that begins with t.
func leave(d *json.Decoder, t json.Token) error {
	for depth := 0; ; {
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if t, err = d.Token(); err != nil {
			return err
		}
	}
}

// list reads a list; each reads one element to its end. Anything else is errNotList, read to its end; null is empty.
func list(d *json.Decoder, each func(*json.Decoder) error) error {
	t, err := d.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return errors.Join(errNotList, leave(d, t))
	}
	for d.More() {
		if err := each(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// listOf makes a reader of a list, each element into the same memory.
func listOf(each func(json.RawMessage) error) func(*json.Decoder) error {
	return func(d *json.Decoder) error {
		var raw json.RawMessage
		return list(d, func(d *json.Decoder) error {
			if err := d.Decode(&raw); err != nil {
				return err
			}
			return each(raw)
		})
	}
}

// into makes a reader of a member that is one value.
func into(value any) func(*json.Decoder) error {
	return func(d *json.Decoder) error { return d.Decode(value) }
}

// entriesPerPackage bounds how many entries of all kinds a document may have: relationships are many.
const entriesPerPackage = 20

// count takes account of an entry, of whatever kind.
func (r *reader) count() error {
	if r.entries++; r.entries > entriesPerPackage*r.limits.Packages {
		return fmt.Errorf("%w: more than %d entries", ErrTooLarge, entriesPerPackage*r.limits.Packages)
	}
	return nil
}

// entry reads an element of a list. One of another form is told and left out.
func (r *reader) entry(raw json.RawMessage, value any) (ok bool, err error) {
	if err := r.count(); err != nil {
		return false, err
	}
	if err := json.Unmarshal(raw, value); err != nil {
		r.refuse(err.Error())
		return false, nil
	}
	return true, nil
}
