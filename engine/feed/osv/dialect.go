package osv

import (
	"bytes"
	"encoding/json"
	"fmt"

	"plimsoll/engine/feed"
)

// Dialect says how a publisher's records are read.
type Dialect struct {
	Source string // of everything that comes out
	// Ecosystems are those whose affected entries are read, in the schema's spelling; the others are left out.
	Ecosystems []string
	// Page is where the publisher shows a record, with %s for the record's id. Empty: the first advisory a record
	// refers to, or OSV.dev's page.
	Page string
}

// Convert brings one record into normal form. The errors of the slice tell which affected entries were left out; the
// other one is ErrRecord or ErrLimit.
func (d Dialect) Convert(raw []byte) (feed.Record, []error, error) {
	// A comma is what every further value costs; the decoded form of nothing is much larger than its text.
	if n := bytes.Count(raw, []byte{','}); len(raw) > maxRecordSize || n > maxValues {
		return feed.Record{}, nil, fmt.Errorf("%w: record of %d bytes with %d values", ErrLimit, len(raw), n)
	}
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return feed.Record{}, nil, fmt.Errorf("%w: decode: %w", ErrRecord, err)
	}
	return d.convert(&doc)
}
