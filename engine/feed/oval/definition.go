package oval

import (
	"encoding/xml"
	"strings"

	"plimsoll/engine/feed"
)

// Definition is one definition with what the distributions write into its metadata (OVAL definitions schema 5.11,
// DefinitionType; the advisory is an extension of Red Hat's that others took over).
type Definition struct {
	ID          string      `xml:"id,attr"`
	Class       string      `xml:"class,attr"`   // "vulnerability", "patch"
	Version     string      `xml:"version,attr"` // a number
	Title       string      `xml:"metadata>title"`
	Description string      `xml:"metadata>description"`
	References  []Reference `xml:"metadata>reference"`
	Advisory    Advisory    `xml:"metadata>advisory"`

	// What Microsoft writes beside instead of into an advisory.
	Severity     string `xml:"metadata>severity"`
	Patchable    string `xml:"metadata>patchable"`
	AdvisoryDate string `xml:"metadata>advisory_date"`
	AdvisoryID   string `xml:"metadata>advisory_id"`

	Criteria Criteria `xml:"criteria"`
}

// Reference names the definition's subject in some catalogue.
type Reference struct {
	Source string `xml:"source,attr"` // "CVE", "elsa", "SUSE-SU"
	ID     string `xml:"ref_id,attr"`
	URL    string `xml:"ref_url,attr"`
}

// Advisory is what the vendor says beyond the schema.
type Advisory struct {
	Severity string `xml:"severity"`
	Issued   Date   `xml:"issued"`
	Updated  Date   `xml:"updated"`
	CVEs     []CVE  `xml:"cve"`
}

// Date is an element with a date as attribute, "2006-01-02".
type Date struct {
	Date string `xml:"date,attr"`
}

// CVE is a flaw with its rating. Scores stand before the vectors: "7.8/CVSS:3.1/AV:L…", "7.8/AV:N…".
type CVE struct {
	Text   string `xml:",chardata"`
	URL    string `xml:"href,attr"`
	Impact string `xml:"impact,attr"`
	CVSS2  string `xml:"cvss2,attr"`
	CVSS3  string `xml:"cvss3,attr"`
	CVSS4  string `xml:"cvss4,attr"`
	CWE    string `xml:"cwe,attr"`
	Public string `xml:"public,attr"` // "20060102"
}

// Criteria is a tree of conditions: all of them, or any (operator OR).
type Criteria struct {
	Operator  string      `xml:"operator,attr"`
	Negate    string      `xml:"negate,attr"`
	Criteria  []Criteria  `xml:"criteria"`
	Criterion []Criterion `xml:"criterion"`
	Extended  []extended  `xml:"extend_definition"`
}

// extended refers to another definition; none of the distributions here does that.
type extended struct {
	XMLName xml.Name
}

// Criterion is one condition: a test, with what it is in words.
type Criterion struct {
	Comment string `xml:"comment,attr"`
	TestRef string `xml:"test_ref,attr"`
	Negate  string `xml:"negate,attr"`
	// Test is what the reference leads to; nil when it leads to no test of a package.
	Test *Test `xml:"-"`
}

// Test compares a package.
type Test struct {
	Package    string
	Conditions []Condition // that hold together; none: it is there
}

// Condition compares a field of a package.
type Condition struct {
	Field     string // "evr", "version", "release", "epoch", "arch", "signature_keyid"
	Operation string // "less than", "equals", "pattern match"…
	Value     string
}

// Only returns the value a test compares a field with, when that is all it does.
func (t *Test) Only(name, operation string) (string, bool) {
	if t == nil || len(t.Conditions) != 1 || t.Conditions[0].Field != name || t.Conditions[0].Operation != operation {
		return "", false
	}
	return t.Conditions[0].Value, true
}

// Scores reads the vectors of a CVE, as scored by whom: "" for the source itself. What is no vector is left out.
func Scores(c CVE, by string) []feed.CVSS {
	var out []feed.CVSS
	for _, written := range []string{c.CVSS4, c.CVSS3, c.CVSS2} {
		_, vector, _ := strings.Cut(written, "/")
		if s, err := feed.ParseCVSS(vector); err == nil {
			s.By = by
			out = append(out, s)
		}
	}
	return out
}
