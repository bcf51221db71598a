package persistence

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// listPage is how many images List reads at once.
const listPage = 1000

const (
	imageSelect = `
SELECT i.account, i.digest, i.parent_digest, i.image_id, i.media_type, i.platform, i.manifest_blob, i.config_blob, i.image_status,
  i.analysis_status, i.requested, i.run_id, i.import_operation, i.analysis_id, i.error_code, i.error_message, i.dockerfile,
  i.dockerfile_mode, i.annotations, i.analyzed_at, i.cancelled_at, i.created_at, i.updated_at,
  a.id IS NOT NULL AS has_content, coalesce(a.os, '') AS os, coalesce(a.arch, '') AS arch,
  coalesce(a.distro, '') AS distro, coalesce(a.distro_version, '') AS distro_version,
  coalesce(a.image_size, 0) AS size, coalesce(cardinality(a.layer_digests), 0) AS layer_count,
  coalesce(a.package_count, 0) AS package_count, coalesce(a.incomplete, 0) AS incomplete
FROM plimsoll.image i LEFT JOIN plimsoll.analysis a ON a.id = i.analysis_id
WHERE i.account = @account`

	imageRest = `
  AND (@image_status = '' OR i.image_status = @image_status)
  AND (@analysis_status = '' OR i.analysis_status = @analysis_status)
  AND (@analyzed_since::timestamptz IS NULL OR i.analyzed_at >= @analyzed_since)
  AND (@image_id = '' OR i.image_id = @image_id)
  AND (@parent_digest = '' OR i.parent_digest = @parent_digest)
  AND (@digest = '' OR i.digest = @digest)
  AND i.labels @> @labels::jsonb
  AND i.created_at <= @after::timestamptz AND (i.created_at < @after::timestamptz OR i.digest > @after_digest)
ORDER BY i.created_at DESC, i.digest LIMIT @limit`

	tagRows = `
  AND i.digest IN (SELECT t.digest FROM plimsoll.image_tag t
    WHERE t.account = @account AND t.registry = @registry AND t.repository = @repository AND t.tag = @tag`
)

// The condition that chooses the index stands on its own in each of these; the others only filter further.
var (
	imageGetAll    = query("image.get_all", imageSelect+` AND i.digest = ANY (@digests::text[])`)
	imageGet       = query("image.get", imageSelect+` AND i.digest = @digest`)
	imagePage      = query("image.page", imageSelect+imageRest)
	imageByDigest  = query("image.by_digest", imageSelect+` AND i.digest = @digest`+imageRest)
	imageByParent  = query("image.by_parent", imageSelect+` AND i.parent_digest = @parent_digest AND i.parent_digest <> ''`+imageRest)
	imageByID      = query("image.by_id", imageSelect+` AND i.image_id = @image_id`+imageRest)
	imageByLabel   = query("image.by_label", imageSelect+` AND i.labels @> @labels::jsonb AND i.labels <> '{}'`+imageRest)
	imageByTag     = query("image.by_tag", imageSelect+tagRows+` AND t.current)`+imageRest)
	imageByTagEver = query("image.by_tag_ever", imageSelect+tagRows+`)`+imageRest)

	imageTags = query("image.tags", `
SELECT DISTINCT ON (digest, registry, repository, tag)
  registry, repository, tag, digest, pull_digest, current, detected_at, created_at, updated_at
FROM plimsoll.image_tag WHERE account = @account AND digest = ANY (@digests::text[])
ORDER BY digest, registry, repository, tag, current DESC, id DESC`)

	imageAnalyzed = query("image.analyzed", `
SELECT account, digest FROM plimsoll.image
WHERE account = @account AND digest > @after AND image_status = 'active' AND analysis_id IS NOT NULL ORDER BY digest LIMIT @limit`)

	imageTransitions = query("image.transitions", `
SELECT digest, from_status, to_status, host, service, version, at
FROM plimsoll.image_transition WHERE account = @account AND digest = ANY (@digests::text[]) ORDER BY digest, id`)
)

// imageRow is an image with its content summary, side by side.
type imageRow struct {
	Image
	HasContent bool
	ImageContent
}

// Get returns an image of the account in any state: ErrNotFound.
func (s *Images) Get(ctx context.Context, account, digest string) (Image, error) {
	image, err := getImage(ctx, s.pool, account, digest)
	return image, wrap(err, "load image %s", digest)
}

func getImage(ctx context.Context, db session, account, digest string) (Image, error) {
	images, err := readImages(ctx, db, imageGet, args{"account": account, "digest": digest})
	if err != nil {
		return Image{}, err
	}
	if len(images) == 0 {
		return Image{}, ErrNotFound
	}
	return images[0], nil
}

