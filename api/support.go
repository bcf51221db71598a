package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/catalog"
	"plimsoll/engine/lifecycle"
	"plimsoll/persistence"
)

// distroSupport tells how long an image's distribution gets fixes, as known now; nil when nothing is known.
func (h *handlers) distroSupport(ctx context.Context, digest string, at time.Time) (*oas.DistroSupport, error) {
	analysis, err := h.analysis(ctx, digest)
	if err != nil {
		return nil, err
	}
	known, err := h.deps.Feeds.Lifecycle(ctx, &catalog.Distro{ID: analysis.Distro, VersionID: analysis.DistroVersion, Like: analysis.DistroLike})
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load lifecycle: %w", err)
	}
	return &oas.DistroSupport{
		Product: known.Product, Release: known.Cycle, State: oas.DistroSupportState(lifecycle.At(known, at)),
		EndOfLife: utcOrNil(known.EndOfLife), EndOfExtendedSupport: utcOrNil(known.EndOfExtended),
	}, nil
}
