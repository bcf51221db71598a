package feed

import "time"

// Record is one upstream record in normal form.
type Record struct {
	Vulnerability Vulnerability
	Advisories    []Advisory
}

// Vulnerability holds what a source says about the flaw itself, once, whatever it affects.
type Vulnerability struct {
	Source      string     `json:"source"`
	ID          string     `json:"id"` // as the source names it: GHSA-…, CVE-…
	Aliases     []string   `json:"aliases,omitempty"`
	Upstream    []string   `json:"upstream,omitempty"` // ids this one was derived from, or the CVEs an advisory fixes
	Summary     string     `json:"summary,omitempty"`
	Description string     `json:"description,omitempty"`
	Severity    Severity   `json:"severity"`
	CVSS        []CVSS     `json:"cvss,omitempty"`
	CWEs        []string   `json:"cwes,omitempty"` // "CWE-79"
	URL         string     `json:"url,omitempty"`
	References  []string   `json:"references,omitempty"`
	Published   *time.Time `json:"published,omitempty"`
	Modified    *time.Time `json:"modified,omitempty"`
	Withdrawn   *time.Time `json:"withdrawn,omitempty"` // withdrawn or rejected; it matches nothing
}

// CVSS is one scored vector; versions "2.0", "3.0", "3.1", "4.0".
type CVSS struct {
	Version        string   `json:"version"`
	Vector         string   `json:"vector"`
	Base           *float64 `json:"base,omitempty"`
	Exploitability *float64 `json:"exploitability,omitempty"`
	Impact         *float64 `json:"impact,omitempty"`
	// By is who scored, if not the source itself: "nvd@nist.gov". Secondary marks what NVD calls so.
	By        string `json:"by,omitempty"`
	Secondary bool   `json:"secondary,omitempty"`
}

// Advisory says which versions of one package in one namespace are affected.
type Advisory struct {
	Source    string `json:"source"`
	ID        string `json:"id"`        // the Vulnerability's ID
	Namespace string `json:"namespace"` // "debian:12", "npm", "pypi", "maven", "go", "nvd"
	// Package is normalised for the namespace (PackageName). In the namespace "nvd" it is "vendor:product" of a CPE.
	Package string `json:"package"`
	Scope

	// Ranges are disjoint affected intervals; Versions further exact versions.
	Ranges   []Range  `json:"ranges,omitempty"`
	Versions []string `json:"versions,omitempty"`
	State    FixState `json:"state"`
	Reason   string   `json:"reason,omitempty"` // the vendor's words for the state: "Will not fix", "postponed"
	// Severity is the vendor's rating for this package, where it differs from the vulnerability's; nil: the same.
	Severity *Severity  `json:"severity,omitempty"`
	Notices  []Notice   `json:"notices,omitempty"` // vendor advisories: RHSA, DSA, USN...
	FixedAt  *time.Time `json:"fixed_at,omitempty"`
	CPE      *CPE       `json:"cpe,omitempty"` // namespace "nvd" only
}

// Scope narrows which packages of that name an advisory speaks about. The zero Scope speaks about all. An advisory
// is identified by source, id, namespace, package and scope: one record may have several of a package.
type Scope struct {
	Kind   Kind     `json:"kind,omitempty"`
	Module string   `json:"module,omitempty"` // rpm module "nodejs:16": only packages of that stream
	Arches []string `json:"arches,omitempty"` // sorted; empty: every one
	// Channel is the update stream a build comes from, for those that do not get the common one: "eus:9.4",
	// "aus:8.2", "pro", "fips", "ksplice".
	Channel string `json:"channel,omitempty"`
}

// Kind says what an advisory's package name means.
type Kind string

// The kinds. Convention is what match.TargetOf knows of the namespace.
const (
	Convention Kind = ""
	Source     Kind = "source" // a source package; compare with its version
	Binary     Kind = "binary"
)

// Notice is a vendor's advisory.
type Notice struct {
	ID  string `json:"id"`
	URL string `json:"url,omitempty"`
}

// CPE is what NVD says beyond vendor, product and versions. Fields are unescaped; empty is any, "-" is none.
type CPE struct {
	Part     string `json:"part"` // "a", "o", "h"
	Update   string `json:"update,omitempty"`
	TargetSW string `json:"target_sw,omitempty"`
	// RunningOn: vulnerable only together with one of these platforms, as "part:vendor:product".
	RunningOn []string `json:"running_on,omitempty"`
}

// Range is a half-open interval [Introduced, Fixed), or closed [Introduced, LastAffected]. Introduced "0" or
// "" is the beginning of time; no upper end means affected for ever. At most one upper end is set.
type Range struct {
	Introduced string `json:"introduced,omitempty"`
	// After excludes the lower end itself. It may stand instead of Introduced.
	After string `json:"after,omitempty"`
	Fixed string `json:"fixed,omitempty"`
	// Before is an upper end like Fixed that must not be offered as the fix: nothing says it is one, or not
	// everybody can have it (Ubuntu Pro).
	Before       string `json:"before,omitempty"`
	LastAffected string `json:"last_affected,omitempty"`
}

// FixState is what the source says about a fix.
type FixState string

// The states, each said by at least one source. StateNotAffected is data, not absence: it silences what a weaker
// source says about the package.
const (
	StateUnknown     FixState = "unknown"
	StateFixed       FixState = "fixed"
	StateAffected    FixState = "affected"
	StateDeferred    FixState = "deferred"
	StateWontFix     FixState = "wont-fix"
	StateEndOfLife   FixState = "end-of-life"
	StateNotAffected FixState = "not-affected"
	StateInvestigate FixState = "under-investigation"
)

// Severity orders as the policy model does: unknown 0 ... critical 5.
type Severity int

// The severities.
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
