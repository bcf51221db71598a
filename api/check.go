package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"plimsoll/api/oas"
	"plimsoll/engine/policy"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/facts"
)

// Evaluations stores verdicts.
type Evaluations interface {
	// Latest returns the newest verdict: persistence.ErrNotFound.
	Latest(ctx context.Context, k persistence.EvaluationKey) (persistence.Evaluation, error)
	Save(ctx context.Context, n persistence.NewEvaluation) (changed bool, err error)
	History(ctx context.Context, k persistence.EvaluationKey, limit int) ([]persistence.Evaluation, error)
}

// Facts gives a policy what it may ask about an analysed image.
type Facts interface {
	// Of loads nothing before it is asked; persistence.ErrNotFound and ErrNotAnalyzed as everywhere.
	Of(ctx context.Context, account, digest string) (policy.Facts, error)
	// Inputs is the digest of all that a verdict rests on besides policy and time, see facts.Watched.
	Inputs(ctx context.Context, account, digest string) (string, error)
}

// historyLimit is how many verdicts an answer holds at most.
const historyLimit = 200

// CheckImage evaluates the image and stores the verdict, unless the caller asks to leave no trace. A stored verdict is the
// answer while everything it rests on is as it was.
func (h *handlers) CheckImage(ctx context.Context, req oas.CheckImageRequestObject) (oas.CheckImageResponseObject, error) {
	tag, err := parseTag(req.Params.Tag)
	if err != nil {
		return nil, err
	}
	analysis, err := h.analysis(ctx, req.ImageDigest)
	if err != nil {
		return nil, err
	}
	document, err := h.policyToCheck(ctx, orElse(req.Params.PolicyId, ""))
	if err != nil {
		return nil, err
	}
	check := check{
		handlers: h, analysis: analysis, policy: document,
		key: persistence.EvaluationKey{Account: callerOf(ctx).Account, ImageDigest: req.ImageDigest, Tag: fullTag(tag), PolicyID: document.ID},
	}
	results, err := check.results(ctx, req.Params)
	if err != nil {
		return nil, err
	}
	return oas.CheckImage200JSONResponse{
		PolicyId: document.ID, ImageDigest: req.ImageDigest, EvaluatedTag: check.key.Tag, Evaluations: results,
	}, nil
}

// policyToCheck is the named policy, or the active one.
func (h *handlers) policyToCheck(ctx context.Context, id string) (persistence.Policy, error) {
	if id != "" {
		return h.policy(ctx, id)
	}
	active, err := h.deps.Policies.Active(ctx, callerOf(ctx).Account)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		return persistence.Policy{}, fail(codePolicyNotFound, "The account has no active policy; activate one or name one with policy_id.")
	case err != nil:
		return persistence.Policy{}, fmt.Errorf("load active policy: %w", err)
	}
	return active, nil
}

// check is one evaluation to answer.
type check struct {
	*handlers
	analysis persistence.Analysis
	policy   persistence.Policy
	key      persistence.EvaluationKey
}

func (c *check) results(ctx context.Context, p oas.CheckImageParams) ([]oas.PolicyEvaluationResult, error) {
	base := orElse(p.BaseDigest, "")
	detail := orElse(p.Detail, true)
	if orElse(p.Interactive, false) || base != "" {
		result, err := c.compared(ctx, base)
		if err != nil {
			return nil, err
		}
		return decodeResults([]dated{result}, detail)
	}
	latest, err := c.stored(ctx)
	if err != nil {
		return nil, err
	}
	if !orElse(p.History, false) {
		return decodeResults([]dated{latest}, detail)
	}
	stored, err := c.deps.Evaluations.History(ctx, c.key, historyLimit)
	if err != nil {
		return nil, fmt.Errorf("load evaluations: %w", err)
	}
	return decodeResults(each(stored, func(e persistence.Evaluation) dated { return dated{e.EvaluatedAt, e.Result} }), detail)
}

// dated is an encoded result, which does not say itself when it was made.
type dated struct {
	at      time.Time
	encoded json.RawMessage
}

func decodeResults(list []dated, detail bool) ([]oas.PolicyEvaluationResult, error) {
	results := make([]oas.PolicyEvaluationResult, len(list))
	for i, r := range list {
		if err := json.Unmarshal(r.encoded, &results[i]); err != nil {
			return nil, fmt.Errorf("decode evaluation: %w", err)
		}
		results[i].EvaluationTime = r.at.UTC().Truncate(time.Second)
		if !detail {
			results[i].Details = nil
		}
	}
	return results, nil
}

