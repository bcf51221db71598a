package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// CollectGrace is how long unreferenced documents and layer results are kept: longer than any work that has
// stored or found them and is about to refer to them, which for an image of huge layers behind a slow line is many
// hours.
const CollectGrace = 24 * time.Hour

var (
	sweepLock = query("sweep.lock", `SELECT pg_try_advisory_xact_lock(@lock::int, 0)`)

	// See analysis.drop_unused for images that wait.
	sweepAnalyses = query("sweep.analyses", `
DELETE FROM plimsoll.analysis a WHERE NOT EXISTS (
  SELECT FROM plimsoll.image i WHERE i.digest = a.image_digest
    AND (i.analysis_id = a.id OR i.analysis_status IN ('not_analyzed', 'analyzing')))`)

	// Of the results no image needs, those used last stay as long as they fit: the next image may be built on them.
	sweepLayers = query("sweep.layers", `
WITH idle AS (
  SELECT l.digest, l.analyzer_set, l.used_at, octet_length(f.data) + octet_length(e.data) AS bytes
  FROM plimsoll.layer l JOIN plimsoll.blob f ON f.digest = l.entries_blob JOIN plimsoll.blob e ON e.digest = l.evidence_blob
  WHERE NOT EXISTS (
    SELECT FROM (SELECT DISTINCT analyzer_set, unnest(layer_digests) AS digest FROM plimsoll.analysis) used
    WHERE used.digest = l.digest AND used.analyzer_set = l.analyzer_set)
), sized AS (
  SELECT digest, analyzer_set, sum(bytes) OVER (ORDER BY used_at DESC, digest, analyzer_set) AS bytes FROM idle
)
DELETE FROM plimsoll.layer l USING sized s
WHERE l.digest = s.digest AND l.analyzer_set = s.analyzer_set AND s.bytes > @cache_bytes::bigint
  AND l.used_at < now() - @grace::interval`)

	sweepBlobs = query("sweep.blobs", `
DELETE FROM plimsoll.blob b WHERE b.touched_at < now() - @grace::interval
  AND NOT EXISTS (SELECT FROM plimsoll.image i WHERE i.manifest_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.image i WHERE i.config_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.manifest_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.config_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.content_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.findings_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.layer l WHERE l.entries_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.layer l WHERE l.evidence_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.import_content c WHERE c.digest = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.vex_document v WHERE v.digest = b.digest)`)

	unlimited = query("session.unlimited", `SELECT set_config('statement_timeout', '0', true)`)
)

// Retention says what a collection leaves in place although nothing refers to it.
type Retention struct {
	Grace time.Duration // since its last use; of layer results and documents
	// LayerBytes of layer results are kept beyond the grace, those used last; as stored, without those of images.
	LayerBytes int64
}

// Collect removes what nothing refers to any more: analyses at once, layer results and documents as the retention
// says. Only one collection runs at a time; another one does nothing.
func (s *Analyses) Collect(ctx context.Context, keep Retention) (Collected, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Collected, error) {
		var out Collected
		mine, err := value[bool](ctx, tx, sweepLock, args{"lock": lockSweep})
		if err != nil || !mine {
			return out, err
		}
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
			return out, err
		}
		if _, err := exec(ctx, tx, sweepImports, args{}); err != nil {
			return out, err
		}
		if out.Analyses, err = exec(ctx, tx, sweepAnalyses, args{}); err != nil {
			return out, err
		}
		if out.Layers, err = exec(ctx, tx, sweepLayers, args{"grace": keep.Grace, "cache_bytes": keep.LayerBytes}); err != nil {
			return out, err
		}
		out.Blobs, err = exec(ctx, tx, sweepBlobs, args{"grace": keep.Grace})
		return out, err
	})
	return out, wrap(err, "collect unused analyses")
}
