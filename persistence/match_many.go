package persistence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// Images that hold nothing have a row too.
	heldByImages = query("match.held", `
SELECT i.digest, a.analyzed_at, coalesce(h.packages, '{}') AS packages, coalesce(h.paths, '{}') AS paths
FROM plimsoll.image i JOIN plimsoll.analysis a ON a.id = i.analysis_id
CROSS JOIN LATERAL (
  SELECT array_agg(e.package_id) AS packages, array_agg(e.path) AS paths
  FROM plimsoll.image_package e WHERE e.analysis_id = a.id AND NOT e.suppressed) h
WHERE i.account = @account AND i.digest = ANY (@digests::text[])`)

	heldCorrected = query("match.corrected", `
SELECT c.package_id, c.replacement_id, c.valid_from FROM plimsoll.package_correction c
WHERE c.account = @account AND c.package_id = ANY (@packages::bigint[]) AND c.valid_to IS NULL`)

	matchesOfPackages = query("match.of_packages", `
SELECT m.id, m.package_id, m.source, m.group_name, m.vulnerability, m.namespace, m.target, m.scope, m.severity::int AS severity,
  m.fix_version, m.fix_state, m.also, m.confidence, m.since, m.valid_from, p.type, p.name, p.version, p.arch, p.purl
FROM unnest(@packages::bigint[]) k (id)
JOIN plimsoll.package_match m ON m.package_id = k.id AND m.valid_to IS NULL
JOIN plimsoll.package p ON p.id = k.id`)

	// Most accounts say nothing, and of most images nothing is said by hand.
	vexConcerned = query("vex.concerned", `
SELECT EXISTS (SELECT FROM plimsoll.vex_document d WHERE d.account = @account) AS documents,
  ARRAY(SELECT DISTINCT a.image_digest FROM plimsoll.annotation a
    WHERE a.account = @account AND a.image_digest = ANY (@digests::text[])) AS annotated`)
)

// heldRow is what an image holds: packages and, at the same positions, where.
type heldRow struct {
	Digest     string
	AnalyzedAt time.Time
	Packages   []int64
	Paths      []string
}

// correctedRow says that to an account a package is another one.
type correctedRow struct {
	PackageID     int64
	ReplacementID int64
	ValidFrom     time.Time
}

// PackageMatch is a current match of a dictionary entry, wherever that is. It is shared and not to be changed; Path and
// Annotation are empty, and DetectedAt is when the match was first made.
type PackageMatch struct {
	ImageVulnerability
	FixVersions []string // FixVersion, if there is one
	id          int64    // of the match
}

// Found is a finding of an image.
type Found struct {
	*PackageMatch
	At         string    // path
	KnownSince time.Time // in this image
	Said       *Annotation
}

type packageMatchRow struct {
	ID        int64
	PackageID int64
	vulnerabilityRow
}

func scanPackageMatch(row pgx.CollectableRow) (r packageMatchRow, err error) {
	err = row.Scan(&r.ID, &r.PackageID, &r.Source, &r.GroupName, &r.Vulnerability, &r.Namespace, &r.Target, &r.Scope, &r.Severity,
		&r.FixVersion, &r.FixState, &r.Also, &r.Confidence, &r.DetectedAt, &r.ValidFrom,
		&r.PackageType, &r.PackageName, &r.PackageVersion, &r.PackageArch, &r.PURL)
	return r, err
}

// Gathered is what is known of the packages of many images of an account. Findings are made of it image by image: together
// they may be many.
type Gathered struct {
	matches *Matches
	account string
	held    map[string]*heldRow // by image digest
	known   map[int64][]*PackageMatch
	overlay map[int64]correctedRow
	said    map[string]bool // images somebody may have said something of
}

// Gather reads what Vulnerabilities reads, for many images of an account at once.
func (s *Matches) Gather(ctx context.Context, account string, digests []string) (*Gathered, error) {
	g, err := s.gather(ctx, account, digests)
	return g, wrap(err, "load vulnerabilities of %d images", len(digests))
}

