package workflows_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/testsuite"

	"plimsoll/workflows"
)

// fakes implements every activity in memory. Tests replace what their case is about.
type fakes struct {
	mu       sync.Mutex
	calls    []string
	failures []workflows.FailInput

	resolve   func(context.Context, workflows.ResolveImageInput) (workflows.ResolveImageResult, error)
	begin     func(context.Context, workflows.Run) (workflows.AnalysisPlan, error)
	layer     func(context.Context, workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error)
	verify    func(context.Context, workflows.VerifyLayersInput) (workflows.VerifyLayersResult, error)
	complete  func(context.Context, workflows.CompleteInput) (workflows.Done, error)
	evaluate  func(context.Context, workflows.EvaluateInput) (workflows.EvaluateResult, error)
	referrers func(context.Context, workflows.Run) (workflows.ReferrersResult, error)
	measure   func(context.Context, workflows.Run) (workflows.MeasureResult, error)
	collect   func(context.Context, workflows.CollectInput) (workflows.CollectResult, error)
	remove    func(context.Context, workflows.DeleteImageInput) (workflows.DeletedRecord, error)
	group     func(context.Context, workflows.SyncGroupInput) (workflows.GroupResult, error)
	poll      func(context.Context, workflows.WatchInput) (workflows.WatchTagResult, error)
	noteTags  func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error)
	addTags   func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error)
	apply     func(context.Context, workflows.WatchInput) (workflows.SyncWatchResult, error)
	take      func(context.Context, workflows.SyncFeedsInput) (workflows.SyncFeedsResult, error)
	dropped   []workflows.FeedUpload
	pending   []int64
	groups    []workflows.FeedGroup
	through   int64
	ended     []workflows.EndSyncInput
	portion   func(in workflows.RescanPortion) workflows.RescanProgress
	annotated func(in workflows.AnnotatedPortion) workflows.RescanProgress
	judged    func(in workflows.PolicyPortion) workflows.RescanProgress
	due       func() workflows.DueProgress
	trial     func(in workflows.TrialPortion) (workflows.TrialProgress, error)
	endTrial  []workflows.EndTrialInput
}

func digestOf(i int) string { return fmt.Sprintf("sha256:%064x", i) }

func planOf(stored ...bool) workflows.AnalysisPlan {
	plan := workflows.AnalysisPlan{AnalyzerSet: "set"}
	for i, s := range stored {
		plan.Layers = append(plan.Layers, workflows.PlannedLayer{Digest: digestOf(i), Size: 1000, Stored: s})
	}
	return plan
}

