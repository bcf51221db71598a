package persistence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/catalog"
	"plimsoll/engine/correction"
)

// CauseCorrection marks matches of packages that an account has corrected, when they were found.
const CauseCorrection = "correction"

const correctableColumns = subjectColumns + `, p.purl`

// reached narrows the dictionary to what rules may be about: by type alone, or by type and name.
const reached = `(p.type = ANY (@types::text[]) OR (p.name, p.type) IN (SELECT * FROM unnest(@names::text[], @name_types::text[])))`

// heldByAccount: an analysis that is being published belongs here; it may have asked for the rules before they changed.
const heldByAccount = `EXISTS (
    SELECT FROM plimsoll.image_package e
    JOIN plimsoll.analysis a ON a.id = e.analysis_id
    JOIN plimsoll.image i ON i.digest = a.image_digest AND (i.analysis_id = a.id OR i.analysis_status IN ('not_analyzed', 'analyzing'))
    WHERE e.package_id = p.id AND e.counted AND i.account = @account)`

var (
	// Accounts whose images have the analysis, or are about to.
	correctionAccounts = query("correction.accounts", `
SELECT DISTINCT i.account FROM plimsoll.analysis a
JOIN plimsoll.image i ON i.digest = a.image_digest AND (i.analysis_id = a.id OR i.analysis_status IN ('not_analyzed', 'analyzing'))
WHERE a.id = @analysis_id AND EXISTS (SELECT FROM plimsoll.correction c WHERE c.account = i.account) ORDER BY i.account`)

	correctionOfAnalysis = query("correction.of_analysis", `
SELECT `+correctableColumns+` FROM plimsoll.package p
WHERE `+reached+` AND p.id IN (SELECT package_id FROM plimsoll.image_package WHERE analysis_id = @analysis_id AND counted)
ORDER BY p.id`)

	// What was corrected is looked at again, whoever holds it now. Each arm has its own index, and no more rows than a page.
	correctionOfAccount = query("correction.of_account", `
WITH wanted AS (
  (SELECT c.package_id AS id FROM plimsoll.package_correction c
  WHERE c.account = @account AND c.valid_to IS NULL AND c.package_id > @after ORDER BY c.package_id LIMIT @limit)
  UNION
  (SELECT p.id FROM unnest(@names::text[], @name_types::text[]) n (name, type) JOIN plimsoll.package p ON p.name = n.name AND p.type = n.type
  WHERE p.id > @after AND `+heldByAccount+` ORDER BY p.id LIMIT @limit)
  UNION
  (SELECT p.id FROM plimsoll.package p
  WHERE cardinality(@types::text[]) > 0 AND p.type = ANY (@types::text[]) AND p.id > @after AND `+heldByAccount+` ORDER BY p.id LIMIT @limit)
)
SELECT `+correctableColumns+` FROM wanted w JOIN plimsoll.package p ON p.id = w.id ORDER BY p.id LIMIT @limit`)

	correctionClose = query("correction.close", `
UPDATE plimsoll.package_correction c SET valid_to = greatest(@at, c.valid_from)
WHERE c.account = @account AND c.package_id = ANY (@packages::bigint[]) AND c.valid_to IS NULL AND NOT EXISTS (
  SELECT FROM stage_package s JOIN plimsoll.package p ON `+samePackage+` WHERE s.corrects = c.package_id AND p.id = c.replacement_id)
RETURNING c.package_id`)

	correctionOpen = query("correction.open", `
INSERT INTO plimsoll.package_correction (account, package_id, replacement_id, valid_from)
SELECT @account, s.corrects, p.id, @at FROM stage_package s JOIN plimsoll.package p ON `+samePackage+`
WHERE NOT EXISTS (SELECT FROM plimsoll.package_correction c WHERE c.account = @account AND c.package_id = s.corrects AND c.valid_to IS NULL)
ORDER BY s.corrects RETURNING package_id`)

	correctionUnmatched = query("correction.unmatched", `
SELECT p.id FROM plimsoll.package p JOIN stage_package s ON `+samePackage+`
WHERE p.matched_generation IS NULL ORDER BY p.id FOR NO KEY UPDATE OF p`)

	correctionNote = query("correction.note_images", `
INSERT INTO plimsoll.rescan_image (generation, account, digest)
SELECT DISTINCT @generation::bigint, i.account, i.digest
FROM plimsoll.image_package e JOIN plimsoll.image i ON i.analysis_id = e.analysis_id
WHERE e.package_id = ANY (@packages::bigint[]) AND e.counted AND i.account = @account AND i.image_status = 'active'
ORDER BY i.account, i.digest ON CONFLICT DO NOTHING`)

	rescanCount = query("rescan.count_images", `SELECT count(*) FROM plimsoll.rescan_image WHERE generation = @generation`)
)

