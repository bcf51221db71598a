package sbom

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
)

// Format is a kind of document that Decode reads.
type Format string

// Formats, in the words messages use.
const (
	FormatSyft          Format = "Syft JSON"
	FormatCycloneDX     Format = "CycloneDX JSON"
	FormatCycloneDXXML  Format = "CycloneDX XML"
	FormatSPDX          Format = "SPDX JSON"
	FormatSPDX3         Format = "SPDX 3 JSON"
	FormatSPDXTagValues Format = "SPDX tag-value"
)

var (
	// ErrFormat reports a document that is of no format known here.
	ErrFormat = errors.New("not an SBOM of a known format")
	// ErrDocument reports a document that is broken or breaks the rules of its format.
	ErrDocument = errors.New("SBOM is not readable")
	// ErrTooLarge reports a document beyond a limit.
	ErrTooLarge = errors.New("SBOM exceeds a limit")
)

// Limits bound what Decode takes. Zero fields mean the value of DefaultLimits.
type Limits struct {
	Bytes    int // of the document
	Packages int // in it
	Depth    int // of nesting in JSON
}

// DefaultLimits take an image of tens of thousands of packages with their files.
var DefaultLimits = Limits{Bytes: 256 << 20, Packages: 200_000, Depth: 200}

// Document is what an SBOM says, in our words.
type Document struct {
	Format  Format
	Tool    string // that made it, with its version where given; may be empty
	Name    string // of what it describes; may be empty
	Version string // of what it describes; may be empty
	Distro  *catalog.Distro
	// Packages in the document's order, what lies inside another one before it. Those of an operating system have
	// no namespace yet: catalog.SetDistro completes them.
	Packages []catalog.Package
	// Incomplete tells which entries could not be used.
	Incomplete []catalog.Incompleteness
}

// Decode reads an SBOM of any known format: Syft's JSON, CycloneDX 1.2 to 1.7 (JSON, XML), SPDX 2.2 and 2.3 (JSON,
// tag-value) and SPDX 3.0 (JSON). Errors: ErrFormat, ErrDocument, ErrTooLarge. A single entry that cannot be used is
// left out and told in Incomplete.
func Decode(data []byte, limits Limits) (*Document, error) {
	limits = limits.orDefault()
	if len(data) > limits.Bytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, len(data), limits.Bytes)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if text := bytes.TrimLeft(data, white); len(text) > 0 && text[0] == '{' {
		if depth := nesting(data); depth > limits.Depth {
			return nil, fmt.Errorf("%w: JSON nested %d deep, at most %d is taken", ErrTooLarge, depth, limits.Depth)
		}
	}
	format, err := Detect(data)
	if err != nil {
		return nil, err
	}
	r := reader{Document: Document{Format: format}, limits: limits}
	if err := decoders[format](&r, data); err != nil {
		if errors.Is(err, ErrTooLarge) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrDocument, format, err)
	}
	r.finish()
	return &r.Document, nil
}

var decoders = map[Format]func(*reader, []byte) error{
	FormatSyft: (*reader).syft, FormatCycloneDX: (*reader).cyclonedx, FormatCycloneDXXML: (*reader).cyclonedxXML,
	FormatSPDX: (*reader).spdx, FormatSPDXTagValues: (*reader).spdxTags, FormatSPDX3: (*reader).spdx3,
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	return Limits{cmp.Or(l.Bytes, d.Bytes), cmp.Or(l.Packages, d.Packages), cmp.Or(l.Depth, d.Depth)}
}

const white = " \t\r\n"

