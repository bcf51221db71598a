package persistence

import "context"

// Ancestor is an analysed image of the account whose layers are the first layers of another one.
type Ancestor struct {
	Digest       string
	ParentDigest string // as Image.ParentDigest
	LayerDigests []string
	Tags         []string // registry/repository:tag, by name
	MarkedBase   bool     // its annotation MarkedBaseKey is true
}

// MarkedBaseKey is the annotation by which users mark an image that others are built on.
const MarkedBaseKey = "anchore.user/marked_base_image"

// ancestorLimit bounds an answer; a chain of builds is a few images long.
const ancestorLimit = 1000

var analysisAncestors = query("analysis.ancestors", `
WITH own AS (
  SELECT a.layer_digests AS layers FROM plimsoll.image i JOIN plimsoll.analysis a ON a.id = i.analysis_id
  WHERE i.account = @account AND i.digest = @digest)
SELECT i.digest, i.parent_digest, a.layer_digests,
  coalesce(lower(i.annotations ->> @marked_base_key::text) = 'true', false) AS marked_base,
  ARRAY(SELECT DISTINCT t.registry || '/' || t.repository || ':' || t.tag FROM plimsoll.image_tag t
    WHERE t.account = i.account AND t.digest = i.digest ORDER BY 1) AS tags
FROM own CROSS JOIN plimsoll.image i JOIN plimsoll.analysis a ON a.id = i.analysis_id
WHERE i.account = @account AND i.image_status = 'active'
  AND cardinality(a.layer_digests) BETWEEN 1 AND cardinality(own.layers) - 1
  AND a.layer_digests = own.layers[1:cardinality(a.layer_digests)]
ORDER BY cardinality(a.layer_digests), i.digest LIMIT @limit`)

// Ancestors returns what the image was built on, fewest layers first: ErrNotFound, ErrNotAnalyzed.
func (s *Analyses) Ancestors(ctx context.Context, account, digest string) ([]Ancestor, error) {
	if _, err := analysisOf(ctx, s.pool, account, digest); err != nil {
		return nil, wrap(err, "load analysis of %s", digest)
	}
	found, err := many[Ancestor](ctx, s.pool, analysisAncestors, args{"account": account, "digest": digest, "limit": ancestorLimit, "marked_base_key": MarkedBaseKey})
	return found, wrap(err, "load ancestors of %s", digest)
}
