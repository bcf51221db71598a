package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// States of a WhatIf.
const (
	WhatIfWaiting = "waiting"
	WhatIfRunning = "running"
	WhatIfDone    = "done"
	WhatIfFailed  = "failed"
)

// mostWhatIfs is how many policies an account tries at a time.
const mostWhatIfs = 3

// PolicyRef names a policy that is tried, as it was then.
type PolicyRef struct{ ID, Name, Digest string }

// WhatIfSelector chooses images; * stands for anything in the patterns, and no digests mean all.
type WhatIfSelector struct {
	Registry   string   `json:"registry,omitempty"` // empty: any
	Repository string   `json:"repository,omitempty"`
	Tag        string   `json:"tag,omitempty"`
	Digests    []string `json:"image_digests,omitempty"`
}

// NewWhatIf is a policy to try beside another one.
type NewWhatIf struct {
	Account         string
	ID              string // a UUID
	Draft, Baseline Policy // id, name and document
	Selector        WhatIfSelector
	Examples        int // findings kept per rule that makes a difference
	RequestedBy     string
}

// WhatIf is a policy that is or was tried.
type WhatIf struct {
	Account         string
	ID              string
	State           string
	Draft, Baseline PolicyRef
	Selector        WhatIfSelector
	Examples        int
	RequestedBy     string
	RequestedAt     time.Time
	StartedAt       *time.Time
	EndedAt         *time.Time
	Total, Done     int // tags of images
	Counts          []WhatIfCount
	Failure         string
}

// WhatIfCount counts outcomes that are alike; actions are empty where nothing could be said.
type WhatIfCount struct {
	Rank   int16  `json:"rank"`
	Before string `json:"before"`
	After  string `json:"after"`
	Tags   int    `json:"tags"`
}

// WhatIfs stores policies that are tried, and what came out.
type WhatIfs struct{ pool *pgxpool.Pool }

// NewWhatIfs returns the store.
func NewWhatIfs(pool *pgxpool.Pool) *WhatIfs { return &WhatIfs{pool} }

const (
	whatIfColumns = `account, id::text AS id, state, draft_id, draft_name, draft_digest, baseline_id, baseline_name, baseline_digest,
  selector, examples, requested_by, requested_at, started_at, ended_at, total, done, counts, failure`

	// whatIfTargets are the images of a selector. Nothing is said of images on their way out.
	whatIfTargets = `
FROM plimsoll.image i JOIN plimsoll.image_tag t ON t.account = i.account AND t.digest = i.digest AND t.current
WHERE i.account = @account AND i.image_status = 'active' AND (cardinality(@digests::text[]) = 0 OR i.digest = ANY (@digests))
  AND t.registry LIKE @registry AND t.repository LIKE @repository AND t.tag LIKE @tag`
)

var (
	whatIfBusy = query("whatif.busy", `
SELECT count(*) FROM plimsoll.what_if WHERE account = @account AND state IN ('waiting', 'running')`)

	whatIfInsert = query("whatif.insert", `
INSERT INTO plimsoll.what_if (account, id, draft, draft_id, draft_name, draft_digest, baseline, baseline_id, baseline_name,
  baseline_digest, selector, examples, requested_by)
VALUES (@account, @id, @draft, @draft_id, @draft_name, @draft_digest, @baseline, @baseline_id, @baseline_name,
  @baseline_digest, @selector, @examples, @requested_by) RETURNING `+whatIfColumns)

	whatIfGet = query("whatif.get", `
SELECT `+whatIfColumns+` FROM plimsoll.what_if WHERE account = @account AND id = @id`)

	whatIfList = query("whatif.list", `
SELECT `+whatIfColumns+` FROM plimsoll.what_if WHERE account = @account ORDER BY requested_at DESC, id LIMIT @limit`)

	whatIfDocuments = query("whatif.documents", `
SELECT draft, baseline FROM plimsoll.what_if WHERE account = @account AND id = @id`)

	whatIfCount = query("whatif.count", `SELECT count(*)`+whatIfTargets)

	whatIfPage = query("whatif.page", `
SELECT DISTINCT i.account, i.digest`+whatIfTargets+` AND i.digest > @after ORDER BY i.account, i.digest LIMIT @limit`)

	whatIfBegin = query("whatif.begin", `
UPDATE plimsoll.what_if SET state = 'running', started_at = coalesce(started_at, now()), total = @total
WHERE account = @account AND id = @id AND state IN ('waiting', 'running')`)

	whatIfEnd = query("whatif.end", `
UPDATE plimsoll.what_if SET state = @state, failure = @failure, counts = @counts, ended_at = now()
WHERE account = @account AND id = @id AND state IN ('waiting', 'running')`)

	whatIfDelete = query("whatif.delete", `DELETE FROM plimsoll.what_if WHERE account = @account AND id = @id`)

	whatIfForget = query("whatif.forget", `DELETE FROM plimsoll.what_if WHERE requested_at < @before`)
)

