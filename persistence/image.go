package persistence

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Image and analysis states in the words of the API.
const (
	ImageActive   = "active"
	ImageDeleting = "deleting"

	NotAnalyzed    = "not_analyzed"
	Analyzing      = "analyzing"
	Analyzed       = "analyzed"
	AnalysisFailed = "analysis_failed"

	DockerfileGuessed = "Guessed"
	DockerfileActual  = "Actual"
)

// Image is an account's record of an image.
type Image struct {
	Account        string
	Digest         string
	ParentDigest   string // of the index it was chosen from; may be empty
	ImageID        string // config digest, 64 hex
	MediaType      string
	Platform       string // os/arch[/variant]; empty when nothing says
	ManifestBlob   string
	ConfigBlob     string
	ImageStatus    string
	AnalysisStatus string
	Requested      int64  // number of the latest submission that asked for an analysis
	RunID          string // of the analysis that began last; only it may commit
	// ImportOperation is what the latest submission wants the image made of; empty when it is to be pulled.
	ImportOperation string
	AnalysisID      *int64 // stays while a re-analysis runs
	ErrorCode       string // of a failed analysis
	ErrorMessage    string
	Dockerfile      string // as submitted (base64); empty when guessed
	DockerfileMode  string
	Annotations     map[string]any
	AnalyzedAt      *time.Time
	CancelledAt     *time.Time // the analysis it waited for was taken back; nil again once it is submitted anew
	CreatedAt       time.Time
	UpdatedAt       time.Time

	// Content is nil until analysed; Tags are filled by every read of Images.
	Content *ImageContent `db:"-"`
	Tags    []Tag         `db:"-"`
}

// ImageContent is the summary of what an analysis found.
type ImageContent struct {
	OS            string
	Arch          string
	Distro        string
	DistroVersion string
	Size          int64 // decompressed bytes of all layers
	LayerCount    int
	PackageCount  int
	Incomplete    int // files and databases that could not be read completely
}

// Tag is one full tag an image was seen under. An image has one per full tag, the most recent.
type Tag struct {
	Registry   string
	Repository string
	Tag        string
	Digest     string
	PullDigest string // what was pulled: the image's own digest or an index's
	Current    bool   // no newer image of the account has this tag
	DetectedAt time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// FullTag is registry/repository:tag.
func (t Tag) FullTag() string { return t.Registry + "/" + t.Repository + ":" + t.Tag }

// TagName names a tag to look for.
type TagName struct{ Registry, Repository, Tag string }

// SubmitImage is a resolved image an account adds.
type SubmitImage struct {
	Account      string
	Digest       string
	ParentDigest string
	ImageID      string
	MediaType    string
	ManifestBlob string
	ConfigBlob   string
	Registry     string
	Repository   string
	Tag          string
	PullDigest   string
	DetectedAt   time.Time
	Platform     string
	Labels       map[string]string // of the image; replaces the stored ones
	// Beside files the image under the tag without making it what the tag means: another platform's image of the
	// same index does that.
	Beside     bool
	Dockerfile *string // nil: keep what is there
	// Annotations are merged into the stored ones; a nil value or "null" removes the key.
	Annotations map[string]any
	// Force asks for a fresh analysis of a known image.
	Force bool
	// Also are further tags to file the image under.
	Also []TagName
	// Subscribe, if set, gives the tags the subscriptions they do not have yet.
	Subscribe *SubscribeTag
	// Import, if set, finishes an import operation: the image is made of its documents and not pulled.
	Import *ImportUse
	// Start says how to start the analysis with the given request number.
	Start func(request int64) Start
	// Judge says how to judge an image that needs no analysis under a tag that has come to mean it; the number is the move's. nil: it waits for
	// the next judging of the account.
	Judge func(move int64) Start
}

// Submission is what a submit did.
type Submission struct {
	Image   Image
	Created bool // the account did not have the image
	// Due says that an analysis must be started, unless it runs already: OutboxID is its row.
	Due      bool
	OutboxID int64
}

// ImageFilter chooses images of an account. Zero fields do not restrict.
type ImageFilter struct {
	Digest       string
	ParentDigest string
	ImageID      string
	Tag          *TagName
	// History widens Tag from its newest image to every image it ever named.
	History        bool
	ImageStatus    string
	AnalysisStatus string
	AnalyzedSince  *time.Time
	Labels         map[string]string // every one of them
}

// ImageCursor is the last image of a page; pages run from newest to oldest.
type ImageCursor struct {
	CreatedAt time.Time
	Digest    string
}

// Run identifies the analysis that wants to commit.
type Run struct {
	Account string
	Digest  string
	Request int64
	RunID   string
}

// Origin is who changed an analysis status.
type Origin struct {
	HostID  string
	Service string
	Version string
}

// Transition is one change of an analysis status.
type Transition struct {
	Digest     string
	FromStatus string
	ToStatus   string
	Host       string
	Service    string
	Version    string
	At         time.Time
}

// Deletion is what marking an image for deletion did.
type Deletion struct {
	OutboxID int64
	Already  bool // it was being deleted before; OutboxID is a fresh start all the same
}

// ImageRef names an image record.
type ImageRef struct {
	Account string
	Digest  string
}

// Images stores what accounts have submitted.
type Images struct{ pool *pgxpool.Pool }

// NewImages returns the store.
func NewImages(pool *pgxpool.Pool) *Images { return &Images{pool} }
