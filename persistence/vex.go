package persistence

import (
	"context"
	"time"

	"plimsoll/engine/vex"
)

// VexChange is a line of the trail of who said or withdrew what.
type VexChange struct {
	ID         int64
	Kind       string // one of the Action constants
	ChangedBy  string
	ChangedAt  time.Time
	Document   string  // digest
	Annotation *string // its id
	Version    int
	AnnotationKey
	vex.Assertion
	Author string
	Images int // whose verdicts were asked for anew
}

const changeSelect = `
SELECT id, action AS kind, changed_by, changed_at, document, annotation::text AS annotation, version, image_digest, vulnerability, package_type,
  package_name, package_version, ` + assertionColumns + `, author, images FROM plimsoll.vex_change `

var (
	changeNote = query("vexchange.note", `
INSERT INTO plimsoll.vex_change (account, action, changed_by, document, annotation, version, image_digest, vulnerability, package_type,
  package_name, package_version, status, justification, status_notes, impact_statement, action_statement, additional_details, author)
VALUES (@account, @action, @changed_by, @document, @annotation, @version, @image_digest, @vulnerability, @package_type,
  @package_name, @package_version, @status, @justification, @status_notes, @impact_statement, @action_statement, @additional_details, @author)
RETURNING id`)

	changeImages = query("vexchange.count_images", `
UPDATE plimsoll.vex_change c SET images = (SELECT count(*) FROM plimsoll.vex_image i WHERE i.change = c.id)
WHERE c.id = @id RETURNING images::bigint`)

	changeList = query("vexchange.list", changeSelect+`
WHERE account = @account AND id < @before AND (@image_digest = '' OR image_digest = @image_digest) ORDER BY id DESC LIMIT @limit`)

	// Nothing is judged of an image that is not analysed.
	vexNoteImage = query("veximage.note", `
INSERT INTO plimsoll.vex_image (change, account, digest)
SELECT @change, i.account, i.digest FROM plimsoll.image i
WHERE i.account = @account AND i.digest = @digest AND i.image_status = 'active' AND i.analysis_id IS NOT NULL
ON CONFLICT DO NOTHING`)

	vexImages = query("veximage.list", `
SELECT account, digest FROM plimsoll.vex_image WHERE change = @change AND account = @account AND digest > @after
ORDER BY digest LIMIT @limit`)

	vexForget = query("veximage.forget", `DELETE FROM plimsoll.vex_image WHERE change = @change AND account = @account`)
)

// Changes returns up to limit lines of the trail, newest first, of one image or (digest "") of the account; before is the
// id of the last line of the page before, 0 for the first page.
func (s *Annotations) Changes(ctx context.Context, account, digest string, before int64, limit int) ([]VexChange, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	list, err := many[VexChange](ctx, s.pool, changeList, args{"account": account, "image_digest": digest, "before": before, "limit": limit})
	return list, wrap(err, "list changes of annotations")
}

// Affected pages through the images to be judged anew after a change, by digest; after is the last one of the page before.
func (s *Annotations) Affected(ctx context.Context, account string, change int64, after string, limit int) ([]ImageRef, error) {
	list, err := many[ImageRef](ctx, s.pool, vexImages, args{"account": account, "change": change, "after": after, "limit": limit})
	return list, wrap(err, "list images of change %d", change)
}

// Judged forgets the images of a change.
func (s *Annotations) Judged(ctx context.Context, account string, change int64) error {
	_, err := exec(ctx, s.pool, vexForget, args{"account": account, "change": change})
	return wrap(err, "forget images of change %d", change)
}
