package vex

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plimsoll/engine/feed/csaf"
	"plimsoll/engine/feed/jsonstream"
	"plimsoll/engine/feed/xmlstream"
)

// Format is a kind of document that Read reads.
type Format string

// Formats, in the words messages use.
const (
	FormatOpenVEX      Format = "OpenVEX"
	FormatCycloneDX    Format = "CycloneDX JSON"
	FormatCycloneDXXML Format = "CycloneDX XML"
	FormatCSAF         Format = "CSAF"
)

var (
	// ErrFormat reports a document that is of no format known here.
	ErrFormat = errors.New("not a VEX document of a known format")
	// ErrDocument reports a document that is broken or breaks the rules of its format.
	ErrDocument = errors.New("VEX document is not readable")
	// ErrTooLarge reports a document beyond a limit.
	ErrTooLarge = errors.New("VEX document exceeds a limit")
)

// Limits bound what Read takes. Zero fields mean the value of DefaultLimits.
type Limits struct {
	Bytes    int // of the document
	Products int // of all its statements
}

// DefaultLimits take the largest documents that vendors publish.
var DefaultLimits = Limits{Bytes: 32 << 20, Products: 100_000}

const (
	// maxPiece bounds what is read at once, in bytes: one statement with its products.
	maxPiece = 8 << 20
	// maxMembers bounds the members of all lists inside what is read at once.
	maxMembers = 1 << 18
	// maxRefusals bounds how many statements that cannot be used are told one by one.
	maxRefusals = 100
	// namesPerProduct bounds how many names vulnerabilities have on average.
	namesPerProduct = 4
	// maxComponents bounds the components of a CycloneDX document.
	maxComponents = 200_000
)

// Document is what a document says, in our words.
type Document struct {
	Format     Format
	ID         string // its own name for itself; later versions have the same
	Version    string // of the document; may be empty
	Author     string // may be empty
	At         time.Time
	Statements []Statement // in the document's order
	// Refused tells what was left out; RefusedCount is how many there are.
	Refused      []Refusal
	RefusedCount int
}

// Refusal is a statement that cannot be used.
type Refusal struct {
	Vulnerability string // may be empty
	Reason        string
}

// reader collects what a decoder finds.
type reader struct {
	Document
	limits   Limits
	products int
	named    int // products, counted by each name of the vulnerability
}

// Read reads a document of any known format. Errors: ErrFormat, ErrDocument, ErrTooLarge.
func Read(data []byte, limits Limits) (*Document, error) {
	limits = Limits{cmp.Or(limits.Bytes, DefaultLimits.Bytes), cmp.Or(limits.Products, DefaultLimits.Products)}
	if len(data) > limits.Bytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, len(data), limits.Bytes)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	r := &reader{limits: limits}
	text := bytes.TrimLeft(data, " \t\r\n")
	var err error
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	case text[0] == '{':
		err = r.json(text)
	case text[0] == '<' && bytes.Contains(text[:min(len(text), 4096)], []byte("cyclonedx.org/schema/bom")):
		r.Format = FormatCycloneDXXML
		err = r.cyclonedxXML(text)
	default:
		return nil, fmt.Errorf("%w: neither JSON nor XML of CycloneDX", ErrFormat)
	}
	if err != nil {
		return nil, r.told(err)
	}
	return &r.Document, nil
}

