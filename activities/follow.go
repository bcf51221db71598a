package activities

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

// policyVerdicts judges by whatever policy is active: a change that came meanwhile has a workflow of its own, which begins
// from the start.
func (a *Activities) policyVerdicts(ctx context.Context, in workflows.PolicyPortion) (out workflows.RescanProgress, err error) {
	t := a.track(ctx, "", "", whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	active, err := a.policies.Active(ctx, in.Account)
	if errors.Is(err, persistence.ErrNotFound) || err == nil && active.Edit > in.Edit {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	refs, err := a.images.Analyzed(ctx, in.Account, in.Cursor, portion)
	if err != nil {
		return out, err
	}
	skip := activity.GetInfo(ctx).Attempt >= patience
	if out.Verdicts, err = a.judgeAll(ctx, refs, persistence.CausePolicy, skip); err != nil {
		return out, err
	}
	out.Images = len(refs)
	if len(refs) == portion {
		out.Cursor = refs[len(refs)-1].Digest
	}
	return out, nil
}

// imageVerdicts judges an analysed image that a tag has come to mean.
func (a *Activities) imageVerdicts(ctx context.Context, in workflows.ImagePortion) (out workflows.JudgeResult, err error) {
	t := a.track(ctx, "", "", whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	skip := activity.GetInfo(ctx).Attempt >= patience
	refs := []persistence.ImageRef{{Account: in.Account, Digest: in.Digest}}
	out.Verdicts, err = a.judgeAll(ctx, refs, persistence.CauseTag, skip)
	out.Images = len(refs)
	return out, err
}

// judgeImage names the workflow that judges an analysed image under the tag that has come to mean it.
func judgeImage(account, digest string, move int64) persistence.Start {
	return persistence.Start{
		Workflow: workflows.JudgeImageName, WorkflowID: workflows.JudgeImageID(account, digest, move),
		Input: workflows.JudgeImageInput{Account: account, Digest: digest, Move: move}, Unattended: true,
	}
}

// nothingDue is how long to wait while no verdict depends on the time; whoever waits may look sooner.
const nothingDue = time.Hour

func (a *Activities) dueVerdicts(ctx context.Context, _ workflows.DuePortion) (out workflows.DueProgress, err error) {
	t := a.track(ctx, "", "", whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	now := a.now()
	due, err := a.evaluations.Due(ctx, now, portion)
	if err != nil {
		return out, err
	}
	if len(due) > 0 {
		skip := activity.GetInfo(ctx).Attempt >= patience
		refs := imagesOf(due)
		if out.Verdicts, err = a.judgeAll(ctx, refs, persistence.CauseTime, skip); err != nil {
			return out, err
		}
		if err := a.evaluations.Settle(ctx, due, now); err != nil {
			return out, err
		}
		out.Images = len(refs)
	}
	next, err := a.evaluations.NextDue(ctx)
	switch {
	case errors.Is(err, persistence.ErrNotFound):
		out.Wait, err = nothingDue, nil
	case err == nil:
		out.Wait = max(0, next.Sub(a.now()))
	}
	return out, err
}

// imagesOf names each image once, those of an account together.
func imagesOf(due []persistence.Due) []persistence.ImageRef {
	refs := make([]persistence.ImageRef, len(due))
	for i := range due {
		refs[i] = due[i].ImageRef
	}
	slices.SortFunc(refs, func(a, b persistence.ImageRef) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Digest, b.Digest))
	})
	return slices.Compact(refs)
}
