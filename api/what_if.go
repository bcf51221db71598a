package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"plimsoll/api/oas"
	"plimsoll/engine/policy/impact"
	"plimsoll/persistence"
	"plimsoll/workflows"
)

// WhatIfs stores policies that are tried, and what came out.
type WhatIfs interface {
	Create(ctx context.Context, n persistence.NewWhatIf, start persistence.Start) (persistence.WhatIf, int64, error)
	Get(ctx context.Context, account, id string) (persistence.WhatIf, error)
	List(ctx context.Context, account string, limit int) ([]persistence.WhatIf, error)
	Outcomes(ctx context.Context, account, id string, rank int16, after *persistence.WhatIfMark, limit int) ([]persistence.WhatIfOutcome, error)
	Delete(ctx context.Context, account, id string) error
}

const (
	// mostTrials is how many trials a list shows.
	mostTrials = 100
	// exampleFindings is how many findings are shown of a rule when nobody says how many.
	exampleFindings = 3
	// outcomesAPage is how many outcomes a page has when nobody says how many.
	outcomesAPage = 100
)

// StartWhatIf has a policy tried on the images of the account.
func (h *handlers) StartWhatIf(ctx context.Context, req oas.StartWhatIfRequestObject) (oas.StartWhatIfResponseObject, error) {
	who := callerOf(ctx)
	fresh := persistence.NewWhatIf{
		Account: who.Account, ID: uuid.NewString(), RequestedBy: who.User, Examples: orElse(req.Body.Examples, exampleFindings),
	}
	var err error
	if fresh.Draft, err = h.policyToTry(ctx, req.Body); err != nil {
		return nil, err
	}
	if fresh.Baseline, err = h.policyBeside(ctx, req.Body); err != nil {
		return nil, err
	}
	if fresh.Selector, err = whatIfSelector(req.Body.Selector); err != nil {
		return nil, err
	}
	asked, outboxID, err := h.deps.WhatIfs.Create(ctx, fresh, persistence.Start{
		Workflow: workflows.TryPolicyName, WorkflowID: workflows.TryPolicyID(who.Account, fresh.ID),
		Input: workflows.TryPolicyInput{Account: who.Account, Trial: fresh.ID},
	})
	if errors.Is(err, persistence.ErrBusy) {
		return nil, fail(codeWhatIfBusy, "The account tries as many policies as it may at a time; wait for one of them, or delete it.")
	}
	if err != nil {
		return nil, fmt.Errorf("start trial: %w", err)
	}
	h.deps.Starter.Launch(ctx, outboxID)
	return oas.StartWhatIf202JSONResponse(whatIfBody(asked)), nil
}

// policyToTry is the policy of a request that is tried.
func (h *handlers) policyToTry(ctx context.Context, body *oas.WhatIfRequest) (persistence.Policy, error) {
	id, document := orElse(body.PolicyId, ""), given(string(body.Policy))
	switch {
	case (id == "") == (document == nil):
		return persistence.Policy{}, fail(codeInvalidRequest, "Give the policy to try: either a document (policy) or the id of a stored one (policy_id).")
	case id != "":
		return h.policy(ctx, id)
	}
	draft, _, err := h.newPolicy(callerOf(ctx).Account, body.Policy)
	return persistence.Policy{ID: draft.ID, Name: draft.Name, Document: draft.Document}, err
}

// policyBeside is the one it is compared with.
func (h *handlers) policyBeside(ctx context.Context, body *oas.WhatIfRequest) (persistence.Policy, error) {
	id := orElse(body.BaselinePolicyId, "")
	switch {
	case id != "" && len(body.Baseline) > 0:
		return persistence.Policy{}, fail(codeInvalidRequest, "Give one policy to compare with: a document (baseline) or the id of a stored one (baseline_policy_id).")
	case len(body.Baseline) == 0:
		return h.policyToCheck(ctx, id)
	}
	other, _, err := h.newPolicy(callerOf(ctx).Account, body.Baseline)
	return persistence.Policy{ID: other.ID, Name: other.Name, Document: other.Document}, err
}

