package persistence

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/catalog"
	"plimsoll/engine/match"
	"plimsoll/persistence/blob"
)

// Longest texts in bytes that are kept of a package. Their sum stays below what one entry of a B-tree can hold
// (PostgreSQL: 2704); real ones are far shorter, images are hostile.
const (
	maxName    = 512
	maxVersion = 256
	maxWord    = 64
	maxPath    = 2048
	maxPURL    = 4096
	maxCPEs    = 8192
)

var (
	analysisInsert = query("analysis.insert", `
INSERT INTO plimsoll.analysis (image_digest, analyzer_set, image_id, manifest_blob, config_blob, content_blob, findings_blob, os, arch,
  distro, distro_version, distro_like, image_size, layer_digests, package_count, file_count, incomplete, analyzed_at)
VALUES (@image_digest, @set, @image_id, @manifest_blob, @config_blob, @content_blob, @findings_blob, @os, @arch,
  @distro, @distro_version, @distro_like, @image_size, @layer_digests, @package_count, @file_count, @incomplete, @analyzed_at)
ON CONFLICT (image_digest, analyzer_set) DO NOTHING RETURNING id`)

	analysisLock = query("analysis.lock", `
SELECT id FROM plimsoll.analysis WHERE image_digest = @image_digest AND analyzer_set = @set FOR NO KEY UPDATE`)

	analysisReplace = query("analysis.replace", `
UPDATE plimsoll.analysis SET image_id = @image_id, manifest_blob = @manifest_blob, config_blob = @config_blob,
  content_blob = @content_blob, findings_blob = @findings_blob, os = @os, arch = @arch, distro = @distro, distro_version = @distro_version,
  distro_like = @distro_like, image_size = @image_size, layer_digests = @layer_digests,
  package_count = @package_count, file_count = @file_count, incomplete = @incomplete
WHERE id = @id`)

	// Findings date from the analysis that showed the packages: it moves only when packages did.
	analysisRedate = query("analysis.redate", `UPDATE plimsoll.analysis SET analyzed_at = @analyzed_at WHERE id = @id`)

	packageStaging = command("package.stage", `
CREATE TEMPORARY TABLE stage_package (
  type text, namespace text, name text, version text, arch text, source text, source_version text, module text, cpes text, known text, claim text,
  target_namespaces text[], target_names text[], purl text, path text, owned boolean, suppressed boolean, corrects bigint
) ON COMMIT DROP`)

	// The anti-join keeps known packages from burning identity values; the order keeps two analyses that bring
	// the same new packages from waiting for each other.
	packageInsert = query("package.insert", `
INSERT INTO plimsoll.package (type, namespace, name, version, arch, source, source_version, module, cpes, known, claim, purl)
SELECT DISTINCT ON (s.name, s.version, s.type, s.namespace, s.arch, s.source, s.source_version, s.module, s.cpes, s.known, s.claim)
  s.type, s.namespace, s.name, s.version, s.arch, s.source, s.source_version, s.module, s.cpes, s.known, s.claim, s.purl
FROM stage_package s WHERE NOT EXISTS (SELECT FROM plimsoll.package p WHERE `+samePackage+`)
ORDER BY s.name, s.version, s.type, s.namespace, s.arch, s.source, s.source_version, s.module, s.cpes, s.known, s.claim, s.purl
ON CONFLICT DO NOTHING`)

	// What is known has its names; whoever changes the rules gives new ones to all.
	targetInsert = query("package.insert_targets", `
INSERT INTO plimsoll.package_target (namespace, name, package_id)
SELECT DISTINCT t.namespace, t.name, p.id
FROM stage_package s JOIN plimsoll.package p ON `+samePackage+`
CROSS JOIN LATERAL unnest(s.target_namespaces, s.target_names) t (namespace, name)
WHERE p.matched_generation IS NULL
ORDER BY t.namespace, t.name, p.id
ON CONFLICT DO NOTHING`)

	edgeDelete = query("edge.delete", `
DELETE FROM plimsoll.image_package e WHERE e.analysis_id = @id AND NOT EXISTS (
  SELECT FROM plimsoll.package p JOIN stage_package s ON `+samePackage+`
  WHERE p.id = e.package_id AND s.path = e.path)`)

	edgeInsert = query("edge.insert", `
INSERT INTO plimsoll.image_package AS e (analysis_id, package_id, path, owned, suppressed, counted)
SELECT @id::bigint, x.id, x.path, x.owned, x.suppressed,
  NOT x.suppressed AND row_number() OVER (PARTITION BY x.id ORDER BY x.suppressed, x.path) = 1
FROM (
  SELECT p.id, s.path, bool_or(s.owned) AS owned, bool_or(s.suppressed) AS suppressed
  FROM stage_package s JOIN plimsoll.package p ON `+samePackage+`
  GROUP BY p.id, s.path) x ORDER BY x.id, x.path
ON CONFLICT (analysis_id, package_id, path) DO UPDATE
SET owned = excluded.owned, suppressed = excluded.suppressed, counted = excluded.counted
WHERE (e.owned, e.suppressed, e.counted) <> (excluded.owned, excluded.suppressed, excluded.counted)`)
)

