package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

// Alerts stores alerts about tags that violate the policy.
type Alerts interface {
	List(ctx context.Context, account string, f persistence.AlertFilter, offset, limit int) ([]persistence.Alert, error)
	Get(ctx context.Context, account, id string) (persistence.Alert, error)
	Close(ctx context.Context, account, id, by, reason string) (persistence.Alert, error)
	Reopen(ctx context.Context, account, id string) (persistence.Alert, error)
}

// alertProblem says why an alert cannot be shown or changed.
func alertProblem(id string, err error) error {
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return fail(codeNotFound, fmt.Sprintf("Alert %.64s not found in the account", id)).because(err)
	case errors.Is(err, persistence.ErrExists):
		return fail(codeConflict, fmt.Sprintf("The tag of alert %s has a later alert that is open.", id)).because(err)
	case errors.Is(err, persistence.ErrState):
		return fail(codeConflict, fmt.Sprintf("Alert %s cannot be reopened: its tag complies with the active policy, is gone, or is not subscribed to.", id)).because(err)
	}
	return err
}

func alertBody(a persistence.Alert) oas.ComplianceViolationAlert {
	return oas.ComplianceViolationAlert{
		Uuid: a.ID, Type: oas.ComplianceViolationAlertType(alertCompliance), State: oas.ComplianceViolationAlertState(a.State),
		Resource: oas.ComplianceResource{
			ImageDigest: a.ImageDigest, ImageTag: a.FullTag(), Registry: a.Registry, Repository: a.Repository, PolicyId: a.PolicyID,
			EvaluationId: strconv.FormatInt(a.Evaluation, 10), EvaluatedAt: utc(a.EvaluatedAt),
		},
		ClosedBy: given(a.ClosedBy), ClosedReason: given(a.ClosedReason), CreatedAt: utc(a.CreatedAt), LastUpdated: utc(a.UpdatedAt),
		ComplianceStatusReason: oas.ComplianceViolationAlertComplianceStatusReason(a.Reason), ViolationsCount: a.Violations,
	}
}

// alertCompliance is the only type of alerts.
const alertCompliance = "compliance_violation"

// Keys of labels of what an alert is about.
const (
	labelDigest     = "image_digest"
	labelTag        = "tag"
	labelRegistry   = "registry"
	labelRepository = "repository"
	labelPolicy     = "policy_id"
)

func alertSummary(a persistence.Alert) oas.AlertSummary {
	return oas.AlertSummary{
		Uuid: a.ID, Type: oas.AlertSummaryType(alertCompliance), State: oas.AlertSummaryState(a.State),
		ResourceLabels: []oas.ResourceLabel{
			{Key: labelTag, Value: a.FullTag()}, {Key: labelRegistry, Value: a.Registry}, {Key: labelRepository, Value: a.Repository},
			{Key: labelDigest, Value: a.ImageDigest}, {Key: labelPolicy, Value: a.PolicyID},
		},
		ClosedBy: given(a.ClosedBy), ClosedReason: given(a.ClosedReason), CreatedAt: utc(a.CreatedAt), LastUpdated: utc(a.UpdatedAt),
	}
}

// tagAsked is a full tag as it would be stored; one that cannot be read finds nothing.
func tagAsked(given string) string {
	if given == "" {
		return ""
	}
	if tag, err := parseTag(given); err == nil {
		return fullTag(tag)
	}
	return given
}

// ListComplianceViolationAlerts lists alerts.
func (h *handlers) ListComplianceViolationAlerts(ctx context.Context, req oas.ListComplianceViolationAlertsRequestObject) (oas.ListComplianceViolationAlertsResponseObject, error) {
	p := req.Params
	after, before, err := span("created_after", p.CreatedAfter, "created_before", p.CreatedBefore)
	if err != nil {
		return nil, err
	}
	_, offset, size := numbered(p.Page, p.Limit)
	found, err := h.deps.Alerts.List(ctx, callerOf(ctx).Account, persistence.AlertFilter{
		State: string(orElse(p.State, persistence.AlertOpen)), ImageDigest: orElse(p.ResourceImageDigest, ""), FullTag: tagAsked(orElse(p.ResourceImageTag, "")),
		Registry: orElse(p.ResourceRegistry, ""), Repository: orElse(p.ResourceRepository, ""), CreatedAfter: after, CreatedBefore: before,
	}, offset, size)
	if err != nil {
		return nil, err
	}
	return oas.ListComplianceViolationAlerts200JSONResponse(each(found, alertBody)), nil
}

