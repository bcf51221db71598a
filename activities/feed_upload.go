package activities

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"plimsoll/internal/log"
	"plimsoll/persistence"
	"plimsoll/persistence/feedbundle"
	"plimsoll/workflows"
)

// errUploadGone: what was uploaded is not there any more, so that nobody can take it over.
var errUploadGone = errors.New("what was uploaded was removed before it was taken over; upload it again")

// takeUpload checks all of an upload and takes it over. Groups that an earlier attempt took are done.
func (a *Activities) takeUpload(ctx context.Context, in workflows.SyncFeedsInput) (out workflows.SyncFeedsResult, err error) {
	t := a.track(ctx, "", "", whole(stageFetch))
	defer func() { t.end(ctx, err) }()
	err = a.feedStore.BeginSync(ctx, persistence.SyncRun{
		WorkflowRun: workflowRun(ctx), Kind: persistence.RunUpload, Force: in.Force, Source: in.Source, Group: in.Group, StartedAt: a.now(),
	})
	if err != nil {
		return out, err
	}
	content, err := a.feedStore.Upload(ctx, in.Upload.ID, in.Upload.Digest)
	if errors.Is(err, persistence.ErrNotFound) {
		return out, errUploadGone
	}
	if err != nil {
		return out, err
	}
	if err := content.Prove(); err != nil {
		return out, err
	}
	t.stage(stageParse)
	if in.Upload.Document {
		out, err = a.takeDocument(ctx, in, content)
	} else {
		out, err = a.takeBundle(ctx, in, content)
	}
	if fault := content.Fault(); fault != nil { // whatever the reader of the content made of it
		err = fault
	}
	return out, err
}

func (a *Activities) takeBundle(ctx context.Context, in workflows.SyncFeedsInput, content *persistence.UploadReader) (out workflows.SyncFeedsResult, err error) {
	taking := feedbundle.Import{
		Trust: a.trust, Force: in.Force, Now: a.now(), Source: in.Source,
		Group: func(source, name string) (func(persistence.Committed, error), error) {
			return a.taking(ctx, source, name)
		},
	}
	taken, err := taking.Take(ctx, a.feedStore, content, content.Size)
	if err != nil {
		return out, err
	}
	for _, g := range taken.Groups {
		line := workflows.GroupResult{Source: g.Source, Group: g.Name}
		fill(&line, g.Committed)
		out.Groups = append(out.Groups, line)
	}
	return out, nil
}

func (a *Activities) takeDocument(ctx context.Context, in workflows.SyncFeedsInput, content *persistence.UploadReader) (out workflows.SyncFeedsResult, err error) {
	d, err := a.feeds.Uploaded(in.Source, in.Group)
	if err != nil {
		return out, err
	}
	d.Digest, d.Force, d.Now = in.Upload.Digest, in.Force, a.now()
	if in.Upload.Built != nil {
		d.Built = *in.Upload.Built
	}
	ended, err := a.taking(ctx, in.Source, d.Group.Name)
	if err != nil {
		return out, err
	}
	done, err := d.Take(ctx, a.feedStore, content, content.Size)
	if fault := content.Fault(); fault != nil {
		err = fault
	}
	ended(done, err)
	if err != nil {
		return out, err
	}
	line := workflows.GroupResult{Source: in.Source, Group: d.Group.Name}
	fill(&line, done)
	out.Groups = append(out.Groups, line)
	return out, nil
}

// taking notes that a group is taken over, and through ended what became of it. That an attempt was cut off is not noted:
// another one follows.
func (a *Activities) taking(ctx context.Context, source, group string) (ended func(persistence.Committed, error), err error) {
	run := workflowRun(ctx)
	if err := a.feedStore.BeginDriver(ctx, run, source, group, a.now()); err != nil {
		return nil, err
	}
	return func(done persistence.Committed, err error) {
		if ctx.Err() != nil {
			return
		}
		note := driverRun(source, group, done)
		if err != nil {
			code, message := workflows.GroupFailure(outward(ctx, err))
			note.Status, note.Error = persistence.RunFailed, code+": "+message
		}
		if wrong := a.feedStore.EndDriver(ctx, run, note, a.now()); wrong != nil {
			log.From(ctx).Warn("feed run not recorded", zap.String(log.KeyFeed, source+"/"+group), zap.Error(wrong))
		}
	}, nil
}

func driverRun(source, group string, done persistence.Committed) persistence.DriverRun {
	return persistence.DriverRun{
		Source: source, Group: group, Status: persistence.RunCompleted, Generation: done.Generation, Unchanged: done.Unchanged,
		Records: done.Records, Skipped: done.Skipped, Added: done.Added, Changed: done.Changed, Removed: done.Removed,
	}
}

func (a *Activities) dropUpload(ctx context.Context, in workflows.FeedUpload) (workflows.Done, error) {
	return workflows.Done{}, a.feedStore.DropUpload(ctx, in.ID)
}

// Uploaded is how a document of a publisher is read that was brought by hand: by its driver, also where the installation reads
// from another one. Without a group the source must have one only: feedbundle.ErrGroup.
func (f Feeds) Uploaded(source, group string) (feedbundle.Document, error) {
	for _, d := range f.publishers() {
		if d.Name != source {
			continue
		}
		out := feedbundle.Document{Driver: d, Settings: f.settings(source)}
		groups := d.Groups(out.Settings)
		if group == "" && len(groups) == 1 {
			out.Group = groups[0]
			return out, nil
		}
		if group == "" {
			return out, fmt.Errorf("%w: %s has %d groups; name one", feedbundle.ErrGroup, source, len(groups))
		}
		for _, g := range groups {
			if g.Name == group {
				out.Group = g
				return out, nil
			}
		}
	}
	return feedbundle.Document{}, fmt.Errorf("%w: %s/%s", feedbundle.ErrGroup, source, group)
}
