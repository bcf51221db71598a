package api

import (
	"context"
	"maps"
	"slices"

	"plimsoll/api/oas"
	"plimsoll/engine/image"
)

// contentCounts is the length of each list an image has; types without anything are missing.
func contentCounts(content *image.Image) map[string]int {
	counts := map[string]int{}
	for i := range content.Packages {
		if p := &content.Packages[i]; content.Lists(p) {
			counts[contentType(p.Type)]++
		}
	}
	if content.FileCount > 0 {
		counts[contentFiles] = content.FileCount
	}
	if len(content.Scans) > 0 { // a scan without findings counts as well
		counts[contentMalware] = len(content.Malware)
	}
	return counts
}

// contentTypes names the lists an image has.
func contentTypes(content *image.Image) []string {
	return slices.Sorted(maps.Keys(contentCounts(content)))
}

// GetImageContentSummary counts what the lists of an image hold.
func (h *handlers) GetImageContentSummary(ctx context.Context, req oas.GetImageContentSummaryRequestObject) (oas.GetImageContentSummaryResponseObject, error) {
	content, err := h.contents(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	counts := contentCounts(content)
	answer := oas.GetImageContentSummary200JSONResponse{Items: []oas.ContentSummaryItem{}}
	for _, t := range contentTypes(content) {
		answer.Items = append(answer.Items, oas.ContentSummaryItem{ContentType: t, Count: counts[t]})
	}
	return answer, nil
}