func (s *Matches) gather(ctx context.Context, account string, digests []string) (*Gathered, error) {
	g := &Gathered{matches: s, account: account, held: map[string]*heldRow{}, overlay: map[int64]correctedRow{}, said: map[string]bool{}}
	held, err := many[heldRow](ctx, s.pool, heldByImages, args{"account": account, "digests": digests})
	if err != nil {
		return nil, err
	}
	var packages []int64
	for i := range held {
		g.held[held[i].Digest] = &held[i]
		packages = append(packages, held[i].Packages...)
	}
	packages = distinct(packages)
	corrected, err := many[correctedRow](ctx, s.pool, heldCorrected, args{"account": account, "packages": packages})
	if err != nil {
		return nil, err
	}
	for _, c := range corrected {
		g.overlay[c.PackageID] = c
		packages = append(packages, c.ReplacementID)
	}
	if g.known, err = s.matchesOf(ctx, distinct(packages)); err != nil {
		return nil, err
	}
	concerned, err := one[struct {
		Documents bool
		Annotated []string
	}](ctx, s.pool, vexConcerned, args{"account": account, "digests": digests})
	if err != nil {
		return nil, err
	}
	if !concerned.Documents {
		digests = concerned.Annotated
	}
	for _, digest := range digests {
		g.said[digest] = true
	}
	return g, nil
}

func distinct(ids []int64) []int64 {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Findings returns what is known of the packages of an image, also what will not be fixed, in an order that means nothing;
// nothing of an image that was not gathered.
func (g *Gathered) Findings(ctx context.Context, digest string) ([]Found, error) {
	held, ok := g.held[digest]
	if !ok {
		return nil, nil
	}
	list := held.findings(g.known, g.overlay)
	if len(list) == 0 || !g.said[digest] {
		return list, nil
	}
	whole := make([]ImageVulnerability, len(list))
	for i := range list {
		whole[i] = list[i].ImageVulnerability
	}
	if err := g.matches.annotate(ctx, g.account, digest, whole); err != nil {
		return nil, wrap(err, "load vulnerabilities of %s", digest)
	}
	for i := range list {
		list[i].Said = whole[i].Annotation
	}
	return list, nil
}

// matchesOf returns the matches of packages that have some, from memory where there is one.
func (s *Matches) matchesOf(ctx context.Context, packages []int64) (map[int64][]*PackageMatch, error) {
	out := make(map[int64][]*PackageMatch)
	if s.said == nil {
		return out, s.readMatches(ctx, packages, out)
	}
	packages = s.said.recallMatches(packages, out)
	if len(packages) == 0 {
		return out, nil
	}
	s.said.reading.Lock()
	defer s.said.reading.Unlock()
	packages = s.said.recallMatches(packages, out)
	found := make(map[int64][]*PackageMatch)
	if err := s.readMatches(ctx, packages, found); err != nil {
		return nil, err
	}
	s.said.keepMatches(packages, found)
	maps.Copy(out, found)
	return out, nil
}

func (s *Matches) readMatches(ctx context.Context, packages []int64, out map[int64][]*PackageMatch) error {
	if len(packages) == 0 {
		return nil
	}
	rows, err := s.pool.Query(ctx, matchesOfPackages, args{"packages": packages})
	if err != nil {
		return err
	}
	matches, err := pgx.CollectRows(rows, scanPackageMatch)
	if err != nil {
		return fmt.Errorf("read matches: %w", err)
	}
	list := make([]vulnerabilityRow, len(matches))
	for i := range matches {
		list[i] = matches[i].vulnerabilityRow
	}
	said, err := s.details(ctx, list, vulnerabilityDetails, args{"description": false})
	if err != nil {
		return err
	}
	for i := range list {
		m := &PackageMatch{id: matches[i].ID, ImageVulnerability: list[i].vulnerability(said[list[i].basis])}
		if m.FixVersion != "" {
			m.FixVersions = []string{m.FixVersion}
		}
		out[matches[i].PackageID] = append(out[matches[i].PackageID], m)
	}
	return nil
}

// findings joins what an image holds with what is known of it.
func (h *heldRow) findings(known map[int64][]*PackageMatch, overlay map[int64]correctedRow) []Found {
	n := 0
	for _, id := range h.Packages {
		if c, ok := overlay[id]; ok {
			id = c.ReplacementID
		}
		n += len(known[id])
	}
	out := make([]Found, 0, n)
	for i, id := range h.Packages {
		correction, corrected := overlay[id]
		if corrected {
			id = correction.ReplacementID
		}
		for _, m := range known[id] {
			since := m.DetectedAt
			if corrected {
				since = foundBefore(known[correction.PackageID], m, correction.ValidFrom)
			}
			out = append(out, Found{PackageMatch: m, At: h.Paths[i], KnownSince: latest(since, h.AnalyzedAt)})
		}
	}
	return out
}

// foundBefore is since when a match of a corrected package counts: as long as the package had it before the correction.
func foundBefore(original []*PackageMatch, m *PackageMatch, corrected time.Time) time.Time {
	for _, o := range original {
		if o.Vulnerability == m.Vulnerability {
			return o.DetectedAt
		}
	}
	return latest(m.DetectedAt, corrected)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
