package feed

import (
	"io"
	"time"
)

// Score is how likely a vulnerability is to be exploited within 30 days (FIRST, EPSS).
type Score struct {
	ID          string // CVE
	Probability float64
	Percentile  float64 // 0 where the data has none
	Date        time.Time
}

// Exploited is an entry of a catalogue of vulnerabilities known to be exploited (CISA KEV).
type Exploited struct {
	ID         string     `json:"id"` // CVE
	Vendor     string     `json:"vendor,omitempty"`
	Product    string     `json:"product,omitempty"`
	Name       string     `json:"name,omitempty"`
	Summary    string     `json:"summary,omitempty"`
	Action     string     `json:"action,omitempty"` // what is required
	Notes      string     `json:"notes,omitempty"`
	CWEs       []string   `json:"cwes,omitempty"`
	Added      *time.Time `json:"added,omitempty"`
	Due        *time.Time `json:"due,omitempty"`
	Ransomware bool       `json:"ransomware,omitempty"` // known use in ransomware campaigns
}

// Lifecycle is a release cycle of a product and when its support ends (endoflife.date).
type Lifecycle struct {
	Product  string `json:"product"` // "debian", "nodejs"
	Cycle    string `json:"cycle"`   // "12", "18"
	Codename string `json:"codename,omitempty"`
	Latest   string `json:"latest,omitempty"`
	// PURLs and CPEs by which the product is known.
	PURLs    []string   `json:"purls,omitempty"`
	CPEs     []string   `json:"cpes,omitempty"`
	Released *time.Time `json:"released,omitempty"`
	// EndOfLife is when regular support ends or ended; Ended without a date says that it did, nobody knows when.
	EndOfLife *time.Time `json:"end_of_life,omitempty"`
	Ended     bool       `json:"ended,omitempty"`
	// EndOfExtended is when paid or long-term support ends.
	EndOfExtended *time.Time `json:"end_of_extended,omitempty"`
}

// Release is what a package index knows of a package (npm, rubygems).
type Release struct {
	Namespace string   `json:"namespace"` // "npm", "rubygems"
	Package   string   `json:"package"`
	Latest    string   `json:"latest,omitempty"`
	Versions  []string `json:"versions,omitempty"`
}

// Exclusion is a curated false positive: these vulnerabilities do not apply to these packages.
type Exclusion struct {
	ID              string   `json:"id"`
	Vulnerabilities []string `json:"vulnerabilities"`     // by any of their names
	Namespace       string   `json:"namespace,omitempty"` // of the advisory; empty: every one
	PackageType     string   `json:"package_type,omitempty"`
	Package         string   `json:"package,omitempty"` // name, with * as wildcard
	Versions        []string `json:"versions,omitempty"`
	Reason          string   `json:"reason,omitempty"`
}

// File is a file that is passed on as it is (malware signatures).
type File struct {
	Name    string     // "daily.cvd"; unique in its source
	Version string     // what the file says of itself; empty: nothing
	Built   *time.Time // as the file says
	Content *io.SectionReader
}
