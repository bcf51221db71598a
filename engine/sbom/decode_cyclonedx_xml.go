package sbom

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

func (r *reader) cyclonedxXML(data []byte) error {
	if err := checkTags(data); err != nil {
		return err
	}
	d := xml.NewTokenDecoder(&shallow{from: xml.NewDecoder(bytes.NewReader(data)), limit: r.limits.Depth})
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return errors.New("no element bom")
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != "bom" {
				return errors.New("the root element is not bom")
			}
			return r.bom(d)
		}
	}
}

// shallow bounds how deep elements nest: each that is open takes memory.
type shallow struct {
	from         *xml.Decoder
	depth, limit int
}

// Token implements xml.TokenReader.
func (s *shallow) Token() (xml.Token, error) {
	t, err := s.from.RawToken()
	switch t.(type) {
	case xml.StartElement:
		s.depth++
	case xml.EndElement:
		s.depth--
	}
	if s.depth > s.limit {
		return nil, fmt.Errorf("%w: elements inside one another, more than %d deep", ErrTooLarge, s.limit)
	}
	return t, err
}

func (r *reader) bom(d *xml.Decoder) error {
	return children(d, func(s xml.StartElement) error {
		switch s.Name.Local {
		case "metadata":
			return r.xmlMetadata(d)
		case "components":
			return r.xmlComponents(d, 1)
		}
		return d.Skip()
	})
}

// children calls each for every element directly below the one just opened, up to its end. each reads its element
// to its end.
func children(d *xml.Decoder, each func(xml.StartElement) error) error {
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := each(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func (r *reader) xmlMetadata(d *xml.Decoder) error {
	return children(d, func(s xml.StartElement) error {
		switch s.Name.Local {
		case "tools":
			return children(d, func(s xml.StartElement) error {
				if s.Name.Local == "components" {
					return children(d, func(s xml.StartElement) error { return r.xmlTool(d, s) })
				}
				return r.xmlTool(d, s)
			})
		case "component":
			var subject cdxEntry
			if err := r.xmlEntry(d, &subject, 0); err != nil {
				return err
			}
			r.Name, r.Version = subject.Name, subject.Version
			return nil
		}
		return d.Skip()
	})
}

func (r *reader) xmlTool(d *xml.Decoder, s xml.StartElement) error {
	if r.Tool != "" || s.Name.Local != "tool" && s.Name.Local != "component" {
		return d.Skip()
	}
	var tool cdxTool
	err := d.DecodeElement(&tool, &s)
	r.Tool = tool.String()
	return err
}

// xmlComponents takes in a list; what lies inside a component comes before it.
func (r *reader) xmlComponents(d *xml.Decoder, depth int) error {
	return children(d, func(s xml.StartElement) error {
		if s.Name.Local != "component" {
			return d.Skip()
		}
		if err := r.count(); err != nil {
			return err
		}
		var e cdxEntry
		for _, a := range s.Attr {
			if a.Name.Local == "type" {
				e.Type = a.Value
			}
		}
		if err := r.xmlEntry(d, &e, depth); err != nil {
			return err
		}
		return r.take(&e)
	})
}

func (r *reader) xmlEntry(d *xml.Decoder, e *cdxEntry, depth int) error {
	plain := e.texts()
	return children(d, func(s xml.StartElement) error {
		if text := plain[s.Name.Local]; text != nil {
			return d.DecodeElement(text, &s)
		}
		switch s.Name.Local {
		case "supplier":
			return d.DecodeElement(&e.Supplier, &s)
		case "licenses":
			return children(d, func(s xml.StartElement) error {
				var l cdxLicense
				if s.Name.Local == "expression" {
					return collect(&e.Licenses, &l, d.DecodeElement(&l.Expression, &s))
				}
				return collect(&e.Licenses, &l, d.DecodeElement(&l.License, &s))
			})
		case "properties":
			return children(d, func(s xml.StartElement) error {
				var p cdxProperty
				return collect(&e.Properties, &p, d.DecodeElement(&p, &s))
			})
		case "evidence":
			return xmlOccurrences(d, e)
		case "components":
			if depth >= deepestComponent {
				return tooDeep()
			}
			return r.xmlComponents(d, depth+1)
		}
		return d.Skip()
	})
}

func xmlOccurrences(d *xml.Decoder, e *cdxEntry) error {
	return children(d, func(s xml.StartElement) error {
		if s.Name.Local != "occurrences" {
			return d.Skip()
		}
		return children(d, func(s xml.StartElement) error {
			var o cdxOccurrence
			return collect(&e.Evidence.Occurrences, &o, d.DecodeElement(&o, &s))
		})
	})
}

// collect appends what was read without an error.
func collect[T any](to *few[T], what *T, err error) error {
	if err != nil {
		return err
	}
	if len(*to) >= longestList {
		return fmt.Errorf("%w: a list inside a component has more than %d members", ErrTooLarge, longestList)
	}
	*to = append(*to, *what)
	return nil
}