// evaluate computes the verdict of now; beyond tells whether it rests on more than Facts.Inputs knows of.
func (c *check) evaluate(ctx context.Context, digest string) (result *policy.Result, beyond bool, err error) {
	compiled := policy.Restore(c.policy.ID, c.policy.Name, c.policy.Document, c.deps.Gates)
	known, err := c.deps.Facts.Of(ctx, c.key.Account, digest)
	if err != nil {
		return nil, false, c.unanalyzed(ctx, digest, err)
	}
	watched := facts.Watch(known)
	result, err = compiled.Evaluate(ctx, watched, c.key.Tag, time.Now())
	if err != nil {
		return nil, false, fmt.Errorf("evaluate %s: %w", digest, err)
	}
	return result, watched.Beyond(), nil
}

// compared computes without storing; with a base it evaluates that too, under the same policy and tag.
func (c *check) compared(ctx context.Context, base string) (dated, error) {
	result, _, err := c.evaluate(ctx, c.key.ImageDigest)
	if err != nil {
		return dated{}, err
	}
	if base != "" {
		if err := c.compare(ctx, result, base); err != nil {
			return dated{}, err
		}
	}
	return encodeResult(result)
}

// compare marks what the base image causes, too: nothing, when it is to be found and there is none.
func (c *check) compare(ctx context.Context, result *policy.Result, named string) error {
	base, err := c.baseImage(ctx, c.key.ImageDigest, named)
	if err != nil {
		return err
	}
	if base == "" {
		result.Compare(&policy.Result{Details: &policy.Details{}}, base)
		result.ComparisonImageDigest = nil
		return nil
	}
	of, _, err := c.evaluate(ctx, base)
	if err != nil {
		return err
	}
	result.Compare(of, base)
	return nil
}

// stored answers from the stored verdict while it holds, and else computes and stores.
func (c *check) stored(ctx context.Context) (dated, error) {
	generation, err := c.deps.Feeds.Generation(ctx) // before the facts, as the inputs are: they are at least as new
	if err != nil {
		return dated{}, fmt.Errorf("load feed generation: %w", err)
	}
	inputs, err := c.deps.Facts.Inputs(ctx, c.key.Account, c.key.ImageDigest)
	if err != nil {
		return dated{}, fmt.Errorf("load what the verdict rests on: %w", err)
	}
	latest, err := c.deps.Evaluations.Latest(ctx, c.key)
	switch {
	case err == nil && c.holds(&latest, inputs, time.Now()):
		return dated{latest.EvaluatedAt, latest.Result}, nil
	case err != nil && !errors.Is(err, persistence.ErrNotFound):
		return dated{}, fmt.Errorf("load evaluation: %w", err)
	}
	return c.renewed(ctx, generation, inputs)
}

// holds tells whether evaluating again would say the same.
func (c *check) holds(e *persistence.Evaluation, inputs string, now time.Time) bool {
	return e.PolicyDigest == c.policy.Digest && e.Inputs != "" && e.Inputs == inputs &&
		(e.ValidUntil == nil || now.Before(*e.ValidUntil)) && now.Before(e.EvaluatedAt.Add(c.config.EvaluationTTL))
}

// renewed computes and stores. A verdict some of whose rules could not be run is answered, since it fails closed, but not kept.
func (c *check) renewed(ctx context.Context, generation int64, inputs string) (dated, error) {
	result, beyond, err := c.evaluate(ctx, c.key.ImageDigest)
	if err != nil {
		return dated{}, err
	}
	out, err := encodeResult(result)
	if err != nil {
		return out, err
	}
	if err := result.Err(); err != nil {
		log.From(ctx).Error("some rules could not be run", zap.String(log.KeyImageDigest, c.key.ImageDigest), zap.String(log.KeyPolicy, c.policy.ID), zap.Error(err))
		return out, nil
	}
	if beyond {
		inputs = ""
	}
	_, err = c.deps.Evaluations.Save(ctx, persistence.NewEvaluation{
		EvaluationKey: c.key, PolicyDigest: c.policy.Digest, Generation: generation, AnalysisID: c.analysis.ID,
		FinalAction: string(result.FinalAction), Reason: result.FinalActionReason, Status: string(result.Status), Result: out.encoded,
		Cause: persistence.CauseRequest, EvaluatedAt: result.EvaluationTime, Inputs: inputs, ValidUntil: result.Until(), Official: c.policy.Active, Violations: result.Violations(),
	})
	if err != nil {
		return dated{}, fmt.Errorf("store evaluation: %w", err)
	}
	return out, nil
}

func encodeResult(result *policy.Result) (dated, error) {
	encoded, err := result.Timeless()
	if err != nil {
		return dated{}, fmt.Errorf("encode evaluation: %w", err)
	}
	return dated{result.EvaluationTime, encoded}, nil
}
