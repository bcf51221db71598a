// Package feed is the contract of a vulnerability source: what it offers, how its bytes become records, and
// the normal form every source is brought into.
//
// A driver is pure. It names the upstream documents it needs; fetching them (conditionally, with retries,
// through a mirror) is an activity's work; Parse turns one fetched document into records, streaming, with
// the same records for the same bytes. A record that cannot be read is reported and skipped, a document that
// is not what it claims to be is an error.
package feed

import (
	"context"
	"io"
	"time"
)

// Driver is one vulnerability source. Drivers are values in an explicit list.
type Driver struct {
	Name string // "osv"; also the first path segment under a mirror
	// Groups lists the upstream documents for the given settings, in a stable order.
	Groups func(Settings) []Group
	// Parse reads one document. bad is called for a record that had to be skipped. size is the document's
	// length in bytes.
	Parse func(ctx context.Context, g Group, doc io.ReaderAt, size int64, emit func(Record) error, bad func(id string, err error)) error
}

// Settings is what an operator may say about a source.
type Settings struct {
	Enabled    bool     `yaml:"enabled"`
	Ecosystems []string `yaml:"ecosystems"`
}

// Group is one upstream document, synced, counted and failing on its own.
type Group struct {
	Name string // "Debian"
	Host string // "osv-vulnerabilities.storage.googleapis.com"
	Path string // "Debian/all.zip", unescaped
}

// Record is one upstream record in normal form.
type Record struct {
	Vulnerability Vulnerability
	Advisories    []Advisory
}

// Vulnerability holds what a source says about the flaw itself, once, whatever it affects.
type Vulnerability struct {
	Source      string     `json:"source"`
	ID          string     `json:"id"` // as the source names it: GHSA-…, DSA-…, CVE-…
	Aliases     []string   `json:"aliases,omitempty"`
	Upstream    []string   `json:"upstream,omitempty"` // ids this one was derived from (OSV "upstream")
	Summary     string     `json:"summary,omitempty"`
	Description string     `json:"description,omitempty"`
	Severity    Severity   `json:"severity"`
	CVSS        []CVSS     `json:"cvss,omitempty"`
	URL         string     `json:"url,omitempty"`
	References  []string   `json:"references,omitempty"`
	Published   *time.Time `json:"published,omitempty"`
	Modified    *time.Time `json:"modified,omitempty"`
	Withdrawn   *time.Time `json:"withdrawn,omitempty"`
}

// CVSS is one scored vector; versions "2.0", "3.0", "3.1", "4.0".
type CVSS struct {
	Version        string   `json:"version"`
	Vector         string   `json:"vector"`
	Base           *float64 `json:"base,omitempty"`
	Exploitability *float64 `json:"exploitability,omitempty"`
	Impact         *float64 `json:"impact,omitempty"`
}

// Advisory says which versions of one package in one namespace are affected.
type Advisory struct {
	Source    string `json:"source"`
	ID        string `json:"id"`        // the Vulnerability's ID
	Namespace string `json:"namespace"` // "debian:12", "npm", "pypi", "maven", "go"
	Package   string `json:"package"`   // normalised for the namespace (PEP 503 for pypi)
	// Ranges are disjoint affected intervals; Versions further exact versions.
	Ranges   []Range  `json:"ranges,omitempty"`
	Versions []string `json:"versions,omitempty"`
	State    FixState `json:"state"`
}

// Range is a half-open interval [Introduced, Fixed), or closed [Introduced, LastAffected]. Introduced "0" or
// "" is the beginning of time; no upper end means affected for ever. At most one upper end is set.
type Range struct {
	Introduced string `json:"introduced,omitempty"`
	Fixed      string `json:"fixed,omitempty"`
	// Before is an upper end like Fixed that must not be offered as the fix: nothing says it is one, or not
	// everybody can have it (Ubuntu Pro).
	Before       string `json:"before,omitempty"`
	LastAffected string `json:"last_affected,omitempty"`
}

// FixState is what the source says about a fix.
type FixState string

const (
	StateUnknown     FixState = "unknown"
	StateFixed       FixState = "fixed"
	StateAffected    FixState = "affected"
	StateWontFix     FixState = "wont-fix"
	StateNotAffected FixState = "not-affected"
)

// Severity orders as the policy model does: unknown 0 ... critical 5.
type Severity int

const (
	Unknown Severity = iota
	Negligible
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"Unknown", "Negligible", "Low", "Medium", "High", "Critical"}

// String is the word the API shows.
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return severityNames[Unknown]
	}
	return severityNames[s]
}