// samePackage compares identities; the hash is what the index has of the names.
const samePackage = `(p.name, p.version, p.type, p.namespace, p.arch, p.source, p.source_version, p.module, p.known, p.claim, md5(p.cpes))
    = (s.name, s.version, s.type, s.namespace, s.arch, s.source, s.source_version, s.module, s.known, s.claim, md5(s.cpes))`

// Save stores an assembled image with its document, new dictionary entries and edges in one transaction. An
// analysis of the same digest and set is kept as it is, or with Replace renewed under its id, so that images and
// evaluations that refer to it go on doing so.
func (s *Analyses) Save(ctx context.Context, n NewAnalysis) (SavedAnalysis, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (SavedAnalysis, error) { return n.save(ctx, tx) })
	return out, wrap(err, "store analysis of %s", n.ImageDigest)
}

func (n NewAnalysis) save(ctx context.Context, tx pgx.Tx) (SavedAnalysis, error) {
	inForce, err := rules(ctx, tx)
	if err != nil {
		return SavedAnalysis{}, err
	}
	rows, packages := stageRows(inForce, n.Namespace, n.Packages)
	out := SavedAnalysis{Stored: true, Packages: packages}
	content, err := blob.PutTx(ctx, tx, n.Content)
	if err != nil {
		return out, err
	}
	var findings *string
	if n.Findings != nil {
		digest, err := blob.PutTx(ctx, tx, n.Findings)
		if err != nil {
			return out, err
		}
		findings = &digest
	}
	fields := n.args(content, findings, packages)
	key := args{"image_digest": n.ImageDigest, "set": n.AnalyzerSet}
	out.ID, err = value[int64](ctx, tx, analysisInsert, merge(fields, key, args{"analyzed_at": n.AnalyzedAt}))
	replaced := errors.Is(err, ErrNotFound)
	if replaced {
		out.ID, err = value[int64](ctx, tx, analysisLock, key)
		if err == nil && !n.Replace {
			out.Stored = false
			return out, nil
		}
		if err == nil {
			_, err = exec(ctx, tx, analysisReplace, merge(fields, args{"id": out.ID}))
		}
	}
	if err != nil {
		return out, err
	}
	added, moved, err := saveEdges(ctx, tx, out.ID, rows)
	if err != nil {
		return out, err
	}
	out.NewPackages = int(added)
	if replaced && moved > 0 {
		_, err = exec(ctx, tx, analysisRedate, args{"id": out.ID, "analyzed_at": n.AnalyzedAt})
	}
	return out, err
}

