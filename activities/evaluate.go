package activities

import (
	"context"
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

func (a *Activities) evaluateImage(ctx context.Context, in workflows.EvaluateInput) (out workflows.EvaluateResult, err error) {
	t := a.track(ctx, "", in.Run.Digest, whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	judge, err := a.judge(ctx, in.Run.Account, a.facts)
	if err != nil || judge == nil {
		return out, err
	}
	verdicts, faults, err := judge.images(ctx, []string{in.Run.Digest}, persistence.CauseAnalysis)
	if err == nil {
		err = faults[in.Run.Digest]
	}
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
	// began is when the first of the facts may have been read: verdicts are as old.
	began    time.Time
	facts    *facts.Loader
	compiled *policy.Policy
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
	j := &judge{Activities: a, account: account, stored: stored, began: a.now(), facts: known}
	if j.generation, err = a.feedStore.Generation(ctx); err != nil {
		return nil, err
	}
	j.compiled = policy.Restore(stored.ID, stored.Name, stored.Document, a.gates)
	return j, nil
}

// verdicts counts what judging images did.
type verdicts struct{ tags, stopped, changed int }

// images evaluates every current tag of some images and stores the verdicts. Faults are those of single images, by digest,
// which have no verdict then; an error is one of all.
func (j *judge) images(ctx context.Context, digests []string, cause string) (out verdicts, faults map[string]error, err error) {
	batch, err := j.facts.Batch(ctx, j.account, digests)
	if err != nil {
		return out, nil, err
	}
	faults = make(map[string]error)
	var list []persistence.NewEvaluation
	for _, digest := range digests {
		of, err := j.image(ctx, batch, digest, cause)
		if ctx.Err() != nil {
			return out, nil, fmt.Errorf("evaluate %s: %w", digest, ctx.Err())
		}
		if err != nil {
			faults[digest] = err
			continue
		}
		list = append(list, of...)
	}
	saved, err := j.evaluations.SaveAll(ctx, list)
	if err != nil {
		return out, nil, err
	}
	for i, s := range saved {
		if s.Gone {
			faults[list[i].ImageDigest] = persistence.ErrNotFound
			continue
		}
		out.tags++
		if list[i].FinalAction == string(policy.Stop) {
			out.stopped++
		}
		if s.Changed {
			out.changed++
		}
	}
	return out, faults, nil
}

// image evaluates every current tag of an image.
func (j *judge) image(ctx context.Context, batch *facts.Batch, digest, cause string) ([]persistence.NewEvaluation, error) {
	record, known, err := batch.Of(digest)
	if err != nil {
		return nil, err
	}
	var out []persistence.NewEvaluation
	for _, tag := range record.Tags {
		if !tag.Current {
			continue
		}
		watched := facts.Watch(known)
		result, err := j.compiled.Evaluate(ctx, watched, tag.FullTag(), j.now())
		if err != nil {
			return nil, err
		}
		if err := result.Err(); err != nil {
			return nil, fmt.Errorf("evaluate %s as %s: %w", digest, tag.FullTag(), err)
		}
		n, err := j.evaluation(record, tag.FullTag(), result)
		if err != nil {
			return nil, err
		}
		n.Cause = cause
		if !watched.Beyond() {
			n.Inputs = batch.Inputs(digest)
		}
		out = append(out, n)
	}
	return out, nil
}

func (j *judge) evaluation(record persistence.Image, tag string, result *policy.Result) (persistence.NewEvaluation, error) {
	encoded, err := result.Timeless()
	if err != nil {
		return persistence.NewEvaluation{}, fmt.Errorf("encode verdict: %w", err)
	}
	return persistence.NewEvaluation{
		EvaluationKey: persistence.EvaluationKey{Account: j.account, ImageDigest: record.Digest, Tag: tag, PolicyID: j.stored.ID},
		PolicyDigest:  j.stored.Digest, Generation: j.generation, AnalysisID: *record.AnalysisID,
		FinalAction: string(result.FinalAction), Reason: result.FinalActionReason, Status: string(result.Status), Violations: result.Violations(),
		Result: encoded, EvaluatedAt: j.began, ValidUntil: result.Until(), Official: true,
	}, nil
}

const (
	// parallelJudging keeps both the database and a core or two busy.
	parallelJudging = 4
	// together is how many images are read and stored at once.
	together = 50
)

// judgeAll judges images of any accounts, each under its account's policy. An image whose own documents are
// unreadable is left out with a line in the log; anything else ends the whole, until with skip the images at
// fault are left out too: they must not hold up all others.
func (a *Activities) judgeAll(ctx context.Context, refs []persistence.ImageRef, cause string, skip bool) (changed int, err error) {
	judges := make(map[string]*judge)
	known := a.facts.Remembering()
	began := a.now()
	var total atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelJudging)
	for _, batch := range batches(refs) {
		account := batch[0].Account
		j, ok := judges[account]
		if !ok {
			if j, err = a.judge(ctx, account, known); err != nil {
				break
			}
			if j != nil {
				j.began = began
			}
			judges[account] = j
		}
		if j == nil {
			continue
		}
		g.Go(func() error {
			changed, err := j.batch(ctx, batch, cause, skip)
			total.Add(int64(changed))
			return err
		})
	}
	err = errors.Join(err, g.Wait())
	return int(total.Load()), err
}

// batches cuts images into pieces of one account each, in their order.
func batches(refs []persistence.ImageRef) [][]persistence.ImageRef {
	var out [][]persistence.ImageRef
	begin := 0
	for i := range refs {
		if i+1 == len(refs) || i+1-begin == together || refs[i+1].Account != refs[begin].Account {
			out = append(out, refs[begin:i+1])
			begin = i + 1
		}
	}
	return out
}

// batch judges some images together; what cannot be done together is done one by one, so that it shows whose fault it is.
func (j *judge) batch(ctx context.Context, refs []persistence.ImageRef, cause string, skip bool) (changed int, err error) {
	digests := make([]string, len(refs))
	for i, ref := range refs {
		digests[i] = ref.Digest
	}
	done, faults, err := j.images(ctx, digests, cause)
	if err != nil && len(refs) > 1 && ctx.Err() == nil {
		for i := range refs {
			n, err := j.batch(ctx, refs[i:i+1], cause, skip)
			if changed += n; err != nil {
				return changed, err
			}
		}
		return changed, nil
	}
	if err != nil {
		faults = map[string]error{digests[0]: err}
	}
	for _, digest := range digests {
		if err := j.fault(ctx, digest, faults[digest], skip); err != nil {
			return done.changed, err
		}
	}
	return done.changed, nil
}

// fault decides whether what went wrong with an image ends the whole.
func (j *judge) fault(ctx context.Context, digest string, err error, skip bool) error {
	if err == nil || gone(err) {
		return nil
	}
	if unreadable(err) || skip && j.databaseAnswers(ctx) {
		log.From(ctx).Error("image not judged", zap.String(log.KeyAccount, j.account), zap.String(log.KeyImageDigest, digest), zap.Error(err))
		return nil
	}
	return err
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
