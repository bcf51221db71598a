package persistence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"plimsoll/persistence/blob"
)

// States of an import operation in the words of the API.
const (
	ImportPending    = "pending"
	ImportQueued     = "queued"
	ImportProcessing = "processing"
	ImportComplete   = "complete"
	ImportFailed     = "failed"
	ImportExpired    = "expired"
)

const (
	// importContents bounds the documents of one operation: one of each kind, and room to send some again.
	importContents = 32
	// importsOpen bounds an account's operations that wait to be finished.
	importsOpen = 1000
	// importBytes bounds what the documents of all of them take before compression.
	importBytes = 16 << 30
)

// Conditions of imports that callers tell apart.
var (
	// ErrTooMany: the account has too many open operations, or the operation too many documents.
	ErrTooMany = errors.New("too many")
	// ErrNotUploaded: an import names a document that was not uploaded in its operation.
	ErrNotUploaded = errors.New("not uploaded in this operation")
)

// ImportOperation collects the documents a client uploads about one image.
type ImportOperation struct {
	ID          string
	Account     string
	ImageDigest string // empty until finished
	Status      string
	ExpiresAt   time.Time
	CreatedAt   time.Time
}

// ImportContent is one uploaded document.
type ImportContent struct {
	Kind      string
	Digest    string // of the bytes as they were sent
	Size      int64
	CreatedAt time.Time
}

// NewImportContent is a document to add.
type NewImportContent struct {
	Kind string
	Data []byte
}

// ImportUse says what an image is made of: kinds and digests of documents of an operation.
type ImportUse struct {
	Operation string
	Contents  map[string]string
}

// Imports stores import operations.
type Imports struct{ pool *pgxpool.Pool }

// NewImports returns the store.
func NewImports(pool *pgxpool.Pool) *Imports { return &Imports{pool} }

// A finished operation that is not (or no longer) what its image is made of has done what it could.
const importSelect = `
SELECT o.id, o.account, o.image_digest, o.expires_at, o.created_at,
  CASE WHEN o.image_digest = '' THEN CASE WHEN o.expires_at <= now() THEN 'expired' ELSE 'pending' END
    WHEN i.analysis_status = 'not_analyzed' THEN 'queued' WHEN i.analysis_status = 'analyzing' THEN 'processing'
    WHEN i.analysis_status = 'analysis_failed' THEN 'failed' ELSE 'complete' END AS status
FROM plimsoll.import_operation o LEFT JOIN plimsoll.image i
  ON i.account = o.account AND i.digest = o.image_digest AND i.import_operation = o.id
WHERE o.account = @account`

