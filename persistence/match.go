package persistence

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"plimsoll/engine/feed"
)

// Matched is what matching an analysis did.
type Matched struct {
	Generation int64 // of the feeds it is current for
	Packages   int   // dictionary rows matched for the first time
	Opened     int   // matches those got
	Counter    Counter
}

// Rescanned is what applying a feed change did.
type Rescanned struct {
	Packages int // dictionary rows looked at
	Opened   int
	Closed   int
	Images   int // whose answers moved
}

// Counter counts distinct (vulnerability, package) pairs of an image.
type Counter struct {
	AnalysisID int64
	Generation int64
	Critical   int
	High       int
	Medium     int
	Low        int
	Negligible int
	Unknown    int
	Fixable    int
	UpdatedAt  time.Time
}

// Total is the number of findings of any severity.
func (c Counter) Total() int {
	return c.Critical + c.High + c.Medium + c.Low + c.Negligible + c.Unknown
}

// VulnerabilityKind narrows an answer by package type.
type VulnerabilityKind string

// Kinds in the words of the API.
const (
	KindAll   VulnerabilityKind = "all"
	KindOS    VulnerabilityKind = "os"
	KindNonOS VulnerabilityKind = "non-os"
)

// VulnerabilityFilter shapes an answer.
type VulnerabilityFilter struct {
	Kind           VulnerabilityKind // empty: all
	IncludeWontFix bool              // also what the publisher will not fix
	HideSuppressed bool              // leave out what is annotated as not affected or fixed
	Description    bool              // fill in Detail.Description and Detail.References
}

// ImageVulnerability is one finding at one path.
type ImageVulnerability struct {
	Vulnerability string
	Source        string // feed driver: "osv"
	Group         string // feed group the advisory came with
	Namespace     string // "debian:12", "npm"
	Severity      feed.Severity
	FixVersion    string // '' when no fix is known
	FixState      feed.FixState
	Also          []string  // other names of the vulnerability
	Confidence    string    // as match.Confidence
	DetectedAt    time.Time // when this became known of this image
	FixObservedAt time.Time // when the feed first carried this advisory as it is; zero without a fix
	Detail        feed.Vulnerability
	Reason        string        // the publisher's words about the state of the fix
	Notices       []feed.Notice // its advisories

	PackageType    string
	PackageName    string
	PackageVersion string
	PackageArch    string
	PURL           string
	Path           string

	// Annotation is what the account or its documents say about it; nil: nothing, or it is not asked for.
	Annotation *Annotation
}

// Suppressed reports whether it is said to need no further work.
func (v *ImageVulnerability) Suppressed() bool {
	return v.Annotation != nil && v.Annotation.Status.Suppresses()
}

// Matches stores which vulnerabilities dictionary entries have. The feed store may be another database: nothing joins
// the two.
type Matches struct {
	pool, feeds *pgxpool.Pool
	said        *memory
	ratings     *ratingMemory
	correcting  *semaphore.Weighted // see takeTurn
}

// NewMatches returns the store.
func NewMatches(pool, feeds *pgxpool.Pool) *Matches {
	return &Matches{pool: pool, feeds: feeds, correcting: semaphore.NewWeighted(1)}
}
