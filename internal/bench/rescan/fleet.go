package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
)

const (
	// An image is one of twenty builds of a service, on one of three hundred bases.
	builds      = 20
	bases       = 300
	inBase      = 130
	inService   = 170
	renewedEach = 33 // of so many packages of a service, one is another version in the next build
)

// artifact names a dictionary entry.
type artifact struct{ ecosystem, name, version int }

// fleet makes up images. The same number is always the same image.
type fleet struct {
	seed     uint64
	data     *advisories
	ids      map[artifact]int64
	images   int // in the database
	packages int // in the database
}

func newFleet(seed uint64, data *advisories) *fleet {
	return &fleet{seed: seed, data: data, ids: map[artifact]int64{}}
}

// image lists the packages of an image, each once.
func (f *fleet) image(n int) []artifact {
	service, build := n/builds, n%builds
	own := rand.New(rand.NewPCG(f.seed, uint64(1000+service))) // #nosec G404 G115 -- reproducible on purpose
	base := int(rand.NewZipf(own, 1.1, 5, bases-1).Uint64())   // #nosec G115 -- below bases
	seen := map[artifact]bool{}
	var out []artifact
	add := func(a artifact) {
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	of := rand.New(rand.NewPCG(f.seed, uint64(base))) // #nosec G404 G115 -- reproducible on purpose
	age := of.IntN(steps)
	for range inBase {
		name := int(rand.NewZipf(of, 1.05, 200, uint64(len(f.data.names[0])-1)).Uint64()) // #nosec G115
		add(artifact{0, name, age + name%3})
	}
	for range inService {
		e := 1 + own.IntN(len(ecosystems)-1)
		name := int(rand.NewZipf(own, 1.1, 50, uint64(len(f.data.names[e])-1)).Uint64()) // #nosec G115
		version := own.IntN(steps)
		if phase := own.IntN(renewedEach); phase < builds && phase < build {
			version++
		}
		add(artifact{e, name, version % steps})
	}
	return out
}

// versionOf is the version string of an entry: of packages real advisories speak about one they mention, of others a
// made up one.
func (f *fleet) versionOf(a artifact) string {
	e := ecosystems[a.ecosystem]
	if known := f.data.bounds[a.ecosystem][f.data.names[a.ecosystem][a.name]]; len(known) > 0 && a.version%2 == 0 {
		return known[a.version/2%len(known)]
	}
	return e.version(a.version)
}

// grow adds images until there are size, and has everything matched.
func (b *bench) grow(ctx context.Context, size int) error {
	began := time.Now()
	if b.fleet.images == 0 {
		admin := persistence.Bootstrap{
			AdminPasswordHash: "nobody signs in", // #nosec G101 -- no password has it
			Policy:            persistence.NewPolicy{ID: "default", Name: "Default", Document: policy.Default()},
		}
		if _, err := persistence.NewAccounts(b.pool).Bootstrap(ctx, admin); err != nil {
			return fmt.Errorf("make the account: %w", err)
		}
	}
	if err := b.insert(ctx, size); err != nil {
		return err
	}
	if _, err := b.pool.Exec(ctx, `VACUUM ANALYZE`); err != nil { // as a fleet that grew over months is
		return fmt.Errorf("vacuum: %w", err)
	}
	made := time.Since(began)
	if _, err := b.pool.Exec(ctx, `DELETE FROM plimsoll.setting WHERE key = 'match_rules_applied'`); err != nil {
		return fmt.Errorf("ask for a rematch: %w", err)
	}
	generation, err := b.matches.EnsureRules(ctx)
	if err != nil {
		return err
	}
	began = time.Now()
	moved, err := b.matches.Rescan(ctx, generation, time.Now(), persistence.CauseRules, func(int, int) {})
	if err != nil {
		return err
	}
	if err := b.matches.Judged(ctx, generation); err != nil {
		return err
	}
	if _, err := b.pool.Exec(ctx, `VACUUM ANALYZE`); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	b.out.line("%d images, %d distinct packages made in %.0f s; all matched anew in %.1f s: %d matches opened, %d counters",
		size, b.fleet.packages, made.Seconds(), time.Since(began).Seconds(), moved.Opened, size)
	return nil
}

// insert writes what makes an analysed image. References are not checked while it does.
func (b *bench) insert(ctx context.Context, size int) error {
	document, err := blob.NewPostgres(b.pool).Put(ctx, []byte(`{"config":{"User":"app"},"history":[]}`))
	if err != nil {
		return fmt.Errorf("store the config: %w", err)
	}
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	from := b.fleet.images
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`SET LOCAL session_replication_role = replica`, `SET LOCAL statement_timeout = 0`, `SET LOCAL maintenance_work_mem = '512MB'`,
			`ALTER TABLE plimsoll.image_package DROP CONSTRAINT image_package_pkey`, `DROP INDEX plimsoll.image_package_package`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("prepare: %w", err)
			}
		}
		if err := b.copyEdges(ctx, tx, from, size); err != nil {
			return err
		}
		if err := b.copyPackages(ctx, tx); err != nil {
			return err
		}
		for _, sql := range []string{
			fmt.Sprintf(insertImages, from+1, size, document), setSequences,
			`ALTER TABLE plimsoll.image_package ADD CONSTRAINT image_package_pkey PRIMARY KEY (analysis_id, package_id, path)`,
			`CREATE INDEX image_package_package ON plimsoll.image_package (package_id, analysis_id) WHERE counted`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("finish: %w", err)
			}
		}
		b.fleet.images = size
		return nil
	})
}