// told sorts errors of what lies below into ours.
func (r *reader) told(err error) error {
	switch {
	case errors.Is(err, ErrFormat), errors.Is(err, ErrTooLarge), errors.Is(err, ErrDocument):
		return err
	case errors.Is(err, jsonstream.ErrTooLarge), errors.Is(err, xmlstream.ErrTooLarge), errors.Is(err, csaf.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case r.Format == "":
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrDocument, r.Format, err)
}

// marks are what only one format has at its top.
type marks struct {
	context     string // OpenVEX: @context
	bomFormat   string
	payloadType string // DSSE
	document    bool   // CSAF
	predicate   string
}

// json tells the format from the members at the top, wherever they stand, and reads the document.
func (r *reader) json(data []byte) error {
	var m marks
	err := walk(data, fields{
		"@context":      text(&m.context),
		"bomFormat":     text(&m.bomFormat),
		"payloadType":   text(&m.payloadType),
		"predicateType": text(&m.predicate),
		"document":      func(in *jsonstream.Reader) error { m.document = true; return in.Skip() },
	})
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(m.context, "https://openvex.dev/ns"):
		r.Format = FormatOpenVEX
		return r.openvex(data, nil)
	case strings.EqualFold(m.bomFormat, "CycloneDX"):
		r.Format = FormatCycloneDX
		return r.cyclonedx(data)
	case m.payloadType == "application/vnd.in-toto+json":
		return r.envelope(data)
	case strings.HasPrefix(m.predicate, "https://openvex.dev/ns"):
		r.Format = FormatOpenVEX
		return r.attestation(data)
	case m.predicate != "":
		return fmt.Errorf("%w: an attestation of %.80q", ErrFormat, m.predicate)
	case m.document:
		r.Format = FormatCSAF
		return r.csaf(data)
	}
	return fmt.Errorf("%w: JSON that is neither OpenVEX, CycloneDX nor CSAF", ErrFormat)
}

// fields says how to read the members of an object.
type fields map[string]func(*jsonstream.Reader) error

// walk reads an object that is a document.
func walk(data []byte, take fields) error {
	in := jsonstream.New(bytes.NewReader(data), maxPiece)
	if err := object(in, take); err != nil {
		return err
	}
	return in.End()
}

// object reads the members that are named and passes over the others.
func object(in *jsonstream.Reader, take fields) error {
	return in.Object(func(key string) error {
		if read := take[key]; read != nil {
			return read(in)
		}
		return in.Skip()
	})
}

// text reads a member that should be a text; anything else counts as none.
func text(into *string) func(*jsonstream.Reader) error {
	return func(in *jsonstream.Reader) error {
		err := in.Value(into)
		if errors.Is(err, jsonstream.ErrKind) {
			return nil
		}
		return err
	}
}

// few is a list inside what is read at once.
type few[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (f *few[T]) UnmarshalJSON(raw []byte) error {
	if bytes.Count(raw, []byte{','}) > maxMembers {
		return fmt.Errorf("%w: a list with more than %d members", ErrTooLarge, maxMembers)
	}
	return json.Unmarshal(raw, (*[]T)(f))
}

// refuse notes a statement that cannot be used.
func (r *reader) refuse(vulnerability, reason string) {
	if r.RefusedCount++; r.RefusedCount <= maxRefusals {
		if len(vulnerability) > maxName {
			vulnerability = vulnerability[:maxName]
		}
		r.Refused = append(r.Refused, Refusal{clip(vulnerability), clip(reason)})
	}
}

// add takes in a statement, or notes why it cannot be used.
func (r *reader) add(s Statement) error {
	if r.products += max(1, len(s.Products)); r.products > r.limits.Products {
		return r.tooMany()
	}
	if err := s.settle(); err != nil {
		r.refuse(s.Vulnerability, strings.TrimPrefix(err.Error(), errUnusable.Error()+": "))
		return nil
	}
	if r.named += len(s.Products) * (1 + len(s.Aliases)); r.named > namesPerProduct*r.limits.Products {
		return fmt.Errorf("%w: more than %d names of vulnerabilities for all products", ErrTooLarge, namesPerProduct*r.limits.Products)
	}
	r.Statements = append(r.Statements, s)
	return nil
}

func (r *reader) tooMany() error {
	return fmt.Errorf("%w: more than %d products in all statements", ErrTooLarge, r.limits.Products)
}

// finish fills in what statements take from the document: the time, when they have none.
func (r *reader) finish() {
	r.ID, r.Version, r.Author, r.At = clip(r.ID), clip(r.Version), clip(r.Author), whole(r.At)
	for i := range r.Statements {
		s := &r.Statements[i]
		if s.At.IsZero() || s.At.Year() <= 1 {
			s.At = r.At
		}
	}
}

// moment is a time in RFC 3339; zero when it is absent or cannot be read: a date is not worth a document.
type moment struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(raw []byte) error {
	m.Time = timeOf(strings.Trim(string(raw), `"`))
	return nil
}

func timeOf(text string) time.Time {
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil || at.Year() < 1970 || at.Year() > 9998 {
		return time.Time{}
	}
	return whole(at)
}

// latest is the last of some times.
func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
