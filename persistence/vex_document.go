package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"plimsoll/engine/vex"
	"plimsoll/persistence/blob"
)

const (
	// vexDocuments bounds how many documents an account has at a time, vexBytes their sizes together.
	vexDocuments = 10_000
	vexBytes     = 4 << 30
)

// VexDocument is an imported document.
type VexDocument struct {
	Digest          string
	Size            int64
	Format          string
	DocumentID      string
	DocumentVersion string
	Author          string
	IssuedAt        *time.Time
	Statements      int // that are used
	Claims          int // products of all of them
	Refused         int // statements that are not
	Refusals        []vex.Refusal
	ImportedBy      string
	ImportedAt      time.Time
}

// NewVexDocument is a document to import.
type NewVexDocument struct {
	Account string
	Data    []byte // as it was sent
	Read    *vex.Document
	By      string // the user who imports it
}

// VexImport is what importing or deleting a document did.
type VexImport struct {
	Document VexDocument
	Created  bool // false: it was there
	Images   int  // whose verdicts are asked for anew
	OutboxID int64
}

const documentColumns = `digest, size, format, document_id, document_version, author, issued_at, statements, claims, refused, refusals, imported_by, imported_at`

var (
	// Imports of an account queue up behind each other.
	documentLock = query("vexdocument.lock", `SELECT name FROM plimsoll.account WHERE name = @account FOR NO KEY UPDATE`)

	documentGet = query("vexdocument.get", `SELECT `+documentColumns+` FROM plimsoll.vex_document WHERE account = @account AND digest = @digest`)

	documentNamed = query("vexdocument.named", `
SELECT `+documentColumns+` FROM plimsoll.vex_document WHERE account = @account AND format = @format AND document_id = @document_id AND document_id <> ''`)

	vexDocumentList = query("vexdocument.list", `
SELECT `+documentColumns+` FROM plimsoll.vex_document
WHERE account = @account AND imported_at <= @after::timestamptz AND (imported_at < @after::timestamptz OR digest > @after_digest)
ORDER BY imported_at DESC, digest LIMIT @limit`)

	documentTotals = query("vexdocument.totals", `
SELECT count(*) AS documents, coalesce(sum(size), 0)::bigint AS bytes FROM plimsoll.vex_document WHERE account = @account`)

	documentAdd = query("vexdocument.add", `
INSERT INTO plimsoll.vex_document (account, digest, size, format, document_id, document_version, author, issued_at, statements, claims, refused, refusals,
  imported_by, imported_at)
VALUES (@account, @digest, @size, @format, @document_id, @document_version, @author, @issued_at, @statements, @claims, @refused, @refusals,
  @imported_by, now()) RETURNING `+documentColumns)

	documentDelete = query("vexdocument.delete", `DELETE FROM plimsoll.vex_document WHERE account = @account AND digest = @digest`)

	documentNames = query("vexdocument.names", `
SELECT DISTINCT unnest(names) FROM plimsoll.vex_statement WHERE account = @account AND document = @digest ORDER BY 1`)

	// All images that have one of the vulnerabilities: whether a statement covers them is found out when they are judged.
	vexNoteImages = query("veximage.note_named", `
WITH hit AS (
  SELECT m.package_id FROM plimsoll.package_match m WHERE m.vulnerability = ANY (@names::text[]) AND m.valid_to IS NULL
  UNION SELECT m.package_id FROM plimsoll.package_match m WHERE m.also && @names::text[] AND m.also <> '{}' AND m.valid_to IS NULL
)
INSERT INTO plimsoll.vex_image (change, account, digest)
SELECT DISTINCT @change::bigint, i.account, i.digest FROM hit
JOIN plimsoll.image_package e ON e.package_id = hit.package_id AND e.counted JOIN plimsoll.image i ON i.analysis_id = e.analysis_id
WHERE i.account = @account AND i.image_status = 'active'
ON CONFLICT DO NOTHING`)
)