func (n NewAnalysis) args(content string, findings *string, packages int) args {
	if n.DistroLike == nil {
		n.DistroLike = []string{}
	}
	if n.LayerDigests == nil {
		n.LayerDigests = []string{}
	}
	return args{
		"image_id": n.ImageID, "manifest_blob": n.ManifestBlob, "config_blob": n.ConfigBlob, "content_blob": content, "findings_blob": findings,
		"os": clean(n.OS, maxWord), "arch": clean(n.Arch, maxWord), "distro": clean(n.Distro, maxWord),
		"distro_version": clean(n.DistroVersion, maxVersion), "distro_like": cleanAll(n.DistroLike, maxWord),
		"image_size": n.ImageSize, "layer_digests": n.LayerDigests, "package_count": packages,
		"file_count": n.FileCount, "incomplete": n.Incomplete,
	}
}

// saveEdges brings dictionary and edges of an analysis in line with the rows.
func saveEdges(ctx context.Context, tx pgx.Tx, id int64, rows [][]any) (added, moved int64, err error) {
	if _, err = tx.Exec(ctx, packageStaging); err != nil {
		return 0, 0, err
	}
	columns := slices.Concat(entryColumns, []string{"path", "owned", "suppressed"})
	if _, err = tx.CopyFrom(ctx, pgx.Identifier{"stage_package"}, columns, pgx.CopyFromRows(rows)); err != nil {
		return 0, 0, err
	}
	if added, err = exec(ctx, tx, packageInsert, args{}); err != nil {
		return 0, 0, err
	}
	if _, err = exec(ctx, tx, targetInsert, args{}); err != nil {
		return 0, 0, err
	}
	gone, err := exec(ctx, tx, edgeDelete, args{"id": id})
	if err != nil {
		return 0, 0, err
	}
	came, err := exec(ctx, tx, edgeInsert, args{"id": id})
	return added, gone + came, err
}

// stageRows returns the rows to copy and the number of distinct packages among them.
func stageRows(inForce match.Rules, namespace string, packages []PackageRow) (rows [][]any, distinct int) {
	comprehensive := match.Comprehensive(inForce.Namespace(namespace))
	seen := make(map[catalog.Identity]struct{}, len(packages))
	rows = make([][]any, 0, len(packages))
	for _, p := range packages {
		id := cleanIdentity(p.Identity)
		seen[id] = struct{}{}
		rows = append(rows, append(stageEntry(inForce, id, p.PURL), clean(p.Path, maxPath), p.Owned, p.Owned && comprehensive))
	}
	return rows, len(seen)
}

// entryColumns are those of stage_package that make a dictionary entry.
var entryColumns = []string{
	"type", "namespace", "name", "version", "arch", "source", "source_version", "module", "cpes", "known", "claim",
	"target_namespaces", "target_names", "purl",
}

// stageEntry returns the values of entryColumns.
func stageEntry(inForce match.Rules, id catalog.Identity, purl string) []any {
	targets := inForce.Targets(match.Subject{Identity: id})
	namespaces, names := make([]string, len(targets)), make([]string, len(targets))
	for i, t := range targets {
		namespaces[i], names[i] = clean(t.Namespace, maxNamespace), clean(t.Name, maxPackage)
	}
	return []any{
		id.Type, id.Namespace, id.Name, id.Version, id.Arch, id.Source, id.SourceVersion, id.Module, id.CPEs, id.Known, id.Claim,
		namespaces, names, clean(purl, maxPURL),
	}
}

func cleanIdentity(id catalog.Identity) catalog.Identity {
	return catalog.Identity{
		Type: clean(id.Type, maxWord), Namespace: clean(id.Namespace, maxVersion),
		Name: clean(id.Name, maxName), Version: clean(id.Version, maxVersion),
		Arch: clean(id.Arch, maxWord), Source: clean(id.Source, maxName),
		SourceVersion: clean(id.SourceVersion, maxVersion),
		Module:        clean(id.Module, maxVersion), CPEs: clean(id.CPEs, maxCPEs),
		Known: clean(id.Known, 2*maxName), Claim: clean(id.Claim, maxWord),
	}
}

// clean makes text storable: valid UTF-8 without NUL, at most limit bytes.
func clean(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

func cleanAll(texts []string, limit int) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = clean(text, limit)
	}
	return out
}
