package persistence

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// A failed analysis, a pending deletion, force, and another way of getting to know an image that is not analysed
	// yet ask for a new analysis. Everything else leaves the status.
	imageSubmit = query("image.submit", `
INSERT INTO plimsoll.image AS i (account, digest, parent_digest, image_id, media_type, manifest_blob, config_blob,
  platform, labels, import_operation, dockerfile, dockerfile_mode, annotations)
VALUES (@account, @digest, @parent_digest, @image_id, @media_type, @manifest_blob, @config_blob,
  @platform, @labels::jsonb, @import::text, coalesce(@dockerfile::text, ''), CASE WHEN coalesce(@dockerfile::text, '') = '' THEN 'Guessed' ELSE 'Actual' END,
  @annotations::jsonb - @removed::text[])
ON CONFLICT (account, digest) DO UPDATE SET
  parent_digest = coalesce(nullif(excluded.parent_digest, ''), i.parent_digest),
  image_id = excluded.image_id, media_type = excluded.media_type,
  manifest_blob = excluded.manifest_blob, config_blob = excluded.config_blob,
  platform = coalesce(nullif(excluded.platform, ''), i.platform), labels = excluded.labels,
  dockerfile = coalesce(@dockerfile::text, i.dockerfile),
  dockerfile_mode = CASE WHEN @dockerfile::text IS NULL THEN i.dockerfile_mode ELSE excluded.dockerfile_mode END,
  annotations = (i.annotations || excluded.annotations) - @removed::text[],
  image_status = 'active', cancelled_at = NULL,
  analysis_status = CASE WHEN @force OR i.analysis_status = 'analysis_failed' OR i.image_status = 'deleting'
    OR i.analysis_status <> 'analyzed' AND i.import_operation <> excluded.import_operation
    THEN 'not_analyzed' ELSE i.analysis_status END,
  requested = CASE WHEN @force OR i.analysis_status = 'analysis_failed' OR i.image_status = 'deleting'
    OR i.analysis_status <> 'analyzed' AND i.import_operation <> excluded.import_operation
    THEN excluded.requested ELSE i.requested END,
  run_id = CASE WHEN @force OR i.analysis_status = 'analysis_failed' OR i.image_status = 'deleting'
    OR i.analysis_status <> 'analyzed' AND i.import_operation <> excluded.import_operation
    THEN '' ELSE i.run_id END,
  import_operation = CASE WHEN @force OR i.analysis_status = 'analysis_failed' OR i.image_status = 'deleting'
    OR i.analysis_status <> 'analyzed' THEN excluded.import_operation ELSE i.import_operation END,
  error_code = CASE WHEN i.analysis_status = 'analysis_failed' THEN '' ELSE i.error_code END,
  error_message = CASE WHEN i.analysis_status = 'analysis_failed' THEN '' ELSE i.error_message END,
  updated_at = now()
RETURNING (xmax = 0) AS created, analysis_status, requested`)

	tagLock = query("tag.lock", `
SELECT pg_advisory_xact_lock(@lock::int, hashtext(concat_ws(E'\n', @account::text, @registry::text, @repository::text, @tag::text)))`)

	tagCurrent = query("tag.current", `
SELECT id, digest, detected_at FROM plimsoll.image_tag
WHERE account = @account AND registry = @registry AND repository = @repository AND tag = @tag AND current`)

	tagSeen = query("tag.seen", `
UPDATE plimsoll.image_tag SET pull_digest = @pull_digest, updated_at = now() WHERE id = @id`)

	tagRetire = query("tag.retire", `
UPDATE plimsoll.image_tag SET current = false, updated_at = now() WHERE id = @id`)

	// A row of the past is written once per digest.
	tagInsert = query("tag.insert", `
INSERT INTO plimsoll.image_tag (account, registry, repository, tag, digest, pull_digest, current, detected_at)
SELECT @account::text, @registry::text, @repository::text, @tag::text, @digest::text, @pull_digest::text, @current::boolean, @detected_at::timestamptz
WHERE @current OR NOT EXISTS (
  SELECT FROM plimsoll.image_tag
  WHERE account = @account AND registry = @registry AND repository = @repository AND tag = @tag AND digest = @digest)
RETURNING id`)
)

