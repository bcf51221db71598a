package persistence

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"plimsoll/engine/match"
)

// explainedPackages limits how many packages of an image one explanation is about.
const explainedPackages = 200

var (
	// What the flaw is called elsewhere matters too: the record that decides may go by another name.
	explainNames = query("explain.names", `
WITH known AS (
  SELECT u.aliases || u.vulnerability_id AS names FROM plimsoll_feeds.vulnerability u
  WHERE u.valid_to IS NULL AND (u.vulnerability_id = @id OR u.aliases @> ARRAY[@id::text])
), names AS (SELECT DISTINCT unnest(names) AS name FROM known)
SELECT DISTINCT v.namespace, v.package FROM plimsoll_feeds.vulnerability u
JOIN plimsoll_feeds.advisory v ON v.source = u.source AND v.group_name = u.group_name
  AND v.advisory_id = u.vulnerability_id AND v.valid_to IS NULL
WHERE u.valid_to IS NULL AND (u.vulnerability_id IN (SELECT name FROM names) OR u.aliases @> ARRAY[@id::text])
ORDER BY v.namespace, v.package`)

	// Also what the distribution answers for: that nothing else is asked about it is part of the answer.
	explainPackages = query("explain.packages", `
WITH image AS (
  SELECT analysis_id FROM plimsoll.image WHERE account = @account AND digest = @digest
), held AS (
  SELECT coalesce(c.replacement_id, e.package_id) AS package_id, e.path, e.suppressed FROM plimsoll.image_package e
  LEFT JOIN plimsoll.package_correction c ON c.account = @account AND c.package_id = e.package_id AND c.valid_to IS NULL
  WHERE e.analysis_id = (SELECT analysis_id FROM image)
), named AS (
  SELECT DISTINCT t.package_id FROM unnest(@namespaces::text[], @names::text[]) n (namespace, name)
  JOIN plimsoll.package_target t ON t.namespace = n.namespace AND t.name = n.name
  JOIN held e ON e.package_id = t.package_id
  UNION SELECT m.package_id FROM held e
  JOIN plimsoll.package_match m ON m.package_id = e.package_id AND m.valid_to IS NULL
  WHERE m.vulnerability = @id OR m.also @> ARRAY[@id::text]
)
SELECT `+subjectColumns+`, p.purl,
  array_agg(e.path ORDER BY e.path) AS paths, bool_and(e.suppressed) AS suppressed,
  m.cause, m.since, m.valid_from, coalesce(m.from_generation, 0) AS from_generation
FROM named d JOIN plimsoll.package p ON p.id = d.package_id
JOIN held e ON e.package_id = p.id
LEFT JOIN LATERAL (
  SELECT f.cause, f.since, f.valid_from, f.from_generation FROM plimsoll.package_match f
  WHERE f.package_id = p.id AND f.valid_to IS NULL AND (f.vulnerability = @id OR f.also @> ARRAY[@id::text])
  ORDER BY f.vulnerability <> @id, f.vulnerability LIMIT 1) m ON true
WHERE @package = '' OR p.name = @package
GROUP BY p.id, m.cause, m.since, m.valid_from, m.from_generation ORDER BY p.name, p.version, p.arch, p.type, p.id LIMIT @limit`)

	explainProvenance = query("explain.provenance", `
SELECT k.source, k.group_name, k.vulnerability, k.namespace, k.target, k.scope, v.content_hash, v.valid_from AS generation, g.committed_at
FROM unnest(@sources::text[], @groups::text[], @vulnerabilities::text[], @namespaces::text[], @targets::text[], @scopes::text[])
  k (source, group_name, vulnerability, namespace, target, scope)
JOIN plimsoll_feeds.advisory v ON v.source = k.source AND v.group_name = k.group_name
  AND v.advisory_id = k.vulnerability AND v.namespace = k.namespace AND v.package = k.target AND v.scope = k.scope AND v.valid_to IS NULL
JOIN plimsoll_feeds.generation g ON g.id = v.valid_from`)
)

