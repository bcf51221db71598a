package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"

	"plimsoll/activities/registry"
	"plimsoll/engine/image"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Watch is the configuration section of watched tags and repositories.
type Watch struct {
	TagInterval        time.Duration `yaml:"tag_interval" doc:"Time between two looks at a watched tag."`
	RepositoryInterval time.Duration `yaml:"repository_interval" doc:"Time between two looks at a watched repository."`
	MaxTags            int           `yaml:"max_tags" doc:"Most tags a watched repository may have; one with more is not looked at."`
}

// DefaultWatch looks once an hour.
func DefaultWatch() Watch {
	return Watch{TagInterval: time.Hour, RepositoryInterval: time.Hour, MaxTags: registry.DefaultConfig().Tags}
}

// Validate reports every fault at once.
func (w Watch) Validate() error {
	var faults []error
	for name, interval := range map[string]time.Duration{"tag_interval": w.TagInterval, "repository_interval": w.RepositoryInterval} {
		if interval < minInterval {
			faults = append(faults, fmt.Errorf("%s: must be at least %s", name, minInterval))
		}
	}
	if w.MaxTags <= 0 {
		faults = append(faults, errors.New("max_tags: must be positive"))
	}
	return errors.Join(faults...)
}

func (w Watch) interval(subscriptionType string) time.Duration {
	if subscriptionType == persistence.RepoUpdate {
		return w.RepositoryInterval
	}
	return w.TagInterval
}

const (
	// tagPortion is how many tags of a repository one step adds.
	tagPortion = 10
	// listTimeout bounds the listing of a repository that nobody waits for.
	listTimeout = 90 * time.Second
	// longestPause bounds how long a registry is left alone.
	longestPause = 24 * time.Hour
)

var errNoTags = fmt.Errorf("no list of tags within %s: %w", resolveAllTimeout, registry.ErrUnreachable)

var errNoListOfTags = fmt.Errorf("no list of tags within %s: %w", listTimeout, registry.ErrUnreachable)

// errTooLarge: the image is larger than the installation takes.
var errTooLarge = errors.New("image is larger than api.max_compressed_image_size_mb allows")

// watchable loads what a look needs. outcome is set when there is nothing to look at.
func (a *Activities) watchable(ctx context.Context, in workflows.WatchInput) (w persistence.Watch, outcome string, err error) {
	w, err = a.subscriptions.Watch(ctx, in.Account, in.ID)
	switch {
	case errors.Is(err, persistence.ErrNotFound), err == nil && !w.Active:
		// The schedule should have gone with it.
		return w, workflows.WatchEnded, a.subscriptions.Resync(ctx, persistence.WatchRef{Account: in.Account, Type: in.Type, ID: in.ID}, SyncWatch)
	case err != nil:
		return w, "", err
	case !w.Enabled, w.PausedUntil != nil && a.now().Before(*w.PausedUntil):
		return w, workflows.WatchPaused, nil
	}
	return w, "", nil
}

// pollTag looks at a tag. One that means what it meant writes nothing.
func (a *Activities) pollTag(ctx context.Context, in workflows.WatchInput) (workflows.WatchTagResult, error) {
	w, outcome, err := a.watchable(ctx, in)
	if err != nil || outcome != "" {
		return workflows.WatchTagResult{Outcome: outcome}, err
	}
	digest, err := a.means(ctx, w)
	if err != nil {
		code, err := a.lookFailed(ctx, w, err, "")
		return workflows.WatchTagResult{Outcome: workflows.WatchFailed, Code: code}, err
	}
	out := workflows.WatchTagResult{Outcome: workflows.WatchUnchanged, Digest: digest}
	switch {
	case w.ErrorCode != "" && w.ErrorDigest == digest:
		out.Outcome, out.Code = workflows.WatchRefused, w.ErrorCode
		return out, nil
	case digest == w.CurrentDigest || digest == w.SeenDigest:
		if w.ErrorCode != "" || w.SeenDigest == "" {
			err = a.subscriptions.Seen(ctx, w.Account, w.ID, digest)
		}
		return out, err
	}
	platform := ""
	if w.CurrentParent != "" {
		platform = w.CurrentPlatform
	}
	err = a.addWatched(ctx, w, persistence.TagName{Registry: w.Registry, Repository: w.Repository, Tag: w.Tag}, platform, nil)
	if err == nil {
		out.Outcome = workflows.WatchAdded
		return out, a.subscriptions.Seen(ctx, w.Account, w.ID, digest)
	}
	out.Outcome = workflows.WatchFailed
	about := ""
	if lasting(ctx, err) {
		out.Outcome, about = workflows.WatchRefused, digest
	}
	out.Code, err = a.lookFailed(ctx, w, err, about)
	return out, err
}

