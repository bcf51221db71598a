package persistence

import "context"

// What tags named is ordered by when it was detected; rows of the past may be written late. Images of other platforms are
// filed under the same tag.
var tagPredecessor = query("tag.predecessor", `
WITH own AS (
  SELECT t.detected_at, t.id, i.platform
  FROM plimsoll.image_tag t JOIN plimsoll.image i ON i.account = t.account AND i.digest = t.digest
  WHERE t.account = @account AND t.registry = @registry AND t.repository = @repository AND t.tag = @tag AND t.digest = @digest
  ORDER BY t.detected_at DESC, t.id DESC LIMIT 1)
SELECT i.digest FROM own
JOIN plimsoll.image_tag t ON t.account = @account AND t.registry = @registry AND t.repository = @repository AND t.tag = @tag
  AND t.digest <> @digest AND (t.detected_at, t.id) < (own.detected_at, own.id)
JOIN plimsoll.image i ON i.account = t.account AND i.digest = t.digest
  AND (i.platform = own.platform OR i.platform = '' OR own.platform = '')
WHERE i.analysis_id IS NOT NULL AND i.image_status = 'active'
ORDER BY t.detected_at DESC, t.id DESC LIMIT 1`)

// Predecessor returns the digest of the analysed image that a tag of the account named last before it named this one, for the
// same platform: ErrNotFound without one, and for an image the tag never named.
func (s *Images) Predecessor(ctx context.Context, account, digest string, tag TagName) (string, error) {
	before, err := value[string](ctx, s.pool, tagPredecessor, args{
		"account": account, "digest": digest, "registry": tag.Registry, "repository": tag.Repository, "tag": tag.Tag,
	})
	return before, wrap(err, "look up what %s/%s:%s named before %s", tag.Registry, tag.Repository, tag.Tag, digest)
}
