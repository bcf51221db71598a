package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ActionNotification is the only type of action plans.
const ActionNotification = "notification"

// Resolution says what would remove some findings.
type Resolution struct {
	TriggerIDs []string `json:"trigger_ids"`
	Content    string   `json:"content"`
}

// NewActionPlan is a plan to store.
type NewActionPlan struct {
	Account         string
	Type            string
	ImageTag        string // full tag
	ImageDigest     string
	PolicyID        string
	Resolutions     []Resolution
	Subject         string
	Message         string
	Endpoint        string // kind of endpoint to notify, as given
	ConfigurationID string // of the endpoint, as given
	CreatedBy       string
}

// ActionPlan is what people mean to do about findings of an image.
type ActionPlan struct {
	ID string
	NewActionPlan
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ActionFilter chooses plans of an account. Zero fields do not restrict.
type ActionFilter struct {
	ImageTag     string
	ImageDigest  string
	CreatedAfter *time.Time // at or after
}

// Actions stores action plans.
type Actions struct{ pool *pgxpool.Pool }

// NewActions returns the store.
func NewActions(pool *pgxpool.Pool) *Actions { return &Actions{pool} }

const actionColumns = `id::text AS id, account, type, image_tag, image_digest, policy_id, resolutions, subject, message, endpoint,
  configuration_id, created_by, created_at, updated_at`

var (
	actionInsert = query("action.insert", `
INSERT INTO plimsoll.action_plan (account, type, image_tag, image_digest, policy_id, resolutions, subject, message, endpoint, configuration_id, created_by)
VALUES (@account, @type, @image_tag, @image_digest, @policy_id, @resolutions, @subject, @message, @endpoint, @configuration_id, @created_by)
RETURNING `+actionColumns)

	actionList = query("action.list", `
SELECT `+actionColumns+` FROM plimsoll.action_plan
WHERE account = @account AND (@image_tag = '' OR image_tag = @image_tag) AND (@image_digest = '' OR image_digest = @image_digest)
  AND (@after::timestamptz IS NULL OR created_at >= @after)
ORDER BY created_at DESC, number DESC OFFSET @offset LIMIT @limit`)
)

// Add stores a plan and tells of it. What it refers to has been checked by the caller.
func (s *Actions) Add(ctx context.Context, n NewActionPlan) (ActionPlan, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (ActionPlan, error) {
		resolutions, err := json.Marshal(n.Resolutions)
		if err != nil {
			return ActionPlan{}, fmt.Errorf("encode resolutions: %w", err)
		}
		p, err := one[ActionPlan](ctx, tx, actionInsert, args{
			"account": n.Account, "type": n.Type, "image_tag": n.ImageTag, "image_digest": n.ImageDigest, "policy_id": n.PolicyID,
			"resolutions": storableJSON(resolutions), "subject": n.Subject, "message": n.Message, "endpoint": n.Endpoint,
			"configuration_id": n.ConfigurationID, "created_by": n.CreatedBy,
		})
		if err != nil {
			return ActionPlan{}, err
		}
		triggers := 0
		for _, r := range p.Resolutions {
			triggers += len(r.TriggerIDs)
		}
		return p, emit(ctx, tx, happening{Account: p.Account, Type: EventActionPlan, Resource: p.ID, Details: map[string]any{
			"image_tag": p.ImageTag, "image_digest": p.ImageDigest, "policy_id": p.PolicyID, "subject": p.Subject, "created_by": p.CreatedBy,
			"endpoint": p.Endpoint, "configuration_id": p.ConfigurationID, "trigger_id_count": triggers,
		}})
	})
	return out, wrap(err, "store action plan for %s", n.ImageDigest)
}

// List returns up to limit plans of the account, newest first, without the first offset ones.
func (s *Actions) List(ctx context.Context, account string, f ActionFilter, offset, limit int) ([]ActionPlan, error) {
	list, err := many[ActionPlan](ctx, s.pool, actionList, args{
		"account": account, "image_tag": f.ImageTag, "image_digest": f.ImageDigest, "after": f.CreatedAfter, "offset": offset, "limit": limit,
	})
	return list, wrap(err, "list action plans")
}