// Detect tells the format of a document from what only it has: ErrFormat.
func Detect(data []byte) (Format, error) {
	text := bytes.TrimLeft(data, white)
	switch {
	case len(text) == 0:
		return "", fmt.Errorf("%w: it is empty", ErrFormat)
	case text[0] == '{':
		return detectJSON(text)
	case text[0] == '<':
		if bytes.Contains(text[:min(len(text), 4096)], []byte("cyclonedx.org/schema/bom")) {
			return FormatCycloneDXXML, nil
		}
		return "", fmt.Errorf("%w: XML without the namespace of CycloneDX", ErrFormat)
	case bytes.HasPrefix(text, []byte("SPDXVersion:")) || bytes.Contains(text[:min(len(text), 4096)], []byte("\nSPDXVersion:")):
		return FormatSPDXTagValues, nil
	}
	return "", fmt.Errorf("%w: neither JSON nor XML nor SPDX tags", ErrFormat)
}

func detectJSON(text []byte) (Format, error) {
	var head struct {
		BOMFormat   string          `json:"bomFormat"`
		SPDXVersion string          `json:"spdxVersion"`
		Context     json.RawMessage `json:"@context"`
		Graph       json.RawMessage `json:"@graph"`
		Artifacts   json.RawMessage `json:"artifacts"`
		Specversion string          `json:"specVersion"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return "", fmt.Errorf("%w: JSON: %w", ErrDocument, err)
	}
	switch {
	case strings.EqualFold(head.BOMFormat, "CycloneDX"):
		return FormatCycloneDX, nil
	case strings.HasPrefix(head.SPDXVersion, "SPDX-2"):
		return FormatSPDX, nil
	case head.Graph != nil && bytes.Contains(head.Context, []byte("spdx.org/rdf/3")):
		return FormatSPDX3, nil
	case head.Artifacts != nil:
		return FormatSyft, nil
	case head.SPDXVersion != "":
		return "", fmt.Errorf("%w: SPDX version %q", ErrFormat, catalog.Text(head.SPDXVersion))
	}
	return "", fmt.Errorf("%w: JSON without bomFormat, spdxVersion, @graph of SPDX 3 or artifacts", ErrFormat)
}

// nesting is how deep a JSON document goes: the standard library descends by recursion.
func nesting(data []byte) int {
	deepest, depth, quoted, escaped := 0, 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// reader collects what a decoder finds.
type reader struct {
	Document
	limits  Limits
	refused int
	entries int
}

// maxRefusals bounds how many unusable entries are told one by one.
const maxRefusals = 100

// add takes in a package. What it lacks is read from its purl.
func (r *reader) add(p catalog.Package) error {
	if len(r.Packages) >= r.limits.Packages {
		return r.tooMany()
	}
	complete(&p)
	if err := p.Check(); err != nil || p.Type == "" {
		if err == nil {
			err = fmt.Errorf("%w: %s %s: no type and no purl to tell it", catalog.ErrInvalidPackage, catalog.Text(p.Name), catalog.Text(p.Version))
		}
		r.refuse(err.Error())
		return nil
	}
	r.Packages = append(r.Packages, p)
	return nil
}

func (r *reader) refuse(why string) {
	if r.refused++; r.refused <= maxRefusals {
		r.Incomplete = append(r.Incomplete, catalog.Incompleteness{Reason: catalog.ReasonUnreadable, Detail: catalog.Text(why)})
	}
}

// finish fills in what only the whole document tells.
func (r *reader) finish() {
	if r.refused > maxRefusals {
		r.Incomplete = append(r.Incomplete, catalog.Incompleteness{
			Reason: catalog.ReasonTooMany, Detail: fmt.Sprintf("%d entries could not be used", r.refused),
		})
	}
	if r.Distro == nil {
		r.Distro = distroOf(r.Packages)
	}
	r.Tool, r.Name, r.Version = catalog.Text(r.Tool), catalog.Text(r.Name), catalog.Text(r.Version)
}

// texts cleans descriptive values: at most n of them.
func texts(all []string, n int) []string {
	var out []string
	for _, s := range all {
		if s = catalog.Text(s); s != "" && !slices.Contains(out, s) && len(out) < n {
			out = append(out, s)
		}
	}
	return out
}
