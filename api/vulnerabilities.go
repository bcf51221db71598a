package api

import (
	"context"
	"strings"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

// Matches tells what is known to be wrong with images.
type Matches interface {
	Vulnerabilities(ctx context.Context, account, digest string, f persistence.VulnerabilityFilter) ([]persistence.ImageVulnerability, error)
}

// Words clients print or compare.
const (
	noFix        = "None"  // shown where no version fixes a vulnerability
	packageDB    = "pkgdb" // shown as path of what a package database lists
	scorePrimary = "Primary"
)

// ListImageVulnerabilityTypes names the groupings.
func (h *handlers) ListImageVulnerabilityTypes(ctx context.Context, req oas.ListImageVulnerabilityTypesRequestObject) (oas.ListImageVulnerabilityTypesResponseObject, error) {
	if _, err := h.image(ctx, req.ImageDigest); err != nil {
		return nil, err
	}
	return oas.ListImageVulnerabilityTypes200JSONResponse{
		string(persistence.KindAll), string(persistence.KindOS), string(persistence.KindNonOS),
	}, nil
}

// GetImageVulnerabilities reports vulnerabilities. The stored matches are always current, so force_refresh asks for nothing.
func (h *handlers) GetImageVulnerabilities(ctx context.Context, req oas.GetImageVulnerabilitiesRequestObject) (oas.GetImageVulnerabilitiesResponseObject, error) {
	describe := orElse(req.Params.IncludeVulnDescription, false)
	filter := persistence.VulnerabilityFilter{
		Kind:           persistence.VulnerabilityKind(req.VulnType),
		IncludeWontFix: !orElse(req.Params.VendorOnly, true),
		Description:    describe,
	}
	found, err := h.vulnerabilities(ctx, req.ImageDigest, filter)
	if err != nil {
		return nil, err
	}
	answer := oas.GetImageVulnerabilities200JSONResponse{
		ImageDigest: req.ImageDigest, VulnerabilityType: string(req.VulnType),
		Vulnerabilities: each(found, func(v persistence.ImageVulnerability) oas.ImagePackageVulnerability {
			return vulnerabilityBody(v, describe)
		}),
	}
	if base := orElse(req.Params.BaseDigest, ""); base != "" {
		h.compareVulnerabilities(ctx, &answer, found, base, filter)
	}
	return answer, nil
}

func (h *handlers) vulnerabilities(ctx context.Context, digest string, filter persistence.VulnerabilityFilter) ([]persistence.ImageVulnerability, error) {
	found, err := h.deps.Matches.Vulnerabilities(ctx, callerOf(ctx).Account, digest, filter)
	if err != nil {
		return nil, h.unanalyzed(ctx, digest, err)
	}
	return found, nil
}

// compareVulnerabilities marks what the base image has too. A base that cannot be compared is a problem in the answer, not a failure.
func (h *handlers) compareVulnerabilities(ctx context.Context, answer *oas.GetImageVulnerabilities200JSONResponse, found []persistence.ImageVulnerability, base string, filter persistence.VulnerabilityFilter) {
	type finding struct{ vulnerability, kind, name, version string }
	of := func(v *persistence.ImageVulnerability) finding {
		return finding{v.Vulnerability, v.PackageType, v.PackageName, v.PackageVersion}
	}
	inherited := map[finding]bool{}
	base, baseFound, err := h.baseVulnerabilities(ctx, answer.ImageDigest, base, filter)
	if err != nil {
		answer.BaseImageProblems = &[]map[string]any{{"severity": "error", "problem_type": "base_image", "details": classify(err).Message}}
	}
	for i := range baseFound {
		inherited[of(&baseFound[i])] = true
	}
	answer.BaseDigest = given(base)
	for i := range found {
		same := inherited[of(&found[i])]
		answer.Vulnerabilities[i].InheritedFromBase = &same
	}
}

// baseVulnerabilities finds the base image and what it has. Without a base image nothing is inherited.
func (h *handlers) baseVulnerabilities(ctx context.Context, digest, named string, filter persistence.VulnerabilityFilter) (base string, found []persistence.ImageVulnerability, err error) {
	base, err = h.baseImage(ctx, digest, named)
	if err != nil || base == "" {
		return base, nil, err
	}
	filter.Description = false
	found, err = h.vulnerabilities(ctx, base, filter)
	return base, found, err
}

func vulnerabilityBody(v persistence.ImageVulnerability, describe bool) oas.ImagePackageVulnerability {
	body := oas.ImagePackageVulnerability{
		Vuln: v.Vulnerability, Severity: v.Severity.String(), Url: v.Detail.URL,
		Package: v.PackageName + "-" + v.PackageVersion, PackageName: v.PackageName, PackageVersion: v.PackageVersion,
		PackageType: v.PackageType, PackagePath: v.Path, Purl: v.PURL,
		Feed: vulnerabilityFeed, FeedGroup: match.FeedGroup(v.Namespace),
		Fix: noFix, WillNotFix: v.FixState == feed.StateWontFix,
		NvdData: []oas.NvdDataObject{}, VendorData: vendorData(v),
		DetectedAt: utcOrNil(&v.DetectedAt), FixObservedAt: utcOrNil(&v.FixObservedAt),
	}
	if v.FixVersion != "" {
		body.Fix, body.SuggestedFixVersion = v.FixVersion, &v.FixVersion
	}
	if v.Path == "" {
		body.PackagePath = packageDB
	}
	if describe {
		body.Description = &v.Detail.Description
		if v.Detail.Description == "" {
			body.Description = &v.Detail.Summary
		}
	}
	return body
}

// vendorData gives the publisher's scores. Where it publishes several vectors of a version, the first counts.
func vendorData(v persistence.ImageVulnerability) []oas.VendorDataObject {
	if len(v.Detail.CVSS) == 0 {
		return []oas.VendorDataObject{}
	}
	entry := oas.VendorDataObject{Id: v.Vulnerability, Type: given(scorePrimary), Source: given(v.Source)}
	for _, score := range v.Detail.CVSS {
		switch {
		case strings.HasPrefix(score.Version, "2") && entry.CvssV2 == (oas.CVSSScores{}):
			entry.CvssV2 = scores(score)
		case strings.HasPrefix(score.Version, "3") && entry.CvssV3 == (oas.CVSSScores{}):
			entry.CvssV3 = scores(score)
		}
	}
	return []oas.VendorDataObject{entry}
}

func scores(c feed.CVSS) oas.CVSSScores {
	return oas.CVSSScores{BaseScore: c.Base, ExploitabilityScore: c.Exploitability, ImpactScore: c.Impact}
}
