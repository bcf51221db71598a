package csaf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"plimsoll/engine/feed/jsonstream"
)

var (
	// ErrDocument means that a document is no CSAF, is damaged, or breaks the schema where it is read.
	ErrDocument = errors.New("not a CSAF 2.0 document")
	// ErrTooLarge means that a document has more than MaxSize bytes.
	ErrTooLarge = errors.New("CSAF document is too large")
)

// Bounds. The largest documents of 2024 have 18 MB, two thirds of it product tree.
const (
	// MaxSize of a document, in bytes.
	MaxSize = 64 << 20
	// maxValue bounds what is read at once, in bytes: all about one vulnerability.
	maxValue = 40 << 20
	// maxDepth of the product tree; published ones have four levels.
	maxDepth = 30
)

// Read reads a document: ErrDocument, ErrTooLarge, or an error of the reader.
func Read(in io.Reader) (*Document, error) {
	limited := &io.LimitedReader{R: in, N: MaxSize + 1}
	r := jsonstream.New(limited, maxValue)
	d := &Document{Products: map[string]Product{}, Components: map[string]Component{}}
	err := r.Object(func(key string) error {
		switch key {
		case "document":
			return r.Value(&d.Header)
		case "product_tree":
			return d.tree(r)
		case "vulnerabilities":
			return r.Array(func() error { return d.vulnerability(r) })
		}
		return r.Skip()
	})
	if err == nil {
		err = r.End()
	}
	var number *json.UnmarshalTypeError // one that no float can hold, in what is passed over
	switch {
	case limited.N <= 0:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxSize)
	case errors.Is(err, jsonstream.ErrSyntax), errors.Is(err, jsonstream.ErrKind), errors.Is(err, jsonstream.ErrTooLarge), errors.As(err, &number):
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	case err != nil:
		return nil, err
	case !strings.HasPrefix(d.Version, "2.") || d.Tracking.ID == "":
		return nil, fmt.Errorf("%w: version %.20q, id %.40q", ErrDocument, d.Version, d.Tracking.ID)
	}
	return d, nil
}

func (d *Document) vulnerability(r *jsonstream.Reader) error {
	var v Vulnerability
	if err := r.Value(&v); err != nil {
		return err
	}
	d.Vulnerabilities = append(d.Vulnerabilities, v)
	return nil
}

func (d *Document) tree(r *jsonstream.Reader) error {
	return r.Object(func(key string) error {
		switch key {
		case "branches":
			return r.Array(func() error { return d.branch(r, 1) })
		case "full_product_names":
			return r.Array(func() error { return d.product(r) })
		case "relationships":
			return r.Array(func() error { return d.relationship(r) })
		}
		return r.Skip()
	})
}

// branch reads a node of the tree and what is below.
func (d *Document) branch(r *jsonstream.Reader, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: product tree of more than %d levels", ErrDocument, maxDepth)
	}
	return r.Object(func(key string) error {
		switch key {
		case "branches":
			return r.Array(func() error { return d.branch(r, depth+1) })
		case "product":
			return d.product(r)
		}
		return r.Skip()
	})
}

func (d *Document) product(r *jsonstream.Reader) error {
	var p struct {
		ID     string `json:"product_id"`
		Name   string `json:"name"`
		Helper struct {
			CPE  string `json:"cpe"`
			PURL string `json:"purl"`
		} `json:"product_identification_helper"`
	}
	if err := r.Value(&p); err != nil {
		return err
	}
	if _, twice := d.Products[p.ID]; !twice {
		d.Products[p.ID] = Product{Name: p.Name, CPE: p.Helper.CPE, PURL: p.Helper.PURL}
	}
	return nil
}

func (d *Document) relationship(r *jsonstream.Reader) error {
	var p struct {
		Whole struct {
			ID string `json:"product_id"`
		} `json:"full_product_name"`
		Product  string `json:"product_reference"`
		Platform string `json:"relates_to_product_reference"`
	}
	if err := r.Value(&p); err != nil {
		return err
	}
	if _, twice := d.Components[p.Whole.ID]; !twice {
		d.Components[p.Whole.ID] = Component{Product: p.Product, Platform: p.Platform}
	}
	return nil
}
