package oval

import (
	"context"
	"encoding/xml"
	"fmt"
	"hash/maphash"
	"strings"

	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/xmlstream"
)

// table holds tests, objects and states by their ids. Real documents have close to a million of them, so ids are kept as
// hashes and texts as numbers. The seed of the hashes is chosen at random: nobody can make two ids collide.
type table struct {
	seed       maphash.Seed
	words      *field.Words
	tests      map[key]test
	further    map[key][]key // states of tests that have not exactly one
	objects    map[key]uint32
	states     map[key]stretch
	conditions []condition
}

type key uint64

type test struct{ object, state key }

// stretch is a part of the conditions.
type stretch struct{ from, to uint32 }

type condition struct{ name, operation, value uint32 }

func newTable() *table {
	return &table{
		seed: maphash.MakeSeed(), words: field.NewWords(),
		tests: map[key]test{}, further: map[key][]key{}, objects: map[key]uint32{}, states: map[key]stretch{},
	}
}

func (t *table) key(id string) key { return key(maphash.String(t.seed, id)) }

// readPart reads the tests, objects and states about rpm packages; others are passed over.
func (t *table) readPart(ctx context.Context, r *xmlstream.Reader, part xml.StartElement) error {
	var of string
	var read func(*xmlstream.Reader, xml.StartElement) error
	switch part.Name.Local {
	case "tests":
		of, read = "rpminfo_test", t.readTest
	case "objects":
		of, read = "rpminfo_object", t.readObject
	case "states":
		of, read = "rpminfo_state", t.readState
	default:
		return r.Skip()
	}
	return r.Children(func(start xml.StartElement) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if start.Name.Local != of {
			return r.Skip()
		}
		if len(t.tests)+len(t.objects)+len(t.conditions) >= maxTests || t.words.Size() > maxWords {
			return fmt.Errorf("%w: more than %d tests, or %d bytes of names", ErrTooLarge, maxTests, maxWords)
		}
		return read(r, start)
	})
}

func (t *table) readTest(r *xmlstream.Reader, start xml.StartElement) error {
	var x struct {
		Object struct {
			Ref string `xml:"object_ref,attr"`
		} `xml:"object"`
		States []struct {
			Ref string `xml:"state_ref,attr"`
		} `xml:"state"`
	}
	if err := r.Decode(start, &x); err != nil {
		return err
	}
	id := t.key(xmlstream.Attribute(start, "id"))
	found := test{object: t.key(x.Object.Ref)}
	if len(x.States) == 1 {
		found.state = t.key(x.States[0].Ref)
	} else {
		states := make([]key, 0, len(x.States))
		for _, s := range x.States {
			states = append(states, t.key(s.Ref))
		}
		t.further[id] = states
	}
	t.tests[id] = found
	return nil
}

func (t *table) readObject(r *xmlstream.Reader, start xml.StartElement) error {
	var x struct {
		Name string `xml:"name"`
	}
	if err := r.Decode(start, &x); err != nil {
		return err
	}
	t.objects[t.key(xmlstream.Attribute(start, "id"))] = t.words.Number(strings.TrimSpace(x.Name))
	return nil
}

func (t *table) readState(r *xmlstream.Reader, start xml.StartElement) error {
	var x struct {
		Fields []struct {
			XMLName   xml.Name
			Operation string `xml:"operation,attr"`
			Value     string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := r.Decode(start, &x); err != nil {
		return err
	}
	from := uint32(len(t.conditions))
	for _, f := range x.Fields {
		t.conditions = append(t.conditions, condition{
			t.words.Number(f.XMLName.Local), t.words.Number(operation(f.Operation)), t.words.Number(strings.TrimSpace(f.Value)),
		})
	}
	t.states[t.key(xmlstream.Attribute(start, "id"))] = stretch{from, uint32(len(t.conditions))}
	return nil
}

// operation is the one the schema means when none is written.
func operation(written string) string {
	if written == "" {
		return "equals"
	}
	return written
}

// resolve follows the references of the criteria, as far as they lead.
func (t *table) resolve(c *Criteria) {
	for i := range c.Criteria {
		t.resolve(&c.Criteria[i])
	}
	for i := range c.Criterion {
		c.Criterion[i].Test = t.find(t.key(c.Criterion[i].TestRef))
	}
}

func (t *table) find(id key) *Test {
	found, ok := t.tests[id]
	if !ok {
		return nil
	}
	name, ok := t.objects[found.object]
	if !ok {
		return nil
	}
	states, several := t.further[id]
	if !several {
		states = []key{found.state}
	}
	out := &Test{Package: t.words.Text(name)}
	for _, s := range states {
		at, ok := t.states[s]
		if !ok {
			return nil
		}
		for _, c := range t.conditions[at.from:at.to] {
			out.Conditions = append(out.Conditions, Condition{t.words.Text(c.name), t.words.Text(c.operation), t.words.Text(c.value)})
		}
	}
	return out
}