// Import stores a document, whose statements then hold for all images of the account, and asks for the verdicts of those
// that have one of its vulnerabilities. A later version of a document takes the place of the one that is there. ErrSuperseded
// when a later one is there, ErrTooMany. Importing twice is importing once.
func (s *Annotations) Import(ctx context.Context, n NewVexDocument, start func(change int64) Start) (VexImport, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (VexImport, error) {
		if _, err := value[string](ctx, tx, documentLock, args{"account": n.Account}); err != nil {
			return VexImport{}, err
		}
		known, err := one[VexDocument](ctx, tx, documentGet, args{"account": n.Account, "digest": blob.Digest(n.Data)})
		if !errors.Is(err, ErrNotFound) {
			return VexImport{Document: known}, err
		}
		replaced, err := s.replace(ctx, tx, n)
		if err != nil {
			return VexImport{}, err
		}
		digest, err := blob.PutTx(ctx, tx, n.Data)
		if err != nil {
			return VexImport{}, err
		}
		document, err := one[VexDocument](ctx, tx, documentAdd, n.args(digest))
		if err != nil {
			return VexImport{}, err
		}
		names, err := n.copyClaims(ctx, tx, document)
		if err != nil {
			return VexImport{}, err
		}
		out, err := noteDocument(ctx, tx, n.Account, ActionDocumentImported, n.By, document, append(names, replaced...), start)
		out.Created = true
		return out, err
	})
	return out, wrap(err, "import VEX document")
}

// replace makes room for a document: an earlier version of it goes, and its names are returned.
func (s *Annotations) replace(ctx context.Context, tx pgx.Tx, n NewVexDocument) ([]string, error) {
	var names []string
	earlier, err := one[VexDocument](ctx, tx, documentNamed, args{"account": n.Account, "format": string(n.Read.Format), "document_id": n.Read.ID})
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, err
	case earlier.IssuedAt != nil && n.Read.At.Before(*earlier.IssuedAt):
		return nil, fmt.Errorf("%w: document %s has a later version here, imported as %s", ErrSuperseded, n.Read.ID, earlier.Digest)
	default:
		if names, err = column[string](ctx, tx, documentNames, args{"account": n.Account, "digest": earlier.Digest}); err != nil {
			return nil, err
		}
		if err := found(exec(ctx, tx, documentDelete, args{"account": n.Account, "digest": earlier.Digest})); err != nil {
			return nil, err
		}
		if _, err := value[int64](ctx, tx, changeNote, documentChange(n.Account, ActionDocumentReplaced, n.By, earlier)); err != nil {
			return nil, err
		}
	}
	type totals struct{ Documents, Bytes int64 }
	total, err := one[totals](ctx, tx, documentTotals, args{"account": n.Account})
	if err == nil && (total.Documents >= vexDocuments || total.Bytes+int64(len(n.Data)) > vexBytes) {
		err = fmt.Errorf("%w: the account has %d VEX documents of %d bytes; delete some", ErrTooMany, total.Documents, total.Bytes)
	}
	return names, err
}

func (n *NewVexDocument) args(digest string) args {
	claims := 0
	for _, s := range n.Read.Statements {
		claims += len(s.Products)
	}
	refusals, _ := json.Marshal(slices.Concat([]vex.Refusal{}, n.Read.Refused)) // texts alone always encode
	var issued *time.Time
	if !n.Read.At.IsZero() && n.Read.At.Year() > 1 {
		issued = &n.Read.At
	}
	return args{
		"account": n.Account, "digest": digest, "size": len(n.Data), "format": string(n.Read.Format), "document_id": n.Read.ID,
		"document_version": n.Read.Version, "author": n.Read.Author, "issued_at": issued, "statements": len(n.Read.Statements), "claims": claims,
		"refused": n.Read.RefusedCount, "refusals": refusals, "imported_by": n.By,
	}
}

