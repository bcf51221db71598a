package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/relay"
)

// recordsOf lists records of a group with their advisories, by id.
func recordsOf(which string) string {
	return `
SELECT u.detail, coalesce(a.list, '[]') AS advisories
FROM plimsoll_feeds.vulnerability u LEFT JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_object('namespace', v.namespace, 'package', v.package, 'ranges', v.ranges, 'versions', v.versions,
    'state', v.state, 'detail', v.detail) ORDER BY v.namespace, v.package, v.scope) AS list
  FROM plimsoll_feeds.advisory v
  WHERE v.source = u.source AND v.group_name = u.group_name AND v.advisory_id = u.vulnerability_id AND v.valid_to IS NULL) a ON true
WHERE u.source = @source AND u.group_name = @group AND u.valid_to IS NULL AND u.vulnerability_id > @after ` + which + `
ORDER BY u.vulnerability_id LIMIT @limit`
}

var (
	exportAll = query("feed.export", recordsOf(``))

	exportSince = query("feed.export_since", recordsOf(`AND u.vulnerability_id IN (
  SELECT c.vulnerability_id FROM plimsoll_feeds.vulnerability c
  WHERE c.source = @source AND c.group_name = @group AND c.valid_from > @since
  UNION SELECT c.advisory_id FROM plimsoll_feeds.advisory c
  WHERE c.source = @source AND c.group_name = @group AND c.valid_from > @since
  UNION SELECT c.advisory_id FROM plimsoll_feeds.advisory c
  WHERE c.source = @source AND c.group_name = @group AND c.valid_to > @since)`))

	exportFacts = query("feed.export_facts", `
SELECT kind, value FROM plimsoll_feeds.fact
WHERE source = @source AND group_name = @group AND valid_to IS NULL ORDER BY kind, key`)

	exportScores = query("feed.export_scores", `
SELECT id, probability::float8 AS probability, percentile::float8 AS percentile, scored_on AS date
FROM plimsoll_feeds.score WHERE source = @source AND group_name = @group ORDER BY id`)

	// Facts and scores are told as a whole only. What was swept away can no more be told as removed.
	exportState = query("feed.export_state", `
SELECT o.id::text AS origin, o.swept, coalesce(max(g.id), 0) AS generation,
  EXISTS (SELECT FROM plimsoll_feeds.fact WHERE source = @source AND group_name = @group AND valid_to IS NULL)
    OR EXISTS (SELECT FROM plimsoll_feeds.score WHERE source = @source AND group_name = @group) AS whole
FROM plimsoll_feeds.origin o LEFT JOIN plimsoll_feeds.generation g ON g.source = @source AND g.group_name = @group
GROUP BY o.id, o.swept`)

	exportRemoved = query("feed.export_removed", `
SELECT DISTINCT c.vulnerability_id FROM plimsoll_feeds.vulnerability c
WHERE c.source = @source AND c.group_name = @group AND c.valid_to > @since AND NOT EXISTS (
  SELECT FROM plimsoll_feeds.vulnerability u WHERE u.source = c.source AND u.group_name = c.group_name
    AND u.vulnerability_id = c.vulnerability_id AND u.valid_to IS NULL)
ORDER BY 1`)
)

// GroupState tells where a group stands.
type GroupState struct {
	Origin     string // which feed store this is
	Generation int64  // the newest of the group; 0: it has no data
	Swept      int64  // up to this generation, what ended is forgotten
	Whole      bool   // it has facts or scores, which are told as a whole only
}

// State tells where a group stands; one that is not known has no data.
func (s *Feeds) State(ctx context.Context, source, group string) (GroupState, error) {
	out, err := one[GroupState](ctx, s.pool, exportState, args{"source": source, "group": group})
	return out, wrap(err, "tell the state of feed group %s/%s", source, group)
}

// RemovedSince lists the records of a group that are gone since a generation.
func (s *Feeds) RemovedSince(ctx context.Context, source, group string, since int64) ([]string, error) {
	list, err := column[string](ctx, s.pool, exportRemoved, args{"source": source, "group": group, "since": since})
	return list, wrap(err, "list what is gone from feed group %s/%s", source, group)
}

