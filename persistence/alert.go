package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// States of alerts.
const (
	AlertOpen   = "open"
	AlertClosed = "closed"
)

// Reasons for which a tag does not comply.
const (
	AlertByPolicy   = "policy_evaluation"
	AlertByDenylist = "denylisted"
	AlertByErrors   = "errors" // the policy could not be applied, which stops an image
)

// Reasons for which the system closes an alert, and the name under which it does.
const (
	ClosedBySystem       = "system"
	ClosedComplies       = "tag_complies"
	ClosedImageGone      = "image_deleted"
	ClosedNotSubscribed  = "subscription_inactive"
	CloseReasonMaxLength = 1024
)

// Alert says that a tag violates, or violated, the active policy of its account.
type Alert struct {
	Account      string
	ID           string
	Number       int64
	Registry     string
	Repository   string
	Tag          string
	ImageDigest  string
	PolicyID     string
	Evaluation   int64
	EvaluatedAt  time.Time
	Reason       string
	Violations   int
	State        string
	ClosedBy     string
	ClosedReason string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// FullTag is registry/repository:tag.
func (a *Alert) FullTag() string {
	return SubscriptionKey(TagName{a.Registry, a.Repository, a.Tag})
}

// AlertFilter chooses alerts of an account. Zero fields do not restrict.
type AlertFilter struct {
	State         string
	ImageDigest   string
	FullTag       string
	Registry      string
	Repository    string
	PolicyID      string
	CreatedAfter  *time.Time // at or after
	CreatedBefore *time.Time
}

// Alerts stores alerts. They are raised and closed by whoever changes what they are about.
type Alerts struct{ pool *pgxpool.Pool }

// NewAlerts returns the store.
func NewAlerts(pool *pgxpool.Pool) *Alerts { return &Alerts{pool} }

// While an alert is open, its verdict may be confirmed without a change.
const alertSelect = `
SELECT a.account, a.id::text AS id, a.number, a.registry, a.repository, a.tag, a.image_digest, a.policy_id, a.evaluation,
  coalesce(e.evaluated_at, a.evaluated_at) AS evaluated_at, a.reason, a.violations, a.state, a.closed_by, a.closed_reason, a.created_at, a.updated_at
FROM plimsoll.alert a LEFT JOIN plimsoll.evaluation e ON e.id = a.evaluation AND e.account = a.account AND a.state = 'open'
`

var (
	alertGet = query("alert.get", alertSelect+`WHERE a.account = @account AND a.id = @id::uuid`)

	alertList = query("alert.list", alertSelect+`
WHERE a.account = @account AND (@state = '' OR a.state = @state) AND (@image_digest = '' OR a.image_digest = @image_digest)
  AND (@full_tag = '' OR a.registry || '/' || a.repository || ':' || a.tag = @full_tag) AND (@registry = '' OR a.registry = @registry)
  AND (@repository = '' OR a.repository = @repository) AND (@policy_id = '' OR a.policy_id = @policy_id)
  AND (@after::timestamptz IS NULL OR a.created_at >= @after) AND (@before::timestamptz IS NULL OR a.created_at < @before)
ORDER BY a.created_at DESC, a.number DESC OFFSET @offset LIMIT @limit`)

	alertForget = query("alert.forget", `
DELETE FROM plimsoll.alert WHERE (account, id) IN (
  SELECT account, id FROM plimsoll.alert WHERE state = 'closed' AND NOT acknowledged AND updated_at < @before
  ORDER BY updated_at LIMIT @limit FOR UPDATE SKIP LOCKED)`)
)

// Get returns an alert of the account: ErrNotFound. The id must be a UUID.
func (s *Alerts) Get(ctx context.Context, account, id string) (Alert, error) {
	a, err := one[Alert](ctx, s.pool, alertGet, args{"account": account, "id": id})
	return a, wrap(err, "load alert %s", id)
}

// List returns up to limit alerts of the account, newest first, without the first offset ones.
func (s *Alerts) List(ctx context.Context, account string, f AlertFilter, offset, limit int) ([]Alert, error) {
	list, err := many[Alert](ctx, s.pool, alertList, args{
		"account": account, "state": f.State, "image_digest": f.ImageDigest, "full_tag": f.FullTag, "registry": f.Registry,
		"repository": f.Repository, "policy_id": f.PolicyID, "after": f.CreatedAfter, "before": f.CreatedBefore, "offset": offset, "limit": limit,
	})
	return list, wrap(err, "list alerts")
}

// Forget removes alerts of all accounts that were closed before a time, in batches, and returns how many.
func (s *Alerts) Forget(ctx context.Context, before time.Time) (int64, error) {
	var total int64
	for {
		n, err := exec(ctx, s.pool, alertForget, args{"before": before, "limit": forgetBatch})
		if err != nil {
			return total, wrap(err, "forget closed alerts")
		}
		if total += n; n < forgetBatch {
			return total, nil
		}
	}
}
