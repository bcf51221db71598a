package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

// Actions stores action plans.
type Actions interface {
	Add(ctx context.Context, n persistence.NewActionPlan) (persistence.ActionPlan, error)
	List(ctx context.Context, account string, f persistence.ActionFilter, offset, limit int) ([]persistence.ActionPlan, error)
}

func actionBody(p persistence.ActionPlan) oas.Action {
	return oas.Action{
		Uuid: p.ID, Type: oas.ActionType(p.Type), ImageTag: p.ImageTag, ImageDigest: p.ImageDigest, PolicyId: p.PolicyID,
		Resolutions: each(p.Resolutions, func(r persistence.Resolution) oas.ActionResolution {
			return oas.ActionResolution{TriggerIds: r.TriggerIDs, Content: r.Content}
		}),
		Subject: p.Subject, Message: p.Message, Endpoint: p.Endpoint, ConfigurationId: p.ConfigurationID, CreatedBy: given(p.CreatedBy),
		CreatedAt: utc(p.CreatedAt), LastUpdated: utc(p.UpdatedAt),
	}
}

// ListActions lists plans.
func (h *handlers) ListActions(ctx context.Context, req oas.ListActionsRequestObject) (oas.ListActionsResponseObject, error) {
	p := req.Params
	after, err := moment("created_after", p.CreatedAfter)
	if err != nil {
		return nil, err
	}
	_, offset, size := numbered(p.Page, p.Limit)
	found, err := h.deps.Actions.List(ctx, callerOf(ctx).Account, persistence.ActionFilter{
		ImageTag: tagAsked(orElse(p.ImageTag, "")), ImageDigest: orElse(p.ImageDigest, ""), CreatedAfter: after,
	}, offset, size)
	if err != nil {
		return nil, err
	}
	return oas.ListActions200JSONResponse(each(found, actionBody)), nil
}

// AddAction stores a plan about findings there are.
func (h *handlers) AddAction(ctx context.Context, req oas.AddActionRequestObject) (oas.AddActionResponseObject, error) {
	body, who := req.Body, callerOf(ctx)
	tag, err := parseTag(body.ImageTag)
	if err != nil {
		return nil, err
	}
	image, err := h.image(ctx, body.ImageDigest)
	if err != nil {
		return nil, err
	}
	full := fullTag(tag)
	if !slices.ContainsFunc(image.Tags, func(t persistence.Tag) bool { return t.FullTag() == full }) {
		return nil, fail(codeInvalidRequest, fmt.Sprintf("Image %s was never seen as %s.", image.Digest, full))
	}
	document, err := h.policyToCheck(ctx, orElse(body.PolicyId, ""))
	if err != nil {
		return nil, err
	}
	key := persistence.EvaluationKey{Account: who.Account, ImageDigest: image.Digest, Tag: full, PolicyID: document.ID}
	if err := h.knownTriggers(ctx, key, body.Resolutions); err != nil {
		return nil, err
	}
	plan, err := h.deps.Actions.Add(ctx, persistence.NewActionPlan{
		Account: who.Account, Type: persistence.ActionNotification, ImageTag: full, ImageDigest: image.Digest, PolicyID: document.ID,
		Resolutions: each(body.Resolutions, func(r oas.ActionResolution) persistence.Resolution {
			return persistence.Resolution{TriggerIDs: r.TriggerIds, Content: r.Content}
		}),
		Subject: orElse(body.Subject, ""), Message: orElse(body.Message, ""), Endpoint: orElse(body.Endpoint, ""),
		ConfigurationID: orElse(body.ConfigurationId, ""), CreatedBy: who.User,
	})
	if err != nil {
		return nil, err
	}
	return oas.AddAction200JSONResponse(actionBody(plan)), nil
}

// shownTriggers bounds how many trigger ids a refusal names.
const shownTriggers = 20

// knownTriggers refuses resolutions of findings that the newest stored evaluation does not have.
func (h *handlers) knownTriggers(ctx context.Context, key persistence.EvaluationKey, resolutions []oas.ActionResolution) error {
	latest, err := h.deps.Evaluations.Latest(ctx, key)
	if errors.Is(err, persistence.ErrNotFound) {
		return fail(codeInvalidRequest, fmt.Sprintf("Image %s has not been evaluated as %s by policy %s yet; ask GET /images/{image_digest}/check first.",
			key.ImageDigest, key.Tag, key.PolicyID)).because(err)
	}
	if err != nil {
		return err
	}
	var result struct {
		Details struct {
			Findings []struct {
				TriggerID string `json:"trigger_id"`
			} `json:"findings"`
		} `json:"details"`
	}
	if err := json.Unmarshal(latest.Result, &result); err != nil {
		return fmt.Errorf("decode evaluation of %s: %w", key, err)
	}
	known := make(map[string]bool, len(result.Details.Findings))
	for _, f := range result.Details.Findings {
		known[f.TriggerID] = true
	}
	var unknown []string
	for _, r := range resolutions {
		for _, id := range r.TriggerIds {
			if !known[id] && !slices.Contains(unknown, id) && len(unknown) <= shownTriggers {
				unknown = append(unknown, id)
			}
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	more := ""
	if len(unknown) > shownTriggers {
		unknown, more = unknown[:shownTriggers], " and others"
	}
	return fail(codeInvalidRequest, fmt.Sprintf("The evaluation of %s as %s by policy %s has no finding %s%s.",
		key.ImageDigest, key.Tag, key.PolicyID, strings.Join(unknown, ", "), more)).with("unknown_trigger_ids", unknown)
}
