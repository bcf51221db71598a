package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Watch is a subscription as its watcher needs it.
type Watch struct {
	Subscription
	Enabled         bool   // the account is
	CurrentDigest   string // what the account's newest image of the tag was pulled as; empty without one
	CurrentParent   string // index it was chosen from
	CurrentPlatform string
}

// WatchRef names an active subscription that is watched.
type WatchRef struct {
	Account string
	Type    string
	ID      string
}

// RepositoryWatch is a repository an account wants watched, with the tags it has now.
type RepositoryWatch struct {
	Account       string
	Name          TagName // without tag
	AutoSubscribe bool
	Tags          []string
	// ExcludeExisting leaves out the tags it has now; otherwise their images are added.
	ExcludeExisting bool
}

// WatchFailure is why a look failed.
type WatchFailure struct {
	Code    string
	Message string
	Digest  string // the tag's image cannot be added; empty: the look itself failed
	// PausedUntil leaves the account's subscriptions at this registry alone until then; zero does not.
	PausedUntil time.Time
}

// RefusedTag is a tag of a watched repository whose image cannot be added.
type RefusedTag struct {
	Tag          string
	ErrorCode    string
	ErrorMessage string
}

// forgetTags is how long a tag that the registry does not list any more is remembered: a registry in trouble may
// leave tags out, and what comes back is not new.
const forgetTags = 7 * 24 * time.Hour

var (
	watchGet = query("watch.get", `
SELECT s.account, s.type, s.key, s.id, s.registry, s.repository, s.tag, s.value, s.active, s.auto_subscribe, s.tag_count, s.seen_digest,
  s.seen_at, s.error_code, s.error_message, s.error_digest, s.failures, s.failing_since, s.failed_at, s.paused_until, s.created_at, s.updated_at,
  a.state = 'enabled' AS enabled, coalesce(t.pull_digest, '') AS current_digest,
  coalesce(i.parent_digest, '') AS current_parent, coalesce(i.platform, '') AS current_platform
FROM plimsoll.subscription s JOIN plimsoll.account a ON a.name = s.account
LEFT JOIN plimsoll.image_tag t ON t.account = s.account AND t.registry = s.registry AND t.repository = s.repository
  AND t.tag = s.tag AND t.current AND s.tag <> ''
LEFT JOIN plimsoll.image i ON i.account = t.account AND i.digest = t.digest
WHERE s.account = @account AND s.id = @id`)

	watchSeen = query("watch.seen", `
UPDATE plimsoll.subscription SET seen_digest = @digest, seen_at = CASE WHEN seen_digest = @digest THEN seen_at ELSE now() END,
  error_code = '', error_message = '', error_digest = '', failures = 0, failing_since = NULL, failed_at = NULL, paused_until = NULL
WHERE account = @account AND id = @id`)

	watchFailed = query("watch.failed", `
WITH was AS (SELECT account, id, error_code FROM plimsoll.subscription WHERE account = @account AND id = @id FOR UPDATE)
UPDATE plimsoll.subscription s SET error_code = @code, error_message = @message, error_digest = @digest,
  seen_digest = CASE WHEN @digest = '' THEN seen_digest ELSE @digest END,
  seen_at = CASE WHEN @digest = '' THEN seen_at ELSE now() END,
  failures = failures + 1, failing_since = coalesce(failing_since, now()), failed_at = now()
FROM was WHERE s.account = was.account AND s.id = was.id
RETURNING s.type, s.key, was.error_code AS before`)

	watchPause = query("watch.pause", `
UPDATE plimsoll.subscription SET paused_until = @until::timestamptz
WHERE account = @account AND registry = (SELECT registry FROM plimsoll.subscription WHERE account = @account AND id = @id)
  AND active AND type IN ('tag_update', 'repo_update') AND (paused_until IS NULL OR paused_until < @until::timestamptz)`)

	watchPage = query("watch.page", `
SELECT account, type, id FROM plimsoll.subscription
WHERE active AND type IN ('tag_update', 'repo_update') AND (account, id) > (@account, @id)
ORDER BY account, id LIMIT @limit`)

	watchTags = query("watch.note_tags", `
WITH listed AS (SELECT DISTINCT unnest(@tags::text[]) AS tag),
counted AS (
  UPDATE plimsoll.subscription SET tag_count = (SELECT count(*) FROM listed)
  WHERE account = @account AND id = @id AND tag_count <> (SELECT count(*) FROM listed)),
missing AS (
  UPDATE plimsoll.watched_tag w SET missing_since = now()
  WHERE account = @account AND subscription = @id AND missing_since IS NULL AND NOT EXISTS (SELECT FROM listed l WHERE l.tag = w.tag)),
back AS (
  UPDATE plimsoll.watched_tag w SET missing_since = NULL
  WHERE account = @account AND subscription = @id AND missing_since IS NOT NULL AND EXISTS (SELECT FROM listed l WHERE l.tag = w.tag)),
gone AS (
  DELETE FROM plimsoll.watched_tag w
  WHERE account = @account AND subscription = @id AND missing_since < now() - @forget::interval
    AND NOT EXISTS (SELECT FROM listed l WHERE l.tag = w.tag)),
fresh AS (
  INSERT INTO plimsoll.watched_tag (account, subscription, tag, state)
  SELECT @account, @id, tag, @state FROM listed ON CONFLICT (account, subscription, tag) DO NOTHING RETURNING 1)
SELECT count(*) FROM fresh`)

	watchExclude = query("watch.exclude", `
UPDATE plimsoll.watched_tag SET state = 'known' WHERE account = @account AND subscription = @id AND state = 'pending'`)

	watchPending = query("watch.pending", `
SELECT tag FROM plimsoll.watched_tag
WHERE account = @account AND subscription = @id AND state = 'pending' AND missing_since IS NULL ORDER BY tag LIMIT @limit`)

	watchRefused = query("watch.refused", `
SELECT tag, error_code, error_message FROM plimsoll.watched_tag
WHERE account = @account AND subscription = @id AND state = 'refused' AND missing_since IS NULL ORDER BY tag LIMIT @limit`)

	watchLeft = query("watch.left", `
SELECT count(*) FROM plimsoll.watched_tag
WHERE account = @account AND subscription = @id AND state = 'pending' AND missing_since IS NULL`)

	watchTagDone = query("watch.tag_done", `
UPDATE plimsoll.watched_tag SET state = @state, error_code = @code, error_message = @message
WHERE account = @account AND subscription = @id AND tag = @tag`)
)

