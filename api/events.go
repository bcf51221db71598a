package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"plimsoll/api/oas"
	"plimsoll/persistence"
)

// Events stores what happened.
type Events interface {
	List(ctx context.Context, account string, f persistence.EventFilter, offset, limit int) ([]persistence.Event, error)
	Get(ctx context.Context, account, id string) (persistence.Event, error)
	Delete(ctx context.Context, account, id string) error
	DeleteAll(ctx context.Context, account string, f persistence.EventFilter) ([]string, error)
}

// eventCategories and eventSubcategories describe the parts of event types.
var (
	eventCategories    = map[string]string{"system": "How the system itself fares.", "user": "What people and their programs want to know."}
	eventSubcategories = map[string]string{
		"actions": "Action plans.", "alerts": "Alerts about tags that violate the policy.", "checks": "Verdicts and vulnerabilities of tagged images.",
		"feeds": "Vulnerability data; told to the administrators' account.", "image": "Analyses of images.", "image_analysis": "Watched tags.",
		"policy": "The active policy.", "repository": "Watched repositories.",
	}
)

// moments are the forms of times that clients send; without a zone they are UTC.
var moments = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.DateOnly,
}

// moment reads an optional time of a query.
func moment(name string, text *string) (*time.Time, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	for _, layout := range moments {
		if at, err := time.Parse(layout, *text); err == nil {
			return &at, nil
		}
	}
	return nil, fail(codeInvalidRequest, fmt.Sprintf("%s %.40q is no time; write it as 2026-03-01T12:00:00Z.", name, *text))
}

// span reads two optional times of a query, the earlier one first.
func span(fromName string, from *string, untilName string, until *string) (since, before *time.Time, err error) {
	if since, err = moment(fromName, from); err != nil {
		return nil, nil, err
	}
	if before, err = moment(untilName, until); err != nil {
		return nil, nil, err
	}
	if since != nil && before != nil && !since.Before(*before) {
		return nil, nil, fail(codeInvalidRequest, fmt.Sprintf("%s must be earlier than %s.", fromName, untilName))
	}
	return since, before, nil
}

// defaultPageSize is how many entries a numbered page has when nobody says.
const defaultPageSize = 100

// numbered reads a page by its number.
func numbered(page, limit *int) (number, offset, size int) {
	number, size = orElse(page, 1), orElse(limit, defaultPageSize)
	return number, (number - 1) * size, size
}

// isUUID tells whether an id can be one of ours.
func isUUID(id string) bool { return uuid.Validate(id) == nil }

func noEvent(id string, err error) error {
	if errors.Is(err, persistence.ErrNotFound) {
		return fail(codeNotFound, fmt.Sprintf("Event %.64s not found in the account", id)).because(err)
	}
	return err
}

func eventBody(e persistence.Event) oas.EventResponse {
	category, _, _ := strings.Cut(e.Type, ".")
	details := map[string]any{}
	_ = json.Unmarshal(e.Details, &details) // written by us as an object
	return oas.EventResponse{EventId: e.ID, CreatedAt: utc(e.CreatedAt), Event: oas.EventContent{
		Source:   oas.EventSource{ServiceName: e.Service, HostId: e.Host, RequestId: e.RequestID},
		Resource: oas.EventResource{AccountName: e.Account, Id: e.ResourceID, Type: e.ResourceType},
		Type:     e.Type, Category: category, Level: oas.EventContentLevel(e.Level), Message: e.Message, Details: details, Timestamp: utc(e.CreatedAt),
	}}
}

// ListEventTypes lists the catalogue.
func (h *handlers) ListEventTypes(context.Context, oas.ListEventTypesRequestObject) (oas.ListEventTypesResponseObject, error) {
	var out oas.ListEventTypes200JSONResponse
	for _, t := range persistence.EventTypes() {
		if n := len(out); n == 0 || out[n-1].Name != t.Category() {
			out = append(out, oas.EventCategory{Name: t.Category(), Description: eventCategories[t.Category()]})
		}
		category := &out[len(out)-1]
		if n := len(category.Subcategories); n == 0 || category.Subcategories[n-1].Name != t.Subcategory() {
			category.Subcategories = append(category.Subcategories, oas.EventSubcategory{Name: t.Subcategory(), Description: eventSubcategories[t.Subcategory()]})
		}
		sub := &category.Subcategories[len(category.Subcategories)-1]
		sub.Events = append(sub.Events, oas.EventDescription{Name: t.Name(), Type: t.Type, Message: t.Message, ResourceType: t.Resource})
	}
	return out, nil
}

// ListEvents lists what happened in the account.
func (h *handlers) ListEvents(ctx context.Context, req oas.ListEventsRequestObject) (oas.ListEventsResponseObject, error) {
	p := req.Params
	since, before, err := span("since", p.Since, "before", p.Before)
	if err != nil {
		return nil, err
	}
	number, offset, size := numbered(p.Page, p.Limit)
	found, err := h.deps.Events.List(ctx, callerOf(ctx).Account, persistence.EventFilter{
		Service: orElse(p.SourceServiceName, ""), Host: orElse(p.SourceHostId, ""), Type: orElse(p.EventType, ""), ResourceType: orElse(p.ResourceType, ""),
		ResourceID: orElse(p.ResourceId, ""), Level: strings.ToUpper(orElse(p.Level, "")), Since: since, Before: before,
	}, offset, size+1)
	if err != nil {
		return nil, err
	}
	more := len(found) > size
	if more {
		found = found[:size]
	}
	return oas.ListEvents200JSONResponse{Results: each(found, eventBody), NextPage: more, ItemCount: len(found), Page: number}, nil
}

// DeleteEvents forgets events of a time and level.
func (h *handlers) DeleteEvents(ctx context.Context, req oas.DeleteEventsRequestObject) (oas.DeleteEventsResponseObject, error) {
	since, before, err := span("since", req.Params.Since, "before", req.Params.Before)
	if err != nil {
		return nil, err
	}
	ids, err := h.deps.Events.DeleteAll(ctx, callerOf(ctx).Account, persistence.EventFilter{
		Level: strings.ToUpper(orElse(req.Params.Level, "")), Since: since, Before: before,
	})
	if err != nil {
		return nil, err
	}
	return oas.DeleteEvents200JSONResponse(list(ids)), nil
}

// GetEvent shows one.
func (h *handlers) GetEvent(ctx context.Context, req oas.GetEventRequestObject) (oas.GetEventResponseObject, error) {
	if !isUUID(req.EventId) {
		return nil, noEvent(req.EventId, persistence.ErrNotFound)
	}
	e, err := h.deps.Events.Get(ctx, callerOf(ctx).Account, req.EventId)
	if err != nil {
		return nil, noEvent(req.EventId, err)
	}
	return oas.GetEvent200JSONResponse(eventBody(e)), nil
}

// DeleteEvent forgets one.
func (h *handlers) DeleteEvent(ctx context.Context, req oas.DeleteEventRequestObject) (oas.DeleteEventResponseObject, error) {
	if !isUUID(req.EventId) {
		return nil, noEvent(req.EventId, persistence.ErrNotFound)
	}
	if err := h.deps.Events.Delete(ctx, callerOf(ctx).Account, req.EventId); err != nil {
		return nil, noEvent(req.EventId, err)
	}
	return oas.DeleteEvent200Response{}, nil
}
