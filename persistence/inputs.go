package persistence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Rows are taken whole: a column that is added later counts by itself.
var (
	inputsImages = query("inputs.images", `
SELECT i.digest, md5(concat_ws('|', i::text, a::text,
  (SELECT string_agg(t::text, ',' ORDER BY t.id) FROM plimsoll.image_tag t WHERE t.account = i.account AND t.digest = i.digest),
  (SELECT string_agg(n::text, ',' ORDER BY n.id) FROM plimsoll.annotation n WHERE n.account = i.account AND n.image_digest = i.digest))) AS state
FROM plimsoll.image i JOIN plimsoll.analysis a ON a.id = i.analysis_id
WHERE i.account = @account AND i.digest = ANY (@digests::text[])`)

	inputsAccount = query("inputs.account", `
SELECT md5(concat_ws('|',
  (SELECT string_agg(c::text, ',' ORDER BY c.number) FROM plimsoll.correction c WHERE c.account = @account),
  (SELECT string_agg(d.digest || d.imported_at, ',' ORDER BY d.digest) FROM plimsoll.vex_document d WHERE d.account = @account)))`)

	inputsFeeds = query("inputs.feeds", `
SELECT md5(concat_ws('|', (SELECT max(id) FROM plimsoll_feeds.generation),
  (SELECT string_agg(g::text, ',' ORDER BY g.source, g.group_name) FROM plimsoll_feeds.feed_group g),
  (SELECT string_agg(s::text, ',' ORDER BY s.source, s.group_name) FROM plimsoll_feeds.feed_switch s)))`)

	inputsMatches = query("inputs.matches", `
WITH held AS MATERIALIZED (
  SELECT e.package_id, c.replacement_id, c.valid_from
  FROM plimsoll.image i JOIN plimsoll.image_package e ON e.analysis_id = i.analysis_id AND NOT e.suppressed
  LEFT JOIN plimsoll.package_correction c ON c.account = i.account AND c.package_id = e.package_id AND c.valid_to IS NULL
  WHERE i.account = @account AND i.digest = @digest
), corrected AS MATERIALIZED (
  SELECT DISTINCT package_id, replacement_id, valid_from FROM held WHERE replacement_id IS NOT NULL
)
SELECT ARRAY(SELECT m.id FROM held h JOIN plimsoll.package_match m ON m.package_id = h.package_id AND m.valid_to IS NULL) AS own,
  ARRAY(SELECT m.id FROM held h JOIN plimsoll.package_match m ON m.package_id = h.replacement_id AND m.valid_to IS NULL) AS instead,
  ARRAY(SELECT package_id FROM corrected ORDER BY package_id) AS packages,
  ARRAY(SELECT replacement_id FROM corrected ORDER BY package_id) AS replacements,
  ARRAY(SELECT valid_from FROM corrected ORDER BY package_id) AS since`)
)

// Inputs tells the states of what verdicts rest on, as digests: where two are equal, so is everything behind them. Read
// before what they stand for, they are never newer than it.
type Inputs struct{ pool, feeds *pgxpool.Pool }

// NewInputs returns the store; the feeds may live in another database.
func NewInputs(pool, feeds *pgxpool.Pool) *Inputs { return &Inputs{pool, feeds} }

// Images tells the states of records, analyses, tags and annotations of images of the account, by digest; those that are not
// there or not analysed are missing.
func (s *Inputs) Images(ctx context.Context, account string, digests []string) (map[string]string, error) {
	list, err := many[struct{ Digest, State string }](ctx, s.pool, inputsImages, args{"account": account, "digests": digests})
	out := make(map[string]string, len(list))
	for _, row := range list {
		out[row.Digest] = row.State
	}
	return out, wrap(err, "load the states of %d images", len(digests))
}

// Account tells the state of an account's corrections and VEX documents.
func (s *Inputs) Account(ctx context.Context, account string) (string, error) {
	state, err := value[string](ctx, s.pool, inputsAccount, args{"account": account})
	return state, wrap(err, "load the state of account %s", account)
}

// Feeds tells the state of the feeds: their generation, and when each group was synced.
func (s *Inputs) Feeds(ctx context.Context) (string, error) {
	state, err := value[string](ctx, s.feeds, inputsFeeds, args{})
	return state, wrap(err, "load the state of the feeds")
}

// Matches tells the state of what is matched with the packages of an image of the account.
func (s *Inputs) Matches(ctx context.Context, account, digest string) (string, error) {
	row, err := one[struct {
		Own, Instead, Packages, Replacements []int64
		Since                                []time.Time
	}](ctx, s.pool, inputsMatches, args{"account": account, "digest": digest})
	if err != nil {
		return "", wrap(err, "load the state of the matches of %s", digest)
	}
	corrected := make([]correctedRow, len(row.Packages))
	for i := range corrected {
		corrected[i] = correctedRow{row.Packages[i], row.Replacements[i], row.Since[i]}
	}
	return matchState(row.Own, row.Instead, corrected), nil
}

// State is what Inputs.Matches tells, of what was gathered of an image.
func (g *Gathered) State(digest string) string {
	var own, instead []int64
	var corrected []correctedRow
	held := g.held[digest]
	if held == nil {
		held = &heldRow{}
	}
	for _, id := range held.Packages {
		own = appendMatches(own, g.known[id])
		if c, ok := g.overlay[id]; ok {
			instead = appendMatches(instead, g.known[c.ReplacementID])
			corrected = append(corrected, c)
		}
	}
	slices.SortFunc(corrected, func(a, b correctedRow) int { return cmp.Compare(a.PackageID, b.PackageID) })
	corrected = slices.CompactFunc(corrected, func(a, b correctedRow) bool { return a.PackageID == b.PackageID })
	return matchState(own, instead, corrected)
}

func appendMatches(ids []int64, list []*PackageMatch) []int64 {
	for _, m := range list {
		ids = append(ids, m.id)
	}
	return ids
}

// matchState digests which matches hold: a match never changes but by ending, and its number is never used again. Those of a
// corrected package tell since when its replacement's count.
func matchState(own, instead []int64, corrected []correctedRow) string {
	slices.Sort(own)
	slices.Sort(instead)
	buffer := make([]byte, 0, 8*(2+len(own)+len(instead)+3*len(corrected)))
	number := func(n int64) { buffer = binary.LittleEndian.AppendUint64(buffer, uint64(n)) } // #nosec G115 -- a digest of bits
	for _, list := range [][]int64{own, instead} {
		number(int64(len(list)))
		for _, id := range list {
			number(id)
		}
	}
	for _, c := range corrected {
		number(c.PackageID)
		number(c.ReplacementID)
		number(c.ValidFrom.UnixMicro())
	}
	sum := sha256.Sum256(buffer)
	return hex.EncodeToString(sum[:])
}
