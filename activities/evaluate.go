package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"plimsoll/engine/image"
	"plimsoll/engine/policy"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/facts"
	"plimsoll/workflows"
)

// Causes of stored verdicts.
const (
	causeAnalysis = "analysis"
	causeFeed     = "feed"
	causeVex      = "vex" // what the account says about vulnerabilities changed
)

func (a *Activities) evaluateImage(ctx context.Context, in workflows.EvaluateInput) (out workflows.EvaluateResult, err error) {
	t := a.track(ctx, "", in.Run.Digest, whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	judge, err := a.judge(ctx, in.Run.Account, a.facts)
	if err != nil || judge == nil {
		return out, err
	}
	verdicts, err := judge.image(ctx, in.Run.Digest, causeAnalysis)
	if gone(err) {
		return out, nil
	}
	return workflows.EvaluateResult{Tags: verdicts.tags, Stopped: verdicts.stopped}, err
}

// gone reports that an image was deleted meanwhile.
func gone(err error) bool {
	return errors.Is(err, persistence.ErrNotFound) || errors.Is(err, persistence.ErrNotAnalyzed)
}

// judge evaluates images of one account under its active policy.
type judge struct {
	*Activities
	account string
	stored  persistence.Policy
	// generation of the feeds, taken before any facts: they are at least as new.
	generation int64
	facts      *facts.Loader
	compiled   *policy.Policy
	// unreadable are the faults of a document whose form is wrong; compiled is nil then.
	unreadable []policy.Problem
}

// judge prepares the active policy; nil when the account has none. A document that cannot be used stops every
// image and says why.
func (a *Activities) judge(ctx context.Context, account string, known *facts.Loader) (*judge, error) {
	stored, err := a.policies.Active(ctx, account)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load active policy: %w", err)
	}
	j := &judge{Activities: a, account: account, stored: stored, facts: known}
	if j.generation, err = a.feedStore.Generation(ctx); err != nil {
		return nil, err
	}
	document, err := policy.Parse(stored.Document)
	var invalid *policy.InvalidError
	switch {
	case errors.As(err, &invalid):
		j.unreadable = invalid.Problems
	case err != nil:
		return nil, fmt.Errorf("read policy %s: %w", stored.ID, err)
	default:
		j.compiled, _ = policy.Compile(document, a.gates)
	}
	return j, nil
}

// verdict evaluates the image under one tag.
func (j *judge) verdict(ctx context.Context, facts policy.Facts, tag string) (*policy.Result, error) {
	if j.compiled != nil {
		return j.compiled.Evaluate(ctx, facts, tag, j.now())
	}
	return &policy.Result{
		EvaluationTime: j.now().UTC().Truncate(time.Second), EvaluationProblems: j.unreadable,
		Status: policy.Failed, FinalAction: policy.Stop, FinalActionReason: policy.ReasonEvaluation,
		Details: &policy.Details{
			Policy:       &policy.Document{ID: j.stored.ID, Name: j.stored.Name},
			PolicyAction: policy.Stop, Findings: []policy.Finding{},
		},
	}, nil
}

// verdicts counts what judging one image did.
type verdicts struct{ tags, stopped, changed int }

// image evaluates every current tag of an image and stores the verdicts.
func (j *judge) image(ctx context.Context, digest, cause string) (verdicts, error) {
	var out verdicts
	record, err := j.images.Get(ctx, j.account, digest)
	if err != nil {
		return out, err
	}
	if record.AnalysisID == nil {
		return out, persistence.ErrNotAnalyzed
	}
	began := j.now() // before the facts, which are at least as new
	known, err := j.facts.OfRecord(ctx, record)
	if err != nil {
		return out, err
	}
	for _, tag := range record.Tags {
		if !tag.Current {
			continue
		}
		result, err := j.verdict(ctx, known, tag.FullTag())
		if err != nil {
			return out, err
		}
		if err := result.Err(); err != nil {
			return out, fmt.Errorf("evaluate %s as %s: %w", digest, tag.FullTag(), err)
		}
		changed, err := j.save(ctx, record, tag.FullTag(), began, result, cause)
		if err != nil {
			return out, err
		}
		out.tags++
		if result.FinalAction == policy.Stop {
			out.stopped++
		}
		if changed {
			out.changed++
		}
	}
	return out, nil
}

func (j *judge) save(ctx context.Context, record persistence.Image, tag string, began time.Time, result *policy.Result, cause string) (bool, error) {
	encoded, err := json.Marshal(result)
	if err != nil {
		return false, fmt.Errorf("encode verdict: %w", err)
	}
	return j.evaluations.Save(ctx, persistence.NewEvaluation{
		EvaluationKey: persistence.EvaluationKey{Account: j.account, ImageDigest: record.Digest, Tag: tag, PolicyID: j.stored.ID},
		PolicyDigest:  j.stored.Digest, Generation: j.generation, AnalysisID: *record.AnalysisID,
		FinalAction: string(result.FinalAction), Status: string(result.Status), Result: encoded,
		Cause: cause, EvaluatedAt: began,
	})
}

// parallelJudging keeps both the database and a core or two busy.
const parallelJudging = 4

// judgeAll judges images of any accounts, each under its account's policy. An image whose own documents are
// unreadable is left out with a line in the log; anything else ends the whole, until with skip the images at
// fault are left out too: they must not hold up all others.
func (a *Activities) judgeAll(ctx context.Context, refs []persistence.ImageRef, cause string, skip bool) (changed int, err error) {
	judges := make(map[string]*judge)
	known := a.facts.Remembering()
	var total atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelJudging)
	for _, ref := range refs {
		j, ok := judges[ref.Account]
		if !ok {
			if j, err = a.judge(ctx, ref.Account, known); err != nil {
				break
			}
			judges[ref.Account] = j
		}
		if j == nil {
			continue
		}
		g.Go(func() error {
			v, err := j.image(ctx, ref.Digest, cause)
			total.Add(int64(v.changed))
			if unreadable(err) || err != nil && skip && !gone(err) && a.databaseAnswers(ctx) {
				log.From(ctx).Error("image not judged", zap.String(log.KeyAccount, ref.Account), zap.String(log.KeyImageDigest, ref.Digest), zap.Error(err))
				return nil
			}
			if gone(err) {
				return nil
			}
			return err
		})
	}
	err = errors.Join(err, g.Wait())
	return int(total.Load()), err
}

// databaseAnswers tells a fault of one image from an outage that hits all.
func (a *Activities) databaseAnswers(ctx context.Context) bool {
	_, err := a.feedStore.Generation(ctx)
	return err == nil
}

// unreadable reports that an image's own documents are broken for good.
func unreadable(err error) bool {
	return errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrNotFound) || errors.Is(err, image.ErrEncoding)
}
