package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"plimsoll/api/oas"
	"plimsoll/engine/vex"
	"plimsoll/persistence"
)

// unmatchedTold is how many products for which nothing holds are told one by one.
const unmatchedTold = 1000

func noVexDocument(digest string, err error) error {
	if errors.Is(err, persistence.ErrNotFound) {
		return fail(codeVexNotFound, fmt.Sprintf("VEX document %s not found in the account", digest))
	}
	return err
}

// ImportVexDocument takes in a document for all images of the account.
func (h *handlers) ImportVexDocument(ctx context.Context, _ oas.ImportVexDocumentRequestObject) (oas.ImportVexDocumentResponseObject, error) {
	data, who := uploaded(ctx), callerOf(ctx)
	document, err := vex.Read(data, vex.Limits{})
	if err == nil && len(document.Statements) == 0 {
		err = fmt.Errorf("%w: none of its statements can be used", vex.ErrDocument)
	}
	if err != nil {
		problem := fail(codeVexInvalid, fmt.Sprintf("The document cannot be used: %v.", err)).because(err)
		if document != nil && len(document.Refused) > 0 {
			problem = problem.with("refused", each(document.Refused, refusalBody))
		}
		return nil, problem
	}
	out, err := h.deps.Annotations.Import(ctx, persistence.NewVexDocument{Account: who.Account, Data: data, Read: document, By: who.User}, judgeAnnotated(who.Account))
	if errors.Is(err, persistence.ErrSuperseded) {
		return nil, fail(codeConflict, "A later version of the document is there; delete that one first if this one is to hold.").because(err)
	}
	if err != nil {
		return nil, err
	}
	h.launch(ctx, out.OutboxID)
	detail, err := h.vexDetail(ctx, out.Document)
	detail.Created, detail.ImagesAffected = out.Created, out.Images
	return oas.ImportVexDocument200JSONResponse(detail), err
}

// vexDetail tells of a document what it does not hold for.
func (h *handlers) vexDetail(ctx context.Context, d persistence.VexDocument) (oas.VexDocumentDetail, error) {
	unmatched, total, err := h.deps.Annotations.Unmatched(ctx, callerOf(ctx).Account, d.Digest, unmatchedTold)
	return oas.VexDocumentDetail{
		Document: vexBody(d), Refused: each(d.Refusals, refusalBody), UnmatchedCount: total,
		Unmatched: each(unmatched, func(u persistence.UnmatchedClaim) oas.VexUnmatched {
			return oas.VexUnmatched{VulnerabilityId: u.Vulnerability, Product: u.Product, Status: oas.VulnAnnotationStatus(u.Status), Reason: u.Reason}
		}),
	}, err
}

func refusalBody(r vex.Refusal) oas.VexRefusal {
	return oas.VexRefusal{VulnerabilityId: r.Vulnerability, Reason: r.Reason}
}

func vexBody(d persistence.VexDocument) oas.VexDocument {
	return oas.VexDocument{
		Digest: d.Digest, Format: d.Format, Size: d.Size, DocumentId: given(d.DocumentID), DocumentVersion: given(d.DocumentVersion), Author: given(d.Author),
		IssuedAt: utcOrNil(d.IssuedAt), StatementCount: d.Statements, ProductCount: d.Claims, RefusedCount: d.Refused, ImportedBy: d.ImportedBy,
		ImportedAt: utc(d.ImportedAt),
	}
}

// vexMark is where a page of documents ends.
type vexMark struct {
	At     time.Time `json:"at"`
	Digest string    `json:"digest"`
}

// ListVexDocuments lists the account's documents.
func (h *handlers) ListVexDocuments(ctx context.Context, req oas.ListVexDocumentsRequestObject) (oas.ListVexDocumentsResponseObject, error) {
	after, asked, limit, err := page[vexMark](req.Params.Page, req.Params.Limit)
	if err != nil {
		return nil, err
	}
	var cursor *persistence.VexCursor
	if after.Digest != "" {
		cursor = &persistence.VexCursor{ImportedAt: after.At, Digest: after.Digest}
	}
	list, err := h.deps.Annotations.Documents(ctx, callerOf(ctx).Account, cursor, limit)
	if err != nil {
		return nil, err
	}
	more, err := next(len(list), limit, func() vexMark { return vexMark{list[len(list)-1].ImportedAt, list[len(list)-1].Digest} })
	return oas.ListVexDocuments200JSONResponse{Page: asked, NextPage: more, ReturnedCount: len(list), Items: each(list, vexBody)}, err
}

// GetVexDocument shows a document.
func (h *handlers) GetVexDocument(ctx context.Context, req oas.GetVexDocumentRequestObject) (oas.GetVexDocumentResponseObject, error) {
	d, err := h.deps.Annotations.Document(ctx, callerOf(ctx).Account, req.DocumentDigest)
	if err != nil {
		return nil, noVexDocument(req.DocumentDigest, err)
	}
	detail, err := h.vexDetail(ctx, d)
	return oas.GetVexDocument200JSONResponse(detail), err
}

// VisitGetVexDocumentContentResponse implements oas.GetVexDocumentContentResponseObject.
func (d sbomDocument) VisitGetVexDocumentContentResponse(w http.ResponseWriter) error {
	return d.write(w)
}

// GetVexDocumentContent hands back the bytes of a document. They came from outside: nothing may take them for a page.
func (h *handlers) GetVexDocumentContent(ctx context.Context, req oas.GetVexDocumentContentRequestObject) (oas.GetVexDocumentContentResponseObject, error) {
	d, err := h.deps.Annotations.Document(ctx, callerOf(ctx).Account, req.DocumentDigest)
	if err != nil {
		return nil, noVexDocument(req.DocumentDigest, err)
	}
	data, err := h.document(ctx, d.Digest)
	return sbomDocument{"application/octet-stream", data}, err
}

// DeleteVexDocument withdraws a document.
func (h *handlers) DeleteVexDocument(ctx context.Context, req oas.DeleteVexDocumentRequestObject) (oas.DeleteVexDocumentResponseObject, error) {
	who := callerOf(ctx)
	out, err := h.deps.Annotations.Withdraw(ctx, who.Account, req.DocumentDigest, who.User, judgeAnnotated(who.Account))
	if err != nil {
		return nil, noVexDocument(req.DocumentDigest, err)
	}
	h.launch(ctx, out.OutboxID)
	return oas.DeleteVexDocument204Response{}, nil
}

// ListVexChanges tells who said what.
func (h *handlers) ListVexChanges(ctx context.Context, req oas.ListVexChangesRequestObject) (oas.ListVexChangesResponseObject, error) {
	after, asked, limit, err := page[int64](req.Params.Page, req.Params.Limit)
	if err != nil {
		return nil, err
	}
	list, err := h.deps.Annotations.Changes(ctx, callerOf(ctx).Account, orElse(req.Params.ImageDigest, ""), after, limit)
	if err != nil {
		return nil, err
	}
	more, err := next(len(list), limit, func() int64 { return list[len(list)-1].ID })
	return oas.ListVexChanges200JSONResponse{Page: asked, NextPage: more, ReturnedCount: len(list), Items: each(list, vexChangeBody)}, err
}
