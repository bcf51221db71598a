package activities

import (
	"context"
	"errors"
	"strings"

	"go.temporal.io/sdk/activity"

	"plimsoll/persistence"
	"plimsoll/workflows"
)

func (a *Activities) rescanMatches(ctx context.Context, in workflows.RescanInput) (out workflows.RescanResult, err error) {
	t := a.track(ctx, "", "", whole(workflows.StageMatch))
	defer func() { t.end(ctx, err) }()
	progress := func(done, of int) { t.transfer(int64(done), int64(of)) }
	var moved persistence.Rescanned
	if in.Account != "" {
		moved, err = a.matches.Recorrect(ctx, in.Account, persistence.EditOf(in.Generation), a.now(), progress)
	} else {
		moved, err = a.matches.Rescan(ctx, in.Generation, a.now(), persistence.CauseFeed, progress)
	}
	if err != nil {
		return out, err
	}
	return workflows.RescanResult{
		Packages: moved.Packages, Opened: moved.Opened, Closed: moved.Closed, Affected: moved.Images,
	}, nil
}

const (
	// portion is how many images one step judges: some ten seconds of work, which share what is remembered of their packages.
	portion = 5000
	// patience is the attempt from which on a portion leaves out images that cannot be judged.
	patience = 4
)

func (a *Activities) rescanVerdicts(ctx context.Context, in workflows.RescanPortion) (out workflows.RescanProgress, err error) {
	t := a.track(ctx, "", "", whole(workflows.StageEvaluate))
	defer func() { t.end(ctx, err) }()
	refs, err := a.matches.Affected(ctx, in.Generation, decodeCursor(in.Cursor), portion)
	if err != nil {
		return out, err
	}
	skip := activity.GetInfo(ctx).Attempt >= patience
	cause := persistence.CauseFeed
	if in.Account != "" {
		cause = persistence.CauseCorrection
	}
	if out.Verdicts, err = a.judgeAll(ctx, refs, cause, skip); err != nil {
		return out, err
	}
	if in.Account == "" {
		if _, err := a.matches.Tell(ctx, in.Generation, refs); err != nil {
			return out, err
		}
	}
	out.Images = len(refs)
	if len(refs) == portion {
		out.Cursor = encodeCursor(refs[len(refs)-1])
		return out, nil
	}
	return out, a.matches.Judged(ctx, in.Generation)
}

// A cursor is the last image judged. Account names have no slashes.
func encodeCursor(r persistence.ImageRef) string { return r.Account + "/" + r.Digest }

func decodeCursor(s string) persistence.ImageRef {
	account, digest, _ := strings.Cut(s, "/")
	return persistence.ImageRef{Account: account, Digest: digest}
}

func (a *Activities) deleteRecord(ctx context.Context, in workflows.DeleteImageInput) (out workflows.DeletedRecord, err error) {
	record, err := a.images.Get(ctx, in.Account, in.Digest)
	if errors.Is(err, persistence.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if err := a.images.Delete(ctx, in.Account, in.Digest); err != nil {
		return out, err
	}
	out.Request = record.Requested
	return out, nil
}

func (a *Activities) collectGarbage(ctx context.Context, _ workflows.CollectInput) (workflows.CollectResult, error) {
	collected, err := a.analyses.Collect(ctx, a.analysis.retention())
	return workflows.CollectResult{Analyses: collected.Analyses, Layers: collected.Layers, Blobs: collected.Blobs}, err
}
