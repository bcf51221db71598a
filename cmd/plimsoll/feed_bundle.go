package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"plimsoll/api"
	"plimsoll/engine/feed/bundle"
	"plimsoll/internal/config"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/workflows"
)

// FeedBundles says whose bundles are taken, and who signs those made here.
type FeedBundles struct {
	SigningKey    config.Secret `yaml:"signing_key" doc:"Private key that signs exported bundles, as plimsoll feeds keygen prints it."`
	TrustedKeys   []string      `yaml:"trusted_keys" doc:"Public keys whose bundles are imported."`
	AllowUnsigned bool          `yaml:"allow_unsigned" doc:"Import bundles that nobody has signed, too, and export without a key."`
}

// Validate reports every fault of the section at once.
func (b FeedBundles) Validate() error {
	_, errKey := b.key()
	_, errTrust := b.trust()
	return errors.Join(errKey, errTrust)
}

func (b FeedBundles) key() (ed25519.PrivateKey, error) {
	if b.SigningKey == "" {
		return nil, nil
	}
	key, err := bundle.ParsePrivateKey(b.SigningKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("signing_key: %w", err)
	}
	return key, nil
}

func (b FeedBundles) trust() (bundle.Trust, error) {
	out := bundle.Trust{Unsigned: b.AllowUnsigned}
	for _, text := range b.TrustedKeys {
		key, err := bundle.ParsePublicKey(text)
		if err != nil {
			return out, fmt.Errorf("trusted_keys: %w", err)
		}
		out.Keys = append(out.Keys, key)
	}
	return out, nil
}

// exchange is how the API brings feed data in and out.
func (c Config) exchange(p *parts) (api.FeedExchange, error) {
	out := api.FeedExchange{Store: persistence.NewFeeds(p.feeds), Document: c.Feeds.Uploaded}
	var errKey, errTrust error
	out.Key, errKey = c.FeedBundles.key()
	out.Trust, errTrust = c.FeedBundles.trust()
	return out, errors.Join(errKey, errTrust)
}

func (p *program) keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keygen", Short: "Make a key pair for signing feed bundles", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return fmt.Errorf("make key pair: %w", err)
			}
			private, public := bundle.Keys(key)
			_, err = fmt.Fprintf(p.stdout, "feed_bundles:\n  signing_key: %s   # secret, where bundles are exported\n  trusted_keys: [%s]   # where they are imported\n", private, public)
			return err
		},
	}
}

func (p *program) exportCommand() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use: "export FILE", Short: "Write the vulnerability data into a signed bundle", Args: cobra.ExactArgs(1),
		Long: "Write the vulnerability data into a signed bundle, for an installation without a network.\nWith --since, only what changed since an earlier bundle is written; it applies where that bundle was imported.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withFeeds(cmd.Context(), func(ctx context.Context, cfg Config, feeds *persistence.Feeds) error {
				return p.export(ctx, cfg, feeds, args[0], since)
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "bundle to follow: write only what changed since it was made")
	return cmd
}

func (p *program) importCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "import FILE|URL", Short: "Take the vulnerability data of a bundle over", Args: cobra.ExactArgs(1),
		Long: "Take the vulnerability data of a bundle over: of a file, of an address that ends in .tar, or of what plimsoll feeds publish wrote,\nby the address of its listing (http://feeds.example/v1/bundles): what changed since the last import if that is there, else everything.\nIts signature, every checksum and every record are checked before anything is replaced.\nWhat changes is then matched anew: at once when temporal.address is set, else with the next synchronisation.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withFeeds(cmd.Context(), func(ctx context.Context, cfg Config, feeds *persistence.Feeds) error {
				if remote(args[0]) {
					return p.importPublished(ctx, cfg, feeds, args[0], force)
				}
				return p.importBundle(ctx, cfg, feeds, args[0], force)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "import also a bundle that is older than what is there, or suspiciously small")
	return cmd
}

// withFeeds connects to the database of the feeds, which is all that bundles need.
func (p *program) withFeeds(ctx context.Context, do func(context.Context, Config, *persistence.Feeds) error) error {
	ctx, cfg, err := p.begin(ctx, "feeds")
	if err != nil {
		return err
	}
	if err := need(cfg.needFeedsDatabase()); err != nil {
		return err
	}
	var pool *pgxpool.Pool
	if pool, err = persistence.Open(ctx, cmp.Or(cfg.Database.FeedsURL, cfg.Database.URL).Reveal(), cfg.Database); err != nil {
		return err
	}
	defer pool.Close()
	if err := persistence.CheckFeedSchema(ctx, pool); err != nil {
		return err
	}
	return do(ctx, cfg, persistence.NewFeeds(pool))
}

