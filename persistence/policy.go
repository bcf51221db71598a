package persistence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PolicyLocal is the source of policies that people write here.
const PolicyLocal = "local"

// Policy is a policy document of an account.
type Policy struct {
	Account     string
	ID          string
	Name        string
	Description string
	Source      string
	Active      bool
	Document    json.RawMessage
	Digest      string // SHA-256 of the document with sorted keys, hex
	Edit        int64  // number of the change by which it, as it is, became what the account's images are judged by
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// NewPolicy is a policy to store. The document is stored as given, validated by the caller.
type NewPolicy struct {
	Account     string
	ID          string
	Name        string
	Description string
	Source      string // empty: local
	Document    json.RawMessage
}

// PolicyEdit names the workflow that judges an account's images after a change of the active policy, by the change's number.
type PolicyEdit func(account string, edit int64) Start

// Policies stores policy documents.
type Policies struct{ pool *pgxpool.Pool }

// NewPolicies returns the store.
func NewPolicies(pool *pgxpool.Pool) *Policies { return &Policies{pool} }

const policyColumns = `account, policy_id AS id, name, description, source, active, document, digest, edit, created_at, updated_at`

var (
	policyInsert = query("policy.insert", `
INSERT INTO plimsoll.policy (account, policy_id, name, description, source, active, document, digest)
VALUES (@account, @id, @name, @description, @source, @active, @document, @digest)
ON CONFLICT (account, policy_id) DO NOTHING RETURNING `+policyColumns)

	policyGet = query("policy.get", `
SELECT `+policyColumns+` FROM plimsoll.policy WHERE account = @account AND policy_id = @id`)

	policyActive = query("policy.active", `
SELECT `+policyColumns+` FROM plimsoll.policy WHERE account = @account AND active`)

	policyList = query("policy.list", `
SELECT `+policyColumns+` FROM plimsoll.policy WHERE account = @account ORDER BY created_at, policy_id`)

	policyUpdate = query("policy.update", `
UPDATE plimsoll.policy SET name = @name, description = @description, source = @source, document = @document,
  digest = @digest, updated_at = now()
WHERE account = @account AND policy_id = @id RETURNING `+policyColumns)

	policyNumber = query("policy.number", `
UPDATE plimsoll.policy SET edit = nextval('plimsoll.policy_edit') WHERE account = @account AND policy_id = @id RETURNING `+policyColumns)

	// Changes of which policy is active queue up behind the account.
	policyLock = query("policy.lock", `
SELECT name FROM plimsoll.account WHERE name = @account FOR NO KEY UPDATE`)

	policyDeactivate = query("policy.deactivate", `
UPDATE plimsoll.policy SET active = false, updated_at = now()
WHERE account = @account AND active AND policy_id <> @id`)

	policyActivate = query("policy.activate", `
UPDATE plimsoll.policy SET active = true, updated_at = CASE WHEN active THEN updated_at ELSE now() END
WHERE account = @account AND policy_id = @id RETURNING `+policyColumns)

	policyDelete = query("policy.delete", `
DELETE FROM plimsoll.policy WHERE account = @account AND policy_id = @id AND NOT active`)
)

// Create adds an inactive policy: ErrExists.
func (s *Policies) Create(ctx context.Context, n NewPolicy) (Policy, error) {
	p, err := insertPolicy(ctx, s.pool, n, false)
	return p, wrap(err, "create policy %s", n.ID)
}

func insertPolicy(ctx context.Context, db session, n NewPolicy, active bool) (Policy, error) {
	a, err := n.args()
	if err != nil {
		return Policy{}, err
	}
	a["active"] = active
	p, err := one[Policy](ctx, db, policyInsert, a)
	if errors.Is(err, ErrNotFound) {
		return Policy{}, ErrExists
	}
	return p, err
}

func (n NewPolicy) args() (args, error) {
	digest, err := documentDigest(n.Document)
	if err != nil {
		return nil, err
	}
	if n.Source == "" {
		n.Source = PolicyLocal
	}
	return args{
		"account": n.Account, "id": n.ID, "name": n.Name, "description": n.Description, "source": n.Source,
		"document": []byte(n.Document), "digest": digest,
	}, nil
}

// documentDigest is Policy.Digest.
func documentDigest(raw json.RawMessage) (string, error) {
	var document any
	if err := json.Unmarshal(raw, &document); err != nil {
		return "", fmt.Errorf("read policy document: %w", err)
	}
	sorted, err := json.Marshal(document) // object keys come out sorted
	if err != nil {
		return "", fmt.Errorf("encode policy document: %w", err)
	}
	sum := sha256.Sum256(sorted)
	return hex.EncodeToString(sum[:]), nil
}

// Get returns a policy of the account: ErrNotFound.
func (s *Policies) Get(ctx context.Context, account, id string) (Policy, error) {
	p, err := one[Policy](ctx, s.pool, policyGet, args{"account": account, "id": id})
	return p, wrap(err, "load policy %s", id)
}

// Active returns the account's active policy: ErrNotFound.
func (s *Policies) Active(ctx context.Context, account string) (Policy, error) {
	p, err := one[Policy](ctx, s.pool, policyActive, args{"account": account})
	return p, wrap(err, "load active policy")
}

// List returns the account's policies, oldest first.
func (s *Policies) List(ctx context.Context, account string) ([]Policy, error) {
	list, err := many[Policy](ctx, s.pool, policyList, args{"account": account})
	return list, wrap(err, "list policies")
}

// Update replaces document and description, and with activate also makes the policy the active one: ErrNotFound. Where
// images are to be judged by something else now, the outbox row asks for the workflow that does so; 0: they are not.
func (s *Policies) Update(ctx context.Context, n NewPolicy, activate bool, edit PolicyEdit) (Policy, int64, error) {
	p, outboxID, err := s.change(ctx, n.Account, edit, func(tx pgx.Tx) (Policy, error) {
		a, err := n.args()
		if err != nil {
			return Policy{}, err
		}
		p, err := one[Policy](ctx, tx, policyUpdate, a)
		if err != nil || !activate {
			return p, err
		}
		return switchPolicy(ctx, tx, n.Account, n.ID)
	})
	return p, outboxID, wrap(err, "change policy %s", n.ID)
}

// Activate makes a policy the account's only active one: ErrNotFound, and then the old one stays active. The outbox row is
// that of Update.
func (s *Policies) Activate(ctx context.Context, account, id string, edit PolicyEdit) (Policy, int64, error) {
	p, outboxID, err := s.change(ctx, account, edit, func(tx pgx.Tx) (Policy, error) { return switchPolicy(ctx, tx, account, id) })
	return p, outboxID, wrap(err, "activate policy %s", id)
}

// change makes a change of policies, and tells what it means for the account: events, and the workflow that judges anew.
func (s *Policies) change(ctx context.Context, account string, edit PolicyEdit, do func(pgx.Tx) (Policy, error)) (Policy, int64, error) {
	var outboxID int64
	p, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Policy, error) {
		if _, err := value[string](ctx, tx, policyLock, args{"account": account}); err != nil {
			return Policy{}, err
		}
		before, err := one[Policy](ctx, tx, policyActive, args{"account": account})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return before, err
		}
		p, err := do(tx)
		if err != nil || !p.Active || p.ID == before.ID && p.Digest == before.Digest {
			return p, err
		}
		if err := emit(ctx, tx, policyEvent(before, p)); err != nil {
			return p, err
		}
		if p, err = one[Policy](ctx, tx, policyNumber, args{"account": account, "id": p.ID}); err != nil {
			return p, err
		}
		if outboxID, err = enqueue(ctx, tx, edit(account, p.Edit)); err != nil || p.ID == before.ID {
			return p, err
		}
		return p, settleWithin(ctx, tx, account, TagName{})
	})
	return p, outboxID, err
}

