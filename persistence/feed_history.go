package persistence

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Of the generations at which a part of the record begins or ends, the newest: how each part was before and after.
var recordHistory = query("feed.history", `
WITH part AS (
  SELECT v.source, v.group_name, '' AS namespace, '' AS package, '' AS scope, v.detail AS value, v.valid_from, v.valid_to
  FROM plimsoll_feeds.vulnerability v
  WHERE v.vulnerability_id = @id AND (@source = '' OR v.source = @source) AND @package = '' AND cardinality(@namespaces::text[]) = 0
  UNION ALL
  SELECT a.source, a.group_name, a.namespace, a.package, a.scope,
    a.detail || jsonb_build_object('ranges', a.ranges, 'versions', a.versions, 'state', a.state), a.valid_from, a.valid_to
  FROM plimsoll_feeds.advisory a
  WHERE a.advisory_id = @id AND (@source = '' OR a.source = @source) AND (@package = '' OR a.package = @package)
    AND (cardinality(@namespaces::text[]) = 0 OR a.namespace = ANY (@namespaces::text[]))
), page AS (
  SELECT DISTINCT g FROM (SELECT valid_from AS g FROM part UNION SELECT valid_to FROM part) e
  WHERE g < @before AND g IS NOT NULL ORDER BY g DESC LIMIT @limit
)
SELECT p.source, p.group_name, p.namespace, p.package, p.scope, e.g AS generation, n.committed_at,
  old.value AS before, CASE WHEN p.valid_from = e.g THEN p.value END AS after
FROM page e
JOIN plimsoll_feeds.generation n ON n.id = e.g
JOIN part p ON p.valid_from = e.g OR p.valid_to = e.g AND NOT EXISTS (
  SELECT FROM part q WHERE q.valid_from = e.g AND (q.source, q.group_name, q.namespace, q.package, q.scope)
    = (p.source, p.group_name, p.namespace, p.package, p.scope))
LEFT JOIN part old ON old.valid_to = e.g AND (old.source, old.group_name, old.namespace, old.package, old.scope)
  = (p.source, p.group_name, p.namespace, p.package, p.scope)
ORDER BY e.g DESC, p.source, p.group_name, p.namespace, p.package, p.scope`)

// HistoryQuestion asks how a record came to say what it says.
type HistoryQuestion struct {
	ID         string // as its source names it
	Source     string // "": every one
	Namespaces []string
	Package    string
	Before     int64 // only generations below; 0: from the newest on
	Limit      int   // generations
}

// RecordChange is one step in the history of one part of a record: of what is said about the flaw itself, or, with a namespace,
// about a package.
type RecordChange struct {
	Source      string
	Group       string
	Namespace   string
	Package     string
	Scope       string
	Generation  int64
	CommittedAt time.Time
	Kind        string // "added", "changed", "removed"
	Fields      []FieldChange
}

// FieldChange is a member of the document that differs. A side on which it is missing is nil.
type FieldChange struct {
	Name          string
	Before, After json.RawMessage
}

type historyRow struct {
	Source, GroupName, Namespace, Package, Scope string
	Generation                                   int64
	CommittedAt                                  time.Time
	Before, After                                map[string]json.RawMessage
}

// History returns the steps of up to Limit generations, newest first. What the retention has removed is missing: the oldest
// step that is left may be a change.
func (s *Feeds) History(ctx context.Context, q HistoryQuestion) ([]RecordChange, error) {
	if q.Namespaces == nil {
		q.Namespaces = []string{}
	}
	if q.Before == 0 {
		q.Before = 1<<63 - 1
	}
	rows, err := many[historyRow](ctx, s.pool, recordHistory, args{
		"id": q.ID, "source": q.Source, "namespaces": q.Namespaces, "package": q.Package, "before": q.Before, "limit": q.Limit,
	})
	out := make([]RecordChange, 0, len(rows))
	for _, r := range rows {
		out = append(out, r.change())
	}
	return out, wrap(err, "load history of record %s", q.ID)
}

func (r historyRow) change() RecordChange {
	c := RecordChange{
		Source: r.Source, Group: r.GroupName, Namespace: r.Namespace, Package: r.Package, Scope: r.Scope,
		Generation: r.Generation, CommittedAt: r.CommittedAt, Kind: "changed",
	}
	switch {
	case r.Before == nil:
		c.Kind = "added"
	case r.After == nil:
		c.Kind = "removed"
	}
	names := map[string]struct{}{}
	for name := range r.Before {
		names[name] = struct{}{}
	}
	for name := range r.After {
		names[name] = struct{}{}
	}
	for name := range names {
		if string(r.Before[name]) != string(r.After[name]) {
			c.Fields = append(c.Fields, FieldChange{name, r.Before[name], r.After[name]})
		}
	}
	slices.SortFunc(c.Fields, func(a, b FieldChange) int { return strings.Compare(a.Name, b.Name) })
	return c
}
