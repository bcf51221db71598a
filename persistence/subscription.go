package persistence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Types of subscriptions in the words of the API.
const (
	TagUpdate      = "tag_update"  // the tag is watched
	RepoUpdate     = "repo_update" // the repository is watched for new tags
	PolicyEval     = "policy_eval"
	VulnUpdate     = "vuln_update"
	AnalysisUpdate = "analysis_update"
	TagAlerts      = "alerts" // alerts are raised for the tag, or for the repository's
)

// tagTypes are the types whose key is a tag: an added tag gets one of each.
var tagTypes = []string{TagUpdate, PolicyEval, VulnUpdate, AnalysisUpdate}

// Watches reports whether an active subscription of the type makes a registry be looked at.
func Watches(subscriptionType string) bool {
	return subscriptionType == TagUpdate || subscriptionType == RepoUpdate
}

// Subscription is what an account wants to hear about a tag or repository.
type Subscription struct {
	Account       string
	Type          string
	Key           string // full tag, or registry/repository
	ID            string
	Registry      string
	Repository    string
	Tag           string // empty of a repository
	Value         *string
	Active        bool
	AutoSubscribe bool // of a repository: watch each tag it brings, too
	TagCount      int  // of a repository, when its tags were last listed
	SeenDigest    string
	SeenAt        *time.Time // when the tag was last found to mean something new
	ErrorCode     string     // of the last look; empty when it went well
	ErrorMessage  string
	ErrorDigest   string // the error is about this digest
	Failures      int    // in a row
	FailingSince  *time.Time
	FailedAt      *time.Time
	PausedUntil   *time.Time // the registry asked to be left alone
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// NewSubscription describes a subscription to create. Name.Tag is empty of a repository.
type NewSubscription struct {
	Account       string
	Type          string
	Name          TagName
	Value         *string
	Active        bool
	AutoSubscribe bool
}

// SubscriptionChange says what becomes of a subscription; nil leaves it.
type SubscriptionChange struct {
	Active        *bool
	Value         *string
	AutoSubscribe *bool
}

// SyncWatch names the workflow that brings the watcher of a subscription in line with its row.
type SyncWatch func(account, subscriptionType, id string) Start

// Subscriptions stores subscriptions and what their watchers have seen.
type Subscriptions struct{ pool *pgxpool.Pool }

// NewSubscriptions returns the store.
func NewSubscriptions(pool *pgxpool.Pool) *Subscriptions { return &Subscriptions{pool} }

// SubscriptionKey is how a tag or repository is written in subscriptions.
func SubscriptionKey(n TagName) string {
	if n.Tag == "" {
		return n.Registry + "/" + n.Repository
	}
	return n.Registry + "/" + n.Repository + ":" + n.Tag
}

// SubscriptionID is the id of an account's subscription: the same whenever it is created.
func SubscriptionID(account, subscriptionType, key string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{account, subscriptionType, key}, "\n")))
	return hex.EncodeToString(sum[:16])
}

const subscriptionColumns = `account, type, key, id, registry, repository, tag, value, active, auto_subscribe, tag_count, seen_digest,
  seen_at, error_code, error_message, error_digest, failures, failing_since, failed_at, paused_until, created_at, updated_at`

