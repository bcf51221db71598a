package persistence

import (
	"context"
	"slices"

	"plimsoll/engine/image"
)

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

// analysisAncestors asks for each list of first layers by itself (LIMIT keeps the planner from joining): only so the index is
// used, whatever the number of layers is taken to be.
var analysisAncestors = query("analysis.ancestors", `
WITH own AS (
  SELECT a.layer_digests AS layers FROM plimsoll.image i JOIN plimsoll.analysis a ON a.id = i.analysis_id
  WHERE i.account = @account AND i.digest = @digest)
SELECT f.digest, f.parent_digest, f.layer_digests, f.marked_base,
  ARRAY(SELECT DISTINCT t.registry || '/' || t.repository || ':' || t.tag FROM plimsoll.image_tag t
    WHERE t.account = @account AND t.digest = f.digest ORDER BY 1) AS tags
FROM own CROSS JOIN LATERAL generate_series(1, cardinality(own.layers) - 1) k (first)
CROSS JOIN LATERAL (
  SELECT i.digest, i.parent_digest, a.layer_digests,
    coalesce(lower(i.annotations ->> @marked_base_key::text) = 'true', false) AS marked_base
  FROM plimsoll.analysis a JOIN plimsoll.image i ON i.analysis_id = a.id
  WHERE a.layer_digests = own.layers[1:k.first] AND i.account = @account AND i.image_status = 'active'
  ORDER BY i.digest LIMIT @limit) f
ORDER BY k.first, f.digest LIMIT @limit`)

// Ancestors returns what the image was built on, fewest layers first: ErrNotFound, ErrNotAnalyzed.
func (s *Analyses) Ancestors(ctx context.Context, account, digest string) ([]Ancestor, error) {
	if _, err := analysisOf(ctx, s.pool, account, digest); err != nil {
		return nil, wrap(err, "load analysis of %s", digest)
	}
	found, err := many[Ancestor](ctx, s.pool, analysisAncestors, args{"account": account, "digest": digest, "limit": ancestorLimit, "marked_base_key": MarkedBaseKey})
	return found, wrap(err, "load ancestors of %s", digest)
}

// ChooseBase is the place of the ancestor that counts as base image, -1 without ancestors: the nearest one that users
// marked, if that is enabled; else the one the image itself names as its base; else the nearest. The image's word, asked for
// only where it matters, chooses only among ancestors that its layers prove.
func ChooseBase(found []Ancestor, marked bool, says func() (image.Inscription, error)) (int, error) {
	if marked {
		for i := len(found) - 1; i >= 0; i-- {
			if found[i].MarkedBase {
				return i, nil
			}
		}
	}
	if len(found) < 2 {
		return len(found) - 1, nil
	}
	said, err := says()
	if err != nil {
		return 0, err
	}
	if i := namedBase(found, said); i >= 0 {
		return i, nil
	}
	return len(found) - 1, nil
}

// namedBase is the nearest ancestor with the digest, or else with the name, that the image says it was built on.
func namedBase(found []Ancestor, says image.Inscription) int {
	wanted := says.Find(image.BaseDigestKey)
	name := image.TagKey(says.Find(image.BaseNameKey))
	byName := -1
	for i := len(found) - 1; i >= 0; i-- {
		a := found[i]
		if wanted != "" && (a.Digest == wanted || a.ParentDigest == wanted) {
			return i
		}
		if byName < 0 && name != "" && slices.ContainsFunc(a.Tags, func(tag string) bool { return image.TagKey(tag) == name }) {
			byName = i
		}
	}
	return byName
}
