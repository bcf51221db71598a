package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/api/oas"
	"plimsoll/engine/vex"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Annotations stores what is said about vulnerabilities.
type Annotations interface {
	Add(ctx context.Context, n persistence.NewAnnotation, start func(change int64) persistence.Start) (persistence.Annotating, error)
	Change(ctx context.Context, id string, n persistence.NewAnnotation, start func(change int64) persistence.Start) (persistence.Annotating, error)
	Delete(ctx context.Context, account, digest, id, by string, start func(change int64) persistence.Start) (persistence.Annotating, error)
	List(ctx context.Context, account, digest string) ([]persistence.Annotation, error)
	History(ctx context.Context, account, digest, id string, limit int) ([]persistence.VexChange, error)

	Import(ctx context.Context, n persistence.NewVexDocument, start func(change int64) persistence.Start) (persistence.VexImport, error)
	Withdraw(ctx context.Context, account, digest, by string, start func(change int64) persistence.Start) (persistence.VexImport, error)
	Document(ctx context.Context, account, digest string) (persistence.VexDocument, error)
	Documents(ctx context.Context, account string, after *persistence.VexCursor, limit int) ([]persistence.VexDocument, error)
	Unmatched(ctx context.Context, account, digest string, limit int) ([]persistence.UnmatchedClaim, int, error)
	Changes(ctx context.Context, account, digest string, before int64, limit int) ([]persistence.VexChange, error)
}

// longestHistory is how many changes of one annotation are told.
const longestHistory = 1000

// judgeAnnotated names the workflow that judges the images of a change.
func judgeAnnotated(account string) func(change int64) persistence.Start {
	return func(change int64) persistence.Start {
		return persistence.Start{
			Workflow: workflows.JudgeAnnotatedName, WorkflowID: workflows.JudgeAnnotatedID(account, change),
			Input: workflows.JudgeAnnotatedInput{Account: account, Change: change},
		}
	}
}

// launch starts what a change asks for, if anything.
func (h *handlers) launch(ctx context.Context, outboxID int64) {
	if outboxID != 0 {
		h.deps.Starter.Launch(ctx, outboxID)
	}
}

// annotationProblem classifies what the store says about an annotation.
func annotationProblem(id string, err error) error {
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return fail(codeAnnotationNotFound, fmt.Sprintf("Annotation %s not found at the image in the account", id))
	case errors.Is(err, persistence.ErrExists):
		return fail(codeConflict, "The image has an annotation of this vulnerability and package already; change that one, or delete it.")
	}
	return err
}

