package vex

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"plimsoll/engine/feed/jsonstream"
)

// openStatement is a statement of OpenVEX as it is read.
type openStatement struct {
	Vulnerability openVulnerability `json:"vulnerability"`
	Timestamp     moment            `json:"timestamp"`
	LastUpdated   moment            `json:"last_updated"`
	Products      few[openProduct]  `json:"products"`
	Status        Status            `json:"status"`
	Notes         string            `json:"status_notes"`
	Justification Justification     `json:"justification"`
	Impact        string            `json:"impact_statement"`
	Action        string            `json:"action_statement"`
}

// openVulnerability is an object, and was a text before 0.2.
type openVulnerability struct {
	ID      string      `json:"@id"`
	Name    string      `json:"name"`
	Aliases few[string] `json:"aliases"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *openVulnerability) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &v.Name)
	}
	type plain openVulnerability
	return json.Unmarshal(raw, (*plain)(v))
}

// openComponent is a product or a part of one.
type openComponent struct {
	ID          string            `json:"@id"`
	Identifiers map[string]string `json:"identifiers"`
	Hashes      map[string]string `json:"hashes"`
}

func (c *openComponent) identity() identity {
	return identity{id: c.ID, purl: c.Identifiers["purl"], hashes: c.Hashes}
}

// openProduct is an object, and was a text before 0.2.
type openProduct struct {
	openComponent
	Parts few[openComponent] `json:"subcomponents"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *openProduct) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &p.ID)
	}
	type plain openProduct
	return json.Unmarshal(raw, (*plain)(p))
}

func (p *openProduct) products() []Product {
	whole := p.identity().product()
	if len(p.Parts) == 0 {
		return []Product{whole}
	}
	out := make([]Product, len(p.Parts))
	for i := range p.Parts {
		out[i] = within(whole, p.Parts[i].identity().product())
	}
	return out
}

// openvex reads a document. about are products of statements that name none: the subjects of an attestation.
func (r *reader) openvex(data []byte, about []Product) error {
	var version json.RawMessage
	var issued, updated moment
	err := walk(data, fields{
		"@id":          text(&r.ID),
		"author":       text(&r.Author),
		"version":      func(in *jsonstream.Reader) error { return in.Value(&version) },
		"timestamp":    func(in *jsonstream.Reader) error { return in.Value(&issued) },
		"last_updated": func(in *jsonstream.Reader) error { return in.Value(&updated) },
		"statements": func(in *jsonstream.Reader) error {
			return in.Array(func() error { return r.openStatement(in, about) })
		},
	})
	r.At, r.Version = latest(issued.Time, updated.Time), versionOf(version)
	r.finish()
	return err
}

// versionOf is a version that is a number or a text.
func versionOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var number int64
	if json.Unmarshal(raw, &number) == nil {
		return strconv.FormatInt(number, 10)
	}
	return ""
}

func (r *reader) openStatement(in *jsonstream.Reader, about []Product) error {
	var s openStatement
	err := in.Value(&s)
	if errors.Is(err, jsonstream.ErrKind) {
		r.refuse(s.Vulnerability.Name, "a value of another kind than OpenVEX has")
		return nil
	}
	if err != nil {
		return err
	}
	out := Statement{
		Vulnerability: s.Vulnerability.Name, Aliases: s.Vulnerability.Aliases, At: latest(s.Timestamp.Time, s.LastUpdated.Time),
		Assertion: Assertion{Status: s.Status, Justification: s.Justification, Impact: s.Impact, Action: s.Action, Notes: s.Notes},
	}
	if out.Vulnerability == "" {
		out.Vulnerability = s.Vulnerability.ID
	}
	for i := range s.Products {
		out.Products = append(out.Products, s.Products[i].products()...)
	}
	if len(out.Products) == 0 {
		out.Products = about
	}
	return r.add(out)
}

// envelope reads what a DSSE envelope holds (secure-systems-lab/dsse, envelope.md).
func (r *reader) envelope(data []byte) error {
	var payload string
	if err := walk(data, fields{"payload": func(in *jsonstream.Reader) error { return in.Value(&payload) }}); err != nil {
		return err
	}
	inside, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		if inside, err = base64.URLEncoding.DecodeString(payload); err != nil {
			return fmt.Errorf("%w: the payload of the envelope is no base64", ErrDocument)
		}
	}
	var predicate string
	if err := walk(inside, fields{"predicateType": text(&predicate)}); err != nil {
		return err
	}
	if predicate == "" {
		return fmt.Errorf("%w: an envelope without an in-toto statement", ErrFormat)
	}
	return r.json(inside)
}

// attestation reads an in-toto statement whose predicate is an OpenVEX document.
func (r *reader) attestation(data []byte) error {
	type subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	var subjects few[subject]
	var predicate json.RawMessage
	err := walk(data, fields{
		"subject":   func(in *jsonstream.Reader) error { return in.Value(&subjects) },
		"predicate": func(in *jsonstream.Reader) error { return in.Value(&predicate) },
	})
	if err != nil {
		return err
	}
	var about []Product
	for _, s := range subjects {
		about = append(about, identity{id: s.Name, hashes: s.Digest}.product())
	}
	return r.openvex(predicate, about)
}