// ByDigest returns those of the images that are there, by digest.
func (s *Images) ByDigest(ctx context.Context, account string, digests []string) (map[string]Image, error) {
	images, err := readImages(ctx, s.pool, imageGetAll, args{"account": account, "digests": digests})
	out := make(map[string]Image, len(images))
	for _, i := range images {
		out[i.Digest] = i
	}
	return out, wrap(err, "load %d images", len(digests))
}

// List returns all images of the account that pass the filter, newest first.
func (s *Images) List(ctx context.Context, account string, f ImageFilter) ([]Image, error) {
	var (
		all   []Image
		after *ImageCursor
	)
	for {
		page, next, err := s.Page(ctx, account, f, after, listPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == nil {
			return all, nil
		}
		after = next
	}
}

// Page returns up to limit images that follow the cursor, newest first, and the cursor of the next page; nil
// after the last one.
func (s *Images) Page(ctx context.Context, account string, f ImageFilter, after *ImageCursor, limit int) ([]Image, *ImageCursor, error) {
	statement, a := f.statement()
	var err error
	if a["labels"], err = encodeMap(f.Labels); err != nil {
		return nil, nil, fmt.Errorf("list images: %w", err)
	}
	a["account"], a["limit"] = account, limit
	a["after"], a["after_digest"] = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, ""
	if after != nil {
		a["after"], a["after_digest"] = after.CreatedAt, after.Digest
	}
	page, err := readImages(ctx, s.pool, statement, a)
	if err != nil {
		return nil, nil, fmt.Errorf("list images: %w", err)
	}
	if len(page) == 0 || len(page) < limit {
		return page, nil, nil
	}
	last := page[len(page)-1]
	return page, &ImageCursor{last.CreatedAt, last.Digest}, nil
}

// statement picks the query whose leading condition is the most selective one of the filter.
func (f ImageFilter) statement() (string, args) {
	a := args{
		"digest": f.Digest, "parent_digest": f.ParentDigest, "image_id": f.ImageID,
		"image_status": f.ImageStatus, "analysis_status": f.AnalysisStatus, "analyzed_since": f.AnalyzedSince,
	}
	if f.Tag != nil {
		a["registry"], a["repository"], a["tag"] = f.Tag.Registry, f.Tag.Repository, f.Tag.Tag
	}
	switch {
	case f.Tag != nil && f.History:
		return imageByTagEver, a
	case f.Tag != nil:
		return imageByTag, a
	case f.Digest != "":
		return imageByDigest, a
	case f.ImageID != "":
		return imageByID, a
	case f.ParentDigest != "":
		return imageByParent, a
	case len(f.Labels) > 0:
		return imageByLabel, a
	}
	return imagePage, a
}

// readImages takes two round trips, however many images there are.
func readImages(ctx context.Context, db session, statement string, a args) ([]Image, error) {
	rows, err := many[imageRow](ctx, db, statement, a)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	images := make([]Image, len(rows))
	index := make(map[string]*Image, len(rows))
	digests := make([]string, len(rows))
	for i := range rows {
		images[i] = rows[i].Image
		if rows[i].HasContent {
			images[i].Content = &rows[i].ImageContent
		}
		index[images[i].Digest], digests[i] = &images[i], images[i].Digest
	}
	tags, err := many[Tag](ctx, db, imageTags, args{"account": a["account"], "digests": digests})
	if err != nil {
		return nil, fmt.Errorf("load tags: %w", err)
	}
	for _, tag := range tags {
		image := index[tag.Digest]
		image.Tags = append(image.Tags, tag)
	}
	for i := range images {
		slices.SortFunc(images[i].Tags, newestTag)
	}
	return images, nil
}

// newestTag orders what an image is called now before what it was called, each newest first.
func newestTag(a, b Tag) int {
	if a.Current != b.Current {
		if a.Current {
			return -1
		}
		return 1
	}
	return cmp.Or(b.DetectedAt.Compare(a.DetectedAt), cmp.Compare(a.FullTag(), b.FullTag()))
}

// Analyzed pages through the images of the account that can be judged, by digest; after is the last one of the page before.
func (s *Images) Analyzed(ctx context.Context, account, after string, limit int) ([]ImageRef, error) {
	list, err := many[ImageRef](ctx, s.pool, imageAnalyzed, args{"account": account, "after": after, "limit": limit})
	return list, wrap(err, "list analysed images")
}

// Transitions returns how the analysis status of each image changed, oldest first.
func (s *Images) Transitions(ctx context.Context, account string, digests []string) (map[string][]Transition, error) {
	rows, err := s.pool.Query(ctx, imageTransitions, args{"account": account, "digests": digests})
	if err != nil {
		return nil, fmt.Errorf("load transitions: %w", err)
	}
	out := make(map[string][]Transition)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Transition])
	if err != nil {
		return nil, fmt.Errorf("load transitions: %w", err)
	}
	for _, t := range list {
		out[t.Digest] = append(out[t.Digest], t)
	}
	return out, nil
}