// copyClaims stores what the statements say and returns the names of the vulnerabilities. A statement of no time, or of a
// time to come, was true when it was imported: it must not outlast what is said later.
func (n *NewVexDocument) copyClaims(ctx context.Context, tx pgx.Tx, d VexDocument) ([]string, error) {
	var statements, claims, names [][]any
	var spelled []string
	for i := range n.Read.Statements {
		s := &n.Read.Statements[i]
		all := append([]string{s.Vulnerability}, s.Aliases...)
		at := s.At
		if at.IsZero() || at.Year() <= 1 || at.After(d.ImportedAt) {
			at = d.ImportedAt
		}
		spelled = append(spelled, all...)
		statements = append(statements, []any{
			n.Account, d.Digest, i, all, string(s.Status), string(s.Justification), s.Notes, s.Impact, s.Action, s.Details, at,
		})
		for _, p := range s.Products {
			position := len(claims)
			claims = append(claims, []any{n.Account, d.Digest, i, position, p.Given, p.Image, p.Package, p.Unclear})
			if p.Unclear != "" {
				continue
			}
			about := ""
			if p.Package != "" {
				about = vex.Key(p.Package)
			}
			for _, name := range capitals(all) {
				names = append(names, []any{n.Account, name, about, d.Digest, i, position})
			}
		}
	}
	for _, into := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"vex_statement", []string{
			"account", "document", "statement", "names", "status", "justification", "status_notes", "impact_statement", "action_statement",
			"additional_details", "stated_at",
		}, statements},
		{"vex_claim", []string{"account", "document", "statement", "position", "given", "image", "package", "unclear"}, claims},
		{"vex_name", []string{"account", "name", "package", "document", "statement", "position"}, names},
	} {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"plimsoll", into.table}, into.columns, pgx.CopyFromRows(into.rows)); err != nil {
			return nil, err
		}
	}
	return spelled, nil
}

// capitals writes names in capitals, each once.
func capitals(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.ToUpper(name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// spellings adds to names how feeds write them: CVE-2026-1, GHSA-jfh8-c2jm-4hhq.
func spellings(names []string) []string {
	out := slices.Clone(names)
	for _, name := range names {
		prefix, rest, _ := strings.Cut(name, "-")
		out = append(out, strings.ToUpper(name), strings.ToUpper(prefix)+"-"+strings.ToLower(rest))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func documentChange(account, action, by string, d VexDocument) args {
	return merge(AnnotationKey{}.args(), assertionArgs(vex.Assertion{}), args{
		"account": account, "action": action, "changed_by": by, "document": d.Digest, "annotation": nil, "version": 0, "author": d.Author,
	})
}

// noteDocument writes down a change of documents and the images to judge anew.
func noteDocument(ctx context.Context, tx pgx.Tx, account, action, by string, d VexDocument, names []string, start func(change int64) Start) (VexImport, error) {
	out := VexImport{Document: d}
	change, err := value[int64](ctx, tx, changeNote, documentChange(account, action, by, d))
	if err != nil {
		return out, err
	}
	n, err := exec(ctx, tx, vexNoteImages, args{"change": change, "account": account, "names": spellings(names)})
	if err != nil {
		return out, err
	}
	out.Images = int(n)
	out.OutboxID, err = ask(ctx, tx, change, start)
	return out, err
}

// Withdraw deletes a document: what it says holds no longer. ErrNotFound.
func (s *Annotations) Withdraw(ctx context.Context, account, digest, by string, start func(change int64) Start) (VexImport, error) {
	out, err := InTx(ctx, s.pool, func(tx pgx.Tx) (VexImport, error) {
		if _, err := value[string](ctx, tx, documentLock, args{"account": account}); err != nil {
			return VexImport{}, err
		}
		key := args{"account": account, "digest": digest}
		document, err := one[VexDocument](ctx, tx, documentGet, key)
		if err != nil {
			return VexImport{}, err
		}
		names, err := column[string](ctx, tx, documentNames, key)
		if err != nil {
			return VexImport{}, err
		}
		if err := found(exec(ctx, tx, documentDelete, key)); err != nil {
			return VexImport{}, err
		}
		return noteDocument(ctx, tx, account, ActionDocumentDeleted, by, document, names, start)
	})
	return out, wrap(err, "delete VEX document %s", digest)
}

// Document returns a document of the account: ErrNotFound.
func (s *Annotations) Document(ctx context.Context, account, digest string) (VexDocument, error) {
	d, err := one[VexDocument](ctx, s.pool, documentGet, args{"account": account, "digest": digest})
	return d, wrap(err, "load VEX document %s", digest)
}

// VexCursor is the last document of a page.
type VexCursor struct {
	ImportedAt time.Time
	Digest     string
}

// Documents returns up to limit documents of the account that follow the cursor, newest first.
func (s *Annotations) Documents(ctx context.Context, account string, after *VexCursor, limit int) ([]VexDocument, error) {
	a := args{"account": account, "after": "infinity", "after_digest": "", "limit": limit}
	if after != nil {
		a["after"], a["after_digest"] = after.ImportedAt, after.Digest
	}
	list, err := many[VexDocument](ctx, s.pool, vexDocumentList, a)
	return list, wrap(err, "list VEX documents")
}
