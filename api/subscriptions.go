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
	"plimsoll/workflows"
)

// Subscriptions stores what accounts want to hear about tags and repositories.
type Subscriptions interface {
	Create(ctx context.Context, n persistence.NewSubscription, sync persistence.SyncWatch) (persistence.Subscription, error)
	Get(ctx context.Context, account, id string) (persistence.Subscription, error)
	List(ctx context.Context, account, subscriptionType string, keys ...string) ([]persistence.Subscription, error)
	Change(ctx context.Context, account, id string, c persistence.SubscriptionChange, sync persistence.SyncWatch) (persistence.Subscription, error)
	Delete(ctx context.Context, account, id string, sync persistence.SyncWatch) error
	RefusedTags(ctx context.Context, account, id string, limit int) ([]persistence.RefusedTag, error)
	WatchRepository(ctx context.Context, in persistence.RepositoryWatch, sync persistence.SyncWatch) (persistence.Subscription, error)
}

var subscriptionTypes = []string{
	persistence.TagAlerts, persistence.AnalysisUpdate, persistence.PolicyEval, persistence.RepoUpdate, persistence.TagUpdate, persistence.VulnUpdate,
}

// syncWatch names the workflow that brings a subscription's schedule in line with its row.
func syncWatch(account, subscriptionType, id string) persistence.Start {
	in := workflows.WatchInput{Account: account, Type: subscriptionType, ID: id}
	return persistence.Start{Workflow: workflows.SyncWatchName, WorkflowID: workflows.SyncWatchID(in), Input: in}
}

func noSubscription(id string, err error) error {
	if errors.Is(err, persistence.ErrNotFound) {
		return fail(codeNotFound, fmt.Sprintf("Subscription %s not found in the account", id))
	}
	return err
}

// ListSubscriptions lists them. A key is read as it would be when it is added; one that cannot be finds nothing.
func (h *handlers) ListSubscriptions(ctx context.Context, req oas.ListSubscriptionsRequestObject) (oas.ListSubscriptionsResponseObject, error) {
	kind := orElse(req.Params.SubscriptionType, "")
	var keys []string
	if given := orElse(req.Params.SubscriptionKey, ""); given != "" {
		keys = keysOf(given)
	}
	found, err := h.deps.Subscriptions.List(ctx, callerOf(ctx).Account, kind, keys...)
	if err != nil {
		return nil, err
	}
	return oas.ListSubscriptions200JSONResponse(each(found, subscriptionBody)), nil
}

// keysOf gives the spellings of a key that may be stored: as it is, as a tag and as a repository.
func keysOf(given string) []string {
	out := []string{given}
	if tag, err := parseTag(given); err == nil {
		out = append(out, persistence.SubscriptionKey(tag))
	}
	if name, err := repositoryName(given); err == nil {
		out = append(out, persistence.SubscriptionKey(name))
	}
	return out
}

// CreateSubscription adds one, switched on.
func (h *handlers) CreateSubscription(ctx context.Context, req oas.CreateSubscriptionRequestObject) (oas.CreateSubscriptionResponseObject, error) {
	kind := req.Body.SubscriptionType
	if !slices.Contains(subscriptionTypes, kind) {
		return nil, fail(codeInvalidRequest, fmt.Sprintf("subscription_type %q is not one of %s.", kind, strings.Join(subscriptionTypes, ", ")))
	}
	name, err := subscriptionName(kind, req.Body.SubscriptionKey)
	if err != nil {
		return nil, err
	}
	n := persistence.NewSubscription{Account: callerOf(ctx).Account, Type: kind, Name: name, Value: req.Body.SubscriptionValue, Active: true}
	if kind == persistence.RepoUpdate {
		n.AutoSubscribe = repositoryValue(req.Body.SubscriptionValue)
	}
	sub, err := h.deps.Subscriptions.Create(ctx, n, syncWatch)
	if errors.Is(err, persistence.ErrExists) {
		// Clients compare these words.
		return nil, fail(codeConflict, "subscription already exists in DB")
	}
	if err != nil {
		return nil, err
	}
	return oas.CreateSubscription200JSONResponse{subscriptionBody(sub)}, nil
}

// subscriptionName reads the key of a type. Alerts may be about a tag or about all tags of a repository.
func subscriptionName(kind, key string) (persistence.TagName, error) {
	tagged := strings.LastIndexByte(key, ':') > strings.LastIndexByte(key, '/')
	if kind == persistence.RepoUpdate || kind == persistence.TagAlerts && !tagged {
		return repositoryName(key)
	}
	return parseTag(key)
}

// repositoryName reads registry/repository.
func repositoryName(ref string) (persistence.TagName, error) {
	if strings.Contains(ref, "@") || strings.LastIndexByte(ref, ':') > strings.LastIndexByte(ref, '/') && strings.Contains(ref, "/") {
		return persistence.TagName{}, badReference(ref, "a repository is wanted here, without tag or digest")
	}
	registry, repository, err := splitRepository(ref, ref)
	return persistence.TagName{Registry: registry, Repository: repository}, err
}

// repositoryValue reads autosubscribe from the JSON text clients keep in the value of a repository.
func repositoryValue(value *string) bool {
	var v struct {
		AutoSubscribe bool `json:"autosubscribe"`
	}
	return value != nil && json.Unmarshal([]byte(*value), &v) == nil && v.AutoSubscribe
}

// shownRefusals bounds how many tags that cannot be added are told.
const shownRefusals = 100

