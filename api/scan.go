package api

import (
	"context"
	"fmt"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/correction"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

// Scanner judges packages that are only asked about.
type Scanner interface {
	Scan(ctx context.Context, distro string, packages []persistence.ScannedPackage, f persistence.VulnerabilityFilter, at time.Time) ([]persistence.ImageVulnerability, error)
}

// ScanSbom matches a document and forgets it.
func (h *handlers) ScanSbom(ctx context.Context, req oas.ScanSbomRequestObject) (oas.ScanSbomResponseObject, error) {
	document := uploaded(ctx)
	content, err := readSBOM(document)
	if err != nil {
		return nil, fail(codeImportInvalid, fmt.Sprintf("The document cannot be read as a bill of materials: %v.", err)).because(err)
	}
	describe := orElse(req.Params.IncludeVulnDescription, false)
	filter := persistence.VulnerabilityFilter{IncludeWontFix: !orElse(req.Params.VendorOnly, true), Description: describe}
	rules, err := h.deps.Corrections.Set(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, err
	}
	found, err := h.deps.Scanner.Scan(ctx, match.DistroNamespace(content.Image.Distro), scanned(content.Image, rules), filter, time.Now())
	if err != nil {
		return nil, err
	}
	flaws, err := h.flaws(ctx, found)
	if err != nil {
		return nil, err
	}
	return oas.ScanSbom200JSONResponse{
		SbomId: imported.DigestOf(document),
		Vulnerabilities: each(found, func(v persistence.ImageVulnerability) oas.ImagePackageVulnerability {
			return vulnerabilityBody(v, flaws, describe)
		}),
	}, nil
}

// readSBOM reads a document as an import would.
func readSBOM(document []byte) (*imported.Content, error) {
	manifest, config, err := imported.Embedded(document)
	if err != nil {
		return nil, err
	}
	return imported.Read(imported.DigestOf(manifest), imported.Parts{Manifest: manifest, Config: config, Packages: document}, imported.Limits{})
}

// scanned are the packages to judge, as the account's rules correct them.
func scanned(found *image.Image, rules *correction.Set) []persistence.ScannedPackage {
	var out []persistence.ScannedPackage
	for i := range found.Packages {
		p := &found.Packages[i]
		s := persistence.ScannedPackage{Identity: p.Identity(), PURL: p.PURL, Owned: p.Owner != ""}
		s.Identity.Known = match.Known(s.Identity, p.PURL)
		s.Identity, s.PURL, _ = rules.Correct(s.Identity, s.PURL)
		if !catalog.IsOS(p.Type) {
			s.Path = p.Location
		}
		out = append(out, s)
	}
	return out
}