// whatIfRow is a row as it is read.
type whatIfRow struct {
	Account, ID, State                       string
	DraftID, DraftName, DraftDigest          string
	BaselineID, BaselineName, BaselineDigest string
	Selector                                 WhatIfSelector
	Examples                                 int
	RequestedBy                              string
	RequestedAt                              time.Time
	StartedAt, EndedAt                       *time.Time
	Total, Done                              int
	Counts                                   []WhatIfCount
	Failure                                  string
}

func (r whatIfRow) whatIf() WhatIf {
	return WhatIf{
		Account: r.Account, ID: r.ID, State: r.State, Draft: PolicyRef{r.DraftID, r.DraftName, r.DraftDigest},
		Baseline: PolicyRef{r.BaselineID, r.BaselineName, r.BaselineDigest}, Selector: r.Selector, Examples: r.Examples,
		RequestedBy: r.RequestedBy, RequestedAt: r.RequestedAt, StartedAt: r.StartedAt, EndedAt: r.EndedAt,
		Total: r.Total, Done: r.Done, Counts: r.Counts, Failure: r.Failure,
	}
}

// Create asks for a policy to be tried: ErrBusy when the account tries as many as it may.
func (s *WhatIfs) Create(ctx context.Context, n NewWhatIf, start Start) (WhatIf, int64, error) {
	type asked struct {
		row    whatIfRow
		outbox int64
	}
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (asked, error) {
		var out asked
		if _, err := value[string](ctx, tx, policyLock, args{"account": n.Account}); err != nil {
			return out, err
		}
		busy, err := value[int](ctx, tx, whatIfBusy, args{"account": n.Account})
		if err != nil {
			return out, err
		}
		if busy >= mostWhatIfs {
			return out, ErrBusy
		}
		row, err := n.args()
		if err != nil {
			return out, err
		}
		if out.row, err = one[whatIfRow](ctx, tx, whatIfInsert, row); err != nil {
			return out, err
		}
		out.outbox, err = enqueue(ctx, tx, start)
		return out, err
	})
	return out.row.whatIf(), out.outbox, wrap(err, "ask for a trial of policy %s", n.Draft.ID)
}

func (n NewWhatIf) args() (args, error) {
	a := args{"account": n.Account, "id": n.ID, "examples": n.Examples, "requested_by": n.RequestedBy}
	for side, p := range map[string]Policy{"draft": n.Draft, "baseline": n.Baseline} {
		digest, err := documentDigest(p.Document)
		if err != nil {
			return nil, err
		}
		a[side], a[side+"_id"], a[side+"_name"], a[side+"_digest"] = []byte(p.Document), p.ID, p.Name, digest
	}
	selector, err := json.Marshal(n.Selector)
	if err != nil {
		return nil, fmt.Errorf("encode selector: %w", err)
	}
	a["selector"] = selector
	return a, nil
}