// means asks the registry what a watched tag means.
func (a *Activities) means(ctx context.Context, w persistence.Watch) (string, error) {
	credentials, err := a.credentials(ctx, w.Account)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, resolveTimeout, errNoAnswer)
	defer cancel()
	return a.registry.Head(ctx, credentials, w.Key)
}

// lasting reports whether the same image fails the same way again.
func lasting(ctx context.Context, err error) bool {
	if errors.Is(err, errTooLarge) {
		return true
	}
	var app *temporal.ApplicationError
	return errors.As(outward(ctx, err), &app) && app.NonRetryable() && app.Type() != workflows.FailRegistryUnauthorized
}

// lookFailed records with the subscription what went wrong at the registry; what went wrong here is returned. A look that
// was cancelled is no failure of the registry.
func (a *Activities) lookFailed(ctx context.Context, w persistence.Watch, failed error, digest string) (code string, err error) {
	code, message := workflows.FailLimitExceeded, failed.Error()
	if !errors.Is(failed, errTooLarge) {
		var app *temporal.ApplicationError
		if !errors.As(outward(ctx, failed), &app) || app.Type() == workflows.FailInternal {
			return "", failed
		}
		code, message = app.Type(), app.Message()
	}
	why := persistence.WatchFailure{Code: code, Message: message, Digest: digest}
	if wait := a.pause(w, failed); wait > 0 {
		why.PausedUntil = a.now().Add(wait)
	}
	log.From(ctx).Warn("watch failed", zap.String("watch", w.Key), zap.String("code", code), zap.String("reason", message))
	return code, a.subscriptions.Failed(ctx, w.Account, w.ID, why)
}

// pause is how long the account's watchers leave the registry alone: what it asks for, and where it limits requests
// at least two intervals, twice as long with each failure in a row.
func (a *Activities) pause(w persistence.Watch, failed error) time.Duration {
	wait := waitOf(failed)
	if errors.Is(failed, registry.ErrRateLimited) {
		slower := 2 * a.watch.interval(w.Type)
		for range w.Failures {
			slower = min(2*slower, longestPause)
		}
		wait = max(wait, slower)
	}
	return min(wait, longestPause)
}