func newFakes() *fakes {
	return &fakes{
		resolve: func(context.Context, workflows.ResolveImageInput) (workflows.ResolveImageResult, error) {
			return workflows.ResolveImageResult{Digest: digestOf(900), Layers: 3, Size: 3000}, nil
		},
		begin: func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) { return planOf(false, false), nil },
		layer: func(_ context.Context, in workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
			return workflows.AnalyzeLayerResult{BytesRead: in.Size}, nil
		},
		verify: func(_ context.Context, in workflows.VerifyLayersInput) (workflows.VerifyLayersResult, error) {
			return workflows.VerifyLayersResult{Checked: len(in.Layers)}, nil
		},
		complete: func(context.Context, workflows.CompleteInput) (workflows.Done, error) { return workflows.Done{}, nil },
		evaluate: func(context.Context, workflows.EvaluateInput) (workflows.EvaluateResult, error) {
			return workflows.EvaluateResult{Tags: 1}, nil
		},
		referrers: func(context.Context, workflows.Run) (workflows.ReferrersResult, error) {
			return workflows.ReferrersResult{Found: 2}, nil
		},
		measure: func(context.Context, workflows.Run) (workflows.MeasureResult, error) {
			return workflows.MeasureResult{Elapsed: time.Hour}, nil
		},
		collect: func(context.Context, workflows.CollectInput) (workflows.CollectResult, error) {
			return workflows.CollectResult{Layers: 6, Blobs: 15}, nil
		},
		remove: func(context.Context, workflows.DeleteImageInput) (workflows.DeletedRecord, error) {
			return workflows.DeletedRecord{Request: 5}, nil
		},
		poll: func(context.Context, workflows.WatchInput) (workflows.WatchTagResult, error) {
			return workflows.WatchTagResult{Outcome: workflows.WatchAdded, Digest: digestOf(900)}, nil
		},
		noteTags: func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
			return workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: 9}, nil
		},
		addTags: func(context.Context, workflows.WatchInput) (workflows.WatchRepositoryResult, error) {
			return workflows.WatchRepositoryResult{Outcome: workflows.WatchAdded, Added: 1}, nil
		},
		apply: func(context.Context, workflows.WatchInput) (workflows.SyncWatchResult, error) {
			return workflows.SyncWatchResult{Scheduled: true}, nil
		},
		group: func(_ context.Context, in workflows.SyncGroupInput) (workflows.GroupResult, error) {
			return workflows.GroupResult{Source: in.Source, Group: in.Group, Unchanged: true}, nil
		},
		take: func(context.Context, workflows.SyncFeedsInput) (workflows.SyncFeedsResult, error) {
			return workflows.SyncFeedsResult{Groups: []workflows.GroupResult{
				{Source: "osv", Group: "Go", Unchanged: true}, {Source: "osv", Group: "npm", Generation: 40, Added: 3},
			}}, nil
		},
		portion:   func(workflows.RescanPortion) workflows.RescanProgress { return workflows.RescanProgress{} },
		trial:     func(workflows.TrialPortion) (workflows.TrialProgress, error) { return workflows.TrialProgress{}, nil },
		annotated: func(workflows.AnnotatedPortion) workflows.RescanProgress { return workflows.RescanProgress{} },
		judged:    func(workflows.PolicyPortion) workflows.RescanProgress { return workflows.RescanProgress{} },
		due:       func() workflows.DueProgress { return workflows.DueProgress{Wait: time.Hour} },
	}
}

func (f *fakes) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *fakes) noted(call string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c == call {
			n++
		}
	}
	return n
}

// bind registers an implementation that notes its call.
func bind[In, Out any](f *fakes, r workflows.Registry, a workflows.Activity[In, Out], impl func(context.Context, In) (Out, error)) {
	a.Bind(r, func(ctx context.Context, in In) (Out, error) {
		f.note(a.Name)
		return impl(ctx, in)
	})
}

