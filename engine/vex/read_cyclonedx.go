package vex

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/feed/xmlstream"
)

const (
	// deepestComponent is how many components may lie inside one another.
	deepestComponent = 16
	// maxElement bounds what is read of XML at once, in bytes: the decoder keeps attributes in ten times their bytes.
	maxElement = 1 << 20
)

func (r *cdxReader) tooManyComponents() error {
	return fmt.Errorf("%w: more than %d components", ErrTooLarge, maxComponents)
}

func tooDeep() error {
	return fmt.Errorf("%w: components inside one another, more than %d deep", ErrTooLarge, deepestComponent)
}

func (r *reader) cyclonedx(data []byte) error {
	c := cdxReader{reader: r, components: map[string]Product{}}
	var version json.RawMessage
	err := walk(data, fields{
		"serialNumber": text(&r.ID),
		"version":      func(in *jsonstream.Reader) error { return in.Value(&version) },
		"metadata":     c.metadata,
		"components":   func(in *jsonstream.Reader) error { return c.list(in, 1) },
		"vulnerabilities": func(in *jsonstream.Reader) error {
			return in.Array(func() error {
				var v cdxVulnerability
				err := in.Value(&v)
				if errors.Is(err, jsonstream.ErrKind) {
					r.refuse(v.ID, "a value of another kind than CycloneDX has")
					return nil
				}
				if err != nil {
					return err
				}
				return c.vulnerability(v)
			})
		},
	})
	if err != nil {
		return err
	}
	r.Version = versionOf(version)
	return c.done()
}

func (r *cdxReader) metadata(in *jsonstream.Reader) error {
	var issued moment
	type named struct{ Name string }
	var authors few[named]
	var supplier named
	err := object(in, fields{
		"timestamp": func(in *jsonstream.Reader) error { return in.Value(&issued) },
		"authors":   lenient(&authors), "supplier": lenient(&supplier),
		"component": func(in *jsonstream.Reader) error {
			r.subject = &cdxComponent{}
			return r.one(in, r.subject, 0)
		},
	})
	r.At, r.Author = issued.Time, supplier.Name
	if len(authors) > 0 && authors[0].Name != "" {
		r.Author = authors[0].Name
	}
	return err
}

// lenient reads a member that counts as absent where it is of another kind.
func lenient(into any) func(*jsonstream.Reader) error {
	return func(in *jsonstream.Reader) error {
		err := in.Value(into)
		if errors.Is(err, jsonstream.ErrKind) {
			return nil
		}
		return err
	}
}

func (r *cdxReader) list(in *jsonstream.Reader, depth int) error {
	if depth > deepestComponent {
		return tooDeep()
	}
	return in.Array(func() error {
		var c cdxComponent
		if err := r.one(in, &c, depth); err != nil {
			return err
		}
		return r.component(&c)
	})
}

func (r *cdxReader) one(in *jsonstream.Reader, c *cdxComponent, depth int) error {
	return object(in, fields{
		"type": text(&c.Type), "bom-ref": text(&c.Ref), "version": text(&c.Version), "purl": text(&c.PURL), "hashes": lenient(&c.Hashes),
		"components": func(in *jsonstream.Reader) error { return r.list(in, depth+1) },
	})
}

// element reads the children of an element that are named and passes over the others.
type element map[string]func(xml.StartElement) error

func children(in *xmlstream.Reader, take element) error {
	return in.Children(func(start xml.StartElement) error {
		if read := take[start.Name.Local]; read != nil {
			return read(start)
		}
		return in.Skip()
	})
}

// leaf reads an element that is a text.
func leaf(in *xmlstream.Reader, into *string) func(xml.StartElement) error {
	return func(start xml.StartElement) error { return in.Decode(start, into) }
}

// when reads an element that is a time.
func when(in *xmlstream.Reader, into *moment) func(xml.StartElement) error {
	return func(start xml.StartElement) error {
		var value string
		err := in.Decode(start, &value)
		into.Time = timeOf(value)
		return err
	}
}

// all reads a list: one element for each member.
func all[T any](in *xmlstream.Reader, name string, into *few[T], read func(xml.StartElement, *T) error) func(xml.StartElement) error {
	return func(xml.StartElement) error {
		return children(in, element{name: func(start xml.StartElement) error {
			if len(*into) >= maxMembers {
				return fmt.Errorf("%w: a list with more than %d members", ErrTooLarge, maxMembers)
			}
			var v T
			err := read(start, &v)
			*into = append(*into, v)
			return err
		}})
	}
}