// addWatched adds the image of a tag as a submission through the API would.
func (a *Activities) addWatched(ctx context.Context, w persistence.Watch, tag persistence.TagName, platform string, subscribe *persistence.SubscribeTag) error {
	credentials, err := a.credentials(ctx, w.Account)
	if err != nil {
		return err
	}
	ref := persistence.SubscriptionKey(tag)
	found, err := a.lookUp(ctx, credentials, workflows.ResolveImageInput{Account: w.Account, Ref: ref, Platform: platform})
	if err != nil {
		return fmt.Errorf("resolve %s: %w", ref, err)
	}
	resolved := found[0]
	if limit := a.maxImageMiB; limit >= 0 && (limit == 0 || resolved.Size > int64(limit)<<20) {
		return fmt.Errorf("%s takes %d bytes in the registry: %w", ref, resolved.Size, errTooLarge)
	}
	stored, err := a.keep(ctx, resolved)
	if err != nil {
		return err
	}
	says, err := image.ReadInscription(resolved.Manifest, resolved.Config)
	if err != nil {
		return err
	}
	pulled := stored.ParentDigest
	if pulled == "" {
		pulled = stored.Digest
	}
	_, err = a.images.Submit(ctx, persistence.SubmitImage{
		Account: w.Account, Digest: stored.Digest, ParentDigest: stored.ParentDigest, ImageID: strings.TrimPrefix(stored.ImageID, "sha256:"),
		MediaType: stored.MediaType, ManifestBlob: stored.ManifestBlob, ConfigBlob: stored.ConfigBlob, Platform: stored.Platform, Labels: says.Searchable(),
		Registry: tag.Registry, Repository: tag.Repository, Tag: tag.Tag, PullDigest: pulled, DetectedAt: a.now(), Subscribe: subscribe,
		Start: func(request int64) persistence.Start {
			return persistence.Start{
				Workflow: workflows.AnalyzeImageName, WorkflowID: workflows.AnalyzeImageID(w.Account, stored.Digest),
				Input: workflows.AnalyzeImageInput{Account: w.Account, Digest: stored.Digest, Request: request}, Unattended: true,
			}
		},
		Judge: func(move int64) persistence.Start { return judgeImage(w.Account, stored.Digest, move) },
	})
	return err
}

// SyncWatch names the workflow that brings a subscription's schedule in line with its row.
func SyncWatch(account, subscriptionType, id string) persistence.Start {
	in := workflows.WatchInput{Account: account, Type: subscriptionType, ID: id}
	return persistence.Start{Workflow: workflows.SyncWatchName, WorkflowID: workflows.SyncWatchID(in), Input: in}
}

// noteTags lists a repository and remembers what is new.
func (a *Activities) noteTags(ctx context.Context, in workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
	w, outcome, err := a.watchable(ctx, in)
	if err != nil || outcome != "" {
		return workflows.WatchRepositoryResult{Outcome: outcome}, err
	}
	tags, err := a.tagsOf(ctx, w.Account, w.Key, listTimeout, errNoListOfTags)
	if err != nil {
		code, err := a.lookFailed(ctx, w, err, "")
		return workflows.WatchRepositoryResult{Outcome: workflows.WatchFailed, Code: code}, err
	}
	out := workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: len(tags)}
	out.New, err = a.subscriptions.NoteTags(ctx, w.Account, w.ID, tags)
	if errors.Is(err, persistence.ErrNotFound) { // deleted meanwhile
		return workflows.WatchRepositoryResult{Outcome: workflows.WatchEnded}, nil
	}
	if err != nil {
		return out, err
	}
	if w.ErrorCode != "" {
		if err := a.subscriptions.Seen(ctx, w.Account, w.ID, ""); err != nil {
			return out, err
		}
	}
	_, out.Left, err = a.subscriptions.PendingTags(ctx, w.Account, w.ID, 0)
	return out, err
}

func (a *Activities) tagsOf(ctx context.Context, account, repository string, limit time.Duration, cause error) ([]string, error) {
	credentials, err := a.credentials(ctx, account)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
	defer cancel()
	return a.registry.Tags(ctx, credentials, repository)
}