// expressionPrefix begins selectors of policies that are regular expressions; the database has others.
const expressionPrefix = "regexp:"

func whatIfSelector(x *oas.WhatIfSelector) (persistence.WhatIfSelector, error) {
	if x == nil {
		return persistence.WhatIfSelector{}, nil
	}
	out := persistence.WhatIfSelector{
		Registry: orElse(x.Registry, ""), Repository: orElse(x.Repository, ""), Tag: orElse(x.Tag, ""), Digests: orElse(x.ImageDigests, nil),
	}
	for _, pattern := range []string{out.Registry, out.Repository, out.Tag} {
		if strings.HasPrefix(pattern, expressionPrefix) {
			return out, fail(codeInvalidRequest, "A selector takes * for any text, and no regular expressions.")
		}
	}
	slices.Sort(out.Digests)
	out.Digests = slices.Compact(out.Digests)
	return out, nil
}

func noTrial(id string) *ProblemError {
	return fail(codeWhatIfNotFound, fmt.Sprintf("Trial %.40s not found in the account", id))
}

// trial reads a trial of the caller's account.
func (h *handlers) trial(ctx context.Context, id string) (persistence.WhatIf, error) {
	if uuid.Validate(id) != nil {
		return persistence.WhatIf{}, noTrial(id)
	}
	found, err := h.deps.WhatIfs.Get(ctx, callerOf(ctx).Account, id)
	if errors.Is(err, persistence.ErrNotFound) {
		return found, noTrial(id)
	}
	return found, err
}

// ListWhatIfs lists the account's trials.
func (h *handlers) ListWhatIfs(ctx context.Context, _ oas.ListWhatIfsRequestObject) (oas.ListWhatIfsResponseObject, error) {
	list, err := h.deps.WhatIfs.List(ctx, callerOf(ctx).Account, mostTrials)
	if err != nil {
		return nil, err
	}
	return oas.ListWhatIfs200JSONResponse{Items: each(list, whatIfBody)}, nil
}

// GetWhatIf tells how far a trial is.
func (h *handlers) GetWhatIf(ctx context.Context, req oas.GetWhatIfRequestObject) (oas.GetWhatIfResponseObject, error) {
	found, err := h.trial(ctx, req.TrialId)
	if err != nil {
		return nil, err
	}
	return oas.GetWhatIf200JSONResponse(whatIfBody(found)), nil
}

// DeleteWhatIf removes a trial; its workflow ends by finding it gone.
func (h *handlers) DeleteWhatIf(ctx context.Context, req oas.DeleteWhatIfRequestObject) (oas.DeleteWhatIfResponseObject, error) {
	if _, err := h.trial(ctx, req.TrialId); err != nil {
		return nil, err
	}
	err := h.deps.WhatIfs.Delete(ctx, callerOf(ctx).Account, req.TrialId)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, noTrial(req.TrialId)
	}
	return oas.DeleteWhatIf204Response{}, err
}

