// Package endoflife reads endoflife.date: the release cycles of products and when their support ends.
//
// One group "products", one JSON document (API v1), read product by product. A product is named by its page on
// endoflife.date ("alpine-linux", "nodejs"). EndOfLife is when support ends that everyone gets, security fixes included;
// EndOfExtended when what has to be paid or asked for ends. The CPEs are given as the source has them, also in the older
// form of version 2.2.
package endoflife

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonlist"
)

// Name is the source name of everything this driver emits.
const Name = "endoflife.date"

const (
	host           = "endoflife.date"
	documentPath   = "api/v1/products/full"
	maxIdentifiers = 200
	maxCycles      = 5000
	maxIdentifier  = 1 << 10 // bytes
)

// ErrProduct means that a product or one of its cycles cannot be used.
var ErrProduct = errors.New("unusable product")

// limits are far above what the list has: 2.4 MB, products of up to 100 kB.
var limits = jsonlist.Limits{Element: 4 << 20, Document: 256 << 20}

// Driver reads all products.
var Driver = feed.Driver{Name: Name, Groups: groups, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: "products", Host: host, Path: documentPath}}
}

// product is of the API's schema (endoflife.date/docs/api/v1).
type product struct {
	Name        string `json:"name"`
	Identifiers []struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"identifiers"`
	Releases []release `json:"releases"`
}

type release struct {
	Name          string `json:"name"`
	Codename      string `json:"codename"`
	Released      string `json:"releaseDate"`
	Ended         bool   `json:"isEol"`
	EndOfLife     string `json:"eolFrom"`
	EndOfExtended string `json:"eoesFrom"`
	Latest        struct {
		Name string `json:"name"`
	} `json:"latest"`
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: the list of products is missing", jsonlist.ErrDocument)
	}
	known := 0
	err := jsonlist.Each(ctx, in.Documents[0], limits, "result", func(p *product, wrong error) error {
		list, err := p.lifecycles()
		if err = cmp.Or(wrong, err); err != nil {
			out.Bad(field.Prose(p.Name, field.MaxID), fmt.Errorf("%w: %w", ErrProduct, err))
			return nil
		}
		for _, cycle := range list {
			if cycle.Cycle == "" {
				out.Bad(cycle.Product, fmt.Errorf("%w: a release without a name", ErrProduct))
				continue
			}
			known++
			if err := out.Lifecycle(cycle); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && known == 0 {
		err = fmt.Errorf("%w: no product has a release", jsonlist.ErrDocument)
	}
	return err
}

// lifecycles lists the releases; the cycle of one that has no usable name is empty.
func (p *product) lifecycles() ([]feed.Lifecycle, error) {
	id, err := field.ID(p.Name)
	if err != nil {
		return nil, err
	}
	if len(p.Releases) > maxCycles {
		return nil, fmt.Errorf("%d releases, at most %d are read", len(p.Releases), maxCycles)
	}
	purls, cpes := p.identifiers()
	var out []feed.Lifecycle
	for _, r := range p.Releases {
		out = append(out, feed.Lifecycle{
			Product: id, Cycle: field.Prose(r.Name, field.MaxName), Codename: field.Prose(r.Codename, field.MaxName),
			Latest: field.Prose(r.Latest.Name, field.MaxName), PURLs: purls, CPEs: cpes, Released: day(r.Released),
			EndOfLife: day(r.EndOfLife), Ended: r.Ended, EndOfExtended: day(r.EndOfExtended),
		})
	}
	return out, nil
}

// identifiers lists the purls and CPEs, sorted.
func (p *product) identifiers() (purls, cpes []string) {
	for _, i := range p.Identifiers[:min(len(p.Identifiers), maxIdentifiers)] {
		id := field.Prose(i.ID, maxIdentifier)
		switch {
		case id == "":
		case i.Type == "purl":
			purls = append(purls, id)
		case i.Type == "cpe":
			cpes = append(cpes, id)
		}
	}
	slices.Sort(purls)
	slices.Sort(cpes)
	return slices.Compact(purls), slices.Compact(cpes)
}

func day(s string) *time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil
	}
	return &t
}
