package msrc

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/xmlstream"
)

const (
	// maxElement bounds the product tree and a vulnerability in bytes; a document has some MB, mostly of product ids.
	maxElement  = 32 << 20
	maxDocument = 1 << 30
	maxProducts = 100_000
)

// reader goes through documents.
type reader struct {
	out      feed.Sink
	extra    []string          // product ids
	products map[string]string // of the document, those that are wanted, by id
	seen     map[string]bool
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	r := reader{out: out, extra: in.Settings.Extra, seen: map[string]bool{}}
	if len(in.Documents) == 0 && !in.Delta {
		return fmt.Errorf("%w: there is none", ErrDocument)
	}
	for _, doc := range in.Documents {
		if err := r.document(ctx, doc); err != nil {
			return err
		}
	}
	return nil
}

// document reads a month: ErrDocument, and errors of the sink and of ctx.
func (r *reader) document(ctx context.Context, doc feed.Fetched) error {
	fail := func(err error) error { return fmt.Errorf("%s: %w: %w", doc.Name, ErrDocument, err) }
	body, err := archive.Open(doc, archive.Limits{Bytes: maxDocument})
	if err != nil {
		return fail(err)
	}
	defer body.Close()
	in := xmlstream.New(body, maxElement)
	root, err := in.Root()
	if err != nil {
		return fail(err)
	}
	if root.Name.Local != "cvrfdoc" {
		return fail(fmt.Errorf("it is a %.40q", root.Name.Local))
	}
	r.products = map[string]string{}
	var passed error // what is not the document's fault
	known := 0
	err = in.Children(func(start xml.StartElement) error {
		if passed = ctx.Err(); passed != nil {
			return passed
		}
		switch start.Name.Local {
		case "ProductTree":
			var tree branch
			if err := in.Decode(start, &tree); err != nil {
				return err
			}
			return r.tree(&tree, 0)
		case "Vulnerability":
			known++
			var v vulnerability
			if err := in.Decode(start, &v); err != nil {
				return err
			}
			passed = r.vulnerability(&v)
			return passed
		}
		return in.Skip()
	})
	if err == nil {
		err = in.End()
	}
	switch {
	case passed != nil:
		return passed
	case err == nil && known == 0:
		err = errors.New("it has no vulnerability")
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// branch is a part of the product tree; so is the tree itself.
type branch struct {
	Branches []branch `xml:"Branch"`
	Products []struct {
		ID   string `xml:"ProductID,attr"`
		Name string `xml:",chardata"`
	} `xml:"FullProductName"`
}

// maxDepth bounds the nesting of the tree: vendor, family.
const maxDepth = 20

// tree collects the products that are wanted.
func (r *reader) tree(b *branch, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("product tree of more than %d levels", maxDepth)
	}
	for _, p := range b.Products {
		id, err := field.ID(p.ID)
		name := field.Prose(strings.Join(strings.Fields(p.Name), " "), field.MaxName)
		if err != nil || name == "" || !containers.MatchString(name) && !slices.Contains(r.extra, id) {
			continue
		}
		if r.products[id] = name; len(r.products) > maxProducts {
			return fmt.Errorf("more than %d products", maxProducts)
		}
	}
	for i := range b.Branches {
		if err := r.tree(&b.Branches[i], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// containers are the names of products that images of Windows containers are made of: "Windows Server 2022", "Windows
// Server 2019 (Server Core installation)", "Windows Server, version 1909 (Server Core installation)".
var containers = regexp.MustCompile(`^Windows Server( 2016| 2019| 202[0-9]| 20[3-9][0-9]|, version )`)

// vulnerability hands on a record, unless it is about no wanted product or a newer month has said something about it.
func (r *reader) vulnerability(v *vulnerability) error {
	id, err := field.ID(v.CVE)
	if err != nil {
		r.out.Bad(field.Prose(v.CVE, field.MaxID), fmt.Errorf("%w: %w", ErrRecord, err))
		return nil
	}
	rec := v.record(id, r.products)
	if len(rec.Advisories) == 0 || r.seen[id] {
		return nil
	}
	r.seen[id] = true
	return r.out.Record(rec)
}