// ListVulnAnnotations lists what is said about an image.
func (h *handlers) ListVulnAnnotations(ctx context.Context, req oas.ListVulnAnnotationsRequestObject) (oas.ListVulnAnnotationsResponseObject, error) {
	all, _, err := h.annotations(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	p := req.Params
	wanted := func(filter *string, value string) bool { return orElse(filter, "") == "" || *filter == value }
	all = slices.DeleteFunc(all, func(a persistence.Annotation) bool {
		return !wanted(p.VulnerabilityId, a.Vulnerability) || !wanted(p.PackageName, a.PackageName) ||
			!wanted(p.PackageVersion, a.PackageVersion) || !wanted(p.PackageType, a.PackageType)
	})
	return oas.ListVulnAnnotations200JSONResponse{Items: each(all, annotationBody)}, nil
}

// annotations returns what users say of an image, and what documents say of findings it has now; and these findings,
// none while the image is not analysed.
func (h *handlers) annotations(ctx context.Context, digest string) ([]persistence.Annotation, []persistence.ImageVulnerability, error) {
	if _, err := h.image(ctx, digest); err != nil {
		return nil, nil, err
	}
	account := callerOf(ctx).Account
	all, err := h.deps.Annotations.List(ctx, account, digest)
	if err != nil {
		return nil, nil, err
	}
	found, err := h.deps.Matches.Vulnerabilities(ctx, account, digest, persistence.VulnerabilityFilter{IncludeWontFix: true})
	if err != nil && !errors.Is(err, persistence.ErrNotAnalyzed) {
		return nil, nil, h.unanalyzed(ctx, digest, err)
	}
	told := map[string]bool{}
	for i := range found {
		if a := found[i].Annotation; a != nil && a.Document != "" && !told[a.ID] {
			told[a.ID] = true
			all = append(all, *a)
		}
	}
	slices.SortStableFunc(all, func(a, b persistence.Annotation) int {
		return cmp.Or(strings.Compare(a.Vulnerability, b.Vulnerability), strings.Compare(a.PackageName, b.PackageName),
			strings.Compare(a.PackageVersion, b.PackageVersion), strings.Compare(a.PackageType, b.PackageType))
	})
	return all, found, nil
}

// annotation finds one among those of an image.
func (h *handlers) annotation(ctx context.Context, digest, id string) (persistence.Annotation, error) {
	all, _, err := h.annotations(ctx, digest)
	if err != nil {
		return persistence.Annotation{}, err
	}
	for _, a := range all {
		if a.ID == id {
			return a, nil
		}
	}
	return persistence.Annotation{}, annotationProblem(id, persistence.ErrNotFound)
}

// writable refuses what a document says: it changes with the document.
func (h *handlers) writable(ctx context.Context, digest, id string) error {
	a, err := h.annotation(ctx, digest, id)
	if err == nil && a.Document != "" {
		err = fail(codeConflict, fmt.Sprintf("The annotation comes from the VEX document %s; delete that, or annotate the vulnerability, which comes first.", a.Document))
	}
	return err
}

// CreateVulnAnnotation adds an annotation.
func (h *handlers) CreateVulnAnnotation(ctx context.Context, req oas.CreateVulnAnnotationRequestObject) (oas.CreateVulnAnnotationResponseObject, error) {
	if _, err := h.image(ctx, req.ImageDigest); err != nil {
		return nil, err
	}
	fresh, err := newAnnotation(callerOf(ctx), req.ImageDigest, req.Body)
	if err != nil {
		return nil, err
	}
	out, err := h.deps.Annotations.Add(ctx, fresh, judgeAnnotated(fresh.Account))
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, noImage(req.ImageDigest)
	}
	if err != nil {
		return nil, annotationProblem("", err)
	}
	h.launch(ctx, out.OutboxID)
	return oas.CreateVulnAnnotation201JSONResponse(annotationBody(out.Annotation)), nil
}

// GetVulnAnnotation shows an annotation.
func (h *handlers) GetVulnAnnotation(ctx context.Context, req oas.GetVulnAnnotationRequestObject) (oas.GetVulnAnnotationResponseObject, error) {
	a, err := h.annotation(ctx, req.ImageDigest, req.VulnAnnotationUuid)
	if err != nil {
		return nil, err
	}
	return oas.GetVulnAnnotation200JSONResponse(annotationBody(a)), nil
}

// UpdateVulnAnnotation replaces an annotation.
func (h *handlers) UpdateVulnAnnotation(ctx context.Context, req oas.UpdateVulnAnnotationRequestObject) (oas.UpdateVulnAnnotationResponseObject, error) {
	if err := h.writable(ctx, req.ImageDigest, req.VulnAnnotationUuid); err != nil {
		return nil, err
	}
	fresh, err := newAnnotation(callerOf(ctx), req.ImageDigest, req.Body)
	if err != nil {
		return nil, err
	}
	out, err := h.deps.Annotations.Change(ctx, req.VulnAnnotationUuid, fresh, judgeAnnotated(fresh.Account))
	if err != nil {
		return nil, annotationProblem(req.VulnAnnotationUuid, err)
	}
	h.launch(ctx, out.OutboxID)
	return oas.UpdateVulnAnnotation200JSONResponse(annotationBody(out.Annotation)), nil
}

// DeleteVulnAnnotation withdraws an annotation.
func (h *handlers) DeleteVulnAnnotation(ctx context.Context, req oas.DeleteVulnAnnotationRequestObject) (oas.DeleteVulnAnnotationResponseObject, error) {
	if err := h.writable(ctx, req.ImageDigest, req.VulnAnnotationUuid); err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	out, err := h.deps.Annotations.Delete(ctx, who.Account, req.ImageDigest, req.VulnAnnotationUuid, who.User, judgeAnnotated(who.Account))
	if err != nil {
		return nil, annotationProblem(req.VulnAnnotationUuid, err)
	}
	h.launch(ctx, out.OutboxID)
	return oas.DeleteVulnAnnotation204Response{}, nil
}

