package ubuntu

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
)

// Bounds on a document.
const (
	maxValue    = 1 << 20 // bytes of one text
	maxProducts = 100_000 // source packages of one statement
	maxPURL     = 2 << 10
)

// statement is what a VEX document says about a source package beyond that it is affected, by number.
type statement struct{ distro, pkg, state, reason uint32 }

// vexStatement is one of a document (github.com/openvex/spec).
type vexStatement struct {
	flaw, status, action, impact, justification string
	products                                    []string // purls of source packages
}

// readVEX notes the statements of the VEX archive about CVEs.
func (b *base) readVEX(ctx context.Context, doc feed.Fetched) error {
	members := 0
	err := archive.Walk(ctx, doc, limits, func(m archive.Member) error {
		members++
		if !field.IsCVE(stem(m.Name)) {
			return nil
		}
		r := jsonstream.New(m, maxValue)
		err := r.Object(func(key string) error {
			if key != "statements" {
				return r.Skip()
			}
			return r.Array(func() error { return b.vexStatement(r) })
		})
		if err == nil {
			err = r.End()
		}
		if errors.Is(err, jsonstream.ErrSyntax) && errors.Is(err, archive.ErrFormat) {
			return err
		}
		if errors.Is(err, jsonstream.ErrSyntax) || errors.Is(err, jsonstream.ErrKind) || errors.Is(err, jsonstream.ErrTooLarge) {
			b.out.Bad(stem(m.Name), fmt.Errorf("%w: VEX: %w", ErrRecord, err))
			return nil
		}
		return err
	})
	if err == nil && members == 0 {
		return fmt.Errorf("%w: nothing in it", ErrDocument)
	}
	return err
}

func (b *base) vexStatement(r *jsonstream.Reader) error {
	var s vexStatement
	texts := map[string]*string{"status": &s.status, "action_statement": &s.action, "impact_statement": &s.impact, "justification": &s.justification}
	err := r.Object(func(key string) error {
		switch {
		case texts[key] != nil:
			return r.Value(texts[key])
		case key == "vulnerability":
			var v struct {
				Name string `json:"name"`
			}
			err := r.Value(&v)
			s.flaw = v.Name
			return err
		case key == "products":
			return r.Array(func() error {
				var p struct {
					ID string `json:"@id"`
				}
				if err := r.Value(&p); err != nil {
					return err
				}
				if strings.Contains(p.ID, "arch=source") && len(p.ID) <= maxPURL && len(s.products) < maxProducts {
					s.products = append(s.products, p.ID)
				}
				return nil
			})
		}
		return r.Skip()
	})
	if err != nil {
		return err
	}
	return b.state(s)
}

func (b *base) state(s vexStatement) error {
	state, reason := s.state()
	if state == feed.StateUnknown || !field.IsCVE(s.flaw) {
		return nil
	}
	if err := b.count(len(s.products)); err != nil {
		return err
	}
	flaw := b.words.Number(s.flaw)
	row := statement{state: b.words.Number(string(state)), reason: b.words.Number(reason)}
	for _, purl := range s.products {
		name, distro := distroOf(purl)
		if name, err := field.Name(name); err == nil && distro != "" {
			row.pkg, row.distro = b.words.Number(name), b.words.Number(distro)
			b.said[flaw] = append(b.said[flaw], row)
		}
	}
	return nil
}

// remark precedes what people wrote into an otherwise fixed text.
const remark = "CVE Notes / justification:"

// state is what a statement adds to the OSV data, StateUnknown for nothing, with the vendor's words. An action
// statement begins in one of four ways, two of which the OSV data cannot express; that a package does not exist in a
// release says nothing.
func (s vexStatement) state() (feed.FixState, string) {
	text, state := s.action, feed.StateUnknown
	switch {
	case s.status == "not_affected" && s.justification != "component_not_present":
		text, state = s.impact, feed.StateNotAffected
	case s.status == "under_investigation":
		state = feed.StateInvestigate
	case s.status == "affected" && strings.Contains(s.action, "decided to not fix"):
		state = feed.StateWontFix
	case s.status == "affected" && strings.Contains(s.action, "no longer supported"):
		state = feed.StateEndOfLife
	}
	if _, said, ok := strings.Cut(text, remark); ok {
		return state, field.Prose(said, field.MaxReason)
	}
	return state, ""
}

// sayings are what the VEX data says about a flaw, by package and distro.
type sayings map[[2]uint32]statement

func (b *base) sayings(flaw string) sayings {
	out := sayings{}
	for _, s := range b.said[b.words.Number(flaw)] {
		key := [2]uint32{s.pkg, s.distro}
		if _, twice := out[key]; !twice {
			out[key] = s
		}
	}
	return out
}

// emitRest hands out what only the VEX archive knows: flaws no package is affected by.
func (b *base) emitRest(ctx context.Context) error {
	var rest []string
	for flaw := range maps.Keys(b.said) {
		if id := b.words.Text(flaw); !b.seen[id] {
			rest = append(rest, id)
		}
	}
	slices.Sort(rest)
	for _, id := range rest {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec := feed.Record{Vulnerability: feed.Vulnerability{Source: Name, ID: id, URL: cvePage + id}}
		rec.Advisories = b.notAffected(id, b.sayings(id), nil)
		if len(rec.Advisories) == 0 {
			continue
		}
		if err := b.out.Record(rec); err != nil {
			return err
		}
	}
	return nil
}
