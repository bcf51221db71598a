package api

import (
	"cmp"
	"context"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

// baseAuto asks for the ancestor that counts as base image.
const baseAuto = "auto"

// ancestors finds what an image was built on, nearest last.
func (h *handlers) ancestors(ctx context.Context, digest string) ([]persistence.Ancestor, error) {
	found, err := h.deps.Analyses.Ancestors(ctx, callerOf(ctx).Account, digest)
	if err != nil {
		return nil, h.unanalyzed(ctx, digest, err)
	}
	return found, nil
}

// ListImageAncestors lists what an image was built on.
func (h *handlers) ListImageAncestors(ctx context.Context, req oas.ListImageAncestorsRequestObject) (oas.ListImageAncestorsResponseObject, error) {
	found, err := h.ancestors(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	base, err := h.chosenBase(ctx, req.ImageDigest, found)
	if err != nil {
		return nil, err
	}
	answer := oas.ListImageAncestors200JSONResponse{}
	for i, a := range found {
		answer = append(answer, oas.ImageAncestor{
			ImageDigest: a.Digest, ParentDigest: cmp.Or(a.ParentDigest, a.Digest), Tags: list(a.Tags), Layers: list(a.LayerDigests),
			UserMarkedBase: a.MarkedBase, ChosenBaseImage: i == base,
		})
	}
	return answer, nil
}

// baseImage gives the digest that base_digest means; empty when an image without ancestors is to be compared with the nearest.
func (h *handlers) baseImage(ctx context.Context, digest, base string) (string, error) {
	if base != baseAuto {
		if !digestPattern.MatchString(base) {
			return "", fail(codeInvalidRequest, "base_digest must be auto, or sha256: and 64 hexadecimal digits.")
		}
		return base, nil
	}
	found, err := h.ancestors(ctx, digest)
	if err != nil || len(found) == 0 {
		return "", err
	}
	chosen, err := h.chosenBase(ctx, digest, found)
	if err != nil {
		return "", err
	}
	return found[chosen].Digest, nil
}
