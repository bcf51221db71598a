package persistence

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/feed"
	"plimsoll/engine/match"
)

const subjectColumns = `p.id, p.type, p.namespace, p.name, p.version, p.arch, p.source, p.source_version, p.module, p.cpes, p.known, p.claim`

var (
	// The feed store may be another database: names travel, not rows.
	candidateList = query("candidate.list", `
SELECT n.namespace, n.name, v.source, v.group_name, v.advisory_id, v.ranges, v.versions, v.state,
  CASE WHEN v.detail <> '{}' THEN v.detail END AS detail, u.aliases, u.detail -> 'upstream' AS upstream, u.severity::int AS rating,
  coalesce(f.severity, 0)::int AS fallback
FROM unnest(@namespaces::text[], @names::text[]) n (namespace, name)
JOIN plimsoll_feeds.advisory v ON v.namespace = n.namespace AND v.package = n.name AND v.valid_to IS NULL
JOIN plimsoll_feeds.vulnerability u
  ON u.source = v.source AND u.group_name = v.group_name AND u.vulnerability_id = v.advisory_id AND u.valid_to IS NULL
LEFT JOIN LATERAL (
  SELECT max(r.severity) AS severity FROM plimsoll_feeds.vulnerability r
  WHERE (u.severity = 0 OR v.detail ->> 'severity' = '0') AND r.source = 'nvd' AND r.valid_to IS NULL
    AND r.vulnerability_id = ANY (array_append(u.aliases, u.vulnerability_id))) f ON true
WHERE NOT u.withdrawn`)

	exclusionList = query("candidate.exclusions", `
SELECT value FROM plimsoll_feeds.fact WHERE kind = 'exclusion' AND valid_to IS NULL ORDER BY source, group_name, key`)

	subjectList = query("subject.list", `
SELECT `+subjectColumns+` FROM plimsoll.package p WHERE p.id = ANY (@packages::bigint[]) ORDER BY p.id`)
)

type subjectRow struct {
	ID            int64
	Type          string
	Namespace     string
	Name          string
	Version       string
	Arch          string
	Source        string
	SourceVersion string
	Module        string
	CPEs          string `db:"cpes"`
	Known         string
	Claim         string
}

func (r subjectRow) subject() match.Subject {
	var s match.Subject
	s.Type, s.Identity.Namespace, s.Name, s.Version, s.Arch = r.Type, r.Namespace, r.Name, r.Version, r.Arch
	s.Source, s.SourceVersion, s.Module, s.CPEs, s.Known, s.Claim = r.Source, r.SourceVersion, r.Module, r.CPEs, r.Known, r.Claim
	return s
}

type candidateRow struct {
	Namespace  string
	Name       string
	Source     string
	GroupName  string
	AdvisoryID string
	Ranges     []feed.Range
	Versions   []string
	State      string
	Detail     *advisoryDetail
	Aliases    []string
	Upstream   []string
	Rating     int
	Fallback   int
}

func (r candidateRow) candidate() match.Candidate {
	c := match.Candidate{
		Advisory: feed.Advisory{
			Source: r.Source, ID: r.AdvisoryID, Namespace: r.Namespace, Package: r.Name, Ranges: r.Ranges, Versions: r.Versions, State: feed.FixState(r.State),
		},
		Group: r.GroupName, Aliases: r.Aliases, Upstream: r.Upstream, Rating: feed.Severity(r.Rating), Fallback: feed.Severity(r.Fallback),
	}
	if r.Detail != nil {
		r.Detail.fill(&c.Advisory)
	}
	return c
}

// statements is what the feeds say about some names.
type statements struct {
	said       map[match.Target][]match.Candidate
	exclusions []feed.Exclusion
}

// about gathers what is said about a subject, under all its names.
func (s statements) about(targets []match.Target) []match.Candidate {
	if len(targets) == 1 {
		return s.said[targets[0]]
	}
	var out []match.Candidate
	for _, t := range targets {
		out = append(out, s.said[t]...)
	}
	return out
}

// statementsAbout reads what the feeds say about names now.
func statementsAbout(ctx context.Context, db session, targets map[match.Target]struct{}) (statements, error) {
	out := statements{said: make(map[match.Target][]match.Candidate, len(targets))}
	namespaces, names := make([]string, 0, len(targets)), make([]string, 0, len(targets))
	for t := range targets {
		namespaces, names = append(namespaces, t.Namespace), append(names, t.Name)
	}
	rows, err := db.Query(ctx, candidateList, args{"namespaces": namespaces, "names": names})
	if err != nil {
		return out, err
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		r, err := pgx.RowToStructByName[candidateRow](row)
		if err == nil {
			at := match.Target{Namespace: r.Namespace, Name: r.Name}
			out.said[at] = append(out.said[at], r.candidate())
		}
		return struct{}{}, err
	})
	if err != nil {
		return out, fmt.Errorf("read advisories: %w", err)
	}
	out.exclusions, err = column[feed.Exclusion](ctx, db, exclusionList, args{})
	return out, err
}