var (
	subscriptionInsert = query("subscription.insert", `
INSERT INTO plimsoll.subscription (account, type, key, id, registry, repository, tag, value, active, auto_subscribe)
VALUES (@account, @type, @key, @id, @registry, @repository, @tag, @value, @active, @auto_subscribe)
ON CONFLICT (account, type, key) DO NOTHING RETURNING `+subscriptionColumns)

	// What is there already stays as it is: whoever switched a subscription off meant it.
	subscriptionOfTag = query("subscription.of_tag", `
INSERT INTO plimsoll.subscription (account, type, key, id, registry, repository, tag, active, seen_digest, seen_at)
SELECT @account, t.type, @key, t.id, @registry, @repository, @tag, t.active, @digest, now()
FROM unnest(@types::text[], @ids::text[], @actives::boolean[]) AS t (type, id, active)
ON CONFLICT (account, type, key) DO NOTHING RETURNING `+subscriptionColumns)

	subscriptionGet = query("subscription.get", `
SELECT `+subscriptionColumns+` FROM plimsoll.subscription WHERE account = @account AND id = @id`)

	subscriptionList = query("subscription.list", `
SELECT `+subscriptionColumns+` FROM plimsoll.subscription
WHERE account = @account AND (@type = '' OR type = @type) AND (@keys::text[] = '{}' OR key = ANY (@keys::text[]))
ORDER BY key, type`)

	// One that is switched on begins anew.
	subscriptionChange = query("subscription.change", `
UPDATE plimsoll.subscription SET value = coalesce(@value, value), auto_subscribe = coalesce(@auto_subscribe, auto_subscribe),
  active = coalesce(@active, active), updated_at = now(),
  seen_digest = CASE WHEN @active AND NOT active THEN '' ELSE seen_digest END,
  error_code = CASE WHEN @active AND NOT active THEN '' ELSE error_code END,
  error_message = CASE WHEN @active AND NOT active THEN '' ELSE error_message END,
  error_digest = CASE WHEN @active AND NOT active THEN '' ELSE error_digest END,
  failures = CASE WHEN @active AND NOT active THEN 0 ELSE failures END,
  failing_since = CASE WHEN @active AND NOT active THEN NULL ELSE failing_since END,
  failed_at = CASE WHEN @active AND NOT active THEN NULL ELSE failed_at END,
  paused_until = CASE WHEN @active AND NOT active THEN NULL ELSE paused_until END
WHERE account = @account AND id = @id RETURNING `+subscriptionColumns)

	subscriptionDelete = query("subscription.delete", `
DELETE FROM plimsoll.subscription WHERE account = @account AND id = @id RETURNING `+subscriptionColumns)

	// Results of an analysis that has ended are nothing to wait for, so analysis_update holds no image.
	subscriptionHolding = query("subscription.holding", `
SELECT s.type, s.id FROM plimsoll.image_tag t
JOIN plimsoll.subscription s ON s.account = t.account AND s.key = t.registry || '/' || t.repository || ':' || t.tag
  AND s.type IN ('tag_update', 'policy_eval', 'vuln_update') AND s.active
WHERE t.account = @account AND t.digest = @digest AND t.current
ORDER BY s.type, s.key FOR UPDATE OF s`)

	subscriptionRelease = query("subscription.release", `
UPDATE plimsoll.subscription SET active = false, updated_at = now() WHERE account = @account AND id = ANY (@ids::text[])`)
)

// Create adds a subscription: ErrExists, ErrNotFound without such an account.
func (s *Subscriptions) Create(ctx context.Context, n NewSubscription, sync SyncWatch) (Subscription, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Subscription, error) {
		sub, err := insertSubscription(ctx, tx, n)
		if err != nil {
			return Subscription{}, err
		}
		return sub, follow(ctx, tx, sub, sync)
	})
	return out, wrap(err, "add subscription %s of %s", n.Type, SubscriptionKey(n.Name))
}

func insertSubscription(ctx context.Context, tx pgx.Tx, n NewSubscription) (Subscription, error) {
	key := SubscriptionKey(n.Name)
	sub, err := one[Subscription](ctx, tx, subscriptionInsert, args{
		"account": n.Account, "type": n.Type, "key": key, "id": SubscriptionID(n.Account, n.Type, key),
		"registry": n.Name.Registry, "repository": n.Name.Repository, "tag": n.Name.Tag,
		"value": n.Value, "active": n.Active, "auto_subscribe": n.AutoSubscribe,
	})
	switch {
	case isViolation(err, codeForeignKey):
		return Subscription{}, ErrNotFound
	case errors.Is(err, ErrNotFound):
		return Subscription{}, ErrExists
	}
	return sub, err
}

// syncWatch asks for the watcher of a row, in the row's transaction.
func syncWatch(ctx context.Context, tx pgx.Tx, sub Subscription, sync SyncWatch) error {
	if !Watches(sub.Type) {
		return nil
	}
	start := sync(sub.Account, sub.Type, sub.ID)
	start.Unattended = true
	_, err := enqueue(ctx, tx, start)
	return err
}

// Get returns a subscription of the account: ErrNotFound.
func (s *Subscriptions) Get(ctx context.Context, account, id string) (Subscription, error) {
	sub, err := one[Subscription](ctx, s.pool, subscriptionGet, args{"account": account, "id": id})
	return sub, wrap(err, "load subscription %s", id)
}

