package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"slices"
	"text/tabwriter"
	"time"

	"go.temporal.io/sdk/testsuite"

	"plimsoll/activities"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/seal"
	"plimsoll/workflows"
)

// report is a table of steps under some lines of text.
type report struct {
	w     io.Writer
	table *tabwriter.Writer
}

func newReport(w io.Writer) *report {
	r := &report{w: w, table: tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
	r.row("images", "changed advisories", "commit s", "current s", "packages", "matches moved", "images touched", "rows read", "rows written")
	return r
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r.w, format+"\n", args...) }

func (r *report) row(cells ...any) {
	for _, c := range cells {
		fmt.Fprintf(r.table, "%v\t", c)
	}
	fmt.Fprintln(r.table)
}

func (r *report) flush() error {
	if err := r.table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// work is what the database did.
type work struct{ read, written int64 }

// settle is how long sessions may keep their counts to themselves.
const settle = 1500 * time.Millisecond

func (b *bench) work(ctx context.Context) (w work, err error) {
	select {
	case <-ctx.Done():
		return w, ctx.Err()
	case <-time.After(settle):
	}
	err = b.pool.QueryRow(ctx, `
SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint, sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint
FROM pg_stat_all_tables WHERE schemaname IN ('plimsoll', 'plimsoll_feeds') OR schemaname LIKE 'pg_temp%'`).Scan(&w.read, &w.written)
	if err != nil {
		return w, fmt.Errorf("read statistics: %w", err)
	}
	return w, nil
}

// apply changes n advisories and waits until every answer and counter is current.
func (b *bench) apply(ctx context.Context, n int) error {
	random := rand.New(rand.NewPCG(b.seed, uint64(n+b.fleet.images))) // #nosec G404 G115 -- reproducible on purpose
	b.data.change(n, random)
	before, err := b.work(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	var generations []int64
	for i := range ecosystems {
		committed, err := b.commit(ctx, b.data, i)
		if err != nil {
			return err
		}
		if !committed.Unchanged {
			generations = append(generations, committed.Generation)
		}
	}
	committed := time.Since(began)
	began = time.Now()
	var sum persistence.Rescanned
	for _, g := range generations {
		moved, err := b.matches.Rescan(ctx, g, time.Now(), "feed", func(int, int) {})
		if err != nil {
			return err
		}
		sum.Packages, sum.Opened, sum.Closed = sum.Packages+moved.Packages, sum.Opened+moved.Opened, sum.Closed+moved.Closed
	}
	took := time.Since(began)
	after, err := b.work(ctx)
	if err != nil {
		return err
	}
	touched, err := b.touched(ctx)
	if err != nil {
		return err
	}
	b.out.row(b.fleet.images, n, seconds(committed), seconds(took), sum.Packages, sum.Opened+sum.Closed, touched, after.read-before.read, after.written-before.written)
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// touched counts the images that wait for a verdict, and forgets those of all generations but the last.
func (b *bench) touched(ctx context.Context) (n int, err error) {
	err = b.pool.QueryRow(ctx, `SELECT count(DISTINCT digest) FROM plimsoll.rescan_image`).Scan(&n)
	if err == nil {
		_, err = b.pool.Exec(ctx, `DELETE FROM plimsoll.rescan_image WHERE generation < (SELECT max(generation) FROM plimsoll.rescan_image)`)
	}
	if err != nil {
		return n, fmt.Errorf("count images: %w", err)
	}
	return n, nil
}

// verdicts judges one portion of the images that the last generation touched, as the workflow of a rescan does.
func (b *bench) verdicts(ctx context.Context) error {
	var generation int64
	err := b.pool.QueryRow(ctx, `SELECT coalesce(max(generation), 0) FROM plimsoll.rescan_image`).Scan(&generation)
	if err != nil {
		return fmt.Errorf("find images: %w", err)
	}
	scratch := activities.DefaultAnalysis()
	sealer, err := seal.New(seal.GenerateKey())
	if err != nil {
		return err
	}
	deps := activities.Deps{Pool: b.pool, Sealer: sealer, Blobs: blob.NewPostgres(b.pool), Host: "bench", Version: "bench", Watch: activities.DefaultWatch(), MaxImageMiB: -1}
	acts, err := activities.New(deps, scratch, activities.DefaultFeeds())
	if err != nil {
		return err
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	env := suite.NewTestActivityEnvironment()
	for _, queue := range workflows.Queues() {
		acts.Register(env, queue)
	}
	env.SetTestTimeout(time.Hour)
	stop, err := b.startProfile()
	if err != nil {
		return err
	}
	began := time.Now()
	value, err := env.ExecuteActivity(workflows.RescanVerdicts.Name, workflows.RescanPortion{Generation: generation})
	if err != nil {
		return err
	}
	took := time.Since(began)
	if err := stop(); err != nil {
		return err
	}
	var out workflows.RescanProgress
	if err := value.Get(&out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	b.out.line("%d images judged in %.1f s, %.0f a second: %d verdicts changed", out.Images, took.Seconds(), float64(out.Images)/took.Seconds(), out.Verdicts)
	return nil
}

// startProfile writes a CPU profile to the file of the flag until stop is called.
func (b *bench) startProfile() (stop func() error, err error) {
	if b.profile == "" {
		return func() error { return nil }, nil
	}
	out, err := os.Create(b.profile)
	if err != nil {
		return nil, fmt.Errorf("create the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), out.Close())
	}
	return func() error { pprof.StopCPUProfile(); return out.Close() }, nil
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// question is something people ask about a fleet.
type question struct {
	name string
	ask  func(ctx context.Context, random *rand.Rand) error
}

const pageOf = 100

func (b *bench) questions(ctx context.Context) error {
	record := func(random *rand.Rand) string {
		list := b.data.records[random.IntN(len(ecosystems))]
		return list[random.IntN(len(list))].Vulnerability.ID
	}
	name := func(random *rand.Rand) string {
		e := random.IntN(len(ecosystems))
		return b.data.names[e][int(rand.NewZipf(random, 1.2, 20, uint64(len(b.data.names[e])-1)).Uint64())] // #nosec G115
	}
	digests, err := b.digests(ctx)
	if err != nil {
		return err
	}
	images := persistence.NewImages(b.pool)
	account := persistence.AdminAccount
	for _, q := range []question{
		{"images by CVE", func(ctx context.Context, random *rand.Rand) error {
			_, err := b.matches.HoldersOfVulnerability(ctx, account, persistence.VulnerabilityQuestion{Vulnerability: record(random), Severity: -1}, "", pageOf)
			return err
		}},
		{"images by CVE, severity and package", func(ctx context.Context, random *rand.Rand) error {
			_, err := b.matches.HoldersOfVulnerability(ctx, account, persistence.VulnerabilityQuestion{Vulnerability: record(random), Severity: 5, Package: name(random)}, "", pageOf)
			return err
		}},
		{"images by package", func(ctx context.Context, random *rand.Rand) error {
			_, err := b.matches.HoldersOfPackage(ctx, account, persistence.PackageQuestion{Name: name(random)}, "", pageOf)
			return err
		}},
		{"one image", func(ctx context.Context, random *rand.Rand) error {
			_, err := images.Get(ctx, account, digests[random.IntN(len(digests))])
			return err
		}},
		{"vulnerabilities of an image", func(ctx context.Context, random *rand.Rand) error {
			_, err := b.matches.Vulnerabilities(ctx, account, digests[random.IntN(len(digests))], persistence.VulnerabilityFilter{})
			return err
		}},
		{"counters of a page of images", func(ctx context.Context, random *rand.Rand) error {
			at := random.IntN(max(1, len(digests)-pageOf))
			_, err := b.matches.Counters(ctx, account, digests[at:min(len(digests), at+pageOf)])
			return err
		}},
	} {
		if err := b.time(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// digests are those of a sample of the images.
func (b *bench) digests(ctx context.Context) ([]string, error) {
	var out []string
	err := b.pool.QueryRow(ctx, `
SELECT array_agg(digest) FROM (SELECT digest FROM plimsoll.image WHERE account = 'admin' ORDER BY digest LIMIT 2000) d`).Scan(&out)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	return out, nil
}

func (b *bench) time(ctx context.Context, q question) error {
	random := rand.New(rand.NewPCG(b.seed, 99)) // #nosec G404 -- reproducible on purpose
	took := make([]time.Duration, b.rounds)
	for i := range took {
		began := time.Now()
		if err := q.ask(ctx, random); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	at := func(part float64) float64 { return took[int(part*float64(len(took)-1))].Seconds() * 1000 }
	b.out.line("%s: p50 %.1f ms, p99 %.1f ms", q.name, at(0.5), at(0.99))
	return nil
}

var errCounters = errors.New("counters differ from a count made from nothing")

// check counts the findings of a sample of images anew.
func (b *bench) check(ctx context.Context) error {
	var wrong int
	err := b.pool.QueryRow(ctx, `
SELECT count(*) FROM (SELECT * FROM plimsoll.analysis_counter WHERE analysis_id % greatest(1, $1::int / 500) = 0) k CROSS JOIN LATERAL (
  SELECT count(*) AS total, count(*) FILTER (WHERE m.severity = 5) AS critical, count(*) FILTER (WHERE m.fix_version <> '') AS fixable
  FROM plimsoll.image_package e JOIN plimsoll.package_match m ON m.package_id = e.package_id AND m.valid_to IS NULL
  WHERE e.analysis_id = k.analysis_id AND e.counted) n
WHERE (n.total, n.critical, n.fixable) <> (k.critical + k.high + k.medium + k.low + k.negligible + k.unknown, k.critical, k.fixable)`, b.fleet.images).Scan(&wrong)
	if err != nil {
		return fmt.Errorf("count anew: %w", err)
	}
	if wrong > 0 {
		return fmt.Errorf("%w: of %d images in the sample", errCounters, wrong)
	}
	b.out.line("counters of the sample equal a count made from nothing")
	return nil
}
