package api

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/api/oas"
	"plimsoll/internal/build"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// serviceAPI is the name under which the API changes the status of images.
const serviceAPI = "api"

// CancelImageAnalysis takes back the analysis an image waits for or is under. The record changes at once, so that
// nothing can be published any more; the workflow then stops what is under way.
func (h *handlers) CancelImageAnalysis(ctx context.Context, req oas.CancelImageAnalysisRequestObject) (oas.CancelImageAnalysisResponseObject, error) {
	account := callerOf(ctx).Account
	by := persistence.Origin{HostID: h.deps.Host, Service: serviceAPI, Version: build.Current().Version}
	done, err := h.deps.Images.Withdraw(ctx, account, req.ImageDigest, by, func(request int64) persistence.Start {
		return persistence.Start{
			Workflow:   workflows.WithdrawAnalysisName,
			WorkflowID: workflows.AnalyzeImageID(account, req.ImageDigest),
			Input:      workflows.WithdrawInput{Account: account, Digest: req.ImageDigest, Request: request},
		}
	})
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noImage(req.ImageDigest)
	case errors.Is(err, persistence.ErrState):
		return nil, h.notCancellable(ctx, req.ImageDigest, err)
	case err != nil:
		return nil, fmt.Errorf("cancel analysis of %s: %w", req.ImageDigest, err)
	}
	if done.OutboxID != 0 {
		h.deps.Starter.Launch(ctx, done.OutboxID)
	}
	body, err := h.imageBody(ctx, done.Image)
	if err != nil {
		return nil, err
	}
	return oas.CancelImageAnalysis200JSONResponse(body), nil
}

func (h *handlers) notCancellable(ctx context.Context, digest string, cause error) error {
	image, err := h.image(ctx, digest)
	if err != nil {
		return err
	}
	if image.ImageStatus != persistence.ImageActive {
		return fail(codeConflict, fmt.Sprintf("Image %s is being deleted; there is no analysis to cancel.", digest)).because(cause)
	}
	return fail(codeConflict, fmt.Sprintf("The analysis of image %s has ended (analysis_status: %s); there is nothing to cancel.", digest, image.AnalysisStatus)).because(cause)
}