type submitted struct {
	Created        bool
	AnalysisStatus string
	Requested      int64
}

type currentTag struct {
	ID         int64
	Digest     string
	DetectedAt time.Time
}

// Submit adds an image, or refreshes the record the account has. The tag moves to it unless the tag's present
// image was detected later. An analysis is due unless the image is analysed already, and always with Force;
// ErrNotFound without such an account.
func (s *Images) Submit(ctx context.Context, in SubmitImage) (Submission, error) {
	out, err := s.SubmitAll(ctx, []SubmitImage{in})
	if err != nil {
		return Submission{}, err
	}
	return out[0], nil
}

// SubmitAll submits images of one index together: all of them or none. Digests must differ.
func (s *Images) SubmitAll(ctx context.Context, all []SubmitImage) ([]Submission, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) ([]Submission, error) { return submitAll(ctx, tx, all) })
	if err != nil && len(all) > 0 {
		return nil, wrap(err, "submit image %s", all[0].Digest)
	}
	return out, err
}

// submitAll takes the locks of all records, by digest, before those of tags, so that no two submissions wait for
// each other.
func submitAll(ctx context.Context, tx pgx.Tx, all []SubmitImage) ([]Submission, error) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(all[a].Digest, all[b].Digest) })
	rows := make([]submitted, len(all))
	for _, i := range order {
		var err error
		if rows[i], err = upsertImage(ctx, tx, all[i]); err != nil {
			return nil, err
		}
		if use := all[i].Import; use != nil {
			if err := use.finish(ctx, tx, all[i].Account, all[i].Digest); err != nil {
				return nil, err
			}
		}
	}
	if err := lockTags(ctx, tx, all); err != nil {
		return nil, err
	}
	out := make([]Submission, len(all))
	for i, in := range all {
		// A running analysis takes no notice of the same request. One that is lost, as after its workflow was
		// terminated from outside, begins anew.
		due := rows[i].AnalysisStatus == NotAnalyzed || rows[i].AnalysisStatus == Analyzing
		out[i] = Submission{Created: rows[i].Created, Due: due}
		move, err := moveTags(ctx, tx, in)
		if err != nil {
			return nil, err
		}
		if err := subscribe(ctx, tx, in); err != nil {
			return nil, err
		}
		switch {
		case due:
			out[i].OutboxID, err = enqueue(ctx, tx, in.Start(rows[i].Requested))
		case move != 0 && in.Judge != nil && rows[i].AnalysisStatus == Analyzed:
			_, err = enqueue(ctx, tx, in.Judge(move))
		}
		if err != nil {
			return nil, err
		}
		if out[i].Image, err = getImage(ctx, tx, in.Account, in.Digest); err != nil {
			return nil, err
		}
	}
	return out, settleSubmitted(ctx, tx, all)
}

// lockTags takes the locks of all tags in one order, whatever order they are filed in.
func lockTags(ctx context.Context, tx pgx.Tx, all []SubmitImage) error {
	type tag struct{ account, registry, repository, tag string }
	seen := map[tag]bool{}
	for _, in := range all {
		for _, t := range append([]TagName{{Registry: in.Registry, Repository: in.Repository, Tag: in.Tag}}, in.Also...) {
			if t.Tag != "" {
				seen[tag{in.Account, t.Registry, t.Repository, t.Tag}] = true
			}
		}
	}
	ordered := slices.SortedFunc(maps.Keys(seen), func(a, b tag) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.registry, b.registry), cmp.Compare(a.repository, b.repository), cmp.Compare(a.tag, b.tag))
	})
	for _, t := range ordered {
		a := args{"lock": lockTag, "account": t.account, "registry": t.registry, "repository": t.repository, "tag": t.tag}
		if _, err := exec(ctx, tx, tagLock, a); err != nil {
			return fmt.Errorf("lock %s/%s:%s: %w", t.registry, t.repository, t.tag, err)
		}
	}
	return nil
}

