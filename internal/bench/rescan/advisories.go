package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/osv"
	"plimsoll/persistence"
)

// ecosystem is a kind of package that images hold.
type ecosystem struct {
	bundle    string // name of the OSV bundle, and of the feed group
	namespace string // of advisories
	kind      string // type of the packages
	distro    string // namespace of the packages
	names     int    // distinct names in a fleet
	suffix    string // of versions
	share     float64
}

var ecosystems = []ecosystem{
	{bundle: "Debian", namespace: "debian:12", kind: "dpkg", distro: "debian:12", names: 4000, suffix: "-1", share: 0.4},
	{bundle: "npm", namespace: "npm", kind: "npm", names: 40_000, share: 0.35},
	{bundle: "PyPI", namespace: "pypi", kind: "python", names: 15_000, share: 0.15},
	{bundle: "Go", namespace: "go", kind: "go", names: 12_000, share: 0.1},
}

// steps is how many versions of a package there are.
const steps = 60

// version is the nth of a package, in its order.
func (e ecosystem) version(n int) string {
	n %= steps
	return fmt.Sprintf("%d.%d.%d%s", 1+n/20, n/4%5, n%4, e.suffix)
}

// advisories are the records in the database.
type advisories struct {
	records [][]feed.Record       // by ecosystem
	names   [][]string            // by ecosystem: those advisories speak about, then made up ones
	bounds  []map[string][]string // by ecosystem: versions advisories mention
}

// collector takes the records of a bundle.
type collector struct {
	records []feed.Record
	seen    map[string]bool
}

func (c *collector) Record(r feed.Record) error {
	if !c.seen[r.Vulnerability.ID] {
		c.seen[r.Vulnerability.ID] = true
		c.records = append(c.records, r)
	}
	return nil
}
func (c *collector) Score(feed.Score) error         { return nil }
func (c *collector) Exploited(feed.Exploited) error { return nil }
func (c *collector) Lifecycle(feed.Lifecycle) error { return nil }
func (c *collector) Release(feed.Release) error     { return nil }
func (c *collector) Exclusion(feed.Exclusion) error { return nil }
func (c *collector) File(feed.File) error           { return nil }
func (c *collector) Bad(string, error)              {}

// readBundle reads an OSV bundle; one that is not there holds nothing.
func (c *collector) readBundle(ctx context.Context, folder, name string) error {
	path := filepath.Join(folder, name, "all.zip")
	f, err := os.Open(path) // #nosec G304 -- the folder is the operator's
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open bundle: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open bundle: %w", err)
	}
	settings := feed.Settings{Enabled: true, Ecosystems: []string{name}}
	document := feed.Fetched{Document: feed.Document{Name: "all"}, ReaderAt: f, Size: info.Size()}
	in := feed.Input{Group: osv.Driver.Groups(settings)[0], Settings: settings, Documents: []feed.Fetched{document}}
	if err := osv.Driver.Parse(ctx, in, c); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// load commits the bundles, and made up records where they hold too few.
func (b *bench) load(ctx context.Context) error {
	random := rand.New(rand.NewPCG(b.seed, 1)) // #nosec G404 -- reproducible on purpose
	data := &advisories{}
	taken, real := 0, 0
	for _, e := range ecosystems {
		c := collector{seen: map[string]bool{}}
		if b.options.feeds != "" {
			for _, folder := range filepath.SplitList(b.options.feeds) {
				if err := c.readBundle(ctx, folder, e.bundle); err != nil {
					return err
				}
			}
		}
		real += len(c.records)
		data.add(e, c.records, int(float64(b.records)*e.share), random)
	}
	began := time.Now()
	for i := range ecosystems {
		committed, err := b.commit(ctx, data, i)
		if err != nil {
			return err
		}
		taken += committed.Records
	}
	b.data = data
	b.out.line("%d advisories loaded (%d of them real) in %.1f s", taken, real, time.Since(began).Seconds())
	return nil
}

// add names the packages of an ecosystem and makes up records until there are enough.
func (a *advisories) add(e ecosystem, records []feed.Record, want int, random *rand.Rand) {
	bounds := map[string][]string{}
	var names []string
	for _, r := range records {
		for _, about := range r.Advisories {
			if about.Namespace != e.namespace {
				continue
			}
			if _, known := bounds[about.Package]; !known {
				names = append(names, about.Package)
			}
			bounds[about.Package] = append(bounds[about.Package], mentioned(about)...)
		}
	}
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i := len(names); i < e.names; i++ {
		names = append(names, fmt.Sprintf("pkg-%d", i))
	}
	// What is reported most is not what is installed most, and most of what is reported is installed nowhere.
	reported := random.Perm(4 * len(names))
	often := rand.NewZipf(random, 1.05, 300, uint64(len(reported)-1)) // #nosec G115 -- never negative
	about := func() string {
		if i := reported[often.Uint64()]; i < len(names) {
			return names[i]
		}
		return fmt.Sprintf("elsewhere-%d", random.IntN(len(reported)))
	}
	for i := len(records); i < want; i++ {
		id := fmt.Sprintf("BENCH-%s-%d", e.bundle, i)
		records = append(records, feed.Record{
			Vulnerability: feed.Vulnerability{ID: id, Severity: feed.Severity(random.IntN(6)), Summary: "Made up.", URL: "https://vulnerability.example/" + id},
			Advisories: []feed.Advisory{{
				ID: id, Namespace: e.namespace, Package: about(), State: feed.StateFixed,
				Ranges: []feed.Range{{Introduced: "0", Fixed: e.version(random.IntN(steps / 2))}},
			}},
		})
	}
	a.records, a.names, a.bounds = append(a.records, records), append(a.names, names), append(a.bounds, bounds)
}

// mentioned are the versions an advisory names.
func mentioned(a feed.Advisory) []string {
	var out []string
	for _, r := range a.Ranges {
		for _, v := range []string{r.Introduced, r.Fixed, r.LastAffected} {
			if v != "" && v != "0" {
				out = append(out, v)
			}
		}
	}
	return append(out, a.Versions[:min(2, len(a.Versions))]...)
}

func (b *bench) commit(ctx context.Context, data *advisories, i int) (persistence.Committed, error) {
	committed, err := b.feeds.Commit(ctx, persistence.CommitFeed{
		Source: osv.Name, Group: ecosystems[i].bundle, At: time.Now(), Force: true,
		Load: func(in *persistence.Staging) error {
			for _, r := range data.records[i] {
				if err := in.Record(r); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return committed, fmt.Errorf("commit %s: %w", ecosystems[i].bundle, err)
	}
	return committed, nil
}

// change alters n records, spread over all ecosystems as these share the data: another fix version, and now and then
// another severity or no fix at all.
func (a *advisories) change(n int, random *rand.Rand) {
	total := 0
	for _, list := range a.records {
		total += len(list)
	}
	for _, at := range random.Perm(total)[:min(n, total)] {
		i := 0
		for at >= len(a.records[i]) {
			at, i = at-len(a.records[i]), i+1
		}
		r := &a.records[i][at]
		r.Advisories = append([]feed.Advisory(nil), r.Advisories...)
		if random.IntN(10) == 0 || len(r.Advisories) == 0 {
			r.Vulnerability.Severity = feed.Severity(random.IntN(6))
			r.Vulnerability.Summary += "."
			continue
		}
		fixed := ecosystems[i].version(random.IntN(steps / 2))
		r.Advisories[0].Ranges = []feed.Range{{Introduced: "0", Fixed: fixed}}
		r.Vulnerability.Summary += "."
	}
}