const insertImages = `
WITH made AS (
  INSERT INTO plimsoll.analysis (id, image_digest, analyzer_set, image_id, manifest_blob, config_blob, content_blob, os, arch, distro, distro_version,
    image_size, layer_digests, package_count, file_count)
  OVERRIDING SYSTEM VALUE
  SELECT n, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), 'bench', encode(sha256(n::text::bytea), 'hex'), d, d, d, 'linux', 'amd64', 'debian', '12', 1, '{}', 300, 1
  FROM generate_series(%[1]d, %[2]d) n, (SELECT '%[3]s'::text AS d) c
  RETURNING id, image_digest, image_id, config_blob
), image AS (
  INSERT INTO plimsoll.image (account, digest, image_id, manifest_blob, config_blob, analysis_status, analysis_id, analyzed_at)
  SELECT 'admin', image_digest, image_id, config_blob, config_blob, 'analyzed', id, now() FROM made
)
INSERT INTO plimsoll.image_tag (account, registry, repository, tag, digest, pull_digest)
SELECT 'admin', 'registry.example', 'service-' || id / 20, 'build-' || id, image_digest, image_digest FROM made`

const setSequences = `SELECT setval(pg_get_serial_sequence('plimsoll.package', 'id'), (SELECT max(id) FROM plimsoll.package)),
  setval(pg_get_serial_sequence('plimsoll.analysis', 'id'), (SELECT max(id) FROM plimsoll.analysis))`

func (b *bench) copyEdges(ctx context.Context, tx pgx.Tx, from, to int) error {
	n, at := from, 0
	var list []artifact
	rows := pgx.CopyFromFunc(func() ([]any, error) {
		for at == len(list) {
			if n == to {
				return nil, nil
			}
			list, at, n = b.fleet.image(n), 0, n+1
		}
		a := list[at]
		at++
		id, known := b.fleet.ids[a]
		if !known {
			id = int64(len(b.fleet.ids) + 1)
			b.fleet.ids[a] = id
		}
		return []any{int64(n), id, true}, nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"plimsoll", "image_package"}, []string{"analysis_id", "package_id", "counted"}, rows); err != nil {
		return fmt.Errorf("copy edges: %w", err)
	}
	return nil
}

// copyPackages adds the entries that are new.
func (b *bench) copyPackages(ctx context.Context, tx pgx.Tx) error {
	var rows [][]any
	for a, id := range b.fleet.ids {
		if id <= int64(b.fleet.packages) {
			continue
		}
		e, name := ecosystems[a.ecosystem], b.fleet.data.names[a.ecosystem][a.name]
		// Two entries may come to one version string; the claim keeps them apart.
		claim := fmt.Sprintf("%d.%d", a.name, a.version)
		rows = append(rows, []any{id, e.kind, e.distro, name, b.fleet.versionOf(a), claim, "pkg:generic/" + name})
	}
	columns := []string{"id", "type", "namespace", "name", "version", "claim", "purl"}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"plimsoll", "package"}, columns, pgx.CopyFromRows(rows)); err != nil {
		return fmt.Errorf("copy packages: %w", err)
	}
	b.fleet.packages = len(b.fleet.ids)
	return nil
}
