package persistence_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"plimsoll/engine/feed"
	"plimsoll/persistence"
	"plimsoll/persistence/pgtest"
)

var benchImages = flag.Int("images", 2000, "images in the rescan benchmark")

const (
	benchPackages = 100_000 // distinct packages; each image holds 300 of them
	benchRecords  = 60_000
	benchChanged  = 3_000
)

// Foreign keys are not checked while the synthetic rows are made.
const populateRescan = `
SET session_replication_role = replica;
INSERT INTO plimsoll.analysis (image_digest, analyzer_set, image_id, manifest_blob, config_blob, content_blob, os, arch,
  image_size, layer_digests, package_count, file_count)
SELECT 'sha256:' || n, 'set', n::text, '', '', '', 'linux', 'amd64', 1, '{}', 300, 1 FROM generate_series(1, %[1]d) n;
INSERT INTO plimsoll.image (account, digest, image_id, manifest_blob, config_blob, analysis_status, analysis_id, analyzed_at)
SELECT 'admin', a.image_digest, a.image_id, '', '', 'analyzed', a.id, now() FROM plimsoll.analysis a;
INSERT INTO plimsoll.package (type, name, version, matched_generation)
SELECT 'npm', 'p' || n %% 20000, (n / 20000) || '.0.0', 0 FROM generate_series(0, %[2]d - 1) n;
INSERT INTO plimsoll.package_target (namespace, name, package_id) SELECT 'npm', name, id FROM plimsoll.package;
INSERT INTO plimsoll.image_package (analysis_id, package_id, counted)
SELECT a.id, 1 + (a.id * 7919 + k * 331) %% %[2]d, true FROM plimsoll.analysis a, generate_series(1, 300) k ON CONFLICT DO NOTHING;
INSERT INTO plimsoll.analysis_counter (analysis_id, generation, critical, high, medium, low, negligible, unknown, fixable)
SELECT id, 0, 0, 0, 0, 0, 0, 0, 0 FROM plimsoll.analysis;
SET session_replication_role = origin;
ANALYZE`

// BenchmarkRescan measures a first load and a day's change over a fleet: go test -bench Rescan -benchtime 1x
// -images 100000 ./persistence.
func BenchmarkRescan(b *testing.B) {
	ctx := b.Context()
	pool := pgtest.New(b)
	feeds, matches := persistence.NewFeeds(pool), persistence.NewMatches(pool, pool)
	if _, err := pool.Exec(ctx, `INSERT INTO plimsoll.account (name, type) VALUES ('admin', 'admin')`); err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `SET statement_timeout = 0; `+fmt.Sprintf(populateRescan, *benchImages, benchPackages)); err != nil {
		b.Fatal(err)
	}
	records := make([]feed.Record, benchRecords)
	for i := range records {
		records[i] = record(fmt.Sprintf("GHSA-%d", i), feed.Severity(i%6), "npm", fmt.Sprintf("p%d", i%20000), fmt.Sprintf("%d.0.0", i%5))
	}
	apply := func(what string) {
		start := time.Now()
		c, err := feeds.Commit(ctx, commitOf("npm", records...))
		if err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		out, err := matches.Rescan(ctx, c.Generation, noon, what, func(int, int) {})
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: commit %s (%+v), rescan %s (%+v)", what, committed.Sub(start), c, time.Since(committed), out)
	}
	apply("first load")
	for b.Loop() {
		b.StopTimer()
		for i := range benchChanged {
			r := &records[i*(benchRecords/benchChanged)]
			r.Advisories[0].Ranges = []feed.Range{{Introduced: "0", Fixed: fmt.Sprintf("%d.5.0", (i+b.N)%6)}}
		}
		b.StartTimer()
		apply("day's change")
	}
}