// ExplainedPackage says why a package of an image has a flaw, or has not.
type ExplainedPackage struct {
	Subject match.Subject
	PURL    string
	Paths   []string
	// Suppressed: the distribution owns every place it was found in, and nothing else is asked about it.
	Suppressed bool
	match.Explanation
	Provenance []Provenance // of the statements, in their order
	// Of the stored match, where there is one.
	Cause      string
	Since      *time.Time // the flaw is known of this package
	ValidFrom  *time.Time // the match is as it is now
	Generation int64      // of the feeds, with which it became so
}

// Provenance says which state of which record a statement is.
type Provenance struct {
	Digest      string    // SHA-256 of the advisory's content
	Generation  int64     // in which it became as it is
	CommittedAt time.Time // when that was
}

// Explain says for every package of the image that the feeds connect with a vulnerability, under any of its names, what
// is said and what came of it: ErrNotFound, ErrNotAnalyzed. An empty package name asks for all.
func (s *Matches) Explain(ctx context.Context, account, digest, id, packageName string) ([]ExplainedPackage, error) {
	out, err := s.explain(ctx, account, digest, id, packageName)
	return out, wrap(err, "explain %s of %s", id, digest)
}

func (s *Matches) explain(ctx context.Context, account, digest, id, packageName string) ([]ExplainedPackage, error) {
	if _, err := analysisOf(ctx, s.pool, account, digest); err != nil {
		return nil, err
	}
	type name struct{ Namespace, Package string }
	names, err := many[name](ctx, s.feeds, explainNames, args{"id": id})
	if err != nil {
		return nil, err
	}
	namespaces, packages := make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		namespaces[i], packages[i] = n.Namespace, n.Package
	}
	type row struct {
		subjectRow
		PURL           string
		Paths          []string
		Suppressed     bool
		Cause          *string
		Since          *time.Time
		ValidFrom      *time.Time
		FromGeneration int64
	}
	rows, err := many[row](ctx, s.pool, explainPackages, args{
		"account": account, "digest": digest, "id": id, "namespaces": namespaces, "names": packages, "package": packageName, "limit": explainedPackages,
	})
	if err != nil {
		return nil, err
	}
	out := make([]ExplainedPackage, len(rows))
	for i, r := range rows {
		out[i] = ExplainedPackage{
			Subject: r.subject(), PURL: r.PURL, Paths: r.Paths, Suppressed: r.Suppressed, Since: r.Since, ValidFrom: r.ValidFrom, Generation: r.FromGeneration,
		}
		if r.Cause != nil {
			out[i].Cause = *r.Cause
		}
	}
	return out, s.explainAll(ctx, out, id)
}

func (s *Matches) explainAll(ctx context.Context, list []ExplainedPackage, id string) error {
	inForce, err := s.Rules(ctx)
	if err != nil {
		return err
	}
	targets := make([][]match.Target, len(list))
	asked := map[match.Target]struct{}{}
	for i := range list {
		targets[i] = inForce.Targets(list[i].Subject)
		for _, t := range targets[i] {
			asked[t] = struct{}{}
		}
	}
	known, err := statementsAbout(ctx, s.feeds, asked)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Explanation = inForce.Explain(list[i].Subject, known.about(targets[i]), known.exclusions, id)
	}
	return s.trace(ctx, list)
}

// trace finds where the statements come from. One that has just changed in the feeds stays without.
func (s *Matches) trace(ctx context.Context, list []ExplainedPackage) error {
	of := func(o match.Opinion) basis {
		return basis{o.Source, o.Group, o.ID, o.Namespace, o.Package, scopeOf(o.Scope)}
	}
	var all []basis
	for _, p := range list {
		for _, o := range p.Statements {
			all = append(all, of(o))
		}
	}
	type row struct {
		basis
		ContentHash []byte
		Generation  int64
		CommittedAt time.Time
	}
	rows, err := many[row](ctx, s.feeds, explainProvenance, basisArgs(all))
	if err != nil {
		return fmt.Errorf("trace statements: %w", err)
	}
	found := make(map[basis]Provenance, len(rows))
	for _, r := range rows {
		found[r.basis] = Provenance{hex.EncodeToString(r.ContentHash), r.Generation, r.CommittedAt}
	}
	for i := range list {
		for _, o := range list[i].Statements {
			list[i].Provenance = append(list[i].Provenance, found[of(o)])
		}
	}
	return nil
}
