package persistence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/persistence/blob"
)

// saveAtOnce is how many verdicts one transaction stores: each holds a lock of the server.
const saveAtOnce = 128

const evaluationKeys = `unnest(@accounts::text[], @image_digests::text[], @tags::text[], @policy_ids::text[])`

var (
	// Two verdicts of one key at a time would both look at the same newest row. Locks are taken in one order.
	evaluationLock = query("evaluation.lock", `
SELECT pg_advisory_xact_lock(@lock::int, k.hash) FROM (
  SELECT DISTINCT hashtext(concat_ws(E'\n', account, image_digest, tag, policy_id)) AS hash
  FROM `+evaluationKeys+` k (account, image_digest, tag, policy_id) ORDER BY hash) k`)

	evaluationStanding = query("evaluation.standing", `
SELECT k.n - 1 AS position, e.id, e.policy_digest, e.generation, e.final_action, e.evaluated_at, e.content
FROM `+evaluationKeys+` WITH ORDINALITY k (account, image_digest, tag, policy_id, n)
CROSS JOIN LATERAL (
  SELECT * FROM plimsoll.evaluation e
  WHERE e.account = k.account AND e.image_digest = k.image_digest AND e.tag = k.tag AND e.policy_id = k.policy_id
  ORDER BY e.id DESC LIMIT 1) e`)

	// A result that says the same stays where it is, untouched.
	evaluationRefresh = query("evaluation.refresh", `
UPDATE plimsoll.evaluation e SET policy_digest = k.policy_digest, generation = k.generation, analysis_id = k.analysis_id,
  status = k.status, result = coalesce(k.result, e.result), content = k.content, evaluated_at = k.evaluated_at
FROM unnest(@ids::bigint[], @accounts::text[], @policy_digests::text[], @generations::bigint[], @analysis_ids::bigint[], @statuses::text[],
  @results::bytea[], @contents::text[], @evaluated_ats::timestamptz[])
  k (id, account, policy_digest, generation, analysis_id, status, result, content, evaluated_at)
WHERE e.id = k.id AND e.account = k.account`)

	evaluationInsert = query("evaluation.insert", `
INSERT INTO plimsoll.evaluation (account, image_digest, tag, policy_id, policy_digest, generation, analysis_id,
  final_action, status, result, content, cause, evaluated_at)
SELECT * FROM unnest(@accounts::text[], @image_digests::text[], @tags::text[], @policy_ids::text[], @policy_digests::text[], @generations::bigint[],
  @analysis_ids::bigint[], @final_actions::text[], @statuses::text[], @results::bytea[], @contents::text[], @causes::text[], @evaluated_ats::timestamptz[])`)
)

// Saved tells what became of a verdict.
type Saved struct {
	Changed bool // there is a new row: the final action is another one than before, or there was none
	Gone    bool // the image is
}

// standing is the newest verdict of a key, as far as a later one has to know it: what it says may be large.
type standing struct {
	Position     int
	ID           int64
	PolicyDigest string
	Generation   int64
	FinalAction  string
	EvaluatedAt  time.Time
	Content      string
}

// supersedes tells whether a verdict that comes after this one may rest on older facts. Under another policy it
// says something new in any case.
func (e *standing) supersedes(n *NewEvaluation) bool {
	if e.Generation != n.Generation {
		return e.Generation > n.Generation
	}
	return e.PolicyDigest == n.PolicyDigest && n.EvaluatedAt.Before(e.EvaluatedAt)
}

// Save is SaveAll for one verdict: ErrNotFound when the image is gone.
func (s *Evaluations) Save(ctx context.Context, n NewEvaluation) (changed bool, err error) {
	saved, err := s.SaveAll(ctx, []NewEvaluation{n})
	if err != nil {
		return false, err
	}
	if saved[0].Gone {
		return false, wrap(ErrNotFound, "store evaluation of %s", n.EvaluationKey)
	}
	return saved[0].Changed, nil
}

// SaveAll stores verdicts of different keys, and tells of each what became of it. The newest row of a key is refreshed
// when the final action is the same, so that history shows changes of the verdict and their causes. A verdict of an older
// generation than the newest, or begun before it under the same policy, may rest on older facts: the newest stays.
func (s *Evaluations) SaveAll(ctx context.Context, list []NewEvaluation) ([]Saved, error) {
	out := make([]Saved, 0, len(list))
	for len(list) > 0 {
		n := min(len(list), saveAtOnce)
		saved, err := s.saveBatch(ctx, list[:n])
		if err != nil {
			return nil, wrap(err, "store %d evaluations, the first of %s", n, list[0].EvaluationKey)
		}
		out, list = append(out, saved...), list[n:]
	}
	return out, nil
}