// ListVulnAnnotationHistory tells how an annotation came to say what it says.
func (h *handlers) ListVulnAnnotationHistory(ctx context.Context, req oas.ListVulnAnnotationHistoryRequestObject) (oas.ListVulnAnnotationHistoryResponseObject, error) {
	id := req.VulnAnnotationUuid
	list, err := h.deps.Annotations.History(ctx, callerOf(ctx).Account, req.ImageDigest, id, longestHistory)
	if err == nil && len(list) == 0 {
		err = annotationProblem(id, persistence.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return oas.ListVulnAnnotationHistory200JSONResponse{Page: firstPage, ReturnedCount: len(list), Items: each(list, vexChangeBody)}, nil
}

// newAnnotation reads what a user writes.
func newAnnotation(who caller, digest string, body *oas.PackageVulnerabilityAnnotation) (persistence.NewAnnotation, error) {
	a := body.Annotation
	out := persistence.NewAnnotation{
		Account: who.Account, By: who.User, Author: orElse(a.Author, ""),
		AnnotationKey: persistence.AnnotationKey{ImageDigest: digest, Vulnerability: a.VulnerabilityId},
		Assertion: vex.Assertion{
			Status: vex.Status(a.Status), Justification: vex.Justification(orElse(a.Justification, "")), Impact: orElse(a.ImpactStatement, ""),
			Action: orElse(a.ActionStatement, ""), Notes: orElse(a.StatusNotes, ""), Details: orElse(a.AdditionalDetails, ""),
		},
	}
	if out.Author == "" {
		out.Author = who.User
	}
	if p := body.PackageIdentifier; p != nil {
		out.PackageName, out.PackageVersion, out.PackageType = p.Name, p.Version, p.Type
	}
	if err := out.Check(); err != nil {
		return out, fail(codeInvalidRequest, fmt.Sprintf("The annotation cannot be used: %v.", err)).because(err)
	}
	return out, nil
}

func annotationBody(a persistence.Annotation) oas.PackageVulnerabilityAnnotation {
	body := saidBody(a.AnnotationKey, a.Assertion)
	body.Annotation.Uuid, body.Annotation.Author, body.Annotation.Version = given(a.ID), given(a.Author), given(a.Version)
	body.Annotation.CreatedAt, body.Annotation.UpdatedAt, body.Annotation.Document = utcOrNil(&a.CreatedAt), utcOrNil(&a.UpdatedAt), given(a.Document)
	return body
}

func saidBody(key persistence.AnnotationKey, said vex.Assertion) oas.PackageVulnerabilityAnnotation {
	body := oas.PackageVulnerabilityAnnotation{Annotation: oas.VulnerabilityAnnotation{
		VulnerabilityId: key.Vulnerability, Status: oas.VulnAnnotationStatus(said.Status), StatusNotes: given(said.Notes),
		Justification: given(string(said.Justification)), ImpactStatement: given(said.Impact), ActionStatement: given(said.Action),
		AdditionalDetails: given(said.Details),
	}}
	if key.PackageName != "" {
		body.PackageIdentifier = &oas.PackageIdentifier{Name: key.PackageName, Version: key.PackageVersion, Type: key.PackageType}
	}
	return body
}

func vexChangeBody(c persistence.VexChange) oas.VexChange {
	body := oas.VexChange{
		Id: c.ID, Action: c.Kind, ChangedBy: c.ChangedBy, ChangedAt: utc(c.ChangedAt), Document: given(c.Document), ImageDigest: given(c.ImageDigest),
		ImagesAffected: c.Images,
	}
	if c.Annotation != nil {
		said := saidBody(c.AnnotationKey, c.Assertion)
		said.Annotation.Uuid, said.Annotation.Author, said.Annotation.Version = c.Annotation, given(c.Author), given(c.Version)
		body.Annotation = &said
	}
	return body
}
