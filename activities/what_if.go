package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/impact"
	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/facts"
	"plimsoll/workflows"
)

// trialPortion is how many images a step tries a policy on: a second or two of work, so that whatever else waits for the
// worker gets its turn.
const trialPortion = 1000

func (a *Activities) beginTrial(ctx context.Context, in workflows.Trial) (workflows.TrialSize, error) {
	begun, err := a.whatIfs.Begin(ctx, in.Account, in.Trial)
	if errors.Is(err, persistence.ErrNotFound) {
		return workflows.TrialSize{Gone: true}, nil
	}
	return workflows.TrialSize{Tags: begun.Total}, err
}

func (a *Activities) endTrial(ctx context.Context, in workflows.EndTrialInput) (workflows.Done, error) {
	state := persistence.WhatIfDone
	if in.Failure != "" {
		state = persistence.WhatIfFailed
	}
	return workflows.Done{}, a.whatIfs.End(ctx, in.Account, in.Trial, state, in.Failure)
}

func (a *Activities) tryImages(ctx context.Context, in workflows.TrialPortion) (out workflows.TrialProgress, err error) {
	t := a.track(ctx, "", "", whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	trial, err := a.trial(ctx, in)
	if errors.Is(err, persistence.ErrNotFound) {
		return workflows.TrialProgress{Gone: true}, nil
	}
	if err != nil {
		return out, err
	}
	refs, err := a.whatIfs.Targets(ctx, in.Account, trial.asked.Selector, in.Cursor, trialPortion)
	if err != nil {
		return out, err
	}
	outcomes, err := trial.images(ctx, refs)
	if err != nil {
		return out, err
	}
	err = a.whatIfs.Save(ctx, in.Account, in.Trial, outcomes)
	if errors.Is(err, persistence.ErrNotFound) {
		return workflows.TrialProgress{Gone: true}, nil
	}
	out.Images, out.Tags = len(refs), len(outcomes)
	if len(refs) == trialPortion {
		out.Cursor = refs[len(refs)-1].Digest
	}
	return out, err
}

// trial tries one policy beside another.
type trial struct {
	*Activities
	asked           persistence.WhatIf
	chosen          func(persistence.Tag) bool
	draft, baseline *policy.Policy
	facts           *facts.Loader
	now             time.Time
	// skip: images that cannot be judged are told as such, whatever the reason.
	skip bool
}

func (a *Activities) trial(ctx context.Context, in workflows.TrialPortion) (*trial, error) {
	asked, err := a.whatIfs.Get(ctx, in.Account, in.Trial)
	if err != nil {
		return nil, err
	}
	draft, baseline, err := a.whatIfs.Documents(ctx, in.Account, in.Trial)
	if err != nil {
		return nil, err
	}
	t := &trial{Activities: a, asked: asked, facts: a.facts.Remembering(), now: a.now(), skip: activity.GetInfo(ctx).Attempt >= patience}
	t.draft, t.baseline = policy.Restore("draft", "", draft, a.gates), policy.Restore("baseline", "", baseline, a.gates)
	t.chosen, err = chooser(asked.Selector)
	return t, err
}

// chooser tells the tags a selector means, as the query for its images does.
func chooser(x persistence.WhatIfSelector) (func(persistence.Tag) bool, error) {
	var matches [3]func(string) bool
	for i, pattern := range []string{x.Registry, x.Repository, x.Tag} {
		if pattern == "" {
			pattern = "*"
		}
		var err error
		if matches[i], err = policy.Matcher(pattern); err != nil {
			return nil, err
		}
	}
	return func(t persistence.Tag) bool {
		return t.Current && matches[0](t.Registry) && matches[1](t.Repository) && matches[2](t.Tag)
	}, nil
}

// images tries the policies on images, several batches at a time; outcomes are in the order of the images.
func (t *trial) images(ctx context.Context, refs []persistence.ImageRef) ([]persistence.WhatIfOutcome, error) {
	pieces := batches(refs)
	outcomes := make([][]persistence.WhatIfOutcome, len(pieces))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelJudging)
	for i, piece := range pieces {
		g.Go(func() error {
			var err error
			outcomes[i], err = t.piece(ctx, piece)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(outcomes...), nil
}

// piece tries the policies on a batch; what cannot be read together is read one by one, so that it shows whose fault it is.
func (t *trial) piece(ctx context.Context, refs []persistence.ImageRef) (out []persistence.WhatIfOutcome, err error) {
	digests := make([]string, len(refs))
	for i, r := range refs {
		digests[i] = r.Digest
	}
	batch, err := t.facts.Batch(ctx, t.asked.Account, digests)
	if err != nil {
		return nil, err
	}
	for i, digest := range digests {
		of, err := t.image(ctx, batch, digest)
		if err != nil && len(refs) > 1 && ctx.Err() == nil {
			if of, err = t.piece(ctx, refs[i:i+1]); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, of...)
	}
	return out, nil
}

// Reasons why nothing can be said.
const (
	reasonNotAnalyzed = "the image is not analysed"
	reasonUnreadable  = "what is stored of the image cannot be read; analyse it again"
	reasonFailed      = "the image could not be evaluated; the worker's log says why"
)

// image tries the policies on every tag of one image.
func (t *trial) image(ctx context.Context, batch *facts.Batch, digest string) ([]persistence.WhatIfOutcome, error) {
	record, known, err := batch.Of(digest)
	if errors.Is(err, persistence.ErrNotFound) {
		return nil, nil // deleted meanwhile
	}
	var out []persistence.WhatIfOutcome
	for _, tag := range record.Tags {
		if t.chosen(tag) {
			out = append(out, persistence.WhatIfOutcome{ImageDigest: digest, Tag: tag.FullTag()})
		}
	}
	if err == nil {
		err = t.tags(ctx, policy.Remember(known), out)
	}
	if err == nil {
		return out, nil
	}
	reason := reasonNotAnalyzed
	if !gone(err) {
		if reason = t.excuse(ctx, digest, err); reason == "" {
			return nil, fmt.Errorf("try policy on %s: %w", digest, err)
		}
	}
	for i := range out {
		out[i] = persistence.WhatIfOutcome{ImageDigest: digest, Tag: out[i].Tag, Rank: int16(impact.NotEvaluable), Reason: reason}
	}
	return out, nil
}

// excuse tells what an image at fault is left out with; "" when the step is to be tried again.
func (t *trial) excuse(ctx context.Context, digest string, err error) string {
	var reason string
	switch {
	case unreadable(err):
		reason = reasonUnreadable
	case t.skip && ctx.Err() == nil && t.databaseAnswers(ctx):
		reason = reasonFailed
	default:
		return ""
	}
	log.From(ctx).Error("policy not tried on image", zap.String(log.KeyAccount, t.asked.Account), zap.String(log.KeyImageDigest, digest), zap.Error(err))
	return reason
}

// tags fills in what becomes of each tag, from facts that are loaded once.
func (t *trial) tags(ctx context.Context, known policy.Facts, out []persistence.WhatIfOutcome) error {
	for i := range out {
		before, err := t.judge(ctx, t.baseline, known, out[i].Tag)
		if err != nil {
			return err
		}
		after, err := t.judge(ctx, t.draft, known, out[i].Tag)
		if err != nil {
			return err
		}
		change := impact.Of(before, after, t.asked.Examples)
		out[i].Rank, out[i].Before, out[i].After = int16(change.Rank()), string(change.Before), string(change.After)
		if len(change.Causes) == 0 {
			continue
		}
		if out[i].Causes, err = json.Marshal(change.Causes); err != nil {
			return fmt.Errorf("encode causes: %w", err)
		}
	}
	return nil
}

// judge fails when facts are missing: a verdict for want of facts says nothing about the policies.
func (t *trial) judge(ctx context.Context, p *policy.Policy, known policy.Facts, tag string) (*policy.Result, error) {
	result, err := p.Evaluate(ctx, known, tag, t.now)
	if err != nil {
		return nil, err
	}
	if err := result.Err(); policy.MissingFacts(err) {
		return nil, err
	}
	return result, nil
}

// WhatIf is the configuration section of policies that are tried.
type WhatIf struct {
	RetentionDays int `yaml:"retention_days" doc:"What came out of policies that were tried (policy what-if) is removed after this many days; 0 keeps it for ever."`
}

// DefaultWhatIf keeps a month.
func DefaultWhatIf() WhatIf { return WhatIf{RetentionDays: 30} }

// Validate reports every fault of the section at once.
func (w WhatIf) Validate() error {
	if w.RetentionDays < 0 {
		return errors.New("retention_days: must not be negative")
	}
	return nil
}

// ForgetTrials removes what came out of trials that are old enough.
func (a *Activities) ForgetTrials(ctx context.Context) error {
	if a.whatIfConfig.RetentionDays == 0 {
		return nil
	}
	n, err := a.whatIfs.Forget(ctx, a.now().Add(-time.Duration(a.whatIfConfig.RetentionDays)*24*time.Hour))
	if n > 0 {
		log.From(ctx).Info("old trials of policies removed", zap.Int64("trials", n))
	}
	return err
}
