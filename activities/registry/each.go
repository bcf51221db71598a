package registry

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// parallelChecks bounds the small requests sent to one registry at a time.
const parallelChecks = 8

// each calls do for every item, a few at a time, and returns the first error.
func each[T any](ctx context.Context, items []T, do func(context.Context, int, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelChecks)
	for i, item := range items {
		g.Go(func() error { return do(ctx, i, item) })
	}
	return g.Wait()
}
