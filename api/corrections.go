package api

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/api/oas"
	"plimsoll/engine/correction"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Corrections stores the rules by which accounts correct packages.
type Corrections interface {
	Create(ctx context.Context, c persistence.Correction, edit persistence.CorrectionEdit) (persistence.Correction, int64, error)
	Update(ctx context.Context, c persistence.Correction, edit persistence.CorrectionEdit) (persistence.Correction, int64, error)
	Delete(ctx context.Context, account, id string, edit persistence.CorrectionEdit) (outboxID int64, err error)
	Get(ctx context.Context, account, id string) (persistence.Correction, error)
	List(ctx context.Context, account string) ([]persistence.Correction, error)
	Set(ctx context.Context, account string) (*correction.Set, error)
}

// correctionEdit names the workflow that applies the rules of an account.
func correctionEdit(account string, edit int64) persistence.Start {
	return persistence.Start{
		Workflow: workflows.RescanChangeSetName, WorkflowID: workflows.CorrectID(account, edit),
		Input: workflows.RescanInput{Generation: persistence.EditGeneration(edit), Account: account},
	}
}

// correctionProblem tells that there is no such rule, or that there are too many.
func correctionProblem(id string, err error) error {
	switch {
	case errors.Is(err, persistence.ErrTooMany):
		return fail(codeInvalidRequest, fmt.Sprintf("The account has %d corrections, which is the most; delete some first.", persistence.MaxCorrections)).because(err)
	case errors.Is(err, persistence.ErrNotFound) && id != "":
		return fail(codeNotFound, fmt.Sprintf("Correction %s not found in the account", id)).because(err)
	}
	return err
}

// correctionOf reads a rule and checks that it does something.
func correctionOf(account, id string, body *oas.CorrectionRequest) (persistence.Correction, error) {
	field := func(f oas.CorrectionField) correction.Field {
		return correction.Field{Name: f.FieldName, Value: f.FieldValue}
	}
	c := persistence.Correction{
		Account: account, ID: id, Description: orElse(body.Description, ""),
		Rule: correction.Rule{Type: body.Match.Type, Match: each(body.Match.FieldMatches, field), Replace: each(body.Replace, field)},
	}
	if err := c.Rule.Check(); err != nil {
		return c, fail(codeInvalidRequest, err.Error()+".").because(err)
	}
	return c, nil
}

// correctionTypePackage is the only thing there is to correct.
const correctionTypePackage = string(oas.Package)

func correctionBody(c persistence.Correction) oas.Correction {
	field := func(f correction.Field) oas.CorrectionField {
		return oas.CorrectionField{FieldName: f.Name, FieldValue: f.Value}
	}
	return oas.Correction{
		Uuid: c.ID, AccountName: c.Account, Type: correctionTypePackage, Description: c.Description,
		Match:     oas.CorrectionMatch{Type: c.Rule.Type, FieldMatches: each(c.Rule.Match, field)},
		Replace:   each(c.Rule.Replace, field),
		CreatedAt: utc(c.CreatedAt), LastUpdated: utc(c.UpdatedAt),
	}
}

// ListCorrections lists the account's rules.
func (h *handlers) ListCorrections(ctx context.Context, _ oas.ListCorrectionsRequestObject) (oas.ListCorrectionsResponseObject, error) {
	found, err := h.deps.Corrections.List(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, err
	}
	return oas.ListCorrections200JSONResponse(each(found, correctionBody)), nil
}

// GetCorrection shows a rule.
func (h *handlers) GetCorrection(ctx context.Context, req oas.GetCorrectionRequestObject) (oas.GetCorrectionResponseObject, error) {
	c, err := h.deps.Corrections.Get(ctx, callerOf(ctx).Account, req.Uuid)
	if err != nil {
		return nil, correctionProblem(req.Uuid, err)
	}
	return oas.GetCorrection200JSONResponse(correctionBody(c)), nil
}

// AddCorrection stores a rule and has it applied.
func (h *handlers) AddCorrection(ctx context.Context, req oas.AddCorrectionRequestObject) (oas.AddCorrectionResponseObject, error) {
	c, err := correctionOf(callerOf(ctx).Account, "", req.Body)
	if err != nil {
		return nil, err
	}
	c, outboxID, err := h.deps.Corrections.Create(ctx, c, correctionEdit)
	if err != nil {
		return nil, correctionProblem("", err)
	}
	h.deps.Starter.Launch(ctx, outboxID)
	return oas.AddCorrection200JSONResponse(correctionBody(c)), nil
}

// UpdateCorrection replaces a rule and has the difference applied.
func (h *handlers) UpdateCorrection(ctx context.Context, req oas.UpdateCorrectionRequestObject) (oas.UpdateCorrectionResponseObject, error) {
	c, err := correctionOf(callerOf(ctx).Account, req.Uuid, req.Body)
	if err != nil {
		return nil, err
	}
	c, outboxID, err := h.deps.Corrections.Update(ctx, c, correctionEdit)
	if err != nil {
		return nil, correctionProblem(req.Uuid, err)
	}
	h.deps.Starter.Launch(ctx, outboxID)
	return oas.UpdateCorrection200JSONResponse(correctionBody(c)), nil
}

// DeleteCorrection removes a rule and has what it did undone.
func (h *handlers) DeleteCorrection(ctx context.Context, req oas.DeleteCorrectionRequestObject) (oas.DeleteCorrectionResponseObject, error) {
	outboxID, err := h.deps.Corrections.Delete(ctx, callerOf(ctx).Account, req.Uuid, correctionEdit)
	if err != nil {
		return nil, correctionProblem(req.Uuid, err)
	}
	h.deps.Starter.Launch(ctx, outboxID)
	return oas.DeleteCorrection204Response{}, nil
}
