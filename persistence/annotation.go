package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/engine/vex"
)

// AnnotationKey is what an annotation is about. Package fields are empty where it means every package of the image.
type AnnotationKey struct {
	ImageDigest    string
	Vulnerability  string
	PackageType    string
	PackageName    string
	PackageVersion string
}

// Annotation is what is said about a vulnerability of an image: by a user, or by a document.
type Annotation struct {
	ID string
	AnnotationKey
	Version int // counts changes
	vex.Assertion
	Author    string
	Document  string // digest of the document that says so; empty: a user does
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewAnnotation is an annotation to write.
type NewAnnotation struct {
	Account string
	AnnotationKey
	vex.Assertion
	Author string
	By     string // the user who writes
}

// Annotating is what writing an annotation did.
type Annotating struct {
	Annotation Annotation
	OutboxID   int64
}

// Actions of changes.
const (
	ActionAnnotationAdded   = "annotation_added"
	ActionAnnotationChanged = "annotation_changed"
	ActionAnnotationDeleted = "annotation_deleted"
	ActionDocumentImported  = "document_imported"
	ActionDocumentReplaced  = "document_replaced"
	ActionDocumentDeleted   = "document_deleted"
)

// annotationsPerImage bounds what an account may say about one image.
const annotationsPerImage = 20_000

const (
	assertionColumns = `status, justification, status_notes AS notes, impact_statement AS impact, action_statement AS action, additional_details AS details`

	annotationColumns = `id::text AS id, image_digest, vulnerability, package_type, package_name, package_version, version, ` + assertionColumns + `,
  author, ''::text AS document, created_at, updated_at`
)

var (
	annotationAdd = query("annotation.add", `
INSERT INTO plimsoll.annotation (account, image_digest, vulnerability, package_type, package_name, package_version,
  status, justification, status_notes, impact_statement, action_statement, additional_details, author)
VALUES (@account, @image_digest, @vulnerability, @package_type, @package_name, @package_version,
  @status, @justification, @status_notes, @impact_statement, @action_statement, @additional_details, @author)
ON CONFLICT (account, image_digest, vulnerability, package_type, package_name, package_version) DO NOTHING
RETURNING `+annotationColumns)

	annotationCount = query("annotation.count", `
SELECT count(*) FROM plimsoll.annotation WHERE account = @account AND image_digest = @image_digest`)

	annotationGet = query("annotation.get", `
SELECT `+annotationColumns+` FROM plimsoll.annotation WHERE account = @account AND image_digest = @image_digest AND id = @id`)

	annotationList = query("annotation.list", `
SELECT `+annotationColumns+` FROM plimsoll.annotation WHERE account = @account AND image_digest = @image_digest
ORDER BY vulnerability, package_name, package_version, package_type`)

	annotationChange = query("annotation.change", `
UPDATE plimsoll.annotation SET vulnerability = @vulnerability, package_type = @package_type, package_name = @package_name,
  package_version = @package_version, status = @status, justification = @justification, status_notes = @status_notes,
  impact_statement = @impact_statement, action_statement = @action_statement, additional_details = @additional_details,
  author = @author, version = version + 1, updated_at = now()
WHERE account = @account AND image_digest = @image_digest AND id = @id RETURNING `+annotationColumns)

	annotationDelete = query("annotation.delete", `
DELETE FROM plimsoll.annotation WHERE account = @account AND image_digest = @image_digest AND id = @id RETURNING `+annotationColumns)

	annotationHistory = query("annotation.history", changeSelect+`
WHERE account = @account AND annotation = @id AND image_digest = @image_digest ORDER BY id DESC LIMIT @limit`)

	annotationsWithImage = query("annotation.note_with_image", `
INSERT INTO plimsoll.vex_change (account, action, changed_by, annotation, version, image_digest, vulnerability, package_type,
  package_name, package_version, status, justification, status_notes, impact_statement, action_statement, additional_details, author)
SELECT a.account, 'annotation_deleted_with_image', '', a.id, a.version, a.image_digest, a.vulnerability, a.package_type,
  a.package_name, a.package_version, a.status, a.justification, a.status_notes, a.impact_statement, a.action_statement, a.additional_details, a.author
FROM plimsoll.annotation a JOIN plimsoll.image i ON i.account = a.account AND i.digest = a.image_digest
WHERE a.account = @account AND a.image_digest = @digest AND i.image_status = 'deleting'`)
)

// Annotations stores what is said about vulnerabilities: annotations of images, and documents.
type Annotations struct{ pool *pgxpool.Pool }

// NewAnnotations returns the store.
func NewAnnotations(pool *pgxpool.Pool) *Annotations { return &Annotations{pool} }

func (n NewAnnotation) args() args {
	return merge(n.AnnotationKey.args(), assertionArgs(n.Assertion), args{"account": n.Account, "author": n.Author})
}

func (k AnnotationKey) args() args {
	return args{
		"image_digest": k.ImageDigest, "vulnerability": k.Vulnerability, "package_type": k.PackageType, "package_name": k.PackageName,
		"package_version": k.PackageVersion,
	}
}

func assertionArgs(a vex.Assertion) args {
	return args{
		"status": string(a.Status), "justification": string(a.Justification), "status_notes": a.Notes, "impact_statement": a.Impact,
		"action_statement": a.Action, "additional_details": a.Details,
	}
}

// Add writes an annotation and asks for the image's verdicts: ErrNotFound without such an image, ErrExists when there is
// one of the same key, ErrTooMany. start names the workflow that judges the images of a change.
func (s *Annotations) Add(ctx context.Context, n NewAnnotation, start func(change int64) Start) (Annotating, error) {
	out, err := s.write(ctx, n.Account, n.By, n.ImageDigest, ActionAnnotationAdded, start, func(tx pgx.Tx) (Annotation, error) {
		a, err := one[Annotation](ctx, tx, annotationAdd, n.args())
		if errors.Is(err, ErrNotFound) {
			return a, ErrExists
		}
		if err != nil {
			return a, err
		}
		count, err := value[int](ctx, tx, annotationCount, args{"account": n.Account, "image_digest": n.ImageDigest})
		if err == nil && count > annotationsPerImage {
			err = ErrTooMany
		}
		return a, err
	})
	return out, wrap(err, "annotate %s of %s", n.Vulnerability, n.ImageDigest)
}

// Change replaces what an annotation says and what it is about, except its image: ErrNotFound; ErrExists when another one
// has the key.
func (s *Annotations) Change(ctx context.Context, id string, n NewAnnotation, start func(change int64) Start) (Annotating, error) {
	out, err := s.write(ctx, n.Account, n.By, n.ImageDigest, ActionAnnotationChanged, start, func(tx pgx.Tx) (Annotation, error) {
		return one[Annotation](ctx, tx, annotationChange, merge(n.args(), args{"id": id}))
	})
	return out, wrap(err, "change annotation %s", id)
}

// Delete withdraws an annotation: ErrNotFound.
func (s *Annotations) Delete(ctx context.Context, account, digest, id, by string, start func(change int64) Start) (Annotating, error) {
	out, err := s.write(ctx, account, by, digest, ActionAnnotationDeleted, start, func(tx pgx.Tx) (Annotation, error) {
		return one[Annotation](ctx, tx, annotationDelete, args{"account": account, "image_digest": digest, "id": id})
	})
	return out, wrap(err, "delete annotation %s", id)
}

func (s *Annotations) write(ctx context.Context, account, by, digest, action string, start func(change int64) Start, change func(pgx.Tx) (Annotation, error)) (Annotating, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (Annotating, error) {
		a, err := change(tx)
		if err != nil {
			return Annotating{}, err
		}
		id, err := value[int64](ctx, tx, changeNote, merge(a.AnnotationKey.args(), assertionArgs(a.Assertion), args{
			"account": account, "action": action, "changed_by": by, "annotation": a.ID, "version": a.Version, "author": a.Author, "document": "",
		}))
		if err != nil {
			return Annotating{}, err
		}
		if _, err := exec(ctx, tx, vexNoteImage, args{"change": id, "account": account, "digest": digest}); err != nil {
			return Annotating{}, err
		}
		outbox, err := ask(ctx, tx, id, start)
		return Annotating{a, outbox}, err
	})
	switch {
	case isViolation(err, codeForeignKey):
		err = ErrNotFound
	case isViolation(err, codeUnique):
		err = ErrExists
	}
	return out, err
}

