package workflows

import "go.temporal.io/sdk/workflow"

// ResolveReference asks the registry, with the account's credentials, what a reference names now, and stores
// manifest and config as blobs.
var ResolveReference = Activity[ResolveImageInput, ResolveImageResult]{Name: "ResolveReference", Opts: foreground}

// ResolveImage is the registry look-up behind an image submission. It is a workflow so that only workers need
// a way to the registries; whoever started it waits for the result.
func ResolveImage(ctx workflow.Context, in ResolveImageInput) (ResolveImageResult, error) {
	out, err := ResolveReference.Run(ctx, in)
	if err != nil {
		return out, failure(err)
	}
	return out, nil
}