var (
	importOpen = query("import.open", `
INSERT INTO plimsoll.import_operation (id, account, expires_at)
SELECT @id::text, @account::text, now() + @lifetime::interval
WHERE (SELECT count(*) FROM plimsoll.import_operation
  WHERE account = @account AND image_digest = '' AND expires_at > now()) < @most::int`)

	importGet = query("import.get", importSelect+` AND o.id = @id`)

	importList = query("import.list", `SELECT * FROM (`+importSelect+`) o
WHERE o.status IN ('pending', 'queued', 'processing') ORDER BY o.created_at DESC, o.id LIMIT @most::int`)

	importLock = query("import.lock", `
SELECT image_digest, expires_at <= now() AS expired, contents FROM plimsoll.import_operation
WHERE account = @account AND id = @id FOR UPDATE`)

	importDelete = query("import.delete", `DELETE FROM plimsoll.import_operation WHERE account = @account AND id = @id`)

	contentCount = query("importcontent.count", `SELECT count(*) FROM plimsoll.import_content WHERE operation = @id`)

	contentBytes = query("importcontent.bytes", `
SELECT coalesce(sum(c.size), 0)::bigint FROM plimsoll.import_operation o JOIN plimsoll.import_content c ON c.operation = o.id
WHERE o.account = @account AND o.image_digest = '' AND o.expires_at > now()`)

	contentAdd = query("importcontent.add", `
INSERT INTO plimsoll.import_content AS c (operation, kind, digest, size) VALUES (@id, @kind, @digest, @size)
ON CONFLICT (operation, kind, digest) DO UPDATE SET size = excluded.size RETURNING c.kind, c.digest, c.size, c.created_at`)

	contentList = query("importcontent.list", `
SELECT c.kind, c.digest, c.size, c.created_at FROM plimsoll.import_operation o
JOIN plimsoll.import_content c ON c.operation = o.id
WHERE o.account = @account AND o.id = @id ORDER BY c.created_at, c.kind, c.digest`)

	importFinish = query("import.finish", `
UPDATE plimsoll.import_operation SET image_digest = @digest, contents = @contents::jsonb, updated_at = now()
WHERE account = @account AND id = @id`)

	importOfImage = query("import.of_image", `
SELECT o.id AS operation, o.contents FROM plimsoll.image i
JOIN plimsoll.import_operation o ON o.id = i.import_operation AND o.account = i.account
WHERE i.account = @account AND i.digest = @digest`)

	// An operation stays while the image it is for waits for it, however long that takes.
	sweepImports = query("sweep.imports", `
DELETE FROM plimsoll.import_operation o WHERE o.expires_at < now() AND NOT EXISTS (
  SELECT FROM plimsoll.image i WHERE i.account = o.account AND i.digest = o.image_digest AND i.import_operation = o.id
    AND i.analysis_status IN ('not_analyzed', 'analyzing'))`)
)

// Open starts an operation that documents may be added to for a lifetime: ErrTooMany.
func (s *Imports) Open(ctx context.Context, account string, lifetime time.Duration) (ImportOperation, error) {
	id := uuid.NewString()
	rows, err := exec(ctx, s.pool, importOpen, args{"id": id, "account": account, "lifetime": lifetime, "most": importsOpen})
	if err == nil && rows == 0 {
		err = fmt.Errorf("%w: %d import operations are open; finish or delete some", ErrTooMany, importsOpen)
	}
	if err != nil {
		return ImportOperation{}, wrap(err, "open import operation")
	}
	return s.Get(ctx, account, id)
}

// Get returns an operation of the account: ErrNotFound.
func (s *Imports) Get(ctx context.Context, account, id string) (ImportOperation, error) {
	out, err := one[ImportOperation](ctx, s.pool, importGet, args{"account": account, "id": id})
	return out, wrap(err, "load import operation %s", id)
}

// List returns the account's operations that are not over, newest first.
func (s *Imports) List(ctx context.Context, account string) ([]ImportOperation, error) {
	out, err := many[ImportOperation](ctx, s.pool, importList, args{"account": account, "most": importsOpen})
	return out, wrap(err, "list import operations")
}

// Cancel removes an operation with its documents: ErrNotFound, and ErrState while an analysis works with them.
func (s *Imports) Cancel(ctx context.Context, account, id string) (ImportOperation, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (ImportOperation, error) {
		if _, err := one[heldImport](ctx, tx, importLock, args{"account": account, "id": id}); err != nil {
			return ImportOperation{}, err
		}
		op, err := one[ImportOperation](ctx, tx, importGet, args{"account": account, "id": id})
		if err != nil {
			return op, err
		}
		if op.Status == ImportQueued || op.Status == ImportProcessing {
			return op, fmt.Errorf("%w: it is %s", ErrState, op.Status)
		}
		return op, found(exec(ctx, tx, importDelete, args{"account": account, "id": id}))
	})
	if out.Status == ImportPending {
		out.Status = ImportExpired
	}
	return out, wrap(err, "cancel import operation %s", id)
}

type heldImport struct {
	ImageDigest string
	Expired     bool
	Contents    map[string]string
}

