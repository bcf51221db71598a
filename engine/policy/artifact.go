package policy

import (
	"context"
	"time"
)

// mapped is what a mapping refers to.
type mapped struct{ ruleSets, allowlists []string }

// EvaluateSource answers for a source code repository as Evaluate does for an image: the first of the source
// mappings that matches decides, and there are no lists of allowed and denied ones.
func (p *Policy) EvaluateSource(ctx context.Context, facts Facts, host, repository string, now time.Time) (*Result, error) {
	e := p.evaluation(facts, "", now)
	e.artifact = ArtifactSource
	return e.answer(ctx, host+"/"+repository, func() error {
		if i := firstPair(p.sources, host, repository); i >= 0 {
			m := &p.doc.SourceMappings[i]
			e.result.MatchedSourceMapping, e.mapped = m, &mapped{m.RuleSetIDs, m.AllowlistIDs}
		}
		return nil
	})
}

// EvaluateSBOM answers for a bill of materials by the SBOM mappings.
func (p *Policy) EvaluateSBOM(ctx context.Context, facts Facts, name, version string, now time.Time) (*Result, error) {
	e := p.evaluation(facts, "", now)
	e.artifact = ArtifactSBOM
	return e.answer(ctx, name+" "+version, func() error {
		if i := firstPair(p.sboms, name, version); i >= 0 {
			m := &p.doc.SBOMMappings[i]
			e.result.MatchedSBOMMapping, e.mapped = m, &mapped{m.RuleSetIDs, m.AllowlistIDs}
		}
		return nil
	})
}

// mappings points to the list a mapping was looked for in.
func (e *evaluation) mappings() string {
	switch e.artifact {
	case ArtifactSource:
		return "/source_mappings"
	case ArtifactSBOM:
		return "/sbom_mappings"
	}
	return "/mappings"
}
