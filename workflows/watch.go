package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// Names of the workflows that watch registries.
const (
	WatchTagName        = "WatchTag"
	WatchRepositoryName = "WatchRepository"
	SyncWatchName       = "SyncWatch"
	ListTagsName        = "ListTags"
)

// Types of subscriptions that are watched, in the words of the API.
const (
	WatchedTag        = "tag_update"
	WatchedRepository = "repo_update"
)

// Outcomes of a look at a registry.
const (
	WatchUnchanged = "unchanged"
	WatchAdded     = "added"   // the tag means something new, which was submitted
	WatchRefused   = "refused" // the tag means something new that cannot be added; the subscription says why
	WatchFailed    = "failed"  // the registry did not answer as it should; the subscription says how
	WatchPaused    = "paused"  // nobody was asked: the account is disabled or the registry wants to be left alone
	WatchEnded     = "ended"   // the subscription is gone or switched off
)

// WatchInput names a subscription.
type WatchInput struct {
	Account string `json:"account"`
	Type    string `json:"type"`
	ID      string `json:"id"`
}

// WatchTagResult says what a look at a tag brought.
type WatchTagResult struct {
	Outcome string `json:"outcome"`
	Digest  string `json:"digest,omitempty"` // what the tag means
	Code    string `json:"code,omitempty"`   // of a failure
}

// WatchRepositoryInput names a subscription, and what is done already.
type WatchRepositoryInput struct {
	WatchInput
	// Resume is set by the workflow itself when it continues as new.
	Resume *WatchRepositoryResult `json:"resume,omitempty"`
}

// WatchRepositoryResult counts what a look at a repository brought.
type WatchRepositoryResult struct {
	Outcome string `json:"outcome"`
	Tags    int    `json:"tags"` // the repository has
	New     int    `json:"new"`
	Added   int    `json:"added"`
	Refused int    `json:"refused"`
	Left    int    `json:"left,omitempty"` // to be added by the next look
	Code    string `json:"code,omitempty"`
}

// ListTagsInput names a repository as registry/repository.
type ListTagsInput struct {
	Account    string `json:"account"`
	Repository string `json:"repository"`
}

// ListTagsResult refers to the names: a JSON array of them is stored as a blob.
type ListTagsResult struct {
	Tags int    `json:"tags"`
	Blob string `json:"blob"`
}

// SyncWatchResult says whether the subscription has a schedule now.
type SyncWatchResult struct {
	Scheduled bool `json:"scheduled"`
}

// Steps of watchers.
var (
	// PollTag asks the registry what a tag means and submits what is new. What goes wrong at the registry is
	// recorded with the subscription and no failure.
	PollTag = Activity[WatchInput, WatchTagResult]{Name: "PollTag", Opts: look}
	// NoteTags lists a repository and remembers tags that are new, as to be added.
	NoteTags = Activity[WatchInput, WatchRepositoryResult]{Name: "NoteTags", Opts: look}
	// AddTags submits the images of the next tags that are to be added. Left is what remains.
	AddTags = Activity[WatchInput, WatchRepositoryResult]{Name: "AddTags", Opts: portion}
	// ApplyWatch makes the schedule of a subscription what its row says.
	ApplyWatch = Activity[WatchInput, SyncWatchResult]{Name: "ApplyWatch", Opts: record}
	// ListRepositoryTags asks what tags a repository has, with the account's credentials.
	ListRepositoryTags = Activity[ListTagsInput, ListTagsResult]{Name: "ListRepositoryTags", Opts: foreground}
)

// WatchTag looks at a tag once; its schedule starts it.
func WatchTag(ctx workflow.Context, in WatchInput) (WatchTagResult, error) {
	out, err := PollTag.Run(ctx, in)
	return out, failure(err)
}

// tagPortionsPerRun keeps the history of a look at a repository with thousands of new tags short.
const tagPortionsPerRun = 50

// WatchRepository looks at a repository once and adds the images of its new tags; its schedule starts it.
func WatchRepository(ctx workflow.Context, in WatchRepositoryInput) (WatchRepositoryResult, error) {
	sum := in.Resume
	if sum == nil {
		listed, err := NoteTags.Run(ctx, in.WatchInput)
		if err != nil || listed.Outcome != WatchUnchanged {
			return listed, failure(err)
		}
		sum = &listed
	}
	for range tagPortionsPerRun {
		if sum.Left == 0 {
			return *sum, nil
		}
		some, err := AddTags.Run(ctx, in.WatchInput)
		if err != nil {
			return *sum, failure(err)
		}
		sum.Added, sum.Refused = sum.Added+some.Added, sum.Refused+some.Refused
		sum.Outcome, sum.Code, sum.Left = some.Outcome, some.Code, some.Left
		if some.Outcome != WatchAdded {
			return *sum, nil
		}
	}
	in.Resume = sum
	return *sum, workflow.NewContinueAsNewError(ctx, WatchRepositoryName, in)
}

// SyncWatch brings the schedule of a subscription in line with its row. There is one at a time for each
// subscription, so that a late message does not undo a newer one; a change that comes meanwhile arrives as a signal
// and is served by one more round.
func SyncWatch(ctx workflow.Context, in WatchInput) (SyncWatchResult, error) {
	requests := workflow.GetSignalChannel(ctx, RequestSignal)
	asked := func() (some bool) {
		for requests.ReceiveAsync(nil) {
			some = true
		}
		return some
	}
	asked() // what has arrived so far is served by the first round
	for {
		out, err := ApplyWatch.Run(ctx, in)
		if !asked() || ctx.Err() != nil {
			return out, failure(err)
		}
	}
}

// ListTags is the registry look-up behind adding a repository; whoever started it waits for the result.
func ListTags(ctx workflow.Context, in ListTagsInput) (ListTagsResult, error) {
	out, err := ListRepositoryTags.Run(ctx, in)
	return out, failure(err)
}

// Limits of looks; a fleet without workers does not pile them up.
const (
	tagLookLimit        = 15 * time.Minute
	repositoryLookLimit = 12 * time.Hour
)