// correctable is a dictionary entry as rules see it.
type correctable struct {
	subjectRow
	PURL string
}

// EditGeneration is what stands for a change of an account's rules where other changes have a feed generation.
func EditGeneration(edit int64) int64 { return -edit }

// EditOf is the change of rules a number that EditGeneration made stands for.
func EditOf(generation int64) int64 { return -generation }

// Recorrect brings what an account's packages are to it in line with its rules as they are now, in transactions of their
// own, and notes the images whose answers moved under the number of the change of rules. It can be repeated. progress
// hears of the packages done.
func (s *Matches) Recorrect(ctx context.Context, account string, edit int64, at time.Time, progress func(done, of int)) (Rescanned, error) {
	var out Rescanned
	for after, more := int64(0), true; more; {
		r, err := s.takeTurn(ctx, func(tx pgx.Tx) (correctionResult, error) { return s.correctAccount(ctx, tx, account, edit, after, at) })
		if err != nil {
			return out, fmt.Errorf("correct packages of account %s: %w", account, err)
		}
		out.Packages, out.Opened = out.Packages+r.looked, out.Opened+r.opened
		after, more = r.last, r.looked == rescanBatch
		progress(out.Packages, 0)
	}
	if err := s.settle(ctx, &out); err != nil {
		return out, err
	}
	var err error
	out.Images, err = value[int](ctx, s.pool, rescanCount, args{"generation": EditGeneration(edit)})
	return out, wrap(err, "count corrected images")
}

// takeTurn runs a transaction that corrects packages, one at a time in this process. Those that wait for each other must
// not hold all connections of the pool: whoever they wait for needs one more, to ask the feeds.
func (s *Matches) takeTurn(ctx context.Context, do func(pgx.Tx) (correctionResult, error)) (correctionResult, error) {
	if err := s.correcting.Acquire(ctx, 1); err != nil {
		return correctionResult{}, err
	}
	defer s.correcting.Release(1)
	return InTx(ctx, s.pool, do)
}

// correctionResult is what one transaction did.
type correctionResult struct {
	looked, opened int
	last           int64 // package looked at
	moved          []int64
}

func (s *Matches) correctAccount(ctx context.Context, tx pgx.Tx, account string, edit, after int64, at time.Time) (correctionResult, error) {
	set, err := s.beginCorrecting(ctx, tx, account)
	if err != nil {
		return correctionResult{}, err
	}
	list, err := many[correctable](ctx, tx, correctionOfAccount, merge(reach(set), args{"account": account, "after": after, "limit": rescanBatch}))
	if err != nil || len(list) == 0 {
		return correctionResult{}, err
	}
	out, err := s.correct(ctx, tx, account, set, list, at)
	if err != nil || len(out.moved) == 0 {
		return out, err
	}
	_, err = exec(ctx, tx, correctionNote, args{"generation": EditGeneration(edit), "account": account, "packages": out.moved})
	return out, err
}

// correctAnalysis corrects the packages of an analysis for all accounts that have it and rules.
func (s *Matches) correctAnalysis(ctx context.Context, analysisID int64, at time.Time) error {
	accounts, err := column[string](ctx, s.pool, correctionAccounts, args{"analysis_id": analysisID})
	if err != nil {
		return err
	}
	for _, account := range accounts {
		_, err := s.takeTurn(ctx, func(tx pgx.Tx) (correctionResult, error) {
			set, err := s.beginCorrecting(ctx, tx, account)
			if err != nil || set.Empty() {
				return correctionResult{}, err
			}
			list, err := many[correctable](ctx, tx, correctionOfAnalysis, merge(reach(set), args{"analysis_id": analysisID}))
			if err != nil || len(list) == 0 {
				return correctionResult{}, err
			}
			return s.correct(ctx, tx, account, set, list, at)
		})
		if err != nil {
			return fmt.Errorf("correct packages for account %s: %w", account, err)
		}
	}
	return nil
}