// Get returns a trial: ErrNotFound. Counts are those so far.
func (s *WhatIfs) Get(ctx context.Context, account, id string) (WhatIf, error) {
	row, err := one[whatIfRow](ctx, s.pool, whatIfGet, args{"account": account, "id": id})
	if err == nil && row.EndedAt == nil {
		row.Counts, err = s.counts(ctx, account, id)
	}
	return row.whatIf(), wrap(err, "load trial %s", id)
}

// List returns the newest trials of an account.
func (s *WhatIfs) List(ctx context.Context, account string, limit int) ([]WhatIf, error) {
	rows, err := many[whatIfRow](ctx, s.pool, whatIfList, args{"account": account, "limit": limit})
	out := make([]WhatIf, len(rows))
	for i, r := range rows {
		if err == nil && r.EndedAt == nil { // at most mostWhatIfs of them
			r.Counts, err = s.counts(ctx, account, r.ID)
		}
		out[i] = r.whatIf()
	}
	return out, wrap(err, "list trials")
}

// Documents returns the two policies of a trial: ErrNotFound.
func (s *WhatIfs) Documents(ctx context.Context, account, id string) (draft, baseline json.RawMessage, err error) {
	type documents struct{ Draft, Baseline json.RawMessage }
	d, err := one[documents](ctx, s.pool, whatIfDocuments, args{"account": account, "id": id})
	return d.Draft, d.Baseline, wrap(err, "load policies of trial %s", id)
}

// args are the arguments of whatIfTargets.
func (x WhatIfSelector) args(account string) args {
	a := args{"account": account, "digests": x.Digests}
	if x.Digests == nil {
		a["digests"] = []string{}
	}
	for name, pattern := range map[string]string{"registry": x.Registry, "repository": x.Repository, "tag": x.Tag} {
		if pattern == "" {
			pattern = "*"
		}
		a[name] = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(pattern)
	}
	return a
}

// Begin notes that a trial is under way, and how much there is to do: ErrNotFound when it is gone or over.
func (s *WhatIfs) Begin(ctx context.Context, account, id string) (WhatIf, error) {
	w, err := s.Get(ctx, account, id)
	if err != nil {
		return w, err
	}
	w.Total, err = value[int](ctx, s.pool, whatIfCount, w.Selector.args(account))
	if err == nil {
		var n int64
		n, err = exec(ctx, s.pool, whatIfBegin, args{"account": account, "id": id, "total": w.Total})
		if err == nil && n == 0 {
			err = ErrNotFound
		}
	}
	return w, wrap(err, "begin trial %s", id)
}

// Targets pages through the images a selector means; after is the last one of the page before.
func (s *WhatIfs) Targets(ctx context.Context, account string, x WhatIfSelector, after string, limit int) ([]ImageRef, error) {
	a := x.args(account)
	a["after"], a["limit"] = after, limit
	list, err := many[ImageRef](ctx, s.pool, whatIfPage, a)
	return list, wrap(err, "list images to try a policy on")
}

// End closes a trial; closing one that is over or gone changes nothing.
func (s *WhatIfs) End(ctx context.Context, account, id, state, failure string) error {
	counts, err := s.counts(ctx, account, id)
	if err != nil {
		return wrap(err, "close trial %s", id)
	}
	encoded, err := json.Marshal(counts)
	if err == nil {
		_, err = exec(ctx, s.pool, whatIfEnd, args{"account": account, "id": id, "state": state, "failure": clip(failure), "counts": encoded})
	}
	return wrap(err, "close trial %s", id)
}

// Delete removes a trial with its outcomes: ErrNotFound. One that is under way ends by it.
func (s *WhatIfs) Delete(ctx context.Context, account, id string) error {
	n, err := exec(ctx, s.pool, whatIfDelete, args{"account": account, "id": id})
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return wrap(err, "delete trial %s", id)
}

// Forget removes trials asked for before a moment, of all accounts.
func (s *WhatIfs) Forget(ctx context.Context, before time.Time) (int64, error) {
	n, err := exec(ctx, s.pool, whatIfForget, args{"before": before})
	return n, wrap(err, "remove old trials of policies")
}
