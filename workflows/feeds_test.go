package workflows_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/workflows"
)

func TestBrokenFeedGroupFailsAlone(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.groups = []workflows.FeedGroup{{Source: "osv", Name: "Debian"}, {Source: "osv", Name: "npm"}, {Source: "osv", Name: "PyPI"}}
	f.group = func(_ context.Context, in workflows.SyncGroupInput) (workflows.GroupResult, error) {
		switch in.Group {
		case "npm":
			return workflows.GroupResult{}, refused(workflows.FailFeedBadResponse, "not a zip archive")
		case "PyPI":
			return workflows.GroupResult{Source: in.Source, Group: in.Group, Generation: 5, Added: 3}, nil
		}
		return workflows.GroupResult{Source: in.Source, Group: in.Group, Unchanged: true}, nil
	}
	f.pending = []int64{4, 5} // 4 was left behind by a worker that died
	env := newEnv(f)
	var started []string
	env.SetOnChildWorkflowStartedListener(func(info *workflowInfo, _ workflowContext, _ encodedValues) {
		started = append(started, info.WorkflowExecution.ID)
	})
	env.ExecuteWorkflow(workflows.SyncFeedsName, workflows.SyncFeedsInput{})
	var got workflows.SyncFeedsResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	want := workflows.SyncFeedsResult{Groups: []workflows.GroupResult{
		{Source: "osv", Group: "Debian", Unchanged: true},
		{Source: "osv", Group: "npm", Error: "not a zip archive"},
		{Source: "osv", Group: "PyPI", Generation: 5, Added: 3},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	slices.Sort(started)
	if diff := cmp.Diff([]string{workflows.RescanID(4), workflows.RescanID(5)}, started); diff != "" {
		t.Error("rescans", diff)
	}
	if diff := cmp.Diff([]workflows.EndSyncInput{{Message: "1 groups changed, 1 unchanged, 1 failed"}}, f.ended); diff != "" {
		t.Error("how it ended", diff)
	}
	if f.through != 5 {
		t.Errorf("noted as started through %d, want 5", f.through)
	}
}

func TestScheduledSyncRunsTheOneSyncAndItsRescans(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.groups = []workflows.FeedGroup{{Source: "osv", Name: "Go"}}
	f.group = func(_ context.Context, in workflows.SyncGroupInput) (workflows.GroupResult, error) {
		return workflows.GroupResult{Source: in.Source, Group: in.Group, Generation: 9}, nil
	}
	env := newEnv(f)
	var started []string
	env.SetOnChildWorkflowStartedListener(func(info *workflowInfo, _ workflowContext, _ encodedValues) {
		started = append(started, info.WorkflowExecution.ID)
	})
	env.ExecuteWorkflow(workflows.SyncOnScheduleName, workflows.SyncFeedsInput{})
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{workflows.SyncFeedsID, workflows.RescanID(9)}, started); diff != "" {
		t.Error(diff)
	}
}

func TestRescanJudgesInPortionsAfterMatching(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.portion = func(in workflows.RescanPortion) workflows.RescanProgress {
		next := ""
		if in.Cursor == "" {
			next = "half"
		}
		return workflows.RescanProgress{Cursor: next, Images: 5, Verdicts: 3}
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.RescanChangeSetName, workflows.RescanInput{Generation: 12})
	var got workflows.RescanResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.RescanResult{Packages: 20, Opened: 4, Closed: 2, Affected: 4, Images: 10, Verdicts: 6}, got); diff != "" {
		t.Error(diff)
	}
	m, v := workflows.RescanMatches.Name, workflows.RescanVerdicts.Name
	if diff := cmp.Diff([]string{m, v, v}, f.calls); diff != "" {
		t.Error(diff)
	}
}

func TestLongRescanContinuesAsNewWithoutMatchingAgain(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.portion = func(workflows.RescanPortion) workflows.RescanProgress {
		return workflows.RescanProgress{Cursor: "more", Images: 1}
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.RescanChangeSetName, workflows.RescanInput{
		Generation: 12, Resume: &workflows.RescanResume{Cursor: "here", Result: workflows.RescanResult{Packages: 20}},
	})
	if err := env.GetWorkflowError(); !isContinueAsNew(err) {
		t.Errorf("ended with %v, want continue-as-new", err)
	}
	if f.noted(workflows.RescanMatches.Name) != 0 {
		t.Error("a resumed rescan matched again")
	}
}

func TestDeletionClearsGroupsAndRescans(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.groups = []workflows.FeedGroup{{Source: "osv", Name: "npm"}}
	f.group = func(_ context.Context, in workflows.SyncGroupInput) (workflows.GroupResult, error) {
		return workflows.GroupResult{Source: in.Source, Group: in.Group, Generation: 9, Removed: 4}, nil
	}
	f.pending = []int64{9}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.SyncFeedsName, workflows.SyncFeedsInput{Source: "osv", Delete: true})
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if f.noted(workflows.ClearGroup.Name) != 1 || f.noted(workflows.SyncGroup.Name) != 0 || f.noted(workflows.RescanMatches.Name) != 1 {
		t.Errorf("calls %v", f.calls)
	}
}

func TestASyncOfWhichNothingComesFails(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.groups = []workflows.FeedGroup{{Source: "osv", Name: "npm"}}
	f.group = func(context.Context, workflows.SyncGroupInput) (workflows.GroupResult, error) {
		return workflows.GroupResult{}, refused(workflows.FailFeedRefused, "shrank")
	}
	env := newEnv(f)
	env.ExecuteWorkflow(workflows.SyncFeedsName, workflows.SyncFeedsInput{Flush: true})
	if diff := cmp.Diff([]workflows.EndSyncInput{{Failed: true, Message: "0 groups changed, 0 unchanged, 1 failed"}}, f.ended); diff != "" {
		t.Error("how it ended", diff)
	}
}

func TestAnUploadIsTakenOverRescannedAndRemoved(t *testing.T) {
	t.Parallel()
	upload := workflows.FeedUpload{ID: 3, Digest: digestOf(3)}
	for name, c := range map[string]struct {
		fail    error
		rescans int
		ended   workflows.EndSyncInput
	}{
		"taken": {nil, 2, workflows.EndSyncInput{Message: "1 groups changed, 1 unchanged, 0 failed"}},
		// What an attempt committed before it failed is rescanned all the same.
		"refused": {refused(workflows.FailFeedRefused, "older"), 1, workflows.EndSyncInput{Failed: true, Message: "FEED_REFUSED: older"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes()
			f.pending = []int64{39}
			if c.fail != nil {
				f.take = func(context.Context, workflows.SyncFeedsInput) (workflows.SyncFeedsResult, error) {
					return workflows.SyncFeedsResult{}, c.fail
				}
			}
			env := newEnv(f)
			env.ExecuteWorkflow(workflows.SyncFeedsName, workflows.SyncFeedsInput{Upload: &upload})
			if err := env.GetWorkflowError(); (err != nil) != (c.fail != nil) {
				t.Fatal(err)
			}
			if f.noted(workflows.RescanMatches.Name) != c.rescans || f.noted(workflows.ListFeedGroups.Name)+f.noted(workflows.SyncGroup.Name) != 0 {
				t.Errorf("calls %v", f.calls)
			}
			if diff := cmp.Diff([]workflows.FeedUpload{upload}, f.dropped); diff != "" {
				t.Error("removed", diff)
			}
			if diff := cmp.Diff([]workflows.EndSyncInput{c.ended}, f.ended); diff != "" {
				t.Error("how it ended", diff)
			}
		})
	}
}
