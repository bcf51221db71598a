package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

func (a *Activities) annotatedVerdicts(ctx context.Context, in workflows.AnnotatedPortion) (out workflows.RescanProgress, err error) {
	t := a.track(ctx, "", "", whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	refs, err := a.annotations.Affected(ctx, in.Account, in.Change, in.Cursor, portion)
	if err != nil {
		return out, err
	}
	skip := activity.GetInfo(ctx).Attempt >= patience
	if out.Verdicts, err = a.judgeAll(ctx, refs, persistence.CauseVex, skip); err != nil {
		return out, err
	}
	out.Images = len(refs)
	if len(refs) == portion {
		out.Cursor = refs[len(refs)-1].Digest
		return out, nil
	}
	return out, a.annotations.Judged(ctx, in.Account, in.Change)
}
