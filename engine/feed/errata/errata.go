package errata

import (
	"errors"
	"strings"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/version"
)

var (
	// ErrTooLarge means that a source says more than any real one.
	ErrTooLarge = errors.New("advisories exceed a limit")
	// ErrErratum means that an advisory was left out, whole or in part.
	ErrErratum = errors.New("unusable advisory")
)

// Bounds on a table. The largest sources have some ten thousand advisories of together two million packages.
const (
	maxBuilds = 6_000_000
	maxText   = 160 << 20 // bytes
	// maxAdvisories bounds what comes of them, since every flaw of an advisory is in all of its packages.
	maxAdvisories = 40_000_000
)

// maxSummary and maxDescription bound the prose of one flaw, in bytes.
const (
	maxSummary     = 512
	maxDescription = 8 << 10
)

// Config says whose advisories they are.
type Config struct {
	Source string
	Scheme version.Scheme
	// Page is the format of the page about a CVE, with one %s; "" when there is none.
	Page string
}

// Erratum is one advisory.
type Erratum struct {
	ID string // "ELSA-2024-2961"; the record's id when the advisory names no flaw
	// Revision: of two with one id and different revisions the higher counts; equal ones are parts of one advisory.
	Revision    int
	URL         string
	Title       string
	Description string
	Severity    feed.Severity
	Issued      *time.Time
	Notices     []feed.Notice // under which it is known; none where it is not for people
	Flaws       []Flaw
	Builds      []Build
}

// Flaw is what an advisory says of one thing it repairs.
type Flaw struct {
	ID          string // CVE
	Description string
	URL         string
	Severity    feed.Severity // of its own; Unknown: the advisory's
	CVSS        []feed.CVSS
	CWEs        []string
	Published   *time.Time
}

// Build is a package an advisory speaks about.
type Build struct {
	Namespace string
	Package   string
	Module    string   // "nodejs:18"
	Channel   string   // of feed.Scope
	Arches    []string // none, "" or "noarch": all; "src" is left out
	State     feed.FixState
	Range     feed.Range // affected versions
	Reason    string
}

// Fix is a build that repairs a flaw.
func Fix(namespace, pkg, evr string) Build {
	return Build{Namespace: namespace, Package: pkg, State: feed.StateFixed, Range: feed.Range{Introduced: "0", Fixed: evr}}
}

// layouts are how the sources write dates.
var layouts = []string{time.DateOnly, "20060102", time.DateTime, "2006-01-02 15:04", time.RFC3339Nano}

// Date reads a date in UTC; nil when it is none.
func Date(s string) *time.Time {
	for _, layout := range layouts {
		if d, err := time.Parse(layout, strings.TrimSpace(s)); err == nil && d.Year() > 0 {
			return new(d.UTC())
		}
	}
	return nil
}
