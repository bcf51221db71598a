package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// Steps of RescanChangeSet, in order.
var (
	// RescanMatches matches the dictionary entries behind the changed names anew and renews the counters of
	// the images whose findings moved.
	RescanMatches = Activity[RescanInput, RescanResult]{Name: "RescanMatches", Opts: rescanWork}
	// RescanVerdicts evaluates those images' tags anew, in portions. Cursor is opaque: empty at the start and
	// when nothing is left.
	RescanVerdicts = Activity[RescanPortion, RescanProgress]{Name: "RescanVerdicts", Opts: rescanWork}
)

// RescanPortion asks for the next portion.
type RescanPortion struct {
	Generation int64  `json:"generation"`
	Account    string `json:"account,omitempty"` // as RescanInput
	Cursor     string `json:"cursor,omitempty"`
}

// RescanProgress is what a portion did, and where the next one starts.
type RescanProgress struct {
	Images   int    `json:"images"`
	Verdicts int    `json:"verdicts"` // whose final action changed
	Cursor   string `json:"cursor,omitempty"`
}

// portionsPerRun bounds one run's history (about six events a portion) well below the server's suggestion of
// 4,096 events to continue as new.
const portionsPerRun = 300

// RescanChangeSet makes every stored answer current for one feed generation, or for the corrections of an account, at a
// cost that follows from what changed. Matches come first and verdicts last, so that vulnerability answers never wait for
// policy.
func RescanChangeSet(ctx workflow.Context, in RescanInput) (RescanResult, error) {
	var at RescanResume
	if in.Resume != nil {
		at = *in.Resume
	} else {
		moved, err := RescanMatches.Run(ctx, in)
		if err != nil {
			return moved, failure(err)
		}
		at.Result = moved
	}
	for range portionsPerRun {
		out, err := RescanVerdicts.Run(ctx, RescanPortion{Generation: in.Generation, Account: in.Account, Cursor: at.Cursor})
		if err != nil {
			return at.Result, failure(err)
		}
		at.Result.Images += out.Images
		at.Result.Verdicts += out.Verdicts
		if at.Cursor = out.Cursor; at.Cursor == "" {
			return at.Result, nil
		}
	}
	return at.Result, workflow.NewContinueAsNewError(ctx, RescanChangeSetName, RescanInput{Generation: in.Generation, Account: in.Account, Resume: &at})
}