// Export visits the records of a group, by id: all with their facts and scores, or with a generation those that changed
// since. It holds one record at a time.
func (s *Feeds) Export(ctx context.Context, source, group string, since int64, visit func(relay.Line) error) error {
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil { // whoever reads sets the pace
			return err
		}
		if err := exportRecords(ctx, tx, source, group, since, "", nil, visit); err != nil || since > 0 {
			return err
		}
		key := args{"source": source, "group": group}
		err := eachRow(ctx, tx, exportFacts, key, func(r factRow) error {
			line, err := r.line()
			if err != nil {
				return err
			}
			return visit(line)
		})
		if err != nil {
			return err
		}
		return eachRow(ctx, tx, exportScores, key, func(r feed.Score) error { return visit(relay.Line{Score: &r}) })
	})
	return wrap(err, "export feed group %s/%s", source, group)
}

// ExportPage returns up to limit records of a group that follow an id, by id; with a generation those that changed since.
func (s *Feeds) ExportPage(ctx context.Context, source, group string, since int64, after string, limit int) ([]relay.Line, error) {
	var out []relay.Line
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		return exportRecords(ctx, tx, source, group, since, after, &limit, func(l relay.Line) error {
			out = append(out, l)
			return nil
		})
	})
	return out, wrap(err, "list records of feed group %s/%s", source, group)
}

type exportRow struct {
	Detail     feed.Vulnerability
	Advisories []exportedAdvisory
}

type exportedAdvisory struct {
	Namespace string         `json:"namespace"`
	Package   string         `json:"package"`
	Ranges    []feed.Range   `json:"ranges"`
	Versions  []string       `json:"versions"`
	State     string         `json:"state"`
	Detail    advisoryDetail `json:"detail"`
}

func exportRecords(ctx context.Context, tx pgx.Tx, source, group string, since int64, after string, limit *int, visit func(relay.Line) error) error {
	statement, a := exportAll, args{"source": source, "group": group, "after": after, "limit": limit}
	if since > 0 {
		statement, a["since"] = exportSince, since
	}
	return eachRow(ctx, tx, statement, a, func(r exportRow) error {
		line := relay.Line{Vulnerability: &r.Detail}
		for _, x := range r.Advisories {
			about := feed.Advisory{
				Source: source, ID: r.Detail.ID, Namespace: x.Namespace, Package: x.Package, Ranges: x.Ranges, Versions: x.Versions, State: feed.FixState(x.State),
			}
			x.Detail.fill(&about)
			line.Advisories = append(line.Advisories, about)
		}
		return visit(line)
	})
}

type factRow struct {
	Kind  string
	Value json.RawMessage
}

func (r factRow) line() (line relay.Line, err error) {
	var into any
	switch r.Kind {
	case factExploited:
		line.Exploited = new(feed.Exploited)
		into = line.Exploited
	case factLifecycle:
		line.Lifecycle = new(feed.Lifecycle)
		into = line.Lifecycle
	case factRelease:
		line.Release = new(feed.Release)
		into = line.Release
	case factExclusion:
		line.Exclusion = new(feed.Exclusion)
		into = line.Exclusion
	default:
		return line, fmt.Errorf("unknown kind of fact %q", r.Kind)
	}
	return line, wrap(json.Unmarshal(r.Value, into), "read a fact")
}

// eachRow visits the rows of an answer one by one.
func eachRow[T any](ctx context.Context, tx pgx.Tx, statement string, a args, visit func(T) error) error {
	rows, err := tx.Query(ctx, statement, a)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := pgx.RowToStructByName[T](rows)
		if err != nil {
			return err
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// GenerationThen returns the newest generation that was committed by a time; 0 before the first.
func (s *Feeds) GenerationThen(ctx context.Context, at time.Time) (int64, error) {
	g, err := value[int64](ctx, s.pool, generationThen, args{"at": at})
	return g, wrap(err, "find the generation of %s", at.Format(time.RFC3339))
}