// List returns the account's subscriptions of a type and with one of the keys; empty does not restrict.
func (s *Subscriptions) List(ctx context.Context, account, subscriptionType string, keys ...string) ([]Subscription, error) {
	list, err := many[Subscription](ctx, s.pool, subscriptionList, args{
		"account": account, "type": subscriptionType, "keys": append([]string{}, keys...), // never NULL
	})
	return list, wrap(err, "list subscriptions")
}

// Change applies a change: ErrNotFound.
func (s *Subscriptions) Change(ctx context.Context, account, id string, c SubscriptionChange, sync SyncWatch) (Subscription, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Subscription, error) { return changeSubscription(ctx, tx, account, id, c, sync) })
	return out, wrap(err, "change subscription %s", id)
}

func changeSubscription(ctx context.Context, tx pgx.Tx, account, id string, c SubscriptionChange, sync SyncWatch) (Subscription, error) {
	sub, err := one[Subscription](ctx, tx, subscriptionChange, args{
		"account": account, "id": id, "active": c.Active, "value": c.Value, "auto_subscribe": c.AutoSubscribe,
	})
	if err != nil || c.Active == nil {
		return sub, err
	}
	return sub, follow(ctx, tx, sub, sync)
}

// follow does what follows from another subscription, in its transaction.
func follow(ctx context.Context, tx pgx.Tx, sub Subscription, sync SyncWatch) error {
	if sub.Type == TagAlerts {
		return settleWithin(ctx, tx, sub.Account, TagName{sub.Registry, sub.Repository, sub.Tag})
	}
	return syncWatch(ctx, tx, sub, sync)
}

// Delete removes a subscription with what its watcher remembers: ErrNotFound.
func (s *Subscriptions) Delete(ctx context.Context, account, id string, sync SyncWatch) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		sub, err := one[Subscription](ctx, tx, subscriptionDelete, args{"account": account, "id": id})
		if err != nil {
			return err
		}
		return follow(ctx, tx, sub, sync)
	})
	return wrap(err, "delete subscription %s", id)
}

// SubscribeTag asks for the subscriptions of a submitted image's tags, those that are missing.
type SubscribeTag struct {
	Watch bool // the tag_update subscription is active
	Sync  SyncWatch
}

// subscribe gives the tags of a submission their subscriptions.
func subscribe(ctx context.Context, tx pgx.Tx, in SubmitImage) error {
	if in.Subscribe == nil || in.Beside || in.Tag == "" {
		return nil
	}
	tags := append([]TagName{{in.Registry, in.Repository, in.Tag}}, in.Also...)
	slices.SortFunc(tags, func(a, b TagName) int { return strings.Compare(SubscriptionKey(a), SubscriptionKey(b)) })
	for _, tag := range tags {
		key := SubscriptionKey(tag)
		ids, actives := make([]string, len(tagTypes)), make([]bool, len(tagTypes))
		for i, kind := range tagTypes {
			ids[i] = SubscriptionID(in.Account, kind, key)
			actives[i] = kind == AnalysisUpdate || kind == TagUpdate && in.Subscribe.Watch
		}
		created, err := many[Subscription](ctx, tx, subscriptionOfTag, args{
			"account": in.Account, "key": key, "registry": tag.Registry, "repository": tag.Repository, "tag": tag.Tag,
			"digest": in.PullDigest, "types": tagTypes, "ids": ids, "actives": actives,
		})
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", key, err)
		}
		for _, sub := range created {
			if !sub.Active {
				continue
			}
			if err := syncWatch(ctx, tx, sub, in.Subscribe.Sync); err != nil {
				return err
			}
		}
	}
	return nil
}

type holder struct {
	Type string
	ID   string
}

// release ends the subscriptions that hold an image which is the newest of their tag; ErrSubscribed without force.
func release(ctx context.Context, tx pgx.Tx, account, digest string, force bool, sync SyncWatch) error {
	held, err := many[holder](ctx, tx, subscriptionHolding, args{"account": account, "digest": digest})
	if err != nil || len(held) == 0 {
		return err
	}
	if !force {
		return ErrSubscribed
	}
	ids := make([]string, len(held))
	for i, h := range held {
		ids[i] = h.ID
		if err := syncWatch(ctx, tx, Subscription{Account: account, Type: h.Type, ID: h.ID}, sync); err != nil {
			return err
		}
	}
	_, err = exec(ctx, tx, subscriptionRelease, args{"account": account, "ids": ids})
	return err
}