func (f *fakes) register(r workflows.Registry) {
	bind(f, r, workflows.ResolveReference, f.resolve)
	bind(f, r, workflows.BeginAnalysis, f.begin)
	bind(f, r, workflows.AnalyzeLayer, f.layer)
	bind(f, r, workflows.VerifyLayerAccess, f.verify)
	bind(f, r, workflows.ListReferrers, f.referrers)
	bind(f, r, workflows.AssembleImage, func(context.Context, workflows.Run) (workflows.AssembleResult, error) {
		return workflows.AssembleResult{AnalysisID: 7, Packages: 40, Files: 900}, nil
	})
	bind(f, r, workflows.AssembleImport, func(context.Context, workflows.Run) (workflows.AssembleResult, error) {
		return workflows.AssembleResult{AnalysisID: 8, Packages: 41, Files: 901}, nil
	})
	bind(f, r, workflows.MatchAnalysis, func(context.Context, workflows.MatchInput) (workflows.MatchResult, error) {
		return workflows.MatchResult{Matched: 5, Vulnerabilities: 12}, nil
	})
	bind(f, r, workflows.MeasureAnalysis, f.measure)
	bind(f, r, workflows.EvaluateImage, f.evaluate)
	bind(f, r, workflows.CompleteAnalysis, f.complete)
	bind(f, r, workflows.FailAnalysis, func(_ context.Context, in workflows.FailInput) (workflows.Done, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.failures = append(f.failures, in)
		return workflows.Done{}, nil
	})
	bind(f, r, workflows.CancelAnalysis, func(context.Context, workflows.Run) (workflows.Done, error) { return workflows.Done{}, nil })
	bind(f, r, workflows.DeleteRecord, f.remove)
	bind(f, r, workflows.CollectGarbage, f.collect)
	bind(f, r, workflows.ListFeedGroups, func(context.Context, workflows.SyncFeedsInput) (workflows.FeedGroups, error) {
		return workflows.FeedGroups{Groups: f.groups}, nil
	})
	bind(f, r, workflows.PollTag, f.poll)
	bind(f, r, workflows.NoteTags, f.noteTags)
	bind(f, r, workflows.AddTags, f.addTags)
	bind(f, r, workflows.ApplyWatch, f.apply)
	bind(f, r, workflows.ListRepositoryTags, func(context.Context, workflows.ListTagsInput) (workflows.ListTagsResult, error) {
		return workflows.ListTagsResult{Tags: 9, Blob: digestOf(901)}, nil
	})
	bind(f, r, workflows.SyncGroup, f.group)
	bind(f, r, workflows.ClearGroup, f.group)
	bind(f, r, workflows.TakeUpload, f.take)
	bind(f, r, workflows.DropUpload, func(_ context.Context, in workflows.FeedUpload) (workflows.Done, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.dropped = append(f.dropped, in)
		return workflows.Done{}, nil
	})
	bind(f, r, workflows.EndFeedSync, func(_ context.Context, in workflows.EndSyncInput) (workflows.Done, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ended = append(f.ended, in)
		return workflows.Done{}, nil
	})
	bind(f, r, workflows.PendingRescans, func(context.Context, workflows.PendingInput) (workflows.PendingResult, error) {
		return workflows.PendingResult{Generations: f.pending}, nil
	})
	bind(f, r, workflows.RescansStarted, func(_ context.Context, in workflows.StartedInput) (workflows.Done, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.through = in.Through
		return workflows.Done{}, nil
	})
	bind(f, r, workflows.RescanMatches, func(context.Context, workflows.RescanInput) (workflows.RescanResult, error) {
		return workflows.RescanResult{Packages: 20, Opened: 4, Closed: 2, Affected: 4}, nil
	})
	bind(f, r, workflows.RescanVerdicts, func(_ context.Context, in workflows.RescanPortion) (workflows.RescanProgress, error) {
		return f.portion(in), nil
	})
	f.registerTrials(r)
	bind(f, r, workflows.AnnotatedVerdicts, func(_ context.Context, in workflows.AnnotatedPortion) (workflows.RescanProgress, error) {
		return f.annotated(in), nil
	})
	bind(f, r, workflows.PolicyVerdicts, func(_ context.Context, in workflows.PolicyPortion) (workflows.RescanProgress, error) {
		return f.judged(in), nil
	})
	bind(f, r, workflows.ImageVerdicts, func(context.Context, workflows.ImagePortion) (workflows.JudgeResult, error) {
		return workflows.JudgeResult{Images: 1, Verdicts: 1}, nil
	})
	bind(f, r, workflows.DueVerdicts, func(context.Context, workflows.DuePortion) (workflows.DueProgress, error) {
		return f.due(), nil
	})
}

func (f *fakes) registerTrials(r workflows.Registry) {
	bind(f, r, workflows.BeginTrial, func(_ context.Context, in workflows.Trial) (workflows.TrialSize, error) {
		return workflows.TrialSize{Tags: 7, Gone: in.Trial == "gone"}, nil
	})
	bind(f, r, workflows.TryImages, func(_ context.Context, in workflows.TrialPortion) (workflows.TrialProgress, error) {
		return f.trial(in)
	})
	bind(f, r, workflows.EndTrial, func(_ context.Context, in workflows.EndTrialInput) (workflows.Done, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.endTrial = append(f.endTrial, in)
		return workflows.Done{}, nil
	})
}

func newEnv(f *fakes) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	workflows.Register(env, "")
	f.register(env)
	return env
}