// Add stores documents in an operation, all or none; sending one twice is sending it once. ErrNotFound; ErrState
// when the operation is finished or has expired; ErrTooMany.
func (s *Imports) Add(ctx context.Context, account, id string, documents ...NewImportContent) ([]ImportContent, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) ([]ImportContent, error) {
		held, err := one[heldImport](ctx, tx, importLock, args{"account": account, "id": id})
		switch {
		case err != nil:
			return nil, err
		case held.ImageDigest != "":
			return nil, fmt.Errorf("%w: it is finished", ErrState)
		case held.Expired:
			return nil, fmt.Errorf("%w: it has expired", ErrState)
		}
		added := make([]ImportContent, len(documents))
		for i, d := range documents {
			digest, err := blob.PutTx(ctx, tx, d.Data)
			if err != nil {
				return nil, err
			}
			added[i], err = one[ImportContent](ctx, tx, contentAdd, args{"id": id, "kind": d.Kind, "digest": digest, "size": len(d.Data)})
			if err != nil {
				return nil, err
			}
		}
		n, err := value[int](ctx, tx, contentCount, args{"id": id})
		if err == nil && n > importContents {
			err = fmt.Errorf("%w: at most %d documents", ErrTooMany, importContents)
		}
		if err != nil {
			return nil, err
		}
		total, err := value[int64](ctx, tx, contentBytes, args{"account": account})
		if err == nil && total > importBytes {
			err = fmt.Errorf("%w bytes: import operations that are not finished hold more than %d; finish or delete some", ErrTooMany, int64(importBytes))
		}
		return added, err
	})
	return out, wrap(err, "add to import operation %s", id)
}

// Contents lists the documents of an operation in the order they came: ErrNotFound.
func (s *Imports) Contents(ctx context.Context, account, id string) ([]ImportContent, error) {
	out, err := many[ImportContent](ctx, s.pool, contentList, args{"account": account, "id": id})
	if err == nil && len(out) == 0 {
		_, err = one[ImportOperation](ctx, s.pool, importGet, args{"account": account, "id": id})
	}
	return out, wrap(err, "list documents of import operation %s", id)
}

// OfImage returns what the account's image is to be made of: ErrNotFound when it is not imported, or the
// operation is gone.
func (s *Imports) OfImage(ctx context.Context, account, digest string) (ImportUse, error) {
	out, err := one[ImportUse](ctx, s.pool, importOfImage, args{"account": account, "digest": digest})
	return out, wrap(err, "load import of %s", digest)
}

// finish ties the operation to the image being submitted: ErrNotFound, ErrNotUploaded; ErrState when it has expired
// or was finished with other documents or for another image. Finishing twice the same way is finishing once.
func (u *ImportUse) finish(ctx context.Context, tx pgx.Tx, account, digest string) error {
	held, err := one[heldImport](ctx, tx, importLock, args{"account": account, "id": u.Operation})
	if err != nil {
		return wrap(err, "import operation %s", u.Operation)
	}
	switch {
	case held.ImageDigest != "" && (held.ImageDigest != digest || !maps.Equal(held.Contents, u.Contents)):
		return fmt.Errorf("import operation %s: %w: it is finished already", u.Operation, ErrState)
	case held.ImageDigest != "":
		return nil
	case held.Expired:
		return fmt.Errorf("import operation %s: %w: it has expired", u.Operation, ErrState)
	}
	uploaded, err := many[ImportContent](ctx, tx, contentList, args{"account": account, "id": u.Operation})
	if err != nil {
		return err
	}
	have := make(map[[2]string]bool, len(uploaded))
	for _, c := range uploaded {
		have[[2]string{c.Kind, c.Digest}] = true
	}
	for kind, content := range u.Contents {
		if !have[[2]string{kind, content}] {
			return fmt.Errorf("%s %s: %w", kind, content, ErrNotUploaded)
		}
	}
	contents, err := encodeMap(u.Contents)
	if err != nil {
		return fmt.Errorf("encode contents: %w", err)
	}
	return found(exec(ctx, tx, importFinish, args{"account": account, "id": u.Operation, "digest": digest, "contents": contents}))
}
