package persistence_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/persistence"
	"plimsoll/persistence/statement"
)

// A small installation: 8,000 images in the account asked and 8,000 elsewhere, each with its analysis, 30
// packages per image out of 4,000, ten findings per package.
const populate = `
INSERT INTO plimsoll.analysis (image_digest, analyzer_set, image_id, manifest_blob, config_blob, content_blob, os, arch,
  image_size, layer_digests, package_count, file_count)
SELECT 'sha256:' || n, 'set', n::text, b.digest, b.digest, b.digest, 'linux', 'amd64', 1,
  CASE WHEN n % 10 = 0 THEN ARRAY['base' || n % 700] ELSE ARRAY['base' || n % 700, 'layer' || n] END, 30, 1
FROM generate_series(1, 8000) n, (SELECT digest FROM plimsoll.blob LIMIT 1) b;
INSERT INTO plimsoll.image (account, digest, image_id, manifest_blob, config_blob, labels, analysis_status, analysis_id, analyzed_at, created_at)
SELECT acc, a.image_digest, a.image_id, a.manifest_blob, a.config_blob, jsonb_build_object('team', a.image_id), 'analyzed', a.id, now(), now() - a.id * interval '1 second'
FROM plimsoll.analysis a, unnest(ARRAY['admin', 'other']) acc;
INSERT INTO plimsoll.image_tag (account, registry, repository, tag, digest, pull_digest)
SELECT account, 'docker.io', 'library/app', digest, digest, digest FROM plimsoll.image;
INSERT INTO plimsoll.package (type, name, version, matched_generation)
SELECT 'npm', 'p' || n, '1.0.0', 1 FROM generate_series(1, 4000) n;
INSERT INTO plimsoll.package (type, name, version, matched_generation)
SELECT 'npm', 'other' || n, '1.0.0', 1 FROM generate_series(1, 40000) n;
INSERT INTO plimsoll.package_target (namespace, name, package_id) SELECT 'npm', name, id FROM plimsoll.package;
INSERT INTO plimsoll.image_package (analysis_id, package_id, counted)
SELECT a.id, 1 + (a.id * 37 + k * 263) % 4000, true FROM plimsoll.analysis a, generate_series(1, 30) k ON CONFLICT DO NOTHING;
INSERT INTO plimsoll_feeds.generation (source, group_name, added, changed, removed) VALUES ('osv', 'npm', 1, 0, 0);
INSERT INTO plimsoll_feeds.advisory (source, group_name, advisory_id, namespace, package, ranges, state, content_hash, valid_from)
SELECT 'osv', 'npm', 'GHSA-' || n, 'npm', 'p' || (1 + n % 4000), '[]', 'fixed', ''::bytea, 1 FROM generate_series(1, 40000) n;
INSERT INTO plimsoll_feeds.vulnerability (source, group_name, vulnerability_id, severity, detail, content_hash, valid_from)
SELECT 'osv', 'npm', 'GHSA-' || n, n % 6, '{}', ''::bytea, 1 FROM generate_series(1, 40000) n;
INSERT INTO plimsoll.package_match (package_id, source, group_name, vulnerability, namespace, target, severity, confidence, fix_version, fix_state,
  since, valid_from, from_generation, cause)
SELECT 1 + n % 4000, 'osv', 'npm', 'GHSA-' || n, 'npm', 'p' || (1 + n % 4000), n % 6, 'high', '2.0.0', 'fixed', now(), now(), 1, 'analysis' FROM generate_series(1, 40000) n;
INSERT INTO plimsoll.vex_document (account, digest, size, format, document_id, document_version, author, statements, claims, refused, refusals, imported_by, imported_at)
SELECT acc, b.digest, 1, 'OpenVEX', '', '', '', 1, 1, 0, '[]', '', now() FROM (SELECT digest FROM plimsoll.blob LIMIT 1) b, unnest(ARRAY['admin', 'other']) acc;
INSERT INTO plimsoll.vex_statement (account, document, statement, names, status, justification, status_notes, impact_statement,
  action_statement, additional_details, stated_at)
SELECT d.account, d.digest, n, ARRAY['GHSA-' || n], 'fixed', '', '', '', '', '', now() FROM plimsoll.vex_document d, generate_series(0, 3999) n;
INSERT INTO plimsoll.vex_claim (account, document, statement, position, given, image, package, unclear)
SELECT d.account, d.digest, n % 4000, n, '', '', 'pkg:npm/p' || n, '' FROM plimsoll.vex_document d, generate_series(1, 40000) n;
INSERT INTO plimsoll.vex_name (account, name, package, document, statement, position)
SELECT account, 'GHSA-' || statement, 'npm//p' || position, document, statement, position FROM plimsoll.vex_claim;
ANALYZE`