// policyEvent tells how the active policy changed; before is empty when there was none.
func policyEvent(before, now Policy) happening {
	h := happening{Account: now.Account, Type: EventPolicyContent, Resource: now.ID, Details: map[string]string{
		"policy_id": now.ID, "last_policy_digest": before.Digest, "current_policy_digest": now.Digest,
	}}
	if before.ID != now.ID {
		h.Type, h.Details = EventPolicyActivated, map[string]string{"last_policy_id": before.ID, "current_policy_id": now.ID}
	}
	return h
}

func switchPolicy(ctx context.Context, tx pgx.Tx, account, id string) (Policy, error) {
	key := args{"account": account, "id": id}
	if _, err := exec(ctx, tx, policyDeactivate, key); err != nil {
		return Policy{}, err
	}
	return one[Policy](ctx, tx, policyActivate, key)
}

// Delete removes a policy: ErrNotFound, ErrActive. Its evaluations stay.
func (s *Policies) Delete(ctx context.Context, account, id string) error {
	key := args{"account": account, "id": id}
	n, err := exec(ctx, s.pool, policyDelete, key)
	if err == nil && n == 0 {
		if _, err = one[Policy](ctx, s.pool, policyGet, key); err == nil {
			err = ErrActive
		}
	}
	return wrap(err, "delete policy %s", id)
}
