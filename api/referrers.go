package api

import (
	"context"
	"fmt"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

// Referrers stores what is attached to images.
type Referrers interface {
	List(ctx context.Context, account, digest string) (persistence.ReferrerListing, error)
}

// ListImageReferrers lists what the registry had attached to an image when it was analysed last.
func (h *handlers) ListImageReferrers(ctx context.Context, req oas.ListImageReferrersRequestObject) (oas.ListImageReferrersResponseObject, error) {
	if _, err := h.image(ctx, req.ImageDigest); err != nil {
		return nil, err
	}
	found, err := h.deps.Referrers.List(ctx, callerOf(ctx).Account, req.ImageDigest)
	if err != nil {
		return nil, fmt.Errorf("list referrers: %w", err)
	}
	answer := oas.ImageReferrers{ImageDigest: req.ImageDigest, Problem: given(found.Problem), Items: each(found.Referrers, referrerBody)}
	if !found.ListedAt.IsZero() {
		at := utc(found.ListedAt)
		answer.ListedAt = &at
	}
	return oas.ListImageReferrers200JSONResponse(answer), nil
}

func referrerBody(r persistence.Referrer) oas.ImageReferrer {
	return oas.ImageReferrer{
		Subject: r.Subject, Digest: r.Referrer, ArtifactType: r.ArtifactType, MediaType: r.MediaType, Size: r.Size,
		Annotations: r.Annotations, FoundBy: r.FoundBy,
	}
}
