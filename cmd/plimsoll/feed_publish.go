package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/activities"
	"plimsoll/activities/fetch"
	"plimsoll/engine/feed/bundle"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
)

// defaultKeep is how many publications stay: the working days of a week.
const defaultKeep = 5

func (p *program) publishCommand() *cobra.Command {
	var keep int
	cmd := &cobra.Command{
		Use: "publish DIR", Short: "Keep a folder of signed bundles and their listing for others to fetch", Args: cobra.ExactArgs(1),
		Long: "Write the vulnerability data into a folder as a signed bundle, what changed since the last publication as another, and list both in " + bundle.ListingName + ".\nNothing is written when nothing changed. The feed service serves the folder (feed_service.bundles_dir), and so may any web server;\nplimsoll feeds import takes its address.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withFeeds(cmd.Context(), func(ctx context.Context, cfg Config, feeds *persistence.Feeds) error {
				return p.publish(ctx, cfg, feeds, args[0], keep)
			})
		},
	}
	cmd.Flags().IntVar(&keep, "keep", defaultKeep, "publications that stay in the folder")
	return cmd
}

func (p *program) publish(ctx context.Context, cfg Config, feeds *persistence.Feeds, dir string, keep int) error {
	key, err := cfg.FeedBundles.signer()
	if err != nil {
		return err
	}
	written, err := feedbundle.Publish{Dir: dir, Keep: keep, Key: key, Now: time.Now()}.Run(ctx, feeds)
	if err != nil {
		return fmt.Errorf("publish into %s: %w", dir, err)
	}
	if len(written) == 0 {
		_, err = fmt.Fprintf(p.stdout, "%s is up to date\n", dir)
		return err
	}
	for _, e := range written {
		if _, err := fmt.Fprintf(p.stdout, "%s: generations %d to %d, %d bytes\n", e.Path, e.From, e.To, e.Size); err != nil {
			return err
		}
	}
	return nil
}

// remote tells addresses from files.
func remote(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// importPublished takes over what is published behind an address and not here yet.
func (p *program) importPublished(ctx context.Context, cfg Config, feeds *persistence.Feeds, address string, force bool) error {
	from, err := cfg.Feeds.Published(address)
	if err != nil {
		return err
	}
	if from.Single() {
		doc, err := from.Sole(ctx)
		if err != nil {
			return err
		}
		return p.takeFetched(ctx, cfg, feeds, doc, force)
	}
	listing, err := from.Listing(ctx)
	if err != nil {
		return fmt.Errorf("fetch listing: %w", err)
	}
	next, err := toFetch(ctx, feeds, listing, force)
	if err != nil {
		return err
	}
	if len(next) == 0 {
		_, err := fmt.Fprintf(p.stdout, "%s is here already\n", listing.Newest().Name)
		return err
	}
	return p.takeListed(ctx, cfg, feeds, from, next, listing.Newest(), force)
}

// toFetch are the bundles that bring the store up to date; none when the newest was the last that was taken over.
func toFetch(ctx context.Context, feeds *persistence.Feeds, listing bundle.Listing, force bool) ([]bundle.Entry, error) {
	if force {
		return []bundle.Entry{listing.Newest()}, nil
	}
	latest, err := feeds.LatestBundle(ctx)
	if err != nil && !errors.Is(err, persistence.ErrNotFound) {
		return nil, err
	}
	if err == nil && latest.Name == listing.Newest().Name {
		return nil, nil
	}
	groups, err := feeds.Groups(ctx)
	if err != nil {
		return nil, err
	}
	cursors := make([]string, len(groups))
	for i, g := range groups {
		cursors[i] = g.Cursor
	}
	return listing.Next(cursors), nil
}

// takeListed takes bundles over one after the other; where changes do not follow what is there, the whole instead.
func (p *program) takeListed(ctx context.Context, cfg Config, feeds *persistence.Feeds, from activities.PublishedBundles, next []bundle.Entry, whole bundle.Entry, force bool) error {
	for _, e := range next {
		doc, err := from.Bundle(ctx, e)
		if err != nil {
			return fmt.Errorf("fetch bundle: %w", err)
		}
		err = p.takeFetched(ctx, cfg, feeds, doc, force)
		if e.Kind == bundle.Delta && errors.Is(err, bundle.ErrBase) {
			if _, err := fmt.Fprintf(p.stdout, "%s does not follow what is there; %s is taken instead\n", e.Path, whole.Path); err != nil {
				return err
			}
			return p.takeListed(ctx, cfg, feeds, from, []bundle.Entry{whole}, whole, force)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *program) takeFetched(ctx context.Context, cfg Config, feeds *persistence.Feeds, doc *fetch.Document, force bool) error {
	defer doc.Close()
	return p.take(ctx, cfg, feeds, doc, doc.Size, force)
}
