package registry

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// parallelChecks bounds the small requests sent to one registry at a time.
const parallelChecks = 8

// each calls do for every layer, a few at a time, and returns the first error.
func each(ctx context.Context, layers []Layer, do func(context.Context, Layer) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelChecks)
	for _, l := range layers {
		g.Go(func() error { return do(ctx, l) })
	}
	return g.Wait()
}
