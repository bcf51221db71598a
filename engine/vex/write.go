package vex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Tool is the name documents give as their producer.
const Tool = "plimsoll"

// Texts where a format wants one and nobody gave any.
const (
	noReason = "No reason was given."
	noAction = "No action was given."
)

// Subject is the image that a written document is about.
type Subject struct {
	Digest string // sha256:…
	Name   string // registry/repository, or the digest
	PURL   string // of type oci; may be empty
}

// whole is the image as a product.
func (s Subject) whole() Product { return Product{Given: cmp.Or(s.PURL, s.Digest), Image: s.Digest} }

// In names a package of the image as a product; an empty purl means all of them.
func (s Subject) In(purl string) Product {
	if purl == "" {
		return s.whole()
	}
	if u, ok := parse(purl); ok {
		purl = u.ToString()
	}
	return Product{Given: purl, Image: s.Digest, Package: purl}
}

// Report is what is to be written.
type Report struct {
	Image       Subject
	Author      string
	At          time.Time
	ToolVersion string
	Statements  []Statement // about products In the image
}

// name is a version 5 UUID made of the format, the image and the time: the same report has the same.
func (r *Report) name(format string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(Tool+"/"+format+"/"+r.Image.Digest+"/"+whole(r.At).Format(time.RFC3339)))
}

// openDocument is an OpenVEX 0.2 document as it is written. The format is a page; go-vex would add an attestation
// library and reads no safer.
type openDocument struct {
	Context    string         `json:"@context"`
	ID         string         `json:"@id"`
	Author     string         `json:"author"`
	Timestamp  string         `json:"timestamp"`
	Version    int            `json:"version"`
	Tooling    string         `json:"tooling"`
	Statements []openAnswered `json:"statements"`
}

type openAnswered struct {
	Vulnerability openNames     `json:"vulnerability"`
	Timestamp     string        `json:"timestamp"`
	Products      []openSubject `json:"products"`
	Status        Status        `json:"status"`
	Notes         string        `json:"status_notes,omitempty"`
	Justification Justification `json:"justification,omitempty"`
	Impact        string        `json:"impact_statement,omitempty"`
	Action        string        `json:"action_statement,omitempty"`
}

type openNames struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
}

type openPart struct {
	ID          string            `json:"@id,omitempty"`
	Identifiers map[string]string `json:"identifiers,omitempty"`
	Hashes      map[string]string `json:"hashes,omitempty"`
}

type openSubject struct {
	openPart
	Parts []openPart `json:"subcomponents,omitempty"`
}

// OpenVEX writes an OpenVEX 0.2 document. A report without statements has an empty list of them, which the format's
// schema has no words for.
func OpenVEX(w io.Writer, r Report) error {
	d := openDocument{
		Context: "https://openvex.dev/ns/v0.2.0", ID: "urn:uuid:" + r.name("openvex").String(), Author: r.Author,
		Timestamp: whole(r.At).Format(time.RFC3339), Version: 1, Tooling: strings.TrimSpace(Tool + " " + r.ToolVersion), Statements: []openAnswered{},
	}
	for i := range r.Statements {
		d.Statements = append(d.Statements, r.open(&r.Statements[i]))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("write OpenVEX document of %s: %w", r.Image.Digest, err)
	}
	return nil
}

func (r *Report) open(s *Statement) openAnswered {
	out := openAnswered{
		Vulnerability: openNames{s.Vulnerability, s.Aliases}, Timestamp: whole(s.At).Format(time.RFC3339), Status: s.Status,
	}
	image := openSubject{openPart: openPart{ID: r.Image.PURL, Hashes: map[string]string{"sha-256": strings.TrimPrefix(r.Image.Digest, "sha256:")}}}
	if r.Image.PURL != "" {
		image.Identifiers = map[string]string{"purl": r.Image.PURL}
	}
	for _, p := range s.Products {
		if p.Package != "" {
			image.Parts = append(image.Parts, openPart{ID: p.Package, Identifiers: map[string]string{"purl": p.Package}})
		}
	}
	if len(image.Parts) < len(s.Products) { // all packages, and with them those named
		image.Parts = nil
	}
	out.Products = []openSubject{image}
	notes := []string{s.Notes, s.Details}
	switch s.Status {
	case NotAffected: // the schema takes a justification or an impact statement, not both
		if slices.Contains(justifications, s.Justification) {
			out.Justification = s.Justification
			notes = append(notes, s.Impact)
		} else {
			out.Impact = cmp.Or(s.Impact, noReason)
		}
		notes = append(notes, s.Action)
	case Affected:
		out.Action = cmp.Or(s.Action, noAction)
		if s.Justification == FixNotPlanned && s.Action == "" {
			out.Action = "No fix is planned."
		}
		notes = append(notes, s.Impact)
	default:
		out.Impact, out.Action = s.Impact, s.Action
	}
	out.Notes = strings.Join(slices.DeleteFunc(notes, func(text string) bool { return text == "" }), "\n")
	return out
}
