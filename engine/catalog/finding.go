package catalog

// Searches a hit can come from.
const (
	SearchSecret  = "secret"  // credentials left in a file
	SearchContent = "content" // the operator's own expressions
)

// SearchHit is one place in a file where a search found something.
type SearchHit struct {
	Search string `json:"search"` // SearchSecret or SearchContent
	Name   string `json:"name"`   // of the rule or expression
	Line   int    `json:"line"`   // counted from 1
	// Value is the text found, present only when the operator wants it stored.
	Value string `json:"value,omitempty"`
}

// RetrievedFile is the content of a file the operator wants to keep.
type RetrievedFile struct {
	Content []byte `json:"content"`
}

// ScannerClamAV is the name by which clients and policies know ClamAV, and that of the analyzer that asks it.
const ScannerClamAV = "clamav"

// MalwareReport is what a scanner found in one file.
type MalwareReport struct {
	Scanner    string   `json:"scanner"`            // name and version
	Database   string   `json:"database,omitempty"` // version and date of its signatures
	Signatures []string `json:"signatures"`         // sorted, without repeats
}