// ListAlertSummaries lists alerts of all types in short.
func (h *handlers) ListAlertSummaries(ctx context.Context, req oas.ListAlertSummariesRequestObject) (oas.ListAlertSummariesResponseObject, error) {
	p := req.Params
	f := persistence.AlertFilter{State: string(orElse(p.State, persistence.AlertOpen))}
	var err error
	if f.CreatedAfter, f.CreatedBefore, err = span("created_after", p.CreatedAfter, "created_before", p.CreatedBefore); err != nil {
		return nil, err
	}
	possible, err := labelled(&f, orElse(p.ResourceLabel, nil))
	if err != nil || !possible {
		return oas.ListAlertSummaries200JSONResponse{}, err
	}
	_, offset, size := numbered(p.Page, p.Limit)
	found, err := h.deps.Alerts.List(ctx, callerOf(ctx).Account, f, offset, size)
	if err != nil {
		return nil, err
	}
	return oas.ListAlertSummaries200JSONResponse(each(found, alertSummary)), nil
}

// labelled narrows a filter to what has all labels; nothing can have two values of one.
func labelled(f *persistence.AlertFilter, labels []string) (possible bool, err error) {
	for _, label := range labels {
		key, value, ok := strings.Cut(label, "=")
		fields := map[string]*string{
			labelDigest: &f.ImageDigest, labelTag: &f.FullTag, labelRegistry: &f.Registry, labelRepository: &f.Repository, labelPolicy: &f.PolicyID,
		}
		field := fields[key]
		if !ok || field == nil || value == "" {
			return false, fail(codeInvalidRequest, fmt.Sprintf("resource_label %.80q is not one of image_digest, tag, registry, repository and policy_id with a value, as in tag=docker.io/library/alpine:latest.", label))
		}
		if key == labelTag {
			value = tagAsked(value)
		}
		if *field != "" && *field != value {
			return false, nil
		}
		*field = value
	}
	return true, nil
}

// GetComplianceViolationAlert shows one.
func (h *handlers) GetComplianceViolationAlert(ctx context.Context, req oas.GetComplianceViolationAlertRequestObject) (oas.GetComplianceViolationAlertResponseObject, error) {
	if !isUUID(req.Uuid) {
		return nil, alertProblem(req.Uuid, persistence.ErrNotFound)
	}
	a, err := h.deps.Alerts.Get(ctx, callerOf(ctx).Account, req.Uuid)
	if err != nil {
		return nil, alertProblem(req.Uuid, err)
	}
	return oas.GetComplianceViolationAlert200JSONResponse(alertBody(a)), nil
}

// UpdateComplianceViolationAlert closes or reopens one.
func (h *handlers) UpdateComplianceViolationAlert(ctx context.Context, req oas.UpdateComplianceViolationAlertRequestObject) (oas.UpdateComplianceViolationAlertResponseObject, error) {
	if !isUUID(req.Uuid) {
		return nil, alertProblem(req.Uuid, persistence.ErrNotFound)
	}
	who := callerOf(ctx)
	var a persistence.Alert
	var err error
	if string(req.Body.State) == persistence.AlertClosed {
		a, err = h.deps.Alerts.Close(ctx, who.Account, req.Uuid, who.User, orElse(req.Body.ClosedReason, ""))
	} else {
		a, err = h.deps.Alerts.Reopen(ctx, who.Account, req.Uuid)
	}
	if err != nil {
		return nil, alertProblem(req.Uuid, err)
	}
	return oas.UpdateComplianceViolationAlert200JSONResponse(alertBody(a)), nil
}
