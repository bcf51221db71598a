package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/engine/match"
	"plimsoll/engine/risk"
	"plimsoll/persistence"
)

// Matches tells what is known to be wrong with images.
type Matches interface {
	Vulnerabilities(ctx context.Context, account, digest string, f persistence.VulnerabilityFilter) ([]persistence.ImageVulnerability, error)
	// Flaws tells what is known of CVEs, by id.
	Flaws(ctx context.Context, ids []string) (map[string]persistence.Flaw, error)
	// Then: as of a time.
	VulnerabilitiesThen(ctx context.Context, account, digest string, f persistence.VulnerabilityFilter, at time.Time) ([]persistence.ImageVulnerability, error)
	FlawsThen(ctx context.Context, ids []string, at time.Time) (map[string]persistence.Flaw, error)
	ChangesBetween(ctx context.Context, account, digest string, since, until time.Time) ([]persistence.MatchChange, error)
	ChangesWith(ctx context.Context, account, digest string, generation int64) ([]persistence.MatchChange, error)
	Explain(ctx context.Context, account, digest, id, packageName string) ([]persistence.ExplainedPackage, error)
}

// Words clients print or compare.
const (
	noFix        = "None"  // shown where no version fixes a vulnerability
	packageDB    = "pkgdb" // shown as path of what a package database lists
	scorePrimary = "Primary"
	scoreSecond  = "Secondary"
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
		HideSuppressed: !orElse(req.Params.IncludeSuppressed, true),
		Description:    describe,
	}
	found, flaws, err := h.known(ctx, req.ImageDigest, filter, req.Params.AsOf)
	if err != nil {
		return nil, err
	}
	if orElse(req.Params.Sort, oas.Severity) == oas.Risk {
		sortByRisk(found, flaws)
	}
	answer := oas.GetImageVulnerabilities200JSONResponse{
		ImageDigest: req.ImageDigest, VulnerabilityType: string(req.VulnType),
		Vulnerabilities: each(found, func(v persistence.ImageVulnerability) oas.ImagePackageVulnerability {
			return vulnerabilityBody(v, flaws, describe)
		}),
	}
	at := time.Now()
	if req.Params.AsOf != nil {
		at = *req.Params.AsOf
	}
	if answer.DistroSupport, err = h.distroSupport(ctx, req.ImageDigest, at); err != nil {
		return nil, err
	}
	if base := orElse(req.Params.BaseDigest, ""); base != "" {
		h.compareVulnerabilities(ctx, &answer, found, base, filter, req.Params.AsOf)
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

// known returns the findings of an image with what is known of the CVEs behind them: now, or as of a time.
func (h *handlers) known(ctx context.Context, digest string, filter persistence.VulnerabilityFilter, asOf *time.Time) ([]persistence.ImageVulnerability, map[string]persistence.Flaw, error) {
	found, err := h.vulnerabilitiesAt(ctx, digest, filter, asOf)
	if err != nil {
		return nil, nil, err
	}
	if asOf == nil {
		flaws, err := h.flaws(ctx, found)
		return found, flaws, err
	}
	flaws, err := h.deps.Matches.FlawsThen(ctx, cvesBehind(found), *asOf)
	return found, flaws, err
}

func (h *handlers) vulnerabilitiesAt(ctx context.Context, digest string, filter persistence.VulnerabilityFilter, asOf *time.Time) ([]persistence.ImageVulnerability, error) {
	if asOf == nil {
		return h.vulnerabilities(ctx, digest, filter)
	}
	found, err := h.deps.Matches.VulnerabilitiesThen(ctx, callerOf(ctx).Account, digest, filter, *asOf)
	if err != nil {
		return nil, h.unanalyzed(ctx, digest, err)
	}
	return found, nil
}

// flaws gathers what is known of the CVEs behind findings.
func (h *handlers) flaws(ctx context.Context, found []persistence.ImageVulnerability) (map[string]persistence.Flaw, error) {
	return h.deps.Matches.Flaws(ctx, cvesBehind(found))
}

// cvesBehind lists the CVEs behind findings.
func cvesBehind(found []persistence.ImageVulnerability) []string {
	var ids []string
	for i := range found {
		ids = append(ids, cves(found[i].Vulnerability, found[i].Also)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// compareVulnerabilities marks what the base image has too. A base that cannot be compared is a problem in the answer, not a failure.
func (h *handlers) compareVulnerabilities(ctx context.Context, answer *oas.GetImageVulnerabilities200JSONResponse, found []persistence.ImageVulnerability, base string, filter persistence.VulnerabilityFilter, asOf *time.Time) {
	type finding struct{ vulnerability, kind, name, version string }
	of := func(v *persistence.ImageVulnerability) finding {
		return finding{v.Vulnerability, v.PackageType, v.PackageName, v.PackageVersion}
	}
	inherited := map[finding]bool{}
	base, baseFound, err := h.baseVulnerabilities(ctx, answer.ImageDigest, base, filter, asOf)
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
func (h *handlers) baseVulnerabilities(ctx context.Context, digest, named string, filter persistence.VulnerabilityFilter, asOf *time.Time) (base string, found []persistence.ImageVulnerability, err error) {
	base, err = h.baseImage(ctx, digest, named)
	if err != nil || base == "" {
		return base, nil, err
	}
	filter.Description = false
	found, err = h.vulnerabilitiesAt(ctx, base, filter, asOf)
	return base, found, err
}

func vulnerabilityBody(v persistence.ImageVulnerability, flaws map[string]persistence.Flaw, describe bool) oas.ImagePackageVulnerability {
	names := cves(v.Vulnerability, v.Also)
	body := oas.ImagePackageVulnerability{
		Vuln: v.Vulnerability, Severity: v.Severity.String(), Url: v.Detail.URL,
		Package: v.PackageName + "-" + v.PackageVersion, PackageName: v.PackageName, PackageVersion: v.PackageVersion,
		PackageType: v.PackageType, PackagePath: v.Path, Purl: v.PURL,
		Feed: vulnerabilityFeed, FeedGroup: match.FeedGroup(v.Namespace),
		Fix: noFix, WillNotFix: v.FixState == feed.StateWontFix,
		NvdData: nvdData(names, flaws), VendorData: vendorScores(v.Vulnerability, v.Source, v.Detail.CVSS),
		IsKev: new(exploited(names, flaws)), Epss: new(epss(names, flaws)),
		RiskScore:  new(riskOf(v, flaws)),
		DetectedAt: utcOrNil(&v.DetectedAt), FixObservedAt: utcOrNil(&v.FixObservedAt),
	}
	if v.FixVersion != "" {
		body.Fix, body.SuggestedFixVersion = v.FixVersion, &v.FixVersion
	}
	if a := v.Annotation; a != nil {
		body.AnnotationStatus, body.AnnotationUuid = new(oas.VulnAnnotationStatus(a.Status)), given(a.ID)
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

// riskOf is the score of a finding, made of all that is known of the CVEs behind it.
func riskOf(v persistence.ImageVulnerability, flaws map[string]persistence.Flaw) float64 {
	known := risk.Known{Severity: v.Severity, CVSS: v.Detail.CVSS}
	for _, id := range cves(v.Vulnerability, v.Also) {
		f := flaws[id]
		if f.NVD != nil {
			known.CVSS = append(slices.Clip(known.CVSS), f.NVD.CVSS...)
		}
		if f.Probability != nil && (known.Probability == nil || *f.Probability > *known.Probability) {
			known.Probability = f.Probability
		}
		known.Exploited = known.Exploited || f.Exploited != nil
	}
	return risk.Score(known)
}

// sortByRisk puts first what deserves attention first; the order of equals stays.
func sortByRisk(found []persistence.ImageVulnerability, flaws map[string]persistence.Flaw) {
	type scored struct {
		persistence.ImageVulnerability
		risk float64
	}
	list := each(found, func(v persistence.ImageVulnerability) scored { return scored{v, riskOf(v, flaws)} })
	slices.SortStableFunc(list, func(a, b scored) int { return cmp.Compare(b.risk, a.risk) })
	for i := range list {
		found[i] = list[i].ImageVulnerability
	}
}

// vendorScores gives the publisher's scores. Where it publishes several vectors of a version, the first counts. The NVD's
// own stand elsewhere.
func vendorScores(id, source string, cvss []feed.CVSS) []oas.VendorDataObject {
	if len(cvss) == 0 || source == match.NVD {
		return []oas.VendorDataObject{}
	}
	entry := oas.VendorDataObject{Id: id, Type: given(scorePrimary), Source: given(source)}
	entry.CvssV2, entry.CvssV3 = firstScores(cvss)
	return []oas.VendorDataObject{entry}
}

func firstScores(list []feed.CVSS) (v2, v3 oas.CVSSScores) {
	for _, c := range list {
		switch {
		case strings.HasPrefix(c.Version, "2") && v2 == (oas.CVSSScores{}):
			v2 = scores(c)
		case strings.HasPrefix(c.Version, "3") && v3 == (oas.CVSSScores{}):
			v3 = scores(c)
		}
	}
	return v2, v3
}

// nvdData gives what the NVD says of CVEs: an entry for each of those who scored one, the primary first.
func nvdData(names []string, flaws map[string]persistence.Flaw) []oas.NvdDataObject {
	out := []oas.NvdDataObject{}
	for _, id := range names {
		known, ok := flaws[id]
		if !ok || known.NVD == nil {
			continue
		}
		type judge struct {
			by        string
			secondary bool
		}
		scored := map[judge][]feed.CVSS{}
		var order []judge
		for _, c := range known.NVD.CVSS {
			j := judge{c.By, c.Secondary}
			if scored[j] == nil {
				order = append(order, j)
			}
			scored[j] = append(scored[j], c)
		}
		slices.SortStableFunc(order, func(a, b judge) int {
			if a.secondary == b.secondary {
				return 0
			}
			if b.secondary {
				return -1
			}
			return 1
		})
		for _, j := range order {
			entry := oas.NvdDataObject{
				Id: id, Description: given(known.NVD.Description), Source: given(j.by), Type: given(scorePrimary), IsKev: new(known.Exploited != nil), Epss: score(known),
			}
			if j.secondary {
				entry.Type = given(scoreSecond)
			}
			entry.CvssV2, entry.CvssV3 = firstScores(scored[j])
			out = append(out, entry)
		}
	}
	return out
}

func score(f persistence.Flaw) *oas.PackageEPSS {
	if f.Probability == nil {
		return nil
	}
	return &oas.PackageEPSS{Epss: *f.Probability, Percentile: orElse(f.Percentile, 0)}
}

// epss lists the scores of CVEs that have one.
func epss(names []string, flaws map[string]persistence.Flaw) []oas.PackageEPSS {
	out := []oas.PackageEPSS{}
	for _, id := range names {
		if s := score(flaws[id]); s != nil {
			out = append(out, *s)
		}
	}
	return out
}

// exploited reports whether one of the CVEs is known to be.
func exploited(names []string, flaws map[string]persistence.Flaw) bool {
	return slices.ContainsFunc(names, func(id string) bool { return flaws[id].Exploited != nil })
}

func scores(c feed.CVSS) oas.CVSSScores {
	return oas.CVSSScores{BaseScore: c.Base, ExploitabilityScore: c.Exploitability, ImpactScore: c.Impact}
}