// WatchRepository makes the account watch a repository, or changes how it does.
func (s *Subscriptions) WatchRepository(ctx context.Context, in RepositoryWatch, sync SyncWatch) (Subscription, error) {
	key := SubscriptionKey(in.Name)
	id := SubscriptionID(in.Account, RepoUpdate, key)
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Subscription, error) {
		_, err := insertSubscription(ctx, tx, NewSubscription{Account: in.Account, Type: RepoUpdate, Name: in.Name})
		if err != nil && !errors.Is(err, ErrExists) {
			return Subscription{}, err
		}
		state := "pending"
		if in.ExcludeExisting {
			state = "known"
			if _, err := exec(ctx, tx, watchExclude, args{"account": in.Account, "id": id}); err != nil {
				return Subscription{}, err
			}
		}
		if _, err := noteTags(ctx, tx, in.Account, id, in.Tags, state); err != nil {
			return Subscription{}, err
		}
		active := true
		return changeSubscription(ctx, tx, in.Account, id, SubscriptionChange{Active: &active, AutoSubscribe: &in.AutoSubscribe}, sync)
	})
	return out, wrap(err, "watch repository %s", key)
}

func noteTags(ctx context.Context, db session, account, id string, tags []string, state string) (int, error) {
	fresh, err := value[int](ctx, db, watchTags, args{"account": account, "id": id, "tags": tags, "state": state, "forget": forgetTags})
	if isViolation(err, codeForeignKey) {
		return 0, ErrNotFound
	}
	return fresh, err
}

// Watch returns what a watcher needs: ErrNotFound.
func (s *Subscriptions) Watch(ctx context.Context, account, id string) (Watch, error) {
	w, err := one[Watch](ctx, s.pool, watchGet, args{"account": account, "id": id})
	return w, wrap(err, "load watch %s", id)
}

// Watched returns active watched subscriptions of all accounts after the given one, by account and id.
func (s *Subscriptions) Watched(ctx context.Context, after WatchRef, limit int) ([]WatchRef, error) {
	list, err := many[WatchRef](ctx, s.pool, watchPage, args{"account": after.Account, "id": after.ID, "limit": limit})
	return list, wrap(err, "list watches")
}

