package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"plimsoll/api/oas"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// Policies stores policy documents.
type Policies interface {
	Create(ctx context.Context, n persistence.NewPolicy) (persistence.Policy, error)
	Get(ctx context.Context, account, id string) (persistence.Policy, error)
	Active(ctx context.Context, account string) (persistence.Policy, error)
	List(ctx context.Context, account string) ([]persistence.Policy, error)
	Update(ctx context.Context, n persistence.NewPolicy, activate bool, edit persistence.PolicyEdit) (_ persistence.Policy, outboxID int64, err error)
	Activate(ctx context.Context, account, id string, edit persistence.PolicyEdit) (_ persistence.Policy, outboxID int64, err error)
	Delete(ctx context.Context, account, id string) error
}

// policySource says where policies come from that are sent to the API.
const policySource = "local"

func policyBody(p persistence.Policy, detail bool) oas.PolicyRecord {
	body := oas.PolicyRecord{
		PolicyId: p.ID, Name: p.Name, Description: given(p.Description), Active: p.Active, AccountName: p.Account, PolicySource: p.Source,
		CreatedAt: utcOrNil(&p.CreatedAt), LastUpdated: utcOrNil(&p.UpdatedAt),
	}
	if detail {
		body.Policy = p.Document
	}
	return body
}

// maxPolicyBytes bounds requests that carry a document: the document and the record around it.
const maxPolicyBytes = policy.MaxDocumentBytes + 64<<10

// newPolicy checks a document and makes it ready to be stored. warning is the header that tells what is odd about it.
func (h *handlers) newPolicy(account string, document json.RawMessage) (fresh persistence.NewPolicy, warning *string, err error) {
	fresh, problems, err := readPolicy(account, document, h.deps.Gates)
	var invalid *policy.InvalidError
	if errors.As(err, &invalid) {
		return fresh, nil, fail(codePolicyInvalid, "Bundle failed validation").with("validation_details", invalid.Problems).because(err)
	}
	return fresh, warningHeader(problems), err
}

// readPolicy keeps a document as it was sent; a bundle of the former format becomes the document it means.
func readPolicy(account string, document json.RawMessage, gates []policy.Gate) (persistence.NewPolicy, []policy.Problem, error) {
	compiled, problems, err := policy.LoadFor(account, document, gates)
	if err != nil {
		return persistence.NewPolicy{}, nil, fmt.Errorf("check policy: %w", err)
	}
	doc := compiled.Document()
	if doc.Former() {
		if document, err = json.Marshal(doc); err != nil {
			return persistence.NewPolicy{}, nil, fmt.Errorf("encode policy %s: %w", doc.ID, err)
		}
	}
	return persistence.NewPolicy{
		Account: account, ID: doc.ID, Name: doc.Name, Description: doc.Description, Source: policySource, Document: document,
	}, problems, nil
}

// Bounds of the header Warning.
const (
	maxWarnings     = 10
	maxWarningRunes = 300
)

// warningHeader writes problems as values of the header Warning (RFC 7234, 5.5); nil for none.
func warningHeader(problems []policy.Problem) *string {
	var values []string
	for _, p := range problems[:min(len(problems), maxWarnings)] {
		values = append(values, "299 - "+strconv.QuoteToASCII(fmt.Sprintf("%.*s", maxWarningRunes, p.Details)))
	}
	if len(problems) > maxWarnings {
		values = append(values, fmt.Sprintf(`299 - "and %d more"`, len(problems)-maxWarnings))
	}
	return given(strings.Join(values, ", "))
}

// ReadPolicy checks a document and makes it ready to be stored; the account is left open. Faults come as *policy.InvalidError.
func ReadPolicy(document json.RawMessage, gates []policy.Gate) (persistence.NewPolicy, error) {
	fresh, _, err := readPolicy("", document, gates)
	return fresh, err
}

// DefaultPolicy is what an account starts with, ready to be stored; the account is left open.
func DefaultPolicy(gates []policy.Gate) (persistence.NewPolicy, error) {
	return ReadPolicy(policy.Default(), gates)
}

func noPolicy(id string) *ProblemError {
	return fail(codePolicyNotFound, fmt.Sprintf("Policy %s not found in the account", id))
}

// ListPolicies lists the account's policies.
func (h *handlers) ListPolicies(ctx context.Context, req oas.ListPoliciesRequestObject) (oas.ListPoliciesResponseObject, error) {
	policies, err := h.deps.Policies.List(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	detail := orElse(req.Params.Detail, false)
	return oas.ListPolicies200JSONResponse(each(policies, func(p persistence.Policy) oas.PolicyRecord { return policyBody(p, detail) })), nil
}

// AddPolicy stores a document, not active.
func (h *handlers) AddPolicy(ctx context.Context, req oas.AddPolicyRequestObject) (oas.AddPolicyResponseObject, error) {
	fresh, warning, err := h.newPolicy(callerOf(ctx).Account, *req.Body)
	if err != nil {
		return nil, err
	}
	stored, err := h.deps.Policies.Create(ctx, fresh)
	switch {
	case errors.Is(err, persistence.ErrExists):
		return nil, fail(codePolicyExists, fmt.Sprintf("A policy with the id %s exists; update it, or give the document another id.", fresh.ID))
	case err != nil:
		return nil, fmt.Errorf("store policy: %w", err)
	}
	return oas.AddPolicy200JSONResponse{Body: policyBody(stored, true), Headers: oas.AddPolicy200ResponseHeaders{Warning: warning}}, nil
}

// GetPolicy shows a policy.
func (h *handlers) GetPolicy(ctx context.Context, req oas.GetPolicyRequestObject) (oas.GetPolicyResponseObject, error) {
	stored, err := h.policy(ctx, req.PolicyId)
	if err != nil {
		return nil, err
	}
	return oas.GetPolicy200JSONResponse(policyBody(stored, orElse(req.Params.Detail, true))), nil
}

func (h *handlers) policy(ctx context.Context, id string) (persistence.Policy, error) {
	stored, err := h.deps.Policies.Get(ctx, callerOf(ctx).Account, id)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return persistence.Policy{}, noPolicy(id)
	case err != nil:
		return persistence.Policy{}, fmt.Errorf("load policy: %w", err)
	}
	return stored, nil
}

