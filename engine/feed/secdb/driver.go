package secdb

import (
	"context"
	"fmt"

	"plimsoll/engine/feed"
)

// Rolling is the driver of a distribution without releases that publishes one database. name is that of the source,
// of its one group and of its namespace.
func Rolling(name, host, path, page string) feed.Driver {
	return feed.Driver{
		Name:   name,
		Groups: func(feed.Settings) []feed.Group { return []feed.Group{{Name: name, Host: host, Path: path}} },
		Parse: func(ctx context.Context, in feed.Input, out feed.Sink) error {
			if len(in.Documents) == 0 {
				return fmt.Errorf("%w: it is missing", ErrDocument)
			}
			d := New(name, name, page, out)
			for _, doc := range in.Documents {
				if err := d.Read(ctx, doc); err != nil {
					return err
				}
			}
			return d.Emit(ctx)
		},
	}
}