func (r *reader) cyclonedxXML(data []byte) error {
	in := xmlstream.New(bytes.NewReader(data), maxElement)
	root, err := in.Root()
	if err != nil {
		return err
	}
	if root.Name.Local != "bom" {
		return errors.New("the root element is not bom")
	}
	r.ID, r.Version = xmlstream.Attribute(root, "serialNumber"), xmlstream.Attribute(root, "version")
	c := cdxReader{reader: r, components: map[string]Product{}}
	err = children(in, element{
		"metadata":   func(xml.StartElement) error { return c.xmlMetadata(in) },
		"components": func(xml.StartElement) error { return c.xmlList(in, 1) },
		"vulnerabilities": func(xml.StartElement) error {
			return children(in, element{"vulnerability": func(xml.StartElement) error { return c.xmlVulnerability(in) }})
		},
	})
	if err == nil {
		err = in.End()
	}
	if err != nil {
		return err
	}
	return c.done()
}

func (r *cdxReader) xmlMetadata(in *xmlstream.Reader) error {
	var issued moment
	var author, supplier string
	err := children(in, element{
		"timestamp": when(in, &issued),
		"authors": func(xml.StartElement) error {
			return children(in, element{"author": func(xml.StartElement) error {
				var name string
				err := children(in, element{"name": leaf(in, &name)})
				if author == "" {
					author = name
				}
				return err
			}})
		},
		"supplier": func(xml.StartElement) error { return children(in, element{"name": leaf(in, &supplier)}) },
		"component": func(start xml.StartElement) error {
			r.subject = &cdxComponent{}
			return r.xmlOne(in, start, r.subject, 0)
		},
	})
	r.At, r.Author = issued.Time, supplier
	if author != "" {
		r.Author = author
	}
	return err
}

func (r *cdxReader) xmlList(in *xmlstream.Reader, depth int) error {
	if depth > deepestComponent {
		return tooDeep()
	}
	return children(in, element{"component": func(start xml.StartElement) error {
		var c cdxComponent
		if err := r.xmlOne(in, start, &c, depth); err != nil {
			return err
		}
		return r.component(&c)
	}})
}

func (r *cdxReader) xmlOne(in *xmlstream.Reader, start xml.StartElement, c *cdxComponent, depth int) error {
	c.Type, c.Ref = xmlstream.Attribute(start, "type"), xmlstream.Attribute(start, "bom-ref")
	return children(in, element{
		"version": leaf(in, &c.Version), "purl": leaf(in, &c.PURL),
		"hashes":     all(in, "hash", &c.Hashes, func(start xml.StartElement, h *cdxHash) error { return in.Decode(start, h) }),
		"components": func(xml.StartElement) error { return r.xmlList(in, depth+1) },
	})
}

func (r *cdxReader) xmlVulnerability(in *xmlstream.Reader) error {
	var v cdxVulnerability
	a := &v.Analysis
	err := children(in, element{
		"id": leaf(in, &v.ID), "recommendation": leaf(in, &v.Recommendation), "workaround": leaf(in, &v.Workaround), "updated": when(in, &v.Updated),
		"references": all(in, "reference", &v.References, func(_ xml.StartElement, ref *struct{ ID string }) error {
			return children(in, element{"id": leaf(in, &ref.ID)})
		}),
		"analysis": func(xml.StartElement) error {
			return children(in, element{
				"state": leaf(in, (*string)(&a.State)), "justification": leaf(in, (*string)(&a.Justification)), "detail": leaf(in, &a.Detail),
				"firstIssued": when(in, &a.FirstIssued), "lastUpdated": when(in, &a.LastUpdated),
				"responses": all(in, "response", &a.Response, func(start xml.StartElement, word *cdx.ImpactAnalysisResponse) error {
					return in.Decode(start, (*string)(word))
				}),
			})
		},
		"affects": all(in, "target", &v.Affects, func(_ xml.StartElement, t *cdxAffects) error {
			return children(in, element{"ref": leaf(in, &t.Ref), "versions": all(in, "version", &t.Versions, func(_ xml.StartElement, told *cdxVersion) error {
				return children(in, element{"version": leaf(in, &told.Version), "range": leaf(in, &told.Range), "status": leaf(in, &told.Status)})
			})})
		}),
		"properties": all(in, "property", &v.Properties, func(start xml.StartElement, p *cdxProperty) error { return in.Decode(start, p) }),
	})
	if err != nil {
		return err
	}
	return r.vulnerability(v)
}
