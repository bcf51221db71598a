package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plimsoll/api/oas"
	"plimsoll/engine/feed"
	"plimsoll/engine/image"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

// ExplainImageVulnerability says why an image has a vulnerability, or has not.
func (h *handlers) ExplainImageVulnerability(ctx context.Context, req oas.ExplainImageVulnerabilityRequestObject) (oas.ExplainImageVulnerabilityResponseObject, error) {
	list, err := h.deps.Matches.Explain(ctx, callerOf(ctx).Account, req.ImageDigest, req.VulnId, orElse(req.Params.Package, ""))
	if err != nil {
		return nil, h.unanalyzed(ctx, req.ImageDigest, err)
	}
	content, err := h.contents(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	layers := layersOf(content)
	return oas.ExplainImageVulnerability200JSONResponse{
		ImageDigest: req.ImageDigest, Vuln: req.VulnId,
		Packages: each(list, func(p persistence.ExplainedPackage) oas.ExplainedPackage { return explainedBody(p, layers) }),
	}, nil
}

// evidence names a package at a place.
type evidence struct{ kind, name, version, path string }

// layersOf tells which layer brought a package to a place.
func layersOf(content *image.Image) map[evidence]string {
	out := make(map[evidence]string, len(content.Packages))
	for i := range content.Packages {
		p := &content.Packages[i]
		out[evidence{p.Type, p.Name, p.Version, p.Location}] = p.Layer
	}
	return out
}

func explainedBody(p persistence.ExplainedPackage, layers map[evidence]string) oas.ExplainedPackage {
	s := p.Subject
	body := oas.ExplainedPackage{
		Package: s.Name + "-" + s.Version, PackageName: s.Name, PackageVersion: s.Version, PackageType: s.Type, Purl: p.PURL,
		Affected: p.Finding != nil && !p.Suppressed, Reason: reason(p), Cause: given(p.Cause), KnownSince: utcOrNil(p.Since),
		Generation: given(p.Generation), Statements: []oas.MatchStatement{},
	}
	if s.Source != "" && (s.Source != s.Name || s.SourceVersion != s.Version) {
		body.SourcePackage = given(s.Source + "-" + s.SourceVersion)
	}
	body.Locations = each(p.Paths, func(path string) oas.PackageEvidence {
		return oas.PackageEvidence{Path: path, Layer: given(layers[evidence{s.Type, s.Name, s.Version, path}])}
	})
	if f := p.Finding; f != nil {
		body.Vuln, body.Severity, body.Confidence = &f.ID, given(f.Severity.String()), given(string(f.Confidence))
		body.Fix = given(fixText(f.FixVersion))
	}
	if p.Exclusion != nil {
		body.ExcludedBy = &p.Exclusion.ID
	}
	for i, o := range p.Statements {
		body.Statements = append(body.Statements, statementBody(o, p.Provenance[i]))
	}
	return body
}

func fixText(version string) string {
	if version == "" {
		return noFix
	}
	return version
}

func statementBody(o match.Opinion, from persistence.Provenance) oas.MatchStatement {
	body := oas.MatchStatement{
		Vuln: o.ID, Source: o.Source, SourceGroup: given(o.Group), FeedGroup: match.FeedGroup(o.Namespace), PackageName: o.Package,
		ComparedVersion: given(o.Version), VersionOrder: given(o.Scheme), Scope: given(scopeText(o.Scope)), State: given(string(o.State)),
		Note: given(o.Reason), Fix: given(o.FixVersion), Outcome: string(o.Outcome), Decides: o.Decides, Severity: o.Severity.String(),
		Aliases: slices.Clone(o.Aliases), Confidence: given(string(o.Confidence)), Digest: given(from.Digest), Generation: given(from.Generation),
		StatedAt: utcOrNil(&from.CommittedAt),
	}
	if o.Range != nil {
		body.Range = given(o.Range.String())
	}
	if body.Aliases == nil {
		body.Aliases = []string{}
	}
	return body
}

func scopeText(s feed.Scope) string {
	var parts []string
	for _, part := range []struct{ name, value string }{
		{"kind", string(s.Kind)}, {"module", s.Module}, {"channel", s.Channel}, {"arch", strings.Join(s.Arches, ",")},
	} {
		if part.value != "" {
			parts = append(parts, part.name+"="+part.value)
		}
	}
	return strings.Join(parts, " ")
}

// reason is the answer in a sentence.
func reason(p persistence.ExplainedPackage) string {
	at := slices.IndexFunc(p.Statements, func(o match.Opinion) bool {
		return o.Decides && (p.Finding == nil || o.Outcome == match.OutcomeAffected)
	})
	switch {
	case p.Suppressed:
		return "Not listed: a package of the distribution owns the files, and the distribution's own data about that package decides."
	case p.Exclusion != nil:
		return fmt.Sprintf("Not listed: the curated exclusion %s calls it a false positive. %s", p.Exclusion.ID, p.Exclusion.Reason)
	case p.Covered:
		return "Not listed by this name: the same source tells about each of the vulnerabilities that the advisory fixes."
	case p.Finding == nil && at < 0:
		return "Not affected: no statement that can be compared is about this package."
	case p.Finding == nil:
		return fmt.Sprintf("Not affected: %s says so of %s, and %s is not in its ranges.", p.Statements[at].Source, p.Statements[at].Package, p.Statements[at].Version)
	case at < 0 || p.Statements[at].Range == nil:
		return fmt.Sprintf("Affected: %s lists this version of %s.", p.Finding.Source, p.Finding.Package)
	default:
		return fmt.Sprintf("Affected: %s says that %s %s is, and %s lies in it.", p.Finding.Source, p.Finding.Package, p.Statements[at].Range, p.Statements[at].Version)
	}
}