// ask enqueues the judging of a change's images, if there are any.
func ask(ctx context.Context, tx pgx.Tx, change int64, start func(change int64) Start) (int64, error) {
	n, err := value[int64](ctx, tx, changeImages, args{"id": change})
	if err != nil || n == 0 {
		return 0, err
	}
	return enqueue(ctx, tx, start(change))
}

// Get returns an annotation that a user made: ErrNotFound.
func (s *Annotations) Get(ctx context.Context, account, digest, id string) (Annotation, error) {
	if _, err := uuid.Parse(id); err != nil {
		return Annotation{}, wrap(ErrNotFound, "load annotation %s", id)
	}
	a, err := one[Annotation](ctx, s.pool, annotationGet, args{"account": account, "image_digest": digest, "id": id})
	return a, wrap(err, "load annotation %s", id)
}

// List returns the annotations that users made of an image.
func (s *Annotations) List(ctx context.Context, account, digest string) ([]Annotation, error) {
	list, err := many[Annotation](ctx, s.pool, annotationList, args{"account": account, "image_digest": digest})
	return list, wrap(err, "list annotations of %s", digest)
}

// History returns up to limit changes of an annotation, newest first.
func (s *Annotations) History(ctx context.Context, account, digest, id string, limit int) ([]VexChange, error) {
	list, err := many[VexChange](ctx, s.pool, annotationHistory, args{"account": account, "image_digest": digest, "id": id, "limit": limit})
	return list, wrap(err, "list changes of annotation %s", id)
}
