package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// findings loads what was found in the files of an image; nothing for an analysis from before there were searches.
func (h *handlers) findings(ctx context.Context, digest string) (image.Findings, error) {
	var found image.Findings
	analysis, err := h.analysis(ctx, digest)
	if err != nil || analysis.FindingsBlob == "" {
		return found, err
	}
	data, err := h.deps.Blobs.Get(ctx, analysis.FindingsBlob)
	if err != nil {
		return found, fmt.Errorf("load findings of %s: %w", digest, err)
	}
	if err := json.Unmarshal(data, &found); err != nil {
		return found, fmt.Errorf("decode findings of %s: %w", digest, err)
	}
	return found, nil
}

// GetImageSecretSearch lists credentials left in files.
func (h *handlers) GetImageSecretSearch(ctx context.Context, req oas.GetImageSecretSearchRequestObject) (oas.GetImageSecretSearchResponseObject, error) {
	found, err := h.findings(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	squashed := h.squashed((*string)(req.Params.Scope))
	return oas.GetImageSecretSearch200JSONResponse(each(searched(found.Hits, catalog.SearchSecret, squashed), func(r result) oas.SecretSearchResult {
		return oas.SecretSearchResult(r)
	})), nil
}

// GetImageContentSearch lists hits of the operator's expressions.
func (h *handlers) GetImageContentSearch(ctx context.Context, req oas.GetImageContentSearchRequestObject) (oas.GetImageContentSearchResponseObject, error) {
	found, err := h.findings(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	squashed := h.squashed((*string)(req.Params.Scope))
	return oas.GetImageContentSearch200JSONResponse(each(searched(found.Hits, catalog.SearchContent, squashed), func(r result) oas.FileContentSearchResult {
		return oas.FileContentSearchResult(r)
	})), nil
}

// GetImageRetrievedFiles gives the files kept.
func (h *handlers) GetImageRetrievedFiles(ctx context.Context, req oas.GetImageRetrievedFilesRequestObject) (oas.GetImageRetrievedFilesResponseObject, error) {
	found, err := h.findings(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	return oas.GetImageRetrievedFiles200JSONResponse(each(found.Retrieved, func(f image.Retrieved) oas.RetrievedFile {
		return oas.RetrievedFile{Path: f.Path, B64Content: base64.StdEncoding.EncodeToString(f.Content)}
	})), nil
}

// squashed reports whether hits in files of lower layers that are gone stay out: as asked, else as configured.
func (h *handlers) squashed(asked *string) bool {
	if asked == nil {
		return h.config.SquashedFindings
	}
	return *asked == string(oas.SearchScopeSquashed)
}

// result is one file with hits, whatever the search.
type result struct {
	Matches []oas.RegexContentMatch `json:"matches"`
	Path    string                  `json:"path"`
}

// searched groups hits, which come by path, into files, and of each file by name and layer.
func searched(hits []image.Hit, search string, squashed bool) []result {
	results := []result{}
	for i := range hits {
		hit := &hits[i]
		if hit.Search != search || squashed && hit.Removed {
			continue
		}
		if n := len(results); n == 0 || results[n-1].Path != hit.Path {
			results = append(results, result{Path: hit.Path})
		}
		into := &results[len(results)-1]
		into.Matches = gather(into.Matches, hit)
	}
	return results
}

// gather adds a hit to the match of its name in its layer.
func gather(matches []oas.RegexContentMatch, hit *image.Hit) []oas.RegexContentMatch {
	at := 0
	for at < len(matches) && (matches[at].Name != hit.Name || *matches[at].Layer != hit.Layer || *matches[at].Removed != hit.Removed) {
		at++
	}
	if at == len(matches) {
		matches = append(matches, oas.RegexContentMatch{Name: hit.Name, Layer: &hit.Layer, Removed: &hit.Removed})
	}
	m := &matches[at]
	m.Lines = append(m.Lines, hit.Line)
	if hit.Value != "" {
		if m.Values == nil {
			m.Values = &[]string{}
		}
		*m.Values = append(*m.Values, hit.Value)
	}
	return matches
}