// UpdatePolicy replaces the document, activates it, or both. A record without a document leaves the stored one.
func (h *handlers) UpdatePolicy(ctx context.Context, req oas.UpdatePolicyRequestObject) (oas.UpdatePolicyResponseObject, error) {
	if req.Body.PolicyId != req.PolicyId {
		return nil, fail(codeInvalidRequest, fmt.Sprintf("The body names policy %s, the path %s; they must agree.", req.Body.PolicyId, req.PolicyId))
	}
	stored, err := h.policy(ctx, req.PolicyId)
	if err != nil {
		return nil, err
	}
	activate := orElse(req.Params.Active, req.Body.Active)
	if stored.Active && !activate {
		return nil, activeRefused(req.PolicyId)
	}
	updated, warning, err := h.updatePolicy(ctx, stored, req.Body.Policy, activate)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noPolicy(req.PolicyId)
	case errors.Is(err, persistence.ErrActive):
		return nil, activeRefused(req.PolicyId)
	case err != nil:
		return nil, fmt.Errorf("update policy: %w", err)
	}
	return oas.UpdatePolicy200JSONResponse{Body: policyBody(updated, true), Headers: oas.UpdatePolicy200ResponseHeaders{Warning: warning}}, nil
}

func (h *handlers) updatePolicy(ctx context.Context, stored persistence.Policy, document json.RawMessage, activate bool) (updated persistence.Policy, warning *string, err error) {
	var outboxID int64
	if len(document) == 0 || string(document) == "null" {
		if activate {
			stored, outboxID, err = h.deps.Policies.Activate(ctx, stored.Account, stored.ID, judgePolicy)
		}
		h.launch(ctx, outboxID)
		return stored, nil, err
	}
	fresh, warning, err := h.newPolicy(stored.Account, document)
	if err != nil {
		return persistence.Policy{}, nil, err
	}
	if fresh.ID != stored.ID {
		return persistence.Policy{}, nil, fail(codeInvalidRequest, fmt.Sprintf("The document's id is %s, the record's %s; they must agree.", fresh.ID, stored.ID))
	}
	updated, outboxID, err = h.deps.Policies.Update(ctx, fresh, activate, judgePolicy)
	h.launch(ctx, outboxID)
	return updated, warning, err
}

// judgePolicy names the workflow that judges the images of an account after a change of its active policy.
func judgePolicy(account string, edit int64) persistence.Start {
	return persistence.Start{
		Workflow: workflows.JudgePolicyName, WorkflowID: workflows.JudgePolicyID(account, edit),
		Input: workflows.JudgePolicyInput{Account: account, Edit: edit},
	}
}

func activeRefused(id string) *ProblemError {
	return fail(codePolicyActive, fmt.Sprintf("Policy %s is the active one; activate another policy first.", id))
}

// DeletePolicy deletes a policy that is not active.
func (h *handlers) DeletePolicy(ctx context.Context, req oas.DeletePolicyRequestObject) (oas.DeletePolicyResponseObject, error) {
	err := h.deps.Policies.Delete(ctx, callerOf(ctx).Account, req.PolicyId)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return nil, noPolicy(req.PolicyId)
	case errors.Is(err, persistence.ErrActive):
		return nil, activeRefused(req.PolicyId)
	case err != nil:
		return nil, fmt.Errorf("delete policy: %w", err)
	}
	return oas.DeletePolicy204Response{}, nil
}

// GetPolicySpec describes the policy language.
func (h *handlers) GetPolicySpec(context.Context, oas.GetPolicySpecRequestObject) (oas.GetPolicySpecResponseObject, error) {
	return oas.GetPolicySpec200JSONResponse(each(policy.Spec(h.deps.Gates), gateBody)), nil
}

// GetPolicySchema describes the form of documents.
func (h *handlers) GetPolicySchema(context.Context, oas.GetPolicySchemaRequestObject) (oas.GetPolicySchemaResponseObject, error) {
	return oas.GetPolicySchema200JSONResponse(policy.Schema(h.deps.Gates)), nil
}

func gateBody(g policy.GateSpec) oas.GateSpec {
	return oas.GateSpec{
		Name: g.Name, Description: g.Description, SupportedArtifactType: g.SupportedArtifactType, State: string(g.State),
		SupersededBy: g.SupersededBy, Triggers: each(g.Triggers, triggerBody),
	}
}

func triggerBody(t policy.TriggerSpec) oas.TriggerSpec {
	return oas.TriggerSpec{
		Name: t.Name, Description: t.Description, State: string(t.State), SupersededBy: t.SupersededBy,
		Parameters: each(t.Parameters, func(p policy.ParamSpec) oas.TriggerParamSpec {
			validator := p.Validator
			if validator == nil {
				validator = map[string]any{}
			}
			return oas.TriggerParamSpec{
				Name: p.Name, Description: p.Description, Example: p.Example, State: string(p.State),
				SupersededBy: p.SupersededBy, Required: p.Required, Validator: validator,
			}
		}),
	}
}