// ListWhatIfOutcomes lists what becomes of images, what matters most first.
func (h *handlers) ListWhatIfOutcomes(ctx context.Context, req oas.ListWhatIfOutcomesRequestObject) (oas.ListWhatIfOutcomesResponseObject, error) {
	if _, err := h.trial(ctx, req.TrialId); err != nil {
		return nil, err
	}
	rank := int16(-1)
	if req.Params.Change != nil {
		known, ok := impact.ParseRank(string(*req.Params.Change))
		if !ok {
			return nil, fail(codeInvalidRequest, fmt.Sprintf("There is no change %.40q.", *req.Params.Change))
		}
		rank = int16(known)
	}
	after, _, _, err := page[*persistence.WhatIfMark](req.Params.Page, nil)
	if err != nil {
		return nil, err
	}
	limit := orElse(req.Params.Limit, outcomesAPage)
	list, err := h.deps.WhatIfs.Outcomes(ctx, callerOf(ctx).Account, req.TrialId, rank, after, limit)
	if err != nil {
		return nil, err
	}
	out := oas.WhatIfOutcomes{ReturnedCount: len(list), Items: make([]oas.WhatIfOutcome, len(list))}
	for i, o := range list {
		if out.Items[i], err = whatIfOutcomeBody(o); err != nil {
			return nil, err
		}
	}
	out.NextPage, err = next(len(list), limit, func() persistence.WhatIfMark {
		last := list[len(list)-1]
		return persistence.WhatIfMark{Rank: last.Rank, ImageDigest: last.ImageDigest, Tag: last.Tag}
	})
	return oas.ListWhatIfOutcomes200JSONResponse(out), err
}

func whatIfBody(w persistence.WhatIf) oas.WhatIf {
	body := oas.WhatIf{
		TrialId: w.ID, State: oas.WhatIfState(w.State), Failure: given(w.Failure),
		Policy:   oas.WhatIfPolicy{PolicyId: w.Draft.ID, Name: w.Draft.Name, Digest: w.Draft.Digest},
		Baseline: oas.WhatIfPolicy{PolicyId: w.Baseline.ID, Name: w.Baseline.Name, Digest: w.Baseline.Digest},
		Selector: oas.WhatIfSelector{
			Registry: given(w.Selector.Registry), Repository: given(w.Selector.Repository), Tag: given(w.Selector.Tag),
		},
		RequestedBy: w.RequestedBy, RequestedAt: utc(w.RequestedAt), StartedAt: utcOrNil(w.StartedAt), EndedAt: utcOrNil(w.EndedAt),
		Total: w.Total, Done: w.Done, Transitions: []oas.WhatIfTransition{},
	}
	if len(w.Selector.Digests) > 0 {
		body.Selector.ImageDigests = &w.Selector.Digests
	}
	for _, c := range w.Counts {
		switch impact.Rank(c.Rank) {
		case impact.NewlyFailing:
			body.NewlyFailing += c.Tags
		case impact.NewlyPassing:
			body.NewlyPassing += c.Tags
		case impact.Moved:
			body.Changed += c.Tags
		case impact.Unchanged:
			body.Unchanged += c.Tags
		case impact.NotEvaluable:
			body.NotEvaluable += c.Tags
			continue
		}
		body.Transitions = append(body.Transitions, oas.WhatIfTransition{Before: c.Before, After: c.After, Tags: c.Tags})
	}
	return body
}

func whatIfOutcomeBody(o persistence.WhatIfOutcome) (oas.WhatIfOutcome, error) {
	body := oas.WhatIfOutcome{
		ImageDigest: o.ImageDigest, Tag: o.Tag, Change: oas.WhatIfChange(impact.Rank(o.Rank).String()),
		Before: given(o.Before), After: given(o.After), Reason: given(o.Reason), Causes: []oas.WhatIfCause{},
	}
	if o.Causes == nil {
		return body, nil
	}
	var causes []impact.Cause
	if err := json.Unmarshal(o.Causes, &causes); err != nil {
		return body, fmt.Errorf("read causes of %s: %w", o.Tag, err)
	}
	body.Causes = each(causes, func(c impact.Cause) oas.WhatIfCause {
		return oas.WhatIfCause{
			Side: oas.WhatIfCauseSide(c.Side), RuleSetId: given(c.RuleSet), RuleId: given(c.Rule), Gate: given(c.Gate), Trigger: given(c.Trigger),
			Action: given(string(c.Action)), Findings: c.Findings, Note: given(c.Note),
			Examples: each(c.Examples, func(e impact.Example) oas.WhatIfExample {
				return oas.WhatIfExample{TriggerId: e.TriggerID, Message: e.Message}
			}),
		}
	})
	return body, nil
}
