package workflows

import (
	"strconv"
	"time"
)

// Task queues. Background work has its own, so that it never delays what a person waits for.
const (
	QueueControl  = "control"  // short database and registry steps
	QueueAnalysis = "analysis" // pull, unpack, analyse; bound by cores and memory
	QueueFeeds    = "feeds"
	QueueRescan   = "rescan"
	QueueNotify   = "notify"
)

// Queues lists every task queue.
func Queues() []string {
	return []string{QueueControl, QueueAnalysis, QueueFeeds, QueueRescan, QueueNotify}
}

// Names under which workflows are registered and started.
const (
	ResolveImageName    = "ResolveImage"
	AnalyzeImageName    = "AnalyzeImage"
	DeleteImageName     = "DeleteImage"
	SyncFeedsName       = "SyncFeeds"
	SyncOnScheduleName  = "SyncFeedsOnSchedule"
	RescanChangeSetName = "RescanChangeSet"
)

// Search attributes that let operations find a run in the Temporal UI; keyword typed.
const (
	AttributeAccount     = "PlimsollAccount"
	AttributeImageDigest = "PlimsollImageDigest"
)

// AnalyzeImageID is the workflow id of an image's analysis in an account.
func AnalyzeImageID(account, digest string) string { return "image/" + account + "/" + digest }

// DeleteImageID is the workflow id of an image's deletion.
func DeleteImageID(account, digest string) string { return "delete/" + account + "/" + digest }

// ResolveImageID is the workflow id of one registry look-up; nonce tells look-ups of one account apart.
func ResolveImageID(account, nonce string) string { return "resolve/" + account + "/" + nonce }

// RescanID is the workflow id of the rescan of one feed generation.
func RescanID(generation int64) string { return "rescan/" + strconv.FormatInt(generation, 10) }

// CorrectID is the workflow id of applying a change of an account's corrections.
func CorrectID(account string, edit int64) string {
	return "correct/" + account + "/" + strconv.FormatInt(edit, 10)
}

// FeedScheduleID is the Temporal Schedule that starts feed syncs.
const FeedScheduleID = "feeds"

// SyncFeedsID is the workflow id of the one feed sync that may run at a time.
const SyncFeedsID = "feeds"

// AllPlatforms in place of a platform asks for every image an index holds.
const AllPlatforms = "all"

// ResolveImageInput names what to look up. Platform is "os/arch[/variant]"; empty: linux/amd64.
type ResolveImageInput struct {
	Account  string `json:"account"`
	Ref      string `json:"ref"` // registry/repository:tag or …@sha256:…
	Platform string `json:"platform,omitempty"`
}

// ResolveImageResult is what the registry says now. Manifest and config are stored as blobs under these digests.
type ResolveImageResult struct {
	Digest       string `json:"digest"`
	ParentDigest string `json:"parent_digest,omitempty"` // of the index the platform was chosen from
	ImageID      string `json:"image_id"`                // config digest, 64 hex, no prefix
	MediaType    string `json:"media_type"`
	ManifestBlob string `json:"manifest_blob"`
	ConfigBlob   string `json:"config_blob"`
	Layers       int    `json:"layers"`
	Size         int64  `json:"size"` // compressed bytes of all layers
	Platform     string `json:"platform,omitempty"`
	// Others are the index's images for other platforms, when all were asked for. ParentDigest is theirs, too.
	Others []ResolveImageResult `json:"others,omitempty"`
}

// AnalyzeImageInput identifies an image record and the submission that asks; a later submission of the same
// record supersedes an earlier one.
type AnalyzeImageInput struct {
	Account string `json:"account"`
	Digest  string `json:"digest"`
	Request int64  `json:"request"`
	// Force ignores stored layer results of the current analyzer set.
	Force bool `json:"force,omitempty"`
}

// AnalyzeImageResult sums up for the Temporal UI.
type AnalyzeImageResult struct {
	AnalysisID      int64 `json:"analysis_id"`
	Layers          int   `json:"layers"`
	LayersReused    int   `json:"layers_reused"` // read before, by whatever image
	BytesRead       int64 `json:"bytes_read"`    // compressed bytes this run took from the registry
	Packages        int   `json:"packages"`
	Vulnerabilities int   `json:"vulnerabilities"`
	// Superseded: a newer submission, a deletion or a withdrawal made this run's result unwanted; nothing was published.
	Superseded bool `json:"superseded,omitempty"`
}