// TestHotStatementsUseIndexes fails when what people wait for would read a large table as a whole.
func TestHotStatementsUseIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.account("other")
	_, err := w.pool.Exec(ctx, populate)
	w.must(err)
	byName := make(map[string]string)
	for _, s := range statement.All() {
		byName[s.Name] = s.SQL
	}
	page := pgx.NamedArgs{
		"account": admin, "image_status": "active", "analysis_status": "", "analyzed_since": nil, "image_id": "",
		"parent_digest": "", "digest": "", "after": "infinity", "after_digest": "", "limit": 100,
		"registry": "docker.io", "repository": "library/app", "tag": "sha256:77", "labels": "{}",
	}
	with := func(name string, value any) pgx.NamedArgs {
		out := pgx.NamedArgs{name: value}
		for k, v := range page {
			if _, ok := out[k]; !ok {
				out[k] = v
			}
		}
		return out
	}
	digests := make([]string, 100)
	for i := range digests {
		digests[i] = fmt.Sprintf("sha256:%d", i+1)
	}
	var sources, namespaces, names, ids, vexPackages []string
	for i := range 10 {
		sources, namespaces = append(sources, "osv"), append(namespaces, "npm")
		names, ids = append(names, fmt.Sprintf("p%d", i+1)), append(ids, fmt.Sprintf("GHSA-%d", i+1))
		vexPackages = append(vexPackages, fmt.Sprintf("npm//p%d", i+1))
	}
	for _, tc := range []struct {
		name string
		args pgx.NamedArgs
	}{
		{"image.page", page},
		{"image.page", with("after", time.Now().Add(-3*time.Hour))},
		{"image.by_tag", page},
		{"image.by_tag_ever", page},
		{"image.by_id", with("image_id", "77")},
		{"image.by_label", with("labels", `{"team":"77"}`)},
		{"image.by_digest", with("digest", "sha256:77")},
		{"image.get", with("digest", "sha256:77")},
		{"image.tags", pgx.NamedArgs{"account": admin, "digests": digests}},
		{"counter.of_images", pgx.NamedArgs{"account": admin, "digests": digests}},
		{"analysis.ancestors", pgx.NamedArgs{"account": admin, "digest": "sha256:77", "limit": 1000, "marked_base_key": persistence.MarkedBaseKey}},
		{"tag.predecessor", with("digest", "sha256:77")},
		{"match.of_image", pgx.NamedArgs{"account": admin, "digest": "sha256:77", "wont_fix": false}},
		{"candidate.list", pgx.NamedArgs{"namespaces": namespaces, "names": names}},
		{"feed.details", pgx.NamedArgs{
			"sources": sources, "groups": namespaces, "vulnerabilities": ids, "namespaces": namespaces, "targets": names,
			"scopes": make([]string, len(names)), "description": true,
		}},
		{"rescan.packages", pgx.NamedArgs{"namespaces": namespaces, "names": names}},
		{"match.unmatched", pgx.NamedArgs{"analysis_id": 77}},
		{"correction.accounts", pgx.NamedArgs{"analysis_id": 77}},
		{"correction.of_account", pgx.NamedArgs{"account": admin, "after": 0, "limit": 2000, "types": []string{}, "names": []string{"p7"}, "name_types": []string{"npm"}}},
		{"correction.of_analysis", pgx.NamedArgs{"analysis_id": 77, "types": []string{"rpm"}, "names": []string{"p7"}, "name_types": []string{"npm"}}},
		{"counter.count", pgx.NamedArgs{"analyses": []int64{77}, "generation": 1}},
		{"feed.status", pgx.NamedArgs{}},
		{"progress.ahead", pgx.NamedArgs{"request": 1 << 40}},
		{"progress.elapsed", with("digest", "sha256:77")},
		{"analysis.run_of", with("digest", "sha256:77")},
		{"vex.subject", pgx.NamedArgs{"account": admin, "digest": "sha256:77"}},
		{"vex.claims", pgx.NamedArgs{"account": admin, "names": ids, "packages": vexPackages, "images": digests}},
		{"veximage.note_named", pgx.NamedArgs{"account": admin, "change": 1, "names": ids}},
		{"vex.findings", pgx.NamedArgs{"account": admin, "names": ids, "digests": digests}},
		{"layer.origins", pgx.NamedArgs{"set": "set", "digests": digests}},
	} {
		rows, err := w.pool.Query(ctx, "EXPLAIN (ANALYZE, TIMING OFF) "+byName[tc.name], tc.args)
		w.must(err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		w.must(err)
		plan := strings.Join(lines, "\n")
		t.Logf("%s: %s", tc.name, lines[len(lines)-1])
		for _, table := range []string{"image", "image_tag", "image_package", "package", "package_match", "advisory", "vulnerability", "analysis", "vex_statement", "vex_claim", "vex_name"} {
			if strings.Contains(plan, "Seq Scan on "+table+" ") {
				t.Errorf("%s reads all of %s:\n%s", tc.name, table, plan)
			}
		}
	}
	start := time.Now()
	list, err := w.images.List(ctx, admin, persistence.ImageFilter{})
	if err != nil || len(list) != 8_000 {
		t.Fatalf("%d images, %v", len(list), err)
	}
	t.Logf("list of %d images: %s", len(list), time.Since(start))
}
