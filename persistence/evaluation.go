package persistence

import (
	"context"
	"encoding/json"
	"time"

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
	Reason       string // of the final action
	Status       string // pass or fail
	Violations   int    // findings that stop
	// Result should not say when it was made: what is stored already is not stored again.
	Result      json.RawMessage
	Cause       string    // what made it be computed
	EvaluatedAt time.Time // when it was begun: the facts are at least as new
	// Inputs is the digest of all it rests on besides policy and time; empty when that is not known.
	Inputs string
	// ValidUntil is when time alone may change it; nil: never.
	ValidUntil *time.Time
	// Official: the policy is the active one, so that this is what the account says of the tag. It is judged anew when
	// ValidUntil comes. Not read back.
	Official bool `db:"-"`
}

// Causes of verdicts.
const (
	CauseFeed    = "feed"
	CauseVex     = "vex"     // what the account says about vulnerabilities changed
	CausePolicy  = "policy"  // it was edited, or another one became active
	CauseTag     = "tag"     // a tag has come to mean the image
	CauseTime    = "time"    // an allowlist item expired, or something grew too old
	CauseRequest = "request" // somebody asked
)

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
  reason, status, violations, result, cause, evaluated_at, inputs, valid_until, created_at`

	evaluationOfKey = ` FROM plimsoll.evaluation
WHERE account = @account AND image_digest = @image_digest AND tag = @tag AND policy_id = @policy_id
ORDER BY id DESC`
)

var (
	evaluationLatest = query("evaluation.latest", `SELECT `+evaluationColumns+evaluationOfKey+` LIMIT 1`)

	evaluationHistory = query("evaluation.history", `SELECT `+evaluationColumns+evaluationOfKey+` LIMIT @limit`)
)

func (k EvaluationKey) args() args {
	return args{"account": k.Account, "image_digest": k.ImageDigest, "tag": k.Tag, "policy_id": k.PolicyID}
}

func (k EvaluationKey) String() string { return k.ImageDigest + " as " + k.Tag }

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