// beginCorrecting waits for rescans and for whoever corrects packages of the account, and only then reads the rules:
// the last to write has seen the newest.
func (s *Matches) beginCorrecting(ctx context.Context, tx pgx.Tx, account string) (*correction.Set, error) {
	if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
		return nil, err
	}
	if _, err := exec(ctx, tx, lockShared, args{"lock": lockRescan}); err != nil {
		return nil, err
	}
	if _, err := exec(ctx, tx, correctionLock, args{"lock": lockCorrections, "account": account}); err != nil {
		return nil, err
	}
	return correctionSet(ctx, tx, account)
}

// reach gives the arguments of what rules may be about.
func reach(set *correction.Set) args {
	types, names, nameTypes := []string{}, []string{}, []string{}
	for kind, of := range set.Reach() {
		kinds := []string{kind}
		if kind == correction.AnyOS {
			kinds = catalog.OSTypes()
		}
		for _, k := range kinds {
			if of == nil {
				types = append(types, k)
			}
			for _, name := range of {
				names, nameTypes = append(names, name), append(nameTypes, k)
			}
		}
	}
	return args{"types": types, "names": names, "name_types": nameTypes}
}

// correct makes the account's corrections of the packages what the rules say. New entries are matched here.
func (s *Matches) correct(ctx context.Context, tx pgx.Tx, account string, set *correction.Set, list []correctable, at time.Time) (correctionResult, error) {
	out := correctionResult{looked: len(list), last: list[len(list)-1].ID}
	packages := make([]int64, len(list))
	for i, c := range list {
		packages[i] = c.ID
	}
	if err := stageCorrected(ctx, tx, set, list); err != nil {
		return out, err
	}
	for _, statement := range []string{packageInsert, targetInsert} {
		if _, err := exec(ctx, tx, statement, args{}); err != nil {
			return out, err
		}
	}
	var err error
	if out.opened, err = s.matchCorrected(ctx, tx, at); err != nil {
		return out, err
	}
	closed, err := column[int64](ctx, tx, correctionClose, args{"account": account, "packages": packages, "at": at})
	if err != nil {
		return out, err
	}
	opened, err := column[int64](ctx, tx, correctionOpen, args{"account": account, "at": at})
	out.moved = slices.Concat(closed, opened)
	return out, err
}

// stageCorrected stages an entry for each package the rules change.
func stageCorrected(ctx context.Context, tx pgx.Tx, set *correction.Set, list []correctable) error {
	inForce, err := rules(ctx, tx)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, c := range list {
		if id, purl, ok := set.Correct(c.subject().Identity, c.PURL); ok {
			rows = append(rows, append(stageEntry(inForce, cleanIdentity(id), purl), c.ID))
		}
	}
	if _, err := tx.Exec(ctx, packageStaging); err != nil {
		return err
	}
	columns := slices.Concat(entryColumns, []string{"corrects"})
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"stage_package"}, columns, pgx.CopyFromRows(rows))
	return wrap(err, "stage corrected packages")
}

func (s *Matches) matchCorrected(ctx context.Context, tx pgx.Tx, at time.Time) (opened int, err error) {
	generation, err := value[int64](ctx, s.feeds, generationCurrent, args{})
	if err != nil {
		return 0, err
	}
	// Two packages may be corrected to the same.
	packages, err := column[int64](ctx, tx, correctionUnmatched, args{})
	packages = slices.Compact(packages)
	if err != nil || len(packages) == 0 {
		return 0, err
	}
	moved, err := s.rematch(ctx, tx, packages, interval{at, generation, CauseCorrection})
	if err != nil {
		return 0, err
	}
	_, err = exec(ctx, tx, matchDone, args{"generation": generation, "packages": packages})
	return moved.opened, err
}
