package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// changeReferrers marks runs that ask for what is attached to the image.
const changeReferrers = "list-referrers"

// listReferrers starts the listing beside the layers and returns what waits for its end. It never fails an
// analysis: the step records by itself what the registry did not tell.
func listReferrers(ctx workflow.Context, run Run) (wait func(workflow.Context)) {
	if workflow.GetVersion(ctx, changeReferrers, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return func(workflow.Context) {}
	}
	listing := ListReferrers.Start(ctx, run)
	return func(ctx workflow.Context) {
		if err := listing.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("what is attached to the image is not known", "digest", run.Digest, "error", err)
		}
	}
}
