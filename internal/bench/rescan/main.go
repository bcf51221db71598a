// Command rescan measures what a change of the feeds costs: it starts a PostgreSQL of its own, fills it with feeds and
// with fleets of growing size, applies a day's delta to each, and prints how long it takes until every answer and
// counter is current, what the database read and wrote, how many images moved, how fast verdicts follow, and how long
// questions about the fleet take.
//
// Images are made up, with the sharing of real fleets: builds of services on base images. Everything that is measured is
// the product's own code on a real PostgreSQL. The counters of a sample of images are counted anew in the end; it fails
// when one differs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/internal/standalone"
	"plimsoll/persistence"
)

// options are the flags.
type options struct {
	feeds   string
	records int
	images  []int
	delta   int
	more    []int
	seed    uint64
	rounds  int
	hold    bool
	profile string
	whatIf  bool
}

func main() {
	var o options
	images := flag.String("images", "500,2000", "fleet sizes, growing")
	more := flag.String("more", "300,6000", "further numbers of changed advisories, for the largest fleet")
	flag.IntVar(&o.delta, "delta", 3000, "changed advisories of a day")
	flag.StringVar(&o.feeds, "feeds", "", "folder with OSV bundles, <Ecosystem>/all.zip; advisories are made up when empty")
	flag.IntVar(&o.records, "records", 60_000, "advisories to load; made up where the bundles hold fewer")
	flag.Uint64Var(&o.seed, "seed", 1, "of everything that is made up")
	flag.IntVar(&o.rounds, "rounds", 200, "how often each question is asked")
	flag.BoolVar(&o.hold, "hold", false, "leave the database running in the end, until Ctrl-C, to look around")
	flag.BoolVar(&o.whatIf, "what-if", false, "try a policy on each fleet instead, and tell how long it takes and how much memory")
	flag.StringVar(&o.profile, "profile", "", "file for a CPU profile of the judging")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.images, err = numbers(*images); err == nil {
		o.more, err = numbers(*more)
	}
	if err == nil {
		err = run(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench rescan:", err)
		os.Exit(1)
	}
}

func numbers(text string) ([]int, error) {
	var out []int
	for _, part := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n <= 0 || len(out) > 0 && n < out[len(out)-1] {
			return nil, fmt.Errorf("%q: want growing numbers, separated by commas", text)
		}
		out = append(out, n)
	}
	return out, nil
}

// bench is a filled database and what is known of it.
type bench struct {
	options
	pool    *pgxpool.Pool
	feeds   *persistence.Feeds
	matches *persistence.Matches
	data    *advisories
	fleet   *fleet
	out     *report
}

func run(ctx context.Context, o options, w io.Writer) (err error) {
	scratch, err := os.MkdirTemp("", "bench-rescan-*")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := os.Chmod(scratch, 0o711); err != nil { // #nosec G302 -- PostgreSQL may have to run as another user
		return fmt.Errorf("open the directory: %w", err)
	}
	cfg := standalone.DefaultConfig()
	cfg.DataDir = filepath.Join(scratch, "data")
	stack, err := standalone.Open(cfg)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	elsewhere := standalone.Servers{TemporalAddress: "unused", RedisURL: "redis://unused"}
	if err := stack.Start(ctx, elsewhere, func(string, ...any) {}); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	address := string(stack.DatabaseURL)
	if err := persistence.Migrate(ctx, address, ""); err != nil {
		return err
	}
	pool, err := persistence.Open(ctx, address, persistence.DefaultConfig())
	if err != nil {
		return err
	}
	defer pool.Close()
	b := &bench{options: o, pool: pool, feeds: persistence.NewFeeds(pool), matches: persistence.NewMatches(pool, pool), out: newReport(w)}
	err = b.measure(ctx)
	if o.hold && err == nil {
		b.out.line("database: %s", address)
		<-ctx.Done()
	}
	return err
}

func (b *bench) measure(ctx context.Context) error {
	if err := b.load(ctx); err != nil {
		return fmt.Errorf("load feeds: %w", err)
	}
	if b.whatIf {
		return b.tries(ctx)
	}
	b.fleet = newFleet(b.seed, b.data)
	for i, size := range b.images {
		if err := b.grow(ctx, size); err != nil {
			return fmt.Errorf("make %d images: %w", size, err)
		}
		deltas := []int{b.options.delta}
		if i == len(b.images)-1 {
			deltas = append(deltas, b.more...)
		}
		for _, n := range deltas {
			if err := b.apply(ctx, n); err != nil {
				return fmt.Errorf("apply %d changes to %d images: %w", n, size, err)
			}
		}
	}
	if err := b.verdicts(ctx); err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	if err := b.questions(ctx); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	if err := b.out.flush(); err != nil {
		return err
	}
	return b.check(ctx)
}
