package persistence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/persistence/blob"
)

// saveAtOnce is how many verdicts one transaction stores: each holds a lock of the server.
const saveAtOnce = 128

const (
	evaluationKeys = `unnest(@accounts::text[], @image_digests::text[], @tags::text[], @policy_ids::text[])`

	evaluationValues = `@policy_digests::text[], @generations::bigint[], @analysis_ids::bigint[], @statuses::text[], @reasons::text[], @violations::integer[],
  @results::bytea[], @contents::text[], @evaluated_ats::timestamptz[], @inputs::text[], @valid_untils::timestamptz[], @due_ats::timestamptz[],
  @official_ats::timestamptz[]`
)

var (
	// Two verdicts about one tag at a time would both look at the same newest rows. Locks are taken in one order.
	evaluationLock = query("evaluation.lock", `
SELECT pg_advisory_xact_lock(@lock::int, k.hash) FROM (
  SELECT DISTINCT hashtext(concat_ws(E'\n', account, image_digest, tag)) AS hash
  FROM unnest(@accounts::text[], @image_digests::text[], @tags::text[]) k (account, image_digest, tag) ORDER BY hash) k`)

	evaluationStanding = query("evaluation.standing", `
SELECT k.n - 1 AS position, e.id, e.policy_digest, e.generation, e.final_action, e.evaluated_at, e.content
FROM `+evaluationKeys+` WITH ORDINALITY k (account, image_digest, tag, policy_id, n)
CROSS JOIN LATERAL (
  SELECT * FROM plimsoll.evaluation e
  WHERE e.account = k.account AND e.image_digest = k.image_digest AND e.tag = k.tag AND e.policy_id = k.policy_id
  ORDER BY e.id DESC LIMIT 1) e`)

	evaluationPolicies = query("evaluation.policies", `
SELECT p.account, p.policy_id AS id, p.digest, p.active FROM plimsoll.policy p
WHERE (p.account, p.policy_id) IN (SELECT * FROM unnest(@accounts::text[], @policy_ids::text[]))`)

	// What the account said last of each tag of the image, whatever policy it was under.
	evaluationOfficial = query("evaluation.official", `
SELECT k.n - 1 AS position, e.policy_id, e.final_action, e.reason, e.status, e.official_at AS at
FROM unnest(@accounts::text[], @image_digests::text[], @tags::text[]) WITH ORDINALITY k (account, image_digest, tag, n)
CROSS JOIN LATERAL (
  SELECT * FROM plimsoll.evaluation e
  WHERE e.account = k.account AND e.image_digest = k.image_digest AND e.tag = k.tag AND e.official_at IS NOT NULL
  ORDER BY e.official_at DESC, e.id DESC LIMIT 1) e`)

	// The row before is history: time changes it no more.
	evaluationRest = query("evaluation.rest", `
UPDATE plimsoll.evaluation SET due_at = NULL WHERE id = ANY (@ids::bigint[]) AND due_at IS NOT NULL`)

	// A result that says the same stays where it is, untouched.
	evaluationRefresh = query("evaluation.refresh", `
UPDATE plimsoll.evaluation e SET policy_digest = k.policy_digest, generation = k.generation, analysis_id = k.analysis_id,
  status = k.status, reason = k.reason, violations = k.violations, result = coalesce(k.result, e.result), content = k.content, evaluated_at = k.evaluated_at,
  inputs = k.inputs, valid_until = k.valid_until, due_at = k.due_at, official_at = coalesce(k.official_at, e.official_at)
FROM unnest(@ids::bigint[], @accounts::text[], `+evaluationValues+`)
  k (id, account, policy_digest, generation, analysis_id, status, reason, violations, result, content, evaluated_at, inputs, valid_until, due_at, official_at)
WHERE e.id = k.id AND e.account = k.account`)

	evaluationInsert = query("evaluation.insert", `
INSERT INTO plimsoll.evaluation (account, image_digest, tag, policy_id, final_action, cause, policy_digest, generation, analysis_id,
  status, reason, violations, result, content, evaluated_at, inputs, valid_until, due_at, official_at)
SELECT * FROM unnest(@accounts::text[], @image_digests::text[], @tags::text[], @policy_ids::text[], @final_actions::text[], @causes::text[],
  `+evaluationValues+`)`)
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

// supersedes tells whether a verdict that comes after this one may rest on older facts, or rests on what its policy said
// before. now is what the policy says.
func (e *standing) supersedes(n *NewEvaluation, now policyState) bool {
	switch {
	case e.Generation != n.Generation:
		return e.Generation > n.Generation
	case e.PolicyDigest != n.PolicyDigest:
		return e.PolicyDigest == now.Digest
	}
	return n.EvaluatedAt.Before(e.EvaluatedAt)
}

type policyKey struct{ Account, ID string }

// policyState is what a policy is now; empty when it is gone.
type policyState struct {
	policyKey
	Digest string
	Active bool
}

func policyStates(ctx context.Context, tx pgx.Tx, keys args) (map[policyKey]policyState, error) {
	rows, err := many[policyState](ctx, tx, evaluationPolicies, args{"accounts": keys["accounts"], "policy_ids": keys["policy_ids"]})
	out := make(map[policyKey]policyState, len(rows))
	for _, p := range rows {
		out[p.policyKey] = p
	}
	return out, err
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
	if _, err := exec(ctx, tx, evaluationLock, merge(tagColumns(keys), args{"lock": lockKey})); err != nil {
		return nil, err
	}
	rows, err := many[standing](ctx, tx, evaluationStanding, keys)
	if err != nil {
		return nil, err
	}
	policies, err := policyStates(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	newest := make([]*standing, len(list))
	for i := range rows {
		newest[rows[i].Position] = &rows[i]
	}
	out := make([]Saved, len(list))
	var fresh, again evaluationRows
	var before []int64
	for i := range list {
		n, last := list[i], newest[i]
		policy := policies[policyKey{n.Account, n.PolicyID}]
		n.Official = n.Official && policy.Active // another one may have become active meanwhile
		switch {
		case last == nil:
			out[i].Changed, err = true, fresh.add(&n, "", 0)
		case last.supersedes(&n, policy):
		case last.FinalAction != n.FinalAction:
			before = append(before, last.ID)
			out[i].Changed, err = true, fresh.add(&n, "", 0)
		default:
			err = again.add(&n, last.Content, last.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := tellVerdicts(ctx, tx, slices.Concat(fresh.list, again.list)); err != nil {
		return nil, err
	}
	if len(before) > 0 {
		if _, err := exec(ctx, tx, evaluationRest, args{"ids": before}); err != nil {
			return nil, err
		}
	}
	if len(fresh.list) > 0 {
		if _, err := exec(ctx, tx, evaluationInsert, merge(keyColumns(fresh.list), fresh.columns(), fresh.born())); err != nil {
			return nil, err
		}
	}
	if len(again.list) > 0 {
		if _, err := exec(ctx, tx, evaluationRefresh, merge(again.columns(), args{"ids": again.ids, "accounts": keyColumns(again.list)["accounts"]})); err != nil {
			return nil, err
		}
	}
	return out, settleVerdicts(ctx, tx, list)
}

// official is what the account said of a tag.
type official struct {
	Position    int
	PolicyID    string
	FinalAction string
	Reason      string
	Status      string
	At          time.Time
}

// verdictSaid is a verdict as events tell it.
type verdictSaid struct {
	PolicyID    string    `json:"policy_id"`
	Status      string    `json:"status"`
	FinalAction string    `json:"final_action"`
	Reason      string    `json:"final_action_reason"`
	At          time.Time `json:"evaluated_at"`
}

// verdictChange is what an event tells about a tag whose final action changed.
type verdictChange struct {
	ImageDigest string      `json:"image_digest"`
	Cause       string      `json:"cause"`
	Current     verdictSaid `json:"curr_eval"`
	Last        verdictSaid `json:"last_eval"`
}

// tellVerdicts records an event for each tag about which the account says something else than before. The first verdict is
// no change.
func tellVerdicts(ctx context.Context, tx pgx.Tx, list []NewEvaluation) error {
	list = slices.DeleteFunc(list, func(n NewEvaluation) bool { return !n.Official })
	if len(list) == 0 {
		return nil
	}
	rows, err := many[official](ctx, tx, evaluationOfficial, tagColumns(keyColumns(list)))
	if err != nil {
		return err
	}
	var happened []happening
	for _, last := range rows {
		n := &list[last.Position]
		if last.FinalAction == n.FinalAction {
			continue
		}
		happened = append(happened, happening{Account: n.Account, Type: EventVerdict, Resource: n.Tag, Details: verdictChange{
			ImageDigest: n.ImageDigest, Cause: n.Cause,
			Current: verdictSaid{n.PolicyID, n.Status, n.FinalAction, n.Reason, n.EvaluatedAt},
			Last:    verdictSaid{last.PolicyID, last.Status, last.FinalAction, last.Reason, last.At},
		}})
	}
	return emit(ctx, tx, happened...)
}

// tagColumns are the columns that name a tag.
func tagColumns(keys args) args {
	return args{"accounts": keys["accounts"], "image_digests": keys["image_digests"], "tags": keys["tags"]}
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

// evaluationRows are verdicts to write, with what they say packed.
type evaluationRows struct {
	list     []NewEvaluation
	ids      []int64
	results  [][]byte // nil: as it is
	contents []string
}

// add takes a verdict whose newest row says what the digest in known stands for.
func (c *evaluationRows) add(n *NewEvaluation, known string, id int64) error {
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
func (c *evaluationRows) columns() args {
	n := len(c.list)
	digests, statuses, reasons, inputs := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	generations, analyses, violations := make([]int64, n), make([]int64, n), make([]int, n)
	times, valid, due, officials := make([]time.Time, n), make([]*time.Time, n), make([]*time.Time, n), make([]*time.Time, n)
	for i := range c.list {
		e := &c.list[i]
		digests[i], statuses[i], reasons[i], violations[i], inputs[i] = e.PolicyDigest, e.Status, e.Reason, e.Violations, e.Inputs
		generations[i], analyses[i], times[i], valid[i] = e.Generation, e.AnalysisID, e.EvaluatedAt, e.ValidUntil
		if e.Official {
			due[i], officials[i] = e.ValidUntil, &e.EvaluatedAt
		}
	}
	return args{
		"policy_digests": digests, "statuses": statuses, "reasons": reasons, "violations": violations, "generations": generations, "analysis_ids": analyses,
		"evaluated_ats": times, "results": c.results, "contents": c.contents, "inputs": inputs, "valid_untils": valid, "due_ats": due, "official_ats": officials,
	}
}

// born are the columns that never change afterwards.
func (c *evaluationRows) born() args {
	actions, causes := make([]string, len(c.list)), make([]string, len(c.list))
	for i := range c.list {
		actions[i], causes[i] = c.list[i].FinalAction, c.list[i].Cause
	}
	return args{"final_actions": actions, "causes": causes}
}
