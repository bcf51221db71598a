package persistence

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// queryPackages limits how many dictionary entries one answer is about; more than a page of images needs.
const queryPackages = 20_000

var (
	// An image holds a package where an edge that counts says so, or one the distribution answers for; what the account has
	// corrected it holds as what it was corrected to.
	imagesByPackage = query("query.images_by_package", `
WITH wanted AS MATERIALIZED (
  SELECT id FROM plimsoll.package
  WHERE name = @name AND (@version = '' OR version = @version) AND (@type = '' OR type = @type) ORDER BY id LIMIT @most
), held AS MATERIALIZED (
  SELECT w.id AS package_id, w.id FROM wanted w
  WHERE NOT EXISTS (SELECT FROM plimsoll.package_correction c WHERE c.account = @account AND c.package_id = w.id AND c.valid_to IS NULL)
  UNION ALL
  SELECT c.package_id, w.id FROM wanted w JOIN plimsoll.package_correction c ON c.account = @account AND c.replacement_id = w.id AND c.valid_to IS NULL
), page AS (
  SELECT DISTINCT i.digest, i.analysis_id FROM held h
  JOIN plimsoll.image_package e ON e.package_id = h.package_id AND e.counted
  JOIN plimsoll.image i ON i.analysis_id = e.analysis_id
  WHERE i.account = @account AND i.image_status = 'active' AND i.digest > @after
  ORDER BY i.digest LIMIT @limit
)
SELECT g.digest, p.name, p.version, p.type, false AS will_not_fix, ''::text AS vulnerability
FROM page g JOIN plimsoll.image_package e ON e.analysis_id = g.analysis_id AND e.counted
JOIN held h ON h.package_id = e.package_id JOIN plimsoll.package p ON p.id = h.id
ORDER BY g.digest, p.name, p.version, p.type`)

	imagesByVulnerability = query("query.images_by_vulnerability", `
WITH named AS (
  SELECT * FROM plimsoll.package_match WHERE valid_to IS NULL AND vulnerability = @vulnerability
  UNION ALL
  SELECT * FROM plimsoll.package_match
  WHERE valid_to IS NULL AND vulnerability <> @vulnerability AND also <> '{}' AND also @> ARRAY[@vulnerability::text]
), wanted AS MATERIALIZED (
  SELECT m.package_id, m.vulnerability, m.fix_state = 'wont-fix' AS will_not_fix
  FROM named m JOIN plimsoll.package p ON p.id = m.package_id
  WHERE (@namespace = '' OR m.namespace = @namespace) AND (@package = '' OR p.name = @package)
    AND (@severity < 0 OR m.severity = @severity) AND (NOT @vendor_only OR m.fix_state <> 'wont-fix')
  ORDER BY m.package_id LIMIT @most
), held AS MATERIALIZED (
  SELECT w.package_id, w.package_id AS id, w.vulnerability, w.will_not_fix FROM wanted w
  WHERE NOT EXISTS (SELECT FROM plimsoll.package_correction c WHERE c.account = @account AND c.package_id = w.package_id AND c.valid_to IS NULL)
  UNION ALL
  SELECT c.package_id, w.package_id, w.vulnerability, w.will_not_fix
  FROM wanted w JOIN plimsoll.package_correction c ON c.account = @account AND c.replacement_id = w.package_id AND c.valid_to IS NULL
), page AS (
  SELECT DISTINCT i.digest, i.analysis_id FROM held h
  JOIN plimsoll.image_package e ON e.package_id = h.package_id AND e.counted
  JOIN plimsoll.image i ON i.analysis_id = e.analysis_id
  WHERE i.account = @account AND i.image_status = 'active' AND i.digest > @after
  ORDER BY i.digest LIMIT @limit
)
SELECT g.digest, p.name, p.version, p.type, h.will_not_fix, h.vulnerability
FROM page g JOIN plimsoll.image_package e ON e.analysis_id = g.analysis_id AND e.counted
JOIN held h ON h.package_id = e.package_id JOIN plimsoll.package p ON p.id = h.id
ORDER BY g.digest, p.name, p.version, p.type, h.vulnerability`)
)

// PackageHolder is an image with packages a question is about.
type PackageHolder struct {
	Digest   string
	Packages []HeldPackage
}

// HeldPackage is a package an image holds.
type HeldPackage struct {
	Name          string
	Version       string
	Type          string
	WillNotFix    bool   // the publisher will not fix the vulnerability in it
	Vulnerability string // that was asked for
}

// PackageQuestion asks which images hold a package. Empty fields ask for any.
type PackageQuestion struct{ Name, Version, Type string }

// VulnerabilityQuestion asks which images have a vulnerability, by any of its names.
type VulnerabilityQuestion struct {
	Vulnerability string
	Namespace     string
	Package       string
	Severity      int // negative: any
	VendorOnly    bool
}

// HoldersOfPackage returns up to limit images of the account that hold a package, by digest; after is the last one of
// the page before.
func (s *Matches) HoldersOfPackage(ctx context.Context, account string, q PackageQuestion, after string, limit int) ([]PackageHolder, error) {
	list, err := s.holders(ctx, imagesByPackage, args{
		"account": account, "name": q.Name, "version": q.Version, "type": q.Type, "after": after, "limit": limit, "most": queryPackages,
	})
	return list, wrap(err, "find images with package %s", q.Name)
}

// HoldersOfVulnerability returns up to limit images of the account that have a vulnerability, by digest; after is the
// last one of the page before.
func (s *Matches) HoldersOfVulnerability(ctx context.Context, account string, q VulnerabilityQuestion, after string, limit int) ([]PackageHolder, error) {
	list, err := s.holders(ctx, imagesByVulnerability, args{
		"account": account, "vulnerability": q.Vulnerability, "namespace": q.Namespace, "package": q.Package, "severity": q.Severity,
		"vendor_only": q.VendorOnly, "after": after, "limit": limit, "most": queryPackages,
	})
	return list, wrap(err, "find images with vulnerability %s", q.Vulnerability)
}

func (s *Matches) holders(ctx context.Context, statement string, a args) ([]PackageHolder, error) {
	rows, err := s.pool.Query(ctx, statement, a)
	if err != nil {
		return nil, err
	}
	type row struct {
		Digest string
		HeldPackage
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	var out []PackageHolder
	for _, r := range list {
		if len(out) == 0 || out[len(out)-1].Digest != r.Digest {
			out = append(out, PackageHolder{Digest: r.Digest})
		}
		last := &out[len(out)-1]
		last.Packages = append(last.Packages, r.HeldPackage)
	}
	return out, nil
}
