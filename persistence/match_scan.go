package persistence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
)

// ScannedPackage is a package of a document that is only asked about.
type ScannedPackage struct {
	Identity catalog.Identity
	PURL     string
	Path     string
	Owned    bool // an OS package owns the evidence file
}

// Scan judges the packages of something built on a distribution as the dictionary's are judged, and stores nothing.
// Findings are worst first.
func (s *Matches) Scan(ctx context.Context, distro string, packages []ScannedPackage, f VulnerabilityFilter, at time.Time) ([]ImageVulnerability, error) {
	inForce, err := s.Rules(ctx)
	if err != nil {
		return nil, err
	}
	if match.Comprehensive(inForce.Namespace(distro)) {
		packages = slices.DeleteFunc(packages, func(p ScannedPackage) bool { return p.Owned })
	}
	var rows []vulnerabilityRow
	for batch := range slices.Chunk(packages, rescanBatch) {
		targets := make([][]match.Target, len(batch))
		asked := map[match.Target]struct{}{}
		for i, p := range batch {
			targets[i] = inForce.Targets(match.Subject{Identity: p.Identity})
			for _, t := range targets[i] {
				asked[t] = struct{}{}
			}
		}
		known, err := statementsAbout(ctx, s.feeds, asked)
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		for i, p := range batch {
			for _, found := range inForce.Judge(match.Subject{Identity: p.Identity}, known.about(targets[i]), known.exclusions) {
				if found.State != feed.StateWontFix || f.IncludeWontFix {
					rows = append(rows, scannedRow(p, found, at))
				}
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b vulnerabilityRow) int { return b.Severity - a.Severity })
	details, err := s.details(ctx, rows, vulnerabilityDetails, args{"description": f.Description})
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	out := make([]ImageVulnerability, len(rows))
	for i, row := range rows {
		out[i] = row.vulnerability(details[row.basis])
	}
	return out, nil
}

func scannedRow(p ScannedPackage, f match.Finding, at time.Time) vulnerabilityRow {
	return vulnerabilityRow{
		basis:    basis{f.Source, f.Group, f.ID, f.Namespace, f.Package, scopeOf(f.Scope)},
		Severity: int(f.Severity), FixVersion: f.FixVersion, FixState: string(f.State), Also: f.Also, Confidence: string(f.Confidence),
		DetectedAt: at, ValidFrom: at, PackageType: p.Identity.Type, PackageName: p.Identity.Name, PackageVersion: p.Identity.Version,
		PackageArch: p.Identity.Arch, PURL: p.PURL, Path: p.Path,
	}
}
