// Package echo reads what Echo says about the packages of its distribution, which is made of Debian's.
//
// The one document is {source package: {id: {"fixed_version": version}}}. No version says that there is no fix, the
// version "0" that the package is not affected. Issues under Debian's temporary names are left out.
package echo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/archive"
	"plimsoll/engine/feed/field"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/version"
)

// Name is the source name of everything this driver emits, and its one group and namespace.
const Name = "echo"

// Bounds on the document; in 2026 it has some MB.
const (
	maxDocument = 256 << 20
	maxEntry    = 1 << 20
	maxRows     = 2_000_000
)

// temporary is how Debian calls issues that have no CVE yet.
const temporary = "TEMP-"

var (
	// ErrDocument means that a document is not what Echo publishes.
	ErrDocument = errors.New("not Echo's advisory data")
	// ErrTooLarge means that a document says more than any real one.
	ErrTooLarge = errors.New("advisory data of Echo exceeds a limit")
	// ErrStatement means that one statement was left out.
	ErrStatement = errors.New("unusable statement")
)

// Driver reads Echo's advisory data.
var Driver = feed.Driver{Name: Name, Groups: groups, Parse: parse}

func groups(feed.Settings) []feed.Group {
	return []feed.Group{{Name: Name, Host: "advisory.echohq.com", Path: "data.json"}}
}

func parse(ctx context.Context, in feed.Input, out feed.Sink) error {
	if len(in.Documents) == 0 {
		return fmt.Errorf("%w: it is missing", ErrDocument)
	}
	opened, err := archive.Open(in.Documents[0], archive.Limits{Bytes: maxDocument})
	if err != nil {
		return err
	}
	defer opened.Close()
	r := jsonstream.New(opened, maxEntry)
	d := data{out: out, said: map[string]map[string]string{}}
	err = d.read(ctx, r)
	if err == nil {
		err = r.End()
	}
	if errors.Is(err, jsonstream.ErrKind) || errors.Is(err, jsonstream.ErrSyntax) {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if err == nil && len(d.said) == 0 {
		return fmt.Errorf("%w: no issue of any package in it", ErrDocument)
	}
	if err != nil {
		return err
	}
	return d.emit(ctx)
}

// data holds the fixed version by id and package; "" when there is none.
type data struct {
	out  feed.Sink
	said map[string]map[string]string
	rows int
}

func (d *data) read(ctx context.Context, r *jsonstream.Reader) error {
	return r.Object(func(name string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		pkg, err := field.Name(name)
		if err != nil {
			d.out.Bad(field.Prose(name, field.MaxID), err)
			return r.Skip()
		}
		err = r.Object(func(id string) error {
			var said struct {
				Fixed string `json:"fixed_version"`
			}
			err := r.Value(&said)
			if err != nil && !errors.Is(err, jsonstream.ErrKind) {
				return err
			}
			if strings.HasPrefix(id, temporary) {
				return nil
			}
			if err == nil {
				err = d.add(pkg, id, said.Fixed)
			}
			if errors.Is(err, ErrTooLarge) {
				return err
			}
			if err != nil {
				d.out.Bad(field.Prose(id, field.MaxID), fmt.Errorf("%w: of %s: %w", ErrStatement, pkg, err))
			}
			return nil
		})
		if errors.Is(err, jsonstream.ErrKind) {
			d.out.Bad(pkg, fmt.Errorf("%w: %w", ErrStatement, err))
			return nil
		}
		return err
	})
}

func (d *data) add(pkg, id, fixed string) error {
	id, err := field.ID(id)
	if err == nil && fixed != "" {
		fixed, err = field.Version(version.Dpkg, fixed)
	}
	if err != nil {
		return err
	}
	if d.rows++; d.rows > maxRows {
		return fmt.Errorf("%w: more than %d statements", ErrTooLarge, maxRows)
	}
	if d.said[id] == nil {
		d.said[id] = map[string]string{}
	}
	if _, twice := d.said[id][pkg]; twice {
		return errors.New("second one, the first counts")
	}
	d.said[id][pkg] = fixed
	return nil
}

func (d *data) emit(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(d.said)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec := feed.Record{Vulnerability: feed.Vulnerability{Source: Name, ID: id}}
		for _, pkg := range slices.Sorted(maps.Keys(d.said[id])) {
			rec.Advisories = append(rec.Advisories, advisory(id, pkg, d.said[id][pkg]))
		}
		if err := d.out.Record(rec); err != nil {
			return err
		}
	}
	return nil
}

func advisory(id, pkg, fixed string) feed.Advisory {
	a := feed.Advisory{Source: Name, ID: id, Namespace: Name, Package: pkg}
	switch fixed {
	case "":
		a.State, a.Ranges = feed.StateAffected, []feed.Range{{Introduced: "0"}}
	case "0":
		a.State = feed.StateNotAffected
	default:
		a.State, a.Ranges = feed.StateFixed, []feed.Range{{Introduced: "0", Fixed: fixed}}
	}
	return a
}
