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

	sweepLayers = query("sweep.layers", `
DELETE FROM plimsoll.layer l WHERE l.used_at < now() - @grace::interval AND NOT EXISTS (
  SELECT FROM (SELECT DISTINCT analyzer_set, unnest(layer_digests) AS digest FROM plimsoll.analysis) used
  WHERE used.digest = l.digest AND used.analyzer_set = l.analyzer_set)`)

	sweepBlobs = query("sweep.blobs", `
DELETE FROM plimsoll.blob b WHERE b.touched_at < now() - @grace::interval
  AND NOT EXISTS (SELECT FROM plimsoll.image i WHERE i.manifest_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.image i WHERE i.config_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.manifest_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.config_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.analysis a WHERE a.content_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.layer l WHERE l.entries_blob = b.digest)
  AND NOT EXISTS (SELECT FROM plimsoll.layer l WHERE l.evidence_blob = b.digest)`)

	unlimited = query("session.unlimited", `SELECT set_config('statement_timeout', '0', true)`)
)

// Collect removes what nothing refers to any more: analyses at once, layer results and documents when nobody has
// used them for the grace period. Only one collection runs at a time; another one does nothing.
func (s *Analyses) Collect(ctx context.Context, grace time.Duration) (Collected, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Collected, error) {
		var out Collected
		mine, err := value[bool](ctx, tx, sweepLock, args{"lock": lockSweep})
		if err != nil || !mine {
			return out, err
		}
		if _, err := exec(ctx, tx, unlimited, args{}); err != nil {
			return out, err
		}
		if out.Analyses, err = exec(ctx, tx, sweepAnalyses, args{}); err != nil {
			return out, err
		}
		if out.Layers, err = exec(ctx, tx, sweepLayers, args{"grace": grace}); err != nil {
			return out, err
		}
		out.Blobs, err = exec(ctx, tx, sweepBlobs, args{"grace": grace})
		return out, err
	})
	return out, wrap(err, "collect unused analyses")
}