func (in SubmitImage) importOperation() string {
	if in.Import == nil {
		return ""
	}
	return in.Import.Operation
}

func upsertImage(ctx context.Context, tx pgx.Tx, in SubmitImage) (submitted, error) {
	annotations, removed := make(map[string]any), []string{}
	for key, v := range in.Annotations {
		annotations[key] = v
		if v == nil || v == "null" {
			removed = append(removed, key)
		}
	}
	encoded, err := json.Marshal(annotations)
	if err != nil {
		return submitted{}, fmt.Errorf("encode annotations: %w", err)
	}
	encoded = storableJSON(encoded)
	labels, err := encodeMap(in.Labels)
	if err != nil {
		return submitted{}, fmt.Errorf("encode labels: %w", err)
	}
	row, err := one[submitted](ctx, tx, imageSubmit, args{
		"account": in.Account, "digest": in.Digest, "parent_digest": in.ParentDigest, "image_id": in.ImageID,
		"media_type": in.MediaType, "manifest_blob": in.ManifestBlob, "config_blob": in.ConfigBlob,
		"dockerfile": in.Dockerfile, "annotations": encoded, "removed": removed, "force": in.Force,
		"platform": in.Platform, "labels": labels, "import": in.importOperation(),
	})
	if isViolationOf(err, "image_account_fkey") {
		return submitted{}, fmt.Errorf("account %s: %w", in.Account, ErrNotFound)
	}
	return row, err
}

// moveTags files an image under its tags; move is the number of the last one that has come to mean it, 0 when none has.
func moveTags(ctx context.Context, tx pgx.Tx, in SubmitImage) (move int64, err error) {
	for _, tag := range append([]TagName{{in.Registry, in.Repository, in.Tag}}, in.Also...) {
		if tag.Tag == "" {
			continue
		}
		one := in
		one.Registry, one.Repository, one.Tag = tag.Registry, tag.Repository, tag.Tag
		moved, err := moveTag(ctx, tx, one)
		if err != nil {
			return 0, fmt.Errorf("file under %s/%s:%s: %w", tag.Registry, tag.Repository, tag.Tag, err)
		}
		move = cmp.Or(moved, move)
	}
	return move, nil
}

// moveTag keeps the history of a tag, whose lock is held: the same digest keeps its row, another one becomes the current row, unless
// it was detected before the present one. It returns the number of a row that has become the current one, else 0.
func moveTag(ctx context.Context, tx pgx.Tx, in SubmitImage) (int64, error) {
	key := func(more args) args {
		a := args{"account": in.Account, "registry": in.Registry, "repository": in.Repository, "tag": in.Tag}
		for name, v := range more {
			a[name] = v
		}
		return a
	}
	if in.Beside {
		_, err := exec(ctx, tx, tagInsert, key(args{
			"digest": in.Digest, "pull_digest": in.PullDigest, "current": false, "detected_at": in.DetectedAt,
		}))
		return 0, err
	}
	newest := true
	present, err := one[currentTag](ctx, tx, tagCurrent, key(nil))
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return 0, err
	case present.Digest == in.Digest:
		_, err := exec(ctx, tx, tagSeen, args{"id": present.ID, "pull_digest": in.PullDigest})
		return 0, err
	case in.DetectedAt.Before(present.DetectedAt):
		newest = false
	default:
		if _, err := exec(ctx, tx, tagRetire, args{"id": present.ID}); err != nil {
			return 0, err
		}
	}
	id, err := value[int64](ctx, tx, tagInsert, key(args{
		"digest": in.Digest, "pull_digest": in.PullDigest, "current": newest, "detected_at": in.DetectedAt,
	}))
	if errors.Is(err, ErrNotFound) || err == nil && !newest { // known already, or of the past
		return 0, nil
	}
	return id, err
}