var errUnsigned = errors.New("feed_bundles.signing_key is not set (plimsoll feeds keygen makes one); feed_bundles.allow_unsigned exports without")

// signer is the key to sign with: errUnsigned when there has to be one.
func (b FeedBundles) signer() (ed25519.PrivateKey, error) {
	key, err := b.key()
	if err == nil && key == nil && !b.AllowUnsigned {
		return nil, errUnsigned
	}
	return key, err
}

func (p *program) export(ctx context.Context, cfg Config, feeds *persistence.Feeds, name, since string) (err error) {
	key, err := cfg.FeedBundles.signer()
	if err != nil {
		return err
	}
	cursor := ""
	if since != "" {
		if cursor, err = cursorOf(cfg, key, since); err != nil {
			return fmt.Errorf("read %s: %w", since, err)
		}
	}
	// Under another name until it is whole.
	part, err := os.CreateTemp(filepath.Dir(name), ".feed-bundle-*")
	if err != nil {
		return fmt.Errorf("create bundle: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	out := bufio.NewWriterSize(part, 1<<20)
	m, err := feedbundle.Export{Key: key, Since: cursor, Now: time.Now()}.Write(ctx, feeds, out)
	if err != nil {
		return err
	}
	if err = errors.Join(out.Flush(), part.Sync(), os.Rename(part.Name(), name)); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %d groups up to %s\n", m.Name, len(m.Groups), m.Cursor)
	return errors.Join(err, part.Close())
}

// cursorOf reads where an earlier bundle ended: one of ours, or one that is trusted.
func cursorOf(cfg Config, key ed25519.PrivateKey, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	trust, err := cfg.FeedBundles.trust()
	if err != nil {
		return "", err
	}
	if key != nil {
		trust.Keys = append(trust.Keys, bundle.Public(key))
	}
	b, err := bundle.Open(f, trust)
	if err != nil {
		return "", err
	}
	return b.Manifest.Cursor, nil
}

func (p *program) importBundle(ctx context.Context, cfg Config, feeds *persistence.Feeds, name string, force bool) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open bundle: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open bundle: %w", err)
	}
	return p.take(ctx, cfg, feeds, f, info.Size(), force)
}

// take takes over a bundle that is here.
func (p *program) take(ctx context.Context, cfg Config, feeds *persistence.Feeds, f io.ReaderAt, size int64, force bool) error {
	trust, err := cfg.FeedBundles.trust()
	if err != nil {
		return err
	}
	taken, err := feedbundle.Import{Trust: trust, Force: force, Now: time.Now()}.Take(ctx, feeds, f, size)
	changed := tell(p.stdout, taken)
	if err != nil {
		return errors.Join(err, p.rescan(ctx, cfg, changed))
	}
	if _, err := fmt.Fprintf(p.stdout, "%s: %d groups changed\n", taken.Manifest.Name, len(changed)); err != nil {
		return err
	}
	return p.rescan(ctx, cfg, changed)
}

// tell prints what changed and returns the generations.
func tell(w io.Writer, taken feedbundle.Taken) (changed []int64) {
	for _, g := range taken.Groups {
		if g.Generation == 0 {
			continue
		}
		changed = append(changed, g.Generation)
		fmt.Fprintf(w, "%s/%s: %d added, %d changed, %d removed\n", g.Source, g.Name, g.Added, g.Changed, g.Removed)
	}
	return changed
}

// rescan starts the rescans of generations. Without Temporal the next synchronisation does: it looks for those that were
// never started.
func (p *program) rescan(ctx context.Context, cfg Config, generations []int64) error {
	if cfg.Temporal.Address == "" || len(generations) == 0 {
		return nil
	}
	c, err := openTemporal(cfg.Temporal, log.From(ctx))
	if err != nil {
		return err
	}
	defer c.Close()
	for _, generation := range generations {
		if _, err := workflows.StartRescan(ctx, c, workflows.RescanInput{Generation: generation}); err != nil {
			return fmt.Errorf("the data is imported; start the rescan of generation %d: %w", generation, err)
		}
	}
	return nil
}