// GetSubscription shows one, of a repository with the tags that could not be added.
func (h *handlers) GetSubscription(ctx context.Context, req oas.GetSubscriptionRequestObject) (oas.GetSubscriptionResponseObject, error) {
	sub, err := h.deps.Subscriptions.Get(ctx, callerOf(ctx).Account, req.SubscriptionId)
	if err != nil {
		return nil, noSubscription(req.SubscriptionId, err)
	}
	body := subscriptionBody(sub)
	if sub.Type == persistence.RepoUpdate {
		refused, err := h.deps.Subscriptions.RefusedTags(ctx, sub.Account, sub.ID, shownRefusals)
		if err != nil {
			return nil, err
		}
		tags := each(refused, func(r persistence.RefusedTag) oas.RefusedTag {
			return oas.RefusedTag{Tag: r.Tag, ErrorCode: r.ErrorCode, ErrorMessage: r.ErrorMessage}
		})
		body.Watch.RefusedTags = &tags
	}
	return oas.GetSubscription200JSONResponse{body}, nil
}

// UpdateSubscription switches one on or off.
func (h *handlers) UpdateSubscription(ctx context.Context, req oas.UpdateSubscriptionRequestObject) (oas.UpdateSubscriptionResponseObject, error) {
	change := persistence.SubscriptionChange{Active: req.Body.Active, Value: req.Body.SubscriptionValue}
	sub, err := h.deps.Subscriptions.Get(ctx, callerOf(ctx).Account, req.SubscriptionId)
	if err == nil {
		if sub.Type == persistence.RepoUpdate && change.Value != nil {
			change.AutoSubscribe = new(repositoryValue(change.Value))
		}
		sub, err = h.deps.Subscriptions.Change(ctx, callerOf(ctx).Account, req.SubscriptionId, change, syncWatch)
	}
	if err != nil {
		return nil, noSubscription(req.SubscriptionId, err)
	}
	return oas.UpdateSubscription200JSONResponse{subscriptionBody(sub)}, nil
}

// DeleteSubscription ends one.
func (h *handlers) DeleteSubscription(ctx context.Context, req oas.DeleteSubscriptionRequestObject) (oas.DeleteSubscriptionResponseObject, error) {
	if err := h.deps.Subscriptions.Delete(ctx, callerOf(ctx).Account, req.SubscriptionId, syncWatch); err != nil {
		return nil, noSubscription(req.SubscriptionId, err)
	}
	return oas.DeleteSubscription204Response{}, nil
}

// CreateRepository lists a repository and watches it.
func (h *handlers) CreateRepository(ctx context.Context, req oas.CreateRepositoryRequestObject) (oas.CreateRepositoryResponseObject, error) {
	p := req.Params
	name, err := repositoryName(p.Repository)
	if err != nil {
		return nil, err
	}
	account := callerOf(ctx).Account
	tags, err := h.listTags(ctx, account, persistence.SubscriptionKey(name))
	if err != nil {
		return nil, err
	}
	auto := orElse(p.AutoSubscribe, false)
	if orElse(p.DryRun, false) {
		key := persistence.SubscriptionKey(name)
		body := subscriptionBody(persistence.Subscription{
			Account: account, Type: persistence.RepoUpdate, Key: key, ID: persistence.SubscriptionID(account, persistence.RepoUpdate, key),
			AutoSubscribe: auto, TagCount: len(tags),
		})
		body.Tags = &tags
		return oas.CreateRepository200JSONResponse{body}, nil
	}
	sub, err := h.deps.Subscriptions.WatchRepository(ctx, persistence.RepositoryWatch{
		Account: account, Name: name, AutoSubscribe: auto, Tags: tags, ExcludeExisting: orElse(p.ExcludeExistingTags, false),
	}, syncWatch)
	if err != nil {
		return nil, err
	}
	return oas.CreateRepository200JSONResponse{subscriptionBody(sub)}, nil
}

// listTags asks the registry through a worker. The names come as a document: they may be many.
func (h *handlers) listTags(ctx context.Context, account, repository string) ([]string, error) {
	found, err := h.deps.Starter.ListTags(ctx, workflows.ListTagsInput{Account: account, Repository: repository})
	if err != nil {
		return nil, err
	}
	text, err := h.document(ctx, found.Blob)
	if err != nil {
		return nil, err
	}
	tags := []string{}
	if err := json.Unmarshal(text, &tags); err != nil {
		return nil, fmt.Errorf("decode tags of %s: %w", repository, err)
	}
	return tags, nil
}

func subscriptionBody(s persistence.Subscription) oas.Subscription {
	body := oas.Subscription{
		SubscriptionKey: s.Key, SubscriptionType: s.Type, SubscriptionValue: s.Value, AccountName: s.Account, Active: s.Active, SubscriptionId: s.ID,
		CreatedAt: utc(s.CreatedAt), LastUpdated: utc(s.UpdatedAt),
	}
	if s.Type == persistence.RepoUpdate {
		// Existing clients read the state of a repository from here.
		text, _ := json.Marshal(map[string]any{"autosubscribe": s.AutoSubscribe, "tagcount": s.TagCount, "lookuptag": "latest"})
		body.SubscriptionValue = new(string(text))
	}
	if persistence.Watches(s.Type) {
		body.Watch = &oas.WatchState{
			SeenDigest: given(s.SeenDigest), SeenAt: utcOrNil(s.SeenAt), TagCount: given(s.TagCount), ErrorCode: given(s.ErrorCode),
			ErrorMessage: given(s.ErrorMessage), Failures: given(s.Failures), FailingSince: utcOrNil(s.FailingSince), PausedUntil: utcOrNil(s.PausedUntil),
		}
	}
	return body
}
