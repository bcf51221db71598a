package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/correction"
)

// MaxCorrections is how many rules an account may have: each is asked about each of its packages.
const MaxCorrections = 200

// Correction is a rule of an account.
type Correction struct {
	Account     string
	ID          string
	Description string
	Rule        correction.Rule
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// CorrectionEdit names the workflow that applies the rules of an account after a change of them, by the change's number.
type CorrectionEdit func(account string, edit int64) Start

// Corrections stores the rules by which accounts correct packages.
type Corrections struct{ pool *pgxpool.Pool }

// NewCorrections returns the store.
func NewCorrections(pool *pgxpool.Pool) *Corrections { return &Corrections{pool} }

const correctionColumns = `account, id::text AS id, description, rule, created_at, updated_at`

var (
	correctionList = query("correction.list", `
SELECT `+correctionColumns+` FROM plimsoll.correction WHERE account = @account ORDER BY number`)

	correctionRules = query("correction.rules", `SELECT rule FROM plimsoll.correction WHERE account = @account ORDER BY number`)

	correctionGet = query("correction.get", `
SELECT `+correctionColumns+` FROM plimsoll.correction WHERE account = @account AND id::text = @id`)

	correctionCount = query("correction.count", `SELECT count(*) FROM plimsoll.correction WHERE account = @account`)

	correctionInsert = query("correction.insert", `
INSERT INTO plimsoll.correction (account, description, rule) VALUES (@account, @description, @rule) RETURNING `+correctionColumns)

	correctionUpdate = query("correction.update", `
UPDATE plimsoll.correction SET description = @description, rule = @rule, updated_at = now()
WHERE account = @account AND id::text = @id RETURNING `+correctionColumns)

	correctionDelete = query("correction.delete", `DELETE FROM plimsoll.correction WHERE account = @account AND id::text = @id`)

	correctionNumber = query("correction.number", `SELECT nextval('plimsoll.correction_edit')`)

	// Whoever changes rules of an account, or what follows from them, waits for whoever does.
	correctionLock = query("correction.lock", `SELECT pg_advisory_xact_lock(@lock::int, hashtext(@account))`)
)

// List returns the rules of an account in the order in which they apply.
func (s *Corrections) List(ctx context.Context, account string) ([]Correction, error) {
	list, err := many[Correction](ctx, s.pool, correctionList, args{"account": account})
	return list, wrap(err, "list corrections")
}

// Get returns a rule: ErrNotFound.
func (s *Corrections) Get(ctx context.Context, account, id string) (Correction, error) {
	c, err := one[Correction](ctx, s.pool, correctionGet, args{"account": account, "id": id})
	return c, wrap(err, "load correction %s", id)
}

// Set returns the rules of an account, ready for use.
func (s *Corrections) Set(ctx context.Context, account string) (*correction.Set, error) {
	set, err := correctionSet(ctx, s.pool, account)
	return set, wrap(err, "load corrections of account %s", account)
}

func correctionSet(ctx context.Context, db session, account string) (*correction.Set, error) {
	rules, err := column[correction.Rule](ctx, db, correctionRules, args{"account": account})
	if err != nil {
		return nil, err
	}
	return correction.NewSet(rules)
}

// Create adds a rule, the last to apply: correction.ErrRule, ErrTooMany, ErrNotFound without the account. The outbox row
// asks for the workflow that applies it.
func (s *Corrections) Create(ctx context.Context, c Correction, edit CorrectionEdit) (Correction, int64, error) {
	return s.change(ctx, c, edit, func(tx pgx.Tx) (Correction, error) {
		n, err := value[int](ctx, tx, correctionCount, args{"account": c.Account})
		if err == nil && n >= MaxCorrections {
			err = fmt.Errorf("%w: an account may have %d corrections", ErrTooMany, MaxCorrections)
		}
		if err != nil {
			return Correction{}, err
		}
		out, err := one[Correction](ctx, tx, correctionInsert, args{"account": c.Account, "description": c.Description, "rule": c.Rule})
		if isViolation(err, codeForeignKey) {
			err = ErrNotFound
		}
		return out, err
	})
}

// Update replaces a rule, which keeps its place: correction.ErrRule, ErrNotFound.
func (s *Corrections) Update(ctx context.Context, c Correction, edit CorrectionEdit) (Correction, int64, error) {
	return s.change(ctx, c, edit, func(tx pgx.Tx) (Correction, error) {
		return one[Correction](ctx, tx, correctionUpdate, args{"account": c.Account, "id": c.ID, "description": c.Description, "rule": c.Rule})
	})
}

// Delete removes a rule: ErrNotFound. What it did is undone by the workflow.
func (s *Corrections) Delete(ctx context.Context, account, id string, edit CorrectionEdit) (outboxID int64, err error) {
	_, outboxID, err = s.commit(ctx, account, edit, func(tx pgx.Tx) (Correction, error) {
		return Correction{}, found(exec(ctx, tx, correctionDelete, args{"account": account, "id": id}))
	})
	return outboxID, wrap(err, "delete correction %s", id)
}

func (s *Corrections) change(ctx context.Context, c Correction, edit CorrectionEdit, write func(pgx.Tx) (Correction, error)) (Correction, int64, error) {
	err := c.Rule.Check()
	var out Correction
	var outboxID int64
	if err == nil {
		out, outboxID, err = s.commit(ctx, c.Account, edit, write)
	}
	return out, outboxID, wrap(err, "store correction")
}

// commit writes a change of rules together with the start of the workflow that applies it.
func (s *Corrections) commit(ctx context.Context, account string, edit CorrectionEdit, write func(pgx.Tx) (Correction, error)) (Correction, int64, error) {
	var outboxID int64
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Correction, error) {
		if _, err := exec(ctx, tx, correctionLock, args{"lock": lockCorrectionRules, "account": account}); err != nil {
			return Correction{}, err
		}
		out, err := write(tx)
		if err != nil {
			return out, err
		}
		number, err := value[int64](ctx, tx, correctionNumber, args{})
		if err != nil {
			return out, err
		}
		outboxID, err = enqueue(ctx, tx, edit(account, number))
		return out, err
	})
	return out, outboxID, err
}