// addTags adds the images of the next tags. A tag whose image cannot be added is done, too.
func (a *Activities) addTags(ctx context.Context, in workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
	w, outcome, err := a.watchable(ctx, in)
	if err != nil || outcome != "" {
		return workflows.WatchRepositoryResult{Outcome: outcome}, err
	}
	out := workflows.WatchRepositoryResult{Outcome: workflows.WatchAdded}
	tags, _, err := a.subscriptions.PendingTags(ctx, w.Account, w.ID, tagPortion)
	if err != nil {
		return out, err
	}
	for _, tag := range tags {
		activity.RecordHeartbeat(ctx)
		name := persistence.TagName{Registry: w.Registry, Repository: w.Repository, Tag: tag}
		failed := a.addWatched(ctx, w, name, "", &persistence.SubscribeTag{Watch: w.AutoSubscribe, Sync: SyncWatch})
		switch {
		case failed == nil:
			out.Added++
			err = a.subscriptions.TagAdded(ctx, w.Account, w.ID, tag)
		case lasting(ctx, failed):
			out.Refused++
			var app *temporal.ApplicationError
			why := persistence.WatchFailure{Code: workflows.FailLimitExceeded, Message: failed.Error()}
			if !errors.Is(failed, errTooLarge) && errors.As(outward(ctx, failed), &app) {
				why.Code, why.Message = app.Type(), app.Message()
			}
			err = a.subscriptions.TagRefused(ctx, w.Account, w.ID, tag, why)
		default: // the registry is in trouble: the rest waits for the next look
			out.Outcome = workflows.WatchFailed
			out.Code, err = a.lookFailed(ctx, w, failed, "")
		}
		if err != nil || out.Outcome == workflows.WatchFailed {
			break
		}
	}
	if err != nil {
		return out, err
	}
	_, out.Left, err = a.subscriptions.PendingTags(ctx, w.Account, w.ID, 0)
	return out, err
}

// applyWatch makes the schedule of a subscription what its row says.
func (a *Activities) applyWatch(ctx context.Context, in workflows.WatchInput) (workflows.SyncWatchResult, error) {
	w, err := a.subscriptions.Watch(ctx, in.Account, in.ID)
	if err != nil && !errors.Is(err, persistence.ErrNotFound) {
		return workflows.SyncWatchResult{}, err
	}
	if err != nil || !w.Active {
		return workflows.SyncWatchResult{}, workflows.DropWatch(ctx, a.schedules, in)
	}
	err = workflows.SetWatch(ctx, a.schedules, in, a.watch.interval(in.Type), true)
	return workflows.SyncWatchResult{Scheduled: err == nil}, err
}

// listRepositoryTags lists a repository for somebody who waits.
func (a *Activities) listRepositoryTags(ctx context.Context, in workflows.ListTagsInput) (workflows.ListTagsResult, error) {
	tags, err := a.tagsOf(ctx, in.Account, in.Repository, resolveAllTimeout, errNoTags)
	if err != nil {
		return workflows.ListTagsResult{}, fmt.Errorf("list %s: %w", in.Repository, err)
	}
	text, err := json.Marshal(tags)
	if err != nil {
		return workflows.ListTagsResult{}, err
	}
	out := workflows.ListTagsResult{Tags: len(tags)}
	out.Blob, err = a.blobs.Put(ctx, text)
	return out, err
}

// watchPage is how many watches are compared at a time.
const watchPage = 5000

// RepairWatches makes schedules what the active subscriptions say: rows without a schedule get one, schedules without a
// row go, and intervals follow the configuration.
func (a *Activities) RepairWatches(ctx context.Context) (repaired int, err error) {
	have := map[workflows.WatchInput]time.Duration{}
	err = workflows.ScheduledWatches(ctx, a.schedules, func(in workflows.WatchInput, interval time.Duration) { have[in] = interval })
	if err != nil {
		return 0, fmt.Errorf("list schedules: %w", err)
	}
	resync := func(in workflows.WatchInput) error {
		repaired++
		return a.subscriptions.Resync(ctx, persistence.WatchRef{Account: in.Account, Type: in.Type, ID: in.ID}, SyncWatch)
	}
	for after, more := (persistence.WatchRef{}), true; more; {
		page, err := a.subscriptions.Watched(ctx, after, watchPage)
		if err != nil {
			return repaired, err
		}
		for _, ref := range page {
			in := workflows.WatchInput{Account: ref.Account, Type: ref.Type, ID: ref.ID}
			interval, there := have[in]
			delete(have, in)
			if there && interval == a.watch.interval(ref.Type) {
				continue
			}
			if err := resync(in); err != nil {
				return repaired, err
			}
		}
		if more = len(page) == watchPage; more {
			after = page[len(page)-1]
		}
	}
	for in := range have {
		if err := resync(in); err != nil {
			return repaired, err
		}
	}
	return repaired, nil
}
