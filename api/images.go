package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"plimsoll/api/oas"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Images stores what accounts submitted.
type Images interface {
	SubmitAll(ctx context.Context, all []persistence.SubmitImage) ([]persistence.Submission, error)
	Get(ctx context.Context, account, digest string) (persistence.Image, error)
	List(ctx context.Context, account string, f persistence.ImageFilter) ([]persistence.Image, error)
	// ByDigest returns those of the images that are there, by digest.
	ByDigest(ctx context.Context, account string, digests []string) (map[string]persistence.Image, error)
	Transitions(ctx context.Context, account string, digests []string) (map[string][]persistence.Transition, error)
	Withdraw(ctx context.Context, account, digest string, by persistence.Origin, stop func(request int64) persistence.Start) (persistence.Withdrawal, error)
	MarkDeleting(ctx context.Context, account, digest string, force bool, start persistence.Start, sync persistence.SyncWatch) (persistence.Deletion, error)
}

// Progress tells how far running analyses are.
type Progress interface {
	Read(ctx context.Context, account string, digests []string) (map[string][]persistence.Progress, error)
	// Ahead counts the images of all accounts that wait for a worker and were submitted before.
	Ahead(ctx context.Context, request int64) (int, error)
}

// The words of a deletion's answer.
const (
	deletionNotFound = "not_found"
	deletionStarted  = "deleting"
	deletionFailed   = "delete_failed"
)

// imageTypeDocker is the only kind of image there is.
const imageTypeDocker = "docker"

func noImage(digest string) *ProblemError {
	return fail(codeImageNotFound, fmt.Sprintf("Image %s not found in the account", digest))
}

// image reads an image of the effective account.
func (h *handlers) image(ctx context.Context, digest string) (persistence.Image, error) {
	image, err := h.deps.Images.Get(ctx, callerOf(ctx).Account, digest)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return persistence.Image{}, noImage(digest)
	case err != nil:
		return persistence.Image{}, fmt.Errorf("load image %s: %w", digest, err)
	}
	return image, nil
}

// ListImages lists images, newest first.
func (h *handlers) ListImages(ctx context.Context, req oas.ListImagesRequestObject) (oas.ListImagesResponseObject, error) {
	filter, err := imageFilter(req.Params)
	if err != nil {
		return nil, err
	}
	images, err := h.deps.Images.List(ctx, callerOf(ctx).Account, filter)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	if len(images) == 0 && filter.Tag != nil {
		return nil, fail(codeImageNotFound, fmt.Sprintf("No image found for tag %s", fullTag(*filter.Tag)))
	}
	bodies, err := h.imageBodies(ctx, images)
	if err != nil {
		return nil, err
	}
	return oas.ListImages200JSONResponse{Items: bodies}, nil
}

func imageFilter(p oas.ListImagesParams) (persistence.ImageFilter, error) {
	f := persistence.ImageFilter{
		ImageID:        strings.TrimPrefix(orElse(p.ImageId, ""), "sha256:"),
		ImageStatus:    string(orElse(p.ImageStatus, persistence.ImageActive)),
		AnalysisStatus: string(orElse(p.AnalysisStatus, "")),
		History:        orElse(p.History, false),
		ParentDigest:   orElse(p.ParentDigest, ""),
	}
	var err error
	if f.Labels, err = labelFilter(orElse(p.Label, nil)); err != nil {
		return f, err
	}
	if f.ImageStatus == "all" {
		f.ImageStatus = ""
	}
	if p.FullTag != nil && *p.FullTag != "" {
		tag, err := parseTag(*p.FullTag)
		if err != nil {
			return f, err
		}
		f.Tag = &tag
	}
	if p.AnalyzedSince != nil && *p.AnalyzedSince != "" {
		since, err := parseTime(*p.AnalyzedSince)
		if err != nil {
			return f, err
		}
		f.AnalyzedSince = &since
	}
	return f, nil
}

// parseTime reads the time texts clients send: RFC 3339, or the same without zone, which then is UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fail(codeInvalidRequest, fmt.Sprintf("%q is not a time such as 2026-01-31T12:00:00Z.", text))
}

// GetImage shows an image.
func (h *handlers) GetImage(ctx context.Context, req oas.GetImageRequestObject) (oas.GetImageResponseObject, error) {
	image, err := h.image(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	body, err := h.imageBody(ctx, image)
	if err != nil {
		return nil, err
	}
	if err := h.countAhead(ctx, image, &body); err != nil {
		return nil, err
	}
	return oas.GetImage200JSONResponse(body), nil
}

// DeleteImage deletes one image.
func (h *handlers) DeleteImage(ctx context.Context, req oas.DeleteImageRequestObject) (oas.DeleteImageResponseObject, error) {
	answer, err := h.deleteImage(ctx, req.ImageDigest, orElse(req.Params.Force, false))
	if err != nil {
		return nil, err
	}
	if answer.Status == deletionNotFound {
		return nil, noImage(req.ImageDigest)
	}
	return oas.DeleteImage200JSONResponse(answer), nil
}

// DeleteImages deletes several; what cannot be deleted is told in the list.
func (h *handlers) DeleteImages(ctx context.Context, req oas.DeleteImagesRequestObject) (oas.DeleteImagesResponseObject, error) {
	answers := oas.DeleteImages200JSONResponse{}
	for _, digest := range req.Params.ImageDigests {
		answer, err := h.deleteImage(ctx, digest, orElse(req.Params.Force, false))
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

func (h *handlers) deleteImage(ctx context.Context, digest string, force bool) (oas.DeleteImageResponse, error) {
	account := callerOf(ctx).Account
	answer := oas.DeleteImageResponse{ImageDigest: digest, Status: deletionStarted}
	deletion, err := h.deps.Images.MarkDeleting(ctx, account, digest, force, persistence.Start{
		Workflow:   workflows.DeleteImageName,
		WorkflowID: workflows.DeleteImageID(account, digest),
		Input:      workflows.DeleteImageInput{Account: account, Digest: digest},
	}, syncWatch)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		answer.Status, answer.Detail = deletionNotFound, given("image not found in the account")
		return answer, nil
	case errors.Is(err, persistence.ErrAnalyzing):
		answer.Status, answer.Detail = deletionFailed, given("cannot delete image while it is being analyzed; wait, or use force=true")
		return answer, nil
	case errors.Is(err, persistence.ErrSubscribed):
		answer.Status, answer.Detail = deletionFailed, given("cannot delete image that is the latest of its tags and has active subscriptions; switch them off, or use force=true")
		return answer, nil
	case err != nil:
		return answer, fmt.Errorf("delete image %s: %w", digest, err)
	}
	h.deps.Starter.Launch(ctx, deletion.OutboxID)
	return answer, nil
}