func (s *Evaluations) saveBatch(ctx context.Context, list []NewEvaluation) ([]Saved, error) {
	saved, err := InTx(ctx, s.pool, func(tx pgx.Tx) ([]Saved, error) { return saveEvaluations(ctx, tx, list) })
	if !isViolation(err, codeForeignKey) {
		return saved, err
	}
	if len(list) == 1 {
		return []Saved{{Gone: true}}, nil
	}
	// One image is gone, and it is not known which.
	saved = make([]Saved, 0, len(list))
	for i := range list {
		alone, err := s.saveBatch(ctx, list[i:i+1])
		if err != nil {
			return nil, err
		}
		saved = append(saved, alone...)
	}
	return saved, nil
}

func saveEvaluations(ctx context.Context, tx pgx.Tx, list []NewEvaluation) ([]Saved, error) {
	keys := keyColumns(list)
	if _, err := exec(ctx, tx, evaluationLock, merge(keys, args{"lock": lockKey})); err != nil {
		return nil, err
	}
	rows, err := many[standing](ctx, tx, evaluationStanding, keys)
	if err != nil {
		return nil, err
	}
	newest := make([]*standing, len(list))
	for i := range rows {
		newest[rows[i].Position] = &rows[i]
	}
	out := make([]Saved, len(list))
	var fresh, again evaluationColumnsOf
	for i := range list {
		n, now := &list[i], newest[i]
		switch {
		case now == nil || !now.supersedes(n) && now.FinalAction != n.FinalAction:
			out[i].Changed = true
			err = fresh.add(n, "", 0)
		case !now.supersedes(n):
			err = again.add(n, now.Content, now.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(fresh.list) > 0 {
		if _, err := exec(ctx, tx, evaluationInsert, merge(keyColumns(fresh.list), fresh.columns(), fresh.born())); err != nil {
			return nil, err
		}
	}
	if len(again.list) > 0 {
		_, err = exec(ctx, tx, evaluationRefresh, merge(again.columns(), args{"ids": again.ids, "accounts": keyColumns(again.list)["accounts"]}))
	}
	return out, err
}

// keyColumns passes keys column by column.
func keyColumns(list []NewEvaluation) args {
	accounts, digests := make([]string, len(list)), make([]string, len(list))
	tags, policies := make([]string, len(list)), make([]string, len(list))
	for i := range list {
		k := &list[i].EvaluationKey
		accounts[i], digests[i], tags[i], policies[i] = k.Account, k.ImageDigest, k.Tag, k.PolicyID
	}
	return args{"accounts": accounts, "image_digests": digests, "tags": tags, "policy_ids": policies}
}

// evaluationColumnsOf are verdicts to write, with what they say packed.
type evaluationColumnsOf struct {
	list     []NewEvaluation
	ids      []int64
	results  [][]byte // nil: as it is
	contents []string
}

// add takes a verdict whose newest row says what the digest in known stands for.
func (c *evaluationColumnsOf) add(n *NewEvaluation, known string, id int64) error {
	sum := sha256.Sum256(n.Result)
	content := hex.EncodeToString(sum[:])
	var packed []byte
	if content != known {
		var err error
		if packed, err = blob.Pack(n.Result); err != nil {
			return err
		}
	}
	c.list, c.ids = append(c.list, *n), append(c.ids, id)
	c.results, c.contents = append(c.results, packed), append(c.contents, content)
	return nil
}

// columns are those that both statements write.
func (c *evaluationColumnsOf) columns() args {
	digests, statuses := make([]string, len(c.list)), make([]string, len(c.list))
	generations, analyses := make([]int64, len(c.list)), make([]int64, len(c.list))
	times := make([]time.Time, len(c.list))
	for i := range c.list {
		n := &c.list[i]
		digests[i], statuses[i], generations[i], analyses[i], times[i] = n.PolicyDigest, n.Status, n.Generation, n.AnalysisID, n.EvaluatedAt
	}
	return args{
		"policy_digests": digests, "statuses": statuses, "generations": generations, "analysis_ids": analyses, "evaluated_ats": times,
		"results": c.results, "contents": c.contents,
	}
}

// born are the columns that never change afterwards.
func (c *evaluationColumnsOf) born() args {
	actions, causes := make([]string, len(c.list)), make([]string, len(c.list))
	for i := range c.list {
		actions[i], causes[i] = c.list[i].FinalAction, c.list[i].Cause
	}
	return args{"final_actions": actions, "causes": causes}
}
