package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/persistence/blob"
)

// EvaluationKey is what a verdict is about.
type EvaluationKey struct {
	Account     string
	ImageDigest string
	Tag         string // full tag
	PolicyID    string
}

// NewEvaluation is a verdict to store.
type NewEvaluation struct {
	EvaluationKey
	PolicyDigest string
	Generation   int64 // feed generation the facts were current for
	AnalysisID   int64
	FinalAction  string // stop, warn or go
	Status       string // pass or fail
	Result       json.RawMessage
	Cause        string    // what made it be computed
	EvaluatedAt  time.Time // when it was begun: the facts are at least as new
}

// Evaluation is a stored verdict.
type Evaluation struct {
	ID int64
	NewEvaluation
	CreatedAt time.Time
}

// Evaluations stores verdicts and their changes.
type Evaluations struct{ pool *pgxpool.Pool }

// NewEvaluations returns the store.
func NewEvaluations(pool *pgxpool.Pool) *Evaluations { return &Evaluations{pool} }

const (
	evaluationColumns = `id, account, image_digest, tag, policy_id, policy_digest, generation, analysis_id, final_action,
  status, result, cause, evaluated_at, created_at`

	evaluationOfKey = ` FROM plimsoll.evaluation
WHERE account = @account AND image_digest = @image_digest AND tag = @tag AND policy_id = @policy_id
ORDER BY id DESC`
)

var (
	// Two verdicts of one key at a time would both look at the same newest row.
	evaluationLock = query("evaluation.lock", `
SELECT pg_advisory_xact_lock(@lock::int, hashtext(concat_ws(E'\n', @account::text, @image_digest::text, @tag::text, @policy_id::text)))`)

	evaluationLatest = query("evaluation.latest", `SELECT `+evaluationColumns+evaluationOfKey+` LIMIT 1`)

	evaluationStanding = query("evaluation.standing", `
SELECT id, policy_digest, generation, final_action, evaluated_at`+evaluationOfKey+` LIMIT 1`)

	evaluationHistory = query("evaluation.history", `SELECT `+evaluationColumns+evaluationOfKey+` LIMIT @limit`)

	evaluationRefresh = query("evaluation.refresh", `
UPDATE plimsoll.evaluation SET policy_digest = @policy_digest, generation = @generation, analysis_id = @analysis_id,
  status = @status, result = @result, evaluated_at = @evaluated_at
WHERE id = @id AND account = @account`)

	evaluationInsert = query("evaluation.insert", `
INSERT INTO plimsoll.evaluation (account, image_digest, tag, policy_id, policy_digest, generation, analysis_id,
  final_action, status, result, cause, evaluated_at)
VALUES (@account, @image_digest, @tag, @policy_id, @policy_digest, @generation, @analysis_id,
  @final_action, @status, @result, @cause, @evaluated_at)`)
)

func (k EvaluationKey) args() args {
	return args{"account": k.Account, "image_digest": k.ImageDigest, "tag": k.Tag, "policy_id": k.PolicyID}
}

func (k EvaluationKey) String() string { return k.ImageDigest + " as " + k.Tag }

// standing is the newest verdict of a key, as far as a later one has to know it: what it says may be large.
type standing struct {
	ID           int64
	PolicyDigest string
	Generation   int64
	FinalAction  string
	EvaluatedAt  time.Time
}

// Save stores a verdict. The newest row of the key is refreshed when the final action is the same, so that
// history shows changes of the verdict and their causes; changed tells whether there is a new row. A verdict of
// an older generation than the newest, or begun before it under the same policy, may rest on older facts: the
// newest stays. ErrNotFound when the image is gone.
func (s *Evaluations) Save(ctx context.Context, n NewEvaluation) (changed bool, err error) {
	packed, err := blob.Pack(n.Result)
	if err != nil {
		return false, wrap(err, "store evaluation of %s", n.EvaluationKey)
	}
	err = inTx(ctx, s.pool, func(tx pgx.Tx) error {
		key := n.EvaluationKey.args()
		key["lock"] = lockKey
		if _, err := exec(ctx, tx, evaluationLock, key); err != nil {
			return err
		}
		newest, err := one[standing](ctx, tx, evaluationStanding, n.EvaluationKey.args())
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && newest.supersedes(n) {
			return nil
		}
		row := n.EvaluationKey.args()
		row["policy_digest"], row["generation"], row["analysis_id"] = n.PolicyDigest, n.Generation, n.AnalysisID
		row["status"], row["result"], row["evaluated_at"] = n.Status, packed, n.EvaluatedAt
		changed = err != nil || newest.FinalAction != n.FinalAction
		if changed {
			row["final_action"], row["cause"] = n.FinalAction, n.Cause
			_, err = exec(ctx, tx, evaluationInsert, row)
			return err
		}
		for _, name := range []string{"image_digest", "tag", "policy_id"} {
			delete(row, name)
		}
		row["id"] = newest.ID
		_, err = exec(ctx, tx, evaluationRefresh, row)
		return err
	})
	if isViolation(err, codeForeignKey) {
		err = ErrNotFound
	}
	return changed, wrap(err, "store evaluation of %s", n.EvaluationKey)
}

// supersedes tells whether a verdict that comes after this one may rest on older facts. Under another policy it
// says something new in any case.
func (e standing) supersedes(n NewEvaluation) bool {
	if e.Generation != n.Generation {
		return e.Generation > n.Generation
	}
	return e.PolicyDigest == n.PolicyDigest && n.EvaluatedAt.Before(e.EvaluatedAt)
}

// Latest returns the newest verdict of a key: ErrNotFound.
func (s *Evaluations) Latest(ctx context.Context, k EvaluationKey) (Evaluation, error) {
	e, err := one[Evaluation](ctx, s.pool, evaluationLatest, k.args())
	if err == nil {
		e.Result, err = blob.Unpack(e.Result)
	}
	return e, wrap(err, "load evaluation of %s", k)
}

// History returns the verdicts of a key, newest first.
func (s *Evaluations) History(ctx context.Context, k EvaluationKey, limit int) ([]Evaluation, error) {
	a := k.args()
	a["limit"] = limit
	list, err := many[Evaluation](ctx, s.pool, evaluationHistory, a)
	for i := range list {
		if err == nil {
			list[i].Result, err = blob.Unpack(list[i].Result)
		}
	}
	return list, wrap(err, "load evaluations of %s", k)
}
