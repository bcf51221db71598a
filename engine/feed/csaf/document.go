// Package csaf reads documents of the Common Security Advisory Framework, version 2.0 (OASIS), of the profiles
// "VEX" and "security advisory".
//
// It knows no publisher: what product ids, package URLs and texts mean is for those who read a source. Ids are opaque;
// what a composite id is made of is told by Document.Components alone.
//
// Invariants: the order of a document's fields does not matter; a document is either whole or an error; it has at most
// MaxSize bytes, and its product tree is never held as text.
package csaf

import (
	"bytes"
	"time"
)

// The keys of Vulnerability.Status that speak about affectedness (section 3.2.3.9).
const (
	Fixed              = "fixed"
	KnownAffected      = "known_affected"
	KnownNotAffected   = "known_not_affected"
	UnderInvestigation = "under_investigation"
)

// The categories of remediations (section 3.2.3.12.1).
const (
	VendorFix     = "vendor_fix"
	NoneAvailable = "none_available"
	NoFixPlanned  = "no_fix_planned"
)

// Impact is the category of a threat that rates the flaw (section 3.2.3.14.1).
const Impact = "impact"

// Document is what a document says, without its formalities.
type Document struct {
	Header
	Products        map[string]Product   // by id
	Components      map[string]Component // by the id of the combination
	Vulnerabilities []Vulnerability
}

// Header is the part of a document about itself.
type Header struct {
	Version  string `json:"csaf_version"`
	Category string `json:"category"`
	Title    string `json:"title"`
	Severity struct {
		Text string `json:"text"`
	} `json:"aggregate_severity"`
	Publisher struct {
		Name string `json:"name"`
	} `json:"publisher"`
	Tracking struct {
		ID       string `json:"id"`
		Version  string `json:"version"`
		Status   string `json:"status"`
		Released Moment `json:"initial_release_date"`
		Modified Moment `json:"current_release_date"`
	} `json:"tracking"`
}

// Product is a node of the product tree that can be installed or is a place to install into.
type Product struct{ Name, CPE, PURL string }

// Component says that a product is there as a part of another one, its platform.
type Component struct{ Product, Platform string } // ids

// Vulnerability is what a document says about one flaw. Lists of products hold ids, those of combinations included.
type Vulnerability struct {
	CVE string `json:"cve"`
	IDs []struct {
		Text string `json:"text"`
	} `json:"ids"` // names that others gave
	Title string `json:"title"`
	CWE   struct {
		ID string `json:"id"`
	} `json:"cwe"`
	Released   Moment              `json:"release_date"`
	Notes      []Note              `json:"notes"`
	References []Reference         `json:"references"`
	Status     map[string][]string `json:"product_status"`
	Remedies   []Remedy            `json:"remediations"`
	Threats    []Threat            `json:"threats"`
	Scores     []Score             `json:"scores"`
	Flags      []Flag              `json:"flags"`
}

// Note is a text.
type Note struct {
	Category string `json:"category"` // "description", "summary", "general", "other"...
	Text     string `json:"text"`
}

// Reference is a link.
type Reference struct {
	Category string `json:"category"` // "self" or "external"
	URL      string `json:"url"`
}

// Remedy says what can be done about the flaw in products.
type Remedy struct {
	Category string   `json:"category"`
	Details  string   `json:"details"`
	URL      string   `json:"url"`
	Date     Moment   `json:"date"`
	Products []string `json:"product_ids"`
}

// Threat says what the flaw means for products.
type Threat struct {
	Category string   `json:"category"`
	Details  string   `json:"details"`
	Products []string `json:"product_ids"`
}

// Score rates the flaw in products.
type Score struct {
	V2 struct {
		Vector string `json:"vectorString"`
	} `json:"cvss_v2"`
	V3 struct {
		Vector string `json:"vectorString"`
	} `json:"cvss_v3"`
	Products []string `json:"products"`
}

// Flag says why products are not affected, in the words of section 3.2.3.5.
type Flag struct {
	Label    string   `json:"label"`
	Products []string `json:"product_ids"`
}

// Moment is a time in RFC 3339, in UTC; nil when it is absent or cannot be read.
type Moment struct{ At *time.Time }

// UnmarshalJSON never fails: a date is not worth a document.
func (m *Moment) UnmarshalJSON(data []byte) error {
	t, err := time.Parse(time.RFC3339, string(bytes.Trim(data, `"`)))
	if err == nil && t.Year() > 1 && t.Year() < 10000 {
		m.At = new(t.UTC())
	}
	return nil
}
