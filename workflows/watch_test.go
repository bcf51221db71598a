package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"plimsoll/workflows"
)

var (
	tagWatch        = workflows.WatchInput{Account: "acme", Type: workflows.WatchedTag, ID: "0123456789abcdef0123456789abcdef"}
	repositoryWatch = workflows.WatchInput{Account: "acme", Type: workflows.WatchedRepository, ID: "fedcba9876543210fedcba9876543210"}
)

// newTags makes a repository have so many portions of new tags, a tag each, of which some are refused.
func newTags(portions, refused int) func(*fakes) {
	return func(f *fakes) {
		left := portions
		f.noteTags = func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
			return workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: 10 + portions, New: portions, Left: left}, nil
		}
		f.addTags = func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
			left--
			out := workflows.WatchRepositoryResult{Outcome: workflows.WatchAdded, Left: left}
			if left < refused {
				out.Refused = 1
			} else {
				out.Added = 1
			}
			return out, nil
		}
	}
}

func TestLookAtARepositoryAddsEveryNewTag(t *testing.T) {
	t.Parallel()
	f := newFakes()
	newTags(7, 2)(f)
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.WatchRepositoryName, workflows.WatchRepositoryInput{WatchInput: repositoryWatch})
	var got workflows.WatchRepositoryResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	want := workflows.WatchRepositoryResult{Outcome: workflows.WatchAdded, Tags: 17, New: 7, Added: 5, Refused: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLookAtARepositoryEndsWhereTheRegistryOrTheAccountSaysSo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		note, add workflows.WatchRepositoryResult
		want      workflows.WatchRepositoryResult
		adds      int
	}{
		"nothing new": {
			note: workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: 3},
			want: workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: 3},
		},
		"switched off": {
			note: workflows.WatchRepositoryResult{Outcome: workflows.WatchEnded}, want: workflows.WatchRepositoryResult{Outcome: workflows.WatchEnded},
		},
		"registry in trouble": {
			note: workflows.WatchRepositoryResult{Outcome: workflows.WatchFailed, Code: workflows.FailRegistryUnreachable},
			want: workflows.WatchRepositoryResult{Outcome: workflows.WatchFailed, Code: workflows.FailRegistryUnreachable},
		},
		"limited on the way": {
			note: workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: 9, New: 5, Left: 5},
			add:  workflows.WatchRepositoryResult{Outcome: workflows.WatchFailed, Added: 2, Left: 3, Code: workflows.FailRegistryRateLimited},
			want: workflows.WatchRepositoryResult{Outcome: workflows.WatchFailed, Tags: 9, New: 5, Added: 2, Left: 3, Code: workflows.FailRegistryRateLimited},
			adds: 1,
		},
		"switched off on the way": {
			note: workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: 9, New: 5, Left: 5},
			add:  workflows.WatchRepositoryResult{Outcome: workflows.WatchEnded},
			want: workflows.WatchRepositoryResult{Outcome: workflows.WatchEnded, Tags: 9, New: 5},
			adds: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes()
			f.noteTags = func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
				return tt.note, nil
			}
			f.addTags = func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
				return tt.add, nil
			}
			env := newEnv(f)
			env.ExecuteWorkflow(workflows.WatchRepositoryName, workflows.WatchRepositoryInput{WatchInput: repositoryWatch})
			var got workflows.WatchRepositoryResult
			if err := env.GetWorkflowResult(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || f.noted(workflows.AddTags.Name) != tt.adds {
				t.Errorf("%d portions, want %d: %s", f.noted(workflows.AddTags.Name), tt.adds, diff)
			}
		})
	}
}

func TestThousandsOfNewTagsAreAddedOverSeveralRuns(t *testing.T) {
	t.Parallel()
	f := newFakes()
	newTags(120, 0)(f)
	in := workflows.WatchRepositoryInput{WatchInput: repositoryWatch}
	for run := 1; ; run++ {
		env := newEnv(f)
		env.ExecuteWorkflow(workflows.WatchRepositoryName, in)
		err := env.GetWorkflowError()
		if err == nil {
			var got workflows.WatchRepositoryResult
			if err := env.GetWorkflowResult(&got); err != nil {
				t.Fatal(err)
			}
			if run != 3 || got.Added != 120 || got.New != 120 || got.Left != 0 || f.noted(workflows.NoteTags.Name) != 1 {
				t.Errorf("run %d: %+v after %d listings", run, got, f.noted(workflows.NoteTags.Name))
			}
			return
		}
		var again *workflow.ContinueAsNewError
		if !errors.As(err, &again) || run > 5 {
			t.Fatalf("run %d: %v", run, err)
		}
		if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChangeWhileAScheduleIsSetIsServedByOneMoreRound(t *testing.T) {
	t.Parallel()
	f := newFakes()
	rounds := 0
	f.apply = func(context.Context, workflows.WatchInput) (workflows.SyncWatchResult, error) {
		rounds++
		return workflows.SyncWatchResult{Scheduled: rounds < 2}, nil
	}
	env := newEnv(f)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.RequestSignal, tagWatch) }, 0)
	env.SetOnActivityStartedListener(func(info *activityInfo, _ context.Context, _ encodedValues) {
		if info.ActivityType.Name == workflows.ApplyWatch.Name && rounds == 0 {
			env.SignalWorkflow(workflows.RequestSignal, tagWatch)
		}
	})
	env.ExecuteWorkflow(workflows.SyncWatchName, tagWatch)
	var got workflows.SyncWatchResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if rounds != 2 || got.Scheduled {
		t.Errorf("%d rounds, %+v; want the second one's result", rounds, got)
	}
}

func TestSchedulesOfOneIntervalAreSpread(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for i := range 50 {
		offset := workflows.OffsetOf(digestOf(i), time.Hour)
		if offset < 0 || offset >= time.Hour || offset != workflows.OffsetOf(digestOf(i), time.Hour) {
			t.Errorf("offset %s", offset)
		}
		seen[offset] = true
	}
	if len(seen) < 40 {
		t.Errorf("50 schedules start at %d different times", len(seen))
	}
}