// Seen records that a look went well and what was seen; digest is empty of a repository. A row that is gone is no error.
func (s *Subscriptions) Seen(ctx context.Context, account, id, digest string) error {
	_, err := exec(ctx, s.pool, watchSeen, args{"account": account, "id": id, "digest": digest})
	return wrap(err, "record watch %s", id)
}

// Failed records that a look failed.
func (s *Subscriptions) Failed(ctx context.Context, account, id string, f WatchFailure) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		failed, err := one[failedWatch](ctx, tx, watchFailed, args{"account": account, "id": id, "code": f.Code, "message": clip(f.Message), "digest": f.Digest})
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := failed.tell(ctx, tx, account, f); err != nil || f.PausedUntil.IsZero() {
			return err
		}
		_, err = exec(ctx, tx, watchPause, args{"account": account, "id": id, "until": f.PausedUntil})
		return err
	})
	return wrap(err, "record failed watch %s", id)
}

type failedWatch struct {
	Type   string
	Key    string
	Before string // what was wrong at the last look
}

// tell records the first of the same failures in a row.
func (w *failedWatch) tell(ctx context.Context, tx pgx.Tx, account string, f WatchFailure) error {
	if w.Before == f.Code {
		return nil
	}
	h := happening{Account: account, Type: EventLookupFailed, Resource: w.Key, Details: map[string]string{
		"error_code": f.Code, "error_message": clip(f.Message), "image_digest": f.Digest,
	}}
	if w.Type == RepoUpdate {
		h.Type = EventListTagsFailed
	}
	return emit(ctx, tx, h)
}

// NoteTags remembers the tags a repository has; those not known before are to be added. It returns how many those
// are: ErrNotFound.
func (s *Subscriptions) NoteTags(ctx context.Context, account, id string, tags []string) (int, error) {
	fresh, err := noteTags(ctx, s.pool, account, id, tags, "pending")
	return fresh, wrap(err, "note tags of watch %s", id)
}

// PendingTags returns the next tags to be added, and how many there are in all.
func (s *Subscriptions) PendingTags(ctx context.Context, account, id string, limit int) ([]string, int, error) {
	tags, err := column[string](ctx, s.pool, watchPending, args{"account": account, "id": id, "limit": limit})
	if err != nil {
		return nil, 0, wrap(err, "list pending tags of watch %s", id)
	}
	left, err := value[int](ctx, s.pool, watchLeft, args{"account": account, "id": id})
	return tags, left, wrap(err, "count pending tags of watch %s", id)
}

// RefusedTags returns tags whose images cannot be added, in order.
func (s *Subscriptions) RefusedTags(ctx context.Context, account, id string, limit int) ([]RefusedTag, error) {
	list, err := many[RefusedTag](ctx, s.pool, watchRefused, args{"account": account, "id": id, "limit": limit})
	return list, wrap(err, "list refused tags of watch %s", id)
}

// TagAdded ends the waiting of a tag.
func (s *Subscriptions) TagAdded(ctx context.Context, account, id, tag string) error {
	return s.tagDone(ctx, account, id, tag, "known", WatchFailure{})
}

// TagRefused ends the waiting of a tag whose image cannot be added.
func (s *Subscriptions) TagRefused(ctx context.Context, account, id, tag string, why WatchFailure) error {
	return s.tagDone(ctx, account, id, tag, "refused", why)
}

func (s *Subscriptions) tagDone(ctx context.Context, account, id, tag, state string, why WatchFailure) error {
	_, err := exec(ctx, s.pool, watchTagDone, args{
		"account": account, "id": id, "tag": tag, "state": state, "code": why.Code, "message": clip(why.Message),
	})
	return wrap(err, "record tag %s of watch %s", tag, id)
}

// Resync asks for the watcher of a subscription to be brought in line with its row, which may be gone.
func (s *Subscriptions) Resync(ctx context.Context, ref WatchRef, sync SyncWatch) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		return syncWatch(ctx, tx, Subscription{Account: ref.Account, Type: ref.Type, ID: ref.ID}, sync)
	})
	return wrap(err, "repair watch %s", ref.ID)
}