// DeleteImageInput identifies an image record in state deleting.
type DeleteImageInput struct {
	Account string `json:"account"`
	Digest  string `json:"digest"`
}

// SyncFeedsInput chooses what to sync; empty Source means every enabled one.
type SyncFeedsInput struct {
	Source string `json:"source,omitempty"`
	Force  bool   `json:"force,omitempty"` // fetch and compare even when the upstream says nothing changed
	// Scheduled leaves out what is not due yet by the intervals of the configuration.
	Scheduled bool `json:"scheduled,omitempty"`
	// Group narrows to groups of that name; empty means all.
	Group string `json:"group,omitempty"`
	// Flush writes every record anew, so that all that rests on them is worked out again. It implies Force.
	Flush bool `json:"flush,omitempty"`
	// Delete takes back what the groups say instead of syncing them.
	Delete bool `json:"delete,omitempty"`
	// Upload is taken over instead of what the publishers have. Source and Group then say what it must be about.
	Upload *FeedUpload `json:"upload,omitempty"`
}

// FeedUpload names what was received and how to read it.
type FeedUpload struct {
	ID     int64  `json:"id"`
	Digest string `json:"digest"`
	// Document: one document of the publisher of Source and Group. Else it is a feed bundle.
	Document bool `json:"document,omitempty"`
	// Built is when a document was made, as whoever sent it says.
	Built *time.Time `json:"built,omitempty"`
}

// SyncFeedsResult has one line per group.
type SyncFeedsResult struct {
	Groups []GroupResult `json:"groups"`
}

// GroupResult is how one group's sync went. Error is set when it failed; the others are not touched by it.
type GroupResult struct {
	Source     string `json:"source"`
	Group      string `json:"group"`
	Unchanged  bool   `json:"unchanged,omitempty"`
	Generation int64  `json:"generation,omitempty"`
	Records    int    `json:"records"`
	Added      int    `json:"added"`
	Changed    int    `json:"changed"`
	Removed    int    `json:"removed"`
	Error      string `json:"error,omitempty"`
}

// RescanInput names the generation whose change set to apply, or, with an account, the change of its corrections: that
// stands as the negated number of the change in place of a generation.
type RescanInput struct {
	Generation int64  `json:"generation"`
	Account    string `json:"account,omitempty"`
	// Resume is set by the workflow itself when it continues as new.
	Resume *RescanResume `json:"resume,omitempty"`
}

// RescanResume is where a rescan that continued as new goes on.
type RescanResume struct {
	Cursor string       `json:"cursor"`
	Result RescanResult `json:"result"`
}

// RescanResult counts what moved.
type RescanResult struct {
	Packages int `json:"packages"` // dictionary entries looked at
	Opened   int `json:"opened"`
	Closed   int `json:"closed"`
	Affected int `json:"affected"` // images whose answers moved
	Images   int `json:"images"`   // records judged anew, of all accounts
	Verdicts int `json:"verdicts"` // whose final action changed
}

// Failure types cross the activity boundary as ApplicationError types and become API error codes.
const (
	FailRegistryUnreachable  = "REGISTRY_UNREACHABLE"
	FailRegistryUnauthorized = "REGISTRY_UNAUTHORIZED"
	FailImageNotFound        = "REGISTRY_IMAGE_NOT_FOUND"
	FailRegistryRateLimited  = "REGISTRY_RATE_LIMITED"
	FailRegistryBadResponse  = "REGISTRY_BAD_RESPONSE"
	FailImportInvalid        = "IMPORT_INVALID"
	FailDigestMismatch       = "DIGEST_MISMATCH"
	FailLayerCorrupt         = "LAYER_CORRUPT"
	FailUnsupported          = "IMAGE_UNSUPPORTED"
	FailInvalidReference     = "INVALID_REFERENCE"
	FailLimitExceeded        = "LIMIT_EXCEEDED"
	FailSuperseded           = "SUPERSEDED"
	FailTimeout              = "ANALYSIS_TIMEOUT"
	FailScannerUnreachable   = "MALWARE_SCANNER_UNREACHABLE"
	FailInternal             = "INTERNAL"

	FailFeedUnreachable = "FEED_UNREACHABLE"
	FailFeedBadResponse = "FEED_BAD_RESPONSE" // not what the group is supposed to be
	FailFeedRefused     = "FEED_REFUSED"      // read, but not plausible enough to replace the last good data
)
