package facts

import (
	"context"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/policy"
)

// Findings tells what the searches found and which files were kept; nothing for an analysis from before there were searches.
func (s *stored) Findings(ctx context.Context) (policy.Findings, error) {
	var out policy.Findings
	if s.analysis.FindingsBlob == "" {
		return out, nil
	}
	var found image.Findings
	if err := s.document(ctx, s.analysis.FindingsBlob, &found); err != nil {
		return out, err
	}
	for _, h := range found.Hits {
		out.Hits = append(out.Hits, policy.Hit{SearchHit: h.SearchHit, Path: h.Path, Removed: h.Removed})
	}
	for _, r := range found.Retrieved {
		out.Retrieved = append(out.Retrieved, policy.Retrieved{Path: r.Path, Content: r.Content})
	}
	return out, nil
}

// Malware tells what the scanners found and which files they did not look into.
func (s *stored) Malware(ctx context.Context) (policy.Malware, error) {
	var content struct {
		Scans      []image.Scan             `json:"scans"`
		Malware    []image.Malware          `json:"malware"`
		Incomplete []catalog.Incompleteness `json:"incomplete"`
	}
	if err := s.document(ctx, s.analysis.ContentBlob, &content); err != nil {
		return policy.Malware{}, err
	}
	out := policy.Malware{Scanned: len(content.Scans) > 0}
	for _, m := range content.Malware {
		out.Reports = append(out.Reports, policy.MalwareReport{MalwareReport: m.MalwareReport, Path: m.Path, Removed: m.Removed})
	}
	for _, m := range content.Incomplete {
		if m.Analyzer == catalog.ScannerClamAV && m.Path != "" {
			out.Skipped = append(out.Skipped, policy.SkippedFile{Scanner: m.Analyzer, Path: m.Path, Reason: m.Reason})
		}
	}
	return out, nil
}

// Verified names the packages by what the image document says of their purls.
func (s *stored) Verified(ctx context.Context) ([]policy.Verification, error) {
	var content struct {
		Packages []catalog.Package    `json:"packages"`
		Verified []image.Verification `json:"verified"`
	}
	if err := s.document(ctx, s.analysis.ContentBlob, &content); err != nil {
		return nil, err
	}
	named := make(map[string]policy.AffectedPackage, len(content.Packages))
	for i := range content.Packages {
		p := &content.Packages[i]
		named[p.PURL] = policy.AffectedPackage{Name: p.Name, Version: p.Version, Type: p.Type, Location: p.Location}
	}
	out := make([]policy.Verification, len(content.Verified))
	for i, v := range content.Verified {
		out[i] = policy.Verification{Package: named[v.Package], Truncated: v.Truncated}
		for _, d := range v.Deviations {
			deviation := policy.Deviation{Path: d.Path, Missing: d.Missing, Config: d.Config}
			for _, aspect := range d.Changed {
				deviation.Changed = append(deviation.Changed, string(aspect))
			}
			out[i].Deviations = append(out[i].Deviations, deviation)
		}
	}
	return out, nil
}

// Sources are none: source repositories are not analysed.
func (s *stored) Sources(context.Context) ([]policy.Source, error) { return nil, nil }

// STIGEvaluations are none: they cannot be stored.
func (s *stored) STIGEvaluations(context.Context) ([]time.Time, error) { return nil, nil }
