package api

import (
	"context"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

// CheckImageDraft evaluates the image under a document that is not stored, and leaves no trace.
func (h *handlers) CheckImageDraft(ctx context.Context, req oas.CheckImageDraftRequestObject) (oas.CheckImageDraftResponseObject, error) {
	tag, err := parseTag(req.Params.Tag)
	if err != nil {
		return nil, err
	}
	analysis, err := h.analysis(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	account := callerOf(ctx).Account
	draft, _, err := h.newPolicy(account, *req.Body)
	if err != nil {
		return nil, err
	}
	check := check{
		handlers: h, analysis: analysis, policy: persistence.Policy{ID: draft.ID, Document: draft.Document},
		key: persistence.EvaluationKey{Account: account, ImageDigest: req.ImageDigest, Tag: fullTag(tag), PolicyID: draft.ID},
	}
	result, err := check.compared(ctx, "")
	if err != nil {
		return nil, err
	}
	results, err := decodeResults([]dated{result}, true)
	if err != nil {
		return nil, err
	}
	return oas.CheckImageDraft200JSONResponse{
		PolicyId: draft.ID, ImageDigest: req.ImageDigest, EvaluatedTag: check.key.Tag, Evaluations: results,
	}, nil
}
