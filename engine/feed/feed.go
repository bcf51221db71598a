// Package feed is the contract of a vulnerability source: what it offers, how its bytes become records, and
// the normal form every source is brought into.
//
// A driver is pure. It says which upstream documents make up a group; fetching them (conditionally, politely, with
// retries, through a mirror) is an activity's work; Parse turns the fetched documents into records, streaming, with
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
	Name string // "debian"; also the first path segment under a mirror
	// Groups lists what is synced, counted and fails on its own, for the given settings, in a stable order.
	Groups func(Settings) []Group
	// Plan says which documents to fetch for a group. nil: the one document at the group's Host and Path.
	// get fetches listings; its error must be returned.
	Plan func(ctx context.Context, r Request, get Get) (Plan, error)
	// Parse reads the documents of a plan. An error of the sink must be returned as it is.
	Parse func(ctx context.Context, in Input, out Sink) error
	// Revision is raised when Parse says something else of the same document than before: groups are then read once more,
	// whether or not their documents changed.
	Revision int
	// Pace is the shortest time between two requests; 0: as fast as they are answered. PaceWithToken, if not 0, goes with
	// a token.
	Pace, PaceWithToken time.Duration
}

// Settings is what an operator may say about a source.
type Settings struct {
	Enabled    bool
	Ecosystems []string // for sources that cover several
	// Releases of a distribution to read, "name" or "name=number" ("bookworm=12"). Empty: those the driver knows.
	Releases []string
	// Token is a credential for the upstream, sent only to it. It must not appear in errors.
	Token string
	// Extra are further documents or ids the driver's documentation names (product ids, repositories).
	Extra []string
}

// Group is a part of a source that is synced on its own.
type Group struct {
	Name string // "debian:12", "npm", "tracker"; unique in the source
	Host string // "security-tracker.debian.org"
	Path string // "tracker/data/json", unescaped
}

// Document is something to fetch from https://Host/Path?Query, or from a mirror of it.
type Document struct {
	Name     string // by which Parse knows it: "tracker", "dsa"; unique in a plan
	Host     string
	Path     string            // unescaped, without a leading slash
	Query    string            // escaped
	Header   map[string]string // Accept, Authorization...
	Optional bool              // that it is missing upstream (404, 410) is no failure; Parse does not see it then
}

// Request is what a plan is made for.
type Request struct {
	Group    Group
	Settings Settings
	Cursor   string    // of the last successful sync; empty: read everything
	Now      time.Time // in UTC
}

// Get fetches a small document, such as a listing, of at most MaxListing bytes.
type Get func(ctx context.Context, d Document) ([]byte, error)

// MaxListing bounds what Get returns, in bytes.
const MaxListing = 64 << 20

// Plan is what to fetch.
type Plan struct {
	Documents []Document // parsed in this order: of two records with one id the first counts
	// Delta: the documents hold only what changed since the request's cursor. Records they do not name stay.
	Delta   bool
	Removed []string // ids of records that are gone; in a delta only
	Cursor  string   // for the next request
}

// Input is what Parse reads.
type Input struct {
	Group     Group
	Settings  Settings
	Delta     bool
	Documents []Fetched // in the plan's order, without optional ones that are missing
}

// Document returns the document of a name.
func (in Input) Document(name string) (Fetched, bool) {
	for _, d := range in.Documents {
		if d.Name == name {
			return d, true
		}
	}
	return Fetched{}, false
}

// Fetched is a document that is there as a whole.
type Fetched struct {
	Document
	io.ReaderAt
	Size int64 // in bytes
}

// Reader reads the document from its beginning.
func (f Fetched) Reader() *io.SectionReader { return io.NewSectionReader(f.ReaderAt, 0, f.Size) }

// Sink takes what a driver reads. The errors of all methods but Bad end the parsing.
type Sink interface {
	Record(Record) error
	Score(Score) error
	Exploited(Exploited) error
	Lifecycle(Lifecycle) error
	Release(Release) error
	Exclusion(Exclusion) error
	File(File) error
	// Bad reports a record that had to be skipped, whole or in part.
	Bad(id string, err error)
}
