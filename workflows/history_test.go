package workflows_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"

	"plimsoll/workflows"
)

var record = flag.Bool("record", false, "record the histories in testdata/histories anew, with a Temporal dev server")

const historyDir = "testdata/histories"

// scenario is one recorded behaviour. A history is never edited or dropped while runs of its kind may be
// under way somewhere: a change of behaviour adds a scenario.
type scenario struct {
	name string
	set  func(*fakes)
	run  func(context.Context, *testing.T, client.Client) (id, runID string)
}

// scenarios lists what must be recorded.
var scenarios = []scenario{
	{"analyze_image_first", nil, analyze(1, nil)},
	{"analyze_image_partly_stored", func(f *fakes) {
		f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) {
			return planOf(true, false, true, false), nil
		}
	}, analyze(2, nil)},
	{"analyze_image_failed", func(f *fakes) {
		f.layer = func(_ context.Context, in workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
			if in.Index == 1 {
				return workflows.AnalyzeLayerResult{}, refused(workflows.FailLayerCorrupt, "layer is not a readable archive")
			}
			return workflows.AnalyzeLayerResult{BytesRead: 1}, nil
		}
	}, analyze(3, nil)},
	{"analyze_image_superseded", func(f *fakes) {
		f.complete = func(context.Context, workflows.CompleteInput) (workflows.Done, error) {
			return workflows.Done{}, refused(workflows.FailSuperseded, "a newer submission took over")
		}
	}, analyze(4, nil)},
	{"analyze_image_cancelled", blockLayers, analyze(5, func(ctx context.Context, c client.Client, run client.WorkflowRun) error {
		return c.CancelWorkflow(ctx, run.GetID(), run.GetRunID())
	})},
	{"analyze_image_resubmitted", blockLayers, analyze(6, func(ctx context.Context, c client.Client, _ client.WorkflowRun) error {
		_, err := workflows.StartAnalyzeImage(ctx, c, workflows.AnalyzeImageInput{Account: "acme", Digest: digestOf(6), Request: 2, Force: true})
		return err
	})},
	{"analyze_image_referrers", nil, analyze(9, nil)},
	{"analyze_image_referrers_refused", func(f *fakes) {
		f.referrers = func(context.Context, workflows.Run) (workflows.ReferrersResult, error) {
			return workflows.ReferrersResult{}, refused(workflows.FailInternal, "not listed")
		}
	}, analyze(10, nil)},
	{"analyze_image_imported", func(f *fakes) {
		f.begin = func(context.Context, workflows.Run) (workflows.AnalysisPlan, error) {
			return workflows.AnalysisPlan{AnalyzerSet: "import:acme:0123456789abcdef", Import: true}, nil
		}
	}, analyze(11, nil)},
	{"analyze_image_withdrawn", blockLayers, analyze(12, func(ctx context.Context, c client.Client, _ client.WorkflowRun) error {
		return workflows.WithdrawAnalysis(ctx, c, workflows.WithdrawInput{Account: "acme", Digest: digestOf(12), Request: 1})
	})},
	{"analyze_image_within_limit", func(f *fakes) { f.begin = limitedTo(time.Hour) }, analyze(13, nil)},
	{"analyze_image_out_of_time", func(f *fakes) {
		blockLayers(f)
		f.begin = limitedTo(time.Second)
		f.measure = measured(0, time.Second)
	}, analyze(14, nil)},
	{"resolve_image", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartResolveImage(ctx, c, workflows.ResolveImageInput{Account: "acme", Ref: "registry.example/app:1"}, "n1")
	})},
	{"resolve_image_refused", func(f *fakes) {
		f.resolve = func(context.Context, workflows.ResolveImageInput) (workflows.ResolveImageResult, error) {
			return workflows.ResolveImageResult{}, refused(workflows.FailImageNotFound, "no such tag")
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartResolveImage(ctx, c, workflows.ResolveImageInput{Account: "acme", Ref: "registry.example/app:2"}, "n2")
	})},
	{"delete_image", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartDeleteImage(ctx, c, workflows.DeleteImageInput{Account: "acme", Digest: digestOf(7)})
	})},
	{"delete_image_again", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		in := workflows.DeleteImageInput{Account: "acme", Digest: digestOf(8)}
		if _, err := workflows.StartDeleteImage(ctx, c, in); err != nil {
			return nil, err
		}
		return workflows.StartDeleteImage(ctx, c, in)
	})},
	{"delete_image_under_analysis", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartDeleteImage(ctx, c, workflows.DeleteImageInput{Account: "acme", Digest: digestOf(15)})
	})},
	{"watch_tag", nil, watchRun(workflows.WatchTagName, tagWatch)},
	{"watch_tag_refused", func(f *fakes) {
		f.poll = func(context.Context, workflows.WatchInput) (workflows.WatchTagResult, error) {
			return workflows.WatchTagResult{}, refused(workflows.FailInternal, "no row")
		}
	}, watchRun(workflows.WatchTagName, tagWatch)},
	{"watch_repository", newTags(3, 1), watchRun(workflows.WatchRepositoryName, workflows.WatchRepositoryInput{WatchInput: repositoryWatch})},
	{"watch_repository_unchanged", nil, watchRun(workflows.WatchRepositoryName, workflows.WatchRepositoryInput{WatchInput: repositoryWatch})},
	{"watch_repository_resumed", newTags(1, 1), watchRun(workflows.WatchRepositoryName, workflows.WatchRepositoryInput{
		WatchInput: repositoryWatch, Resume: &workflows.WatchRepositoryResult{Outcome: workflows.WatchAdded, Tags: 800, New: 600, Added: 500, Left: 1},
	})},
	{"sync_watch", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartSyncWatch(ctx, c, tagWatch)
	})},
	{"sync_watch_again", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		if _, err := workflows.StartSyncWatch(ctx, c, repositoryWatch); err != nil {
			return nil, err
		}
		return workflows.StartSyncWatch(ctx, c, repositoryWatch)
	})},
	{"list_tags", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartListTags(ctx, c, workflows.ListTagsInput{Account: "acme", Repository: "registry.example/app"}, "n1")
	})},
	{"sync_feeds", newsInFeeds, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartSyncFeeds(ctx, c, workflows.SyncFeedsInput{})
	})},
	{"sync_feeds_noted", newsInFeeds, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartSyncFeeds(ctx, c, workflows.SyncFeedsInput{Source: "osv", Flush: true})
	})},
	{"sync_feeds_delete", newsInFeeds, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartSyncFeeds(ctx, c, workflows.SyncFeedsInput{Source: "osv", Group: "npm", Delete: true})
	})},
	{"sync_feeds_upload", newsInFeeds, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartSyncFeeds(ctx, c, workflows.SyncFeedsInput{Source: "osv", Force: true, Upload: &workflows.FeedUpload{ID: 3, Digest: digestOf(3)}})
	})},
	{"sync_feeds_upload_refused", func(f *fakes) {
		f.take = func(context.Context, workflows.SyncFeedsInput) (workflows.SyncFeedsResult, error) {
			return workflows.SyncFeedsResult{}, refused(workflows.FailFeedRefused, "older")
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartSyncFeeds(ctx, c, workflows.SyncFeedsInput{Upload: &workflows.FeedUpload{ID: 4, Digest: digestOf(4), Document: true}})
	})},
	{"sync_feeds_on_schedule", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		opts := client.StartWorkflowOptions{ID: "feeds-scheduled", TaskQueue: workflows.QueueFeeds}
		return c.ExecuteWorkflow(ctx, opts, workflows.SyncOnScheduleName, workflows.SyncFeedsInput{})
	})},
	{"rescan_change_set", func(f *fakes) {
		f.portion = func(in workflows.RescanPortion) workflows.RescanProgress {
			return workflows.RescanProgress{Cursor: map[string]string{"": "a", "a": "b"}[in.Cursor], Images: 2}
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartRescan(ctx, c, workflows.RescanInput{Generation: 50})
	})},
	{"rescan_change_set_resumed", nil, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartRescan(ctx, c, workflows.RescanInput{Generation: 51, Resume: &workflows.RescanResume{Cursor: "c"}})
	})},
	{"judge_annotated", func(f *fakes) {
		f.annotated = func(in workflows.AnnotatedPortion) workflows.RescanProgress {
			return workflows.RescanProgress{Cursor: map[string]string{"": "a"}[in.Cursor], Images: 2, Verdicts: 1}
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartJudgeAnnotated(ctx, c, workflows.JudgeAnnotatedInput{Account: "acme", Change: 7})
	})},
	{"judge_policy", func(f *fakes) {
		f.judged = func(in workflows.PolicyPortion) workflows.RescanProgress {
			return workflows.RescanProgress{Cursor: map[string]string{"": "a"}[in.Cursor], Images: 2, Verdicts: 1}
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartJudgePolicy(ctx, c, workflows.JudgePolicyInput{Account: "acme", Edit: 7})
	})},
	{"judge_image", func(*fakes) {}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartJudgeImage(ctx, c, workflows.JudgeImageInput{Account: "acme", Digest: digestOf(1), Move: 7})
	})},
	{"judge_due", func(f *fakes) {
		waits := []time.Duration{0, time.Second, time.Hour}
		f.due = func() workflows.DueProgress {
			wait := waits[0]
			waits = waits[min(1, len(waits)-1):]
			return workflows.DueProgress{Images: 1, Wait: wait}
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		run, err := workflows.StartJudgeDue(ctx, c)
		if err != nil {
			return nil, err
		}
		timers := 0
		events := c.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for timers < 2 && events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return nil, err
			}
			if event.GetEventType() == enumspb.EVENT_TYPE_TIMER_STARTED {
				timers++
			}
		}
		return run, c.CancelWorkflow(ctx, run.GetID(), run.GetRunID()) // while it sleeps
	})},
	{"try_policy", portionsOfTrial, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartTryPolicy(ctx, c, workflows.TryPolicyInput{Account: "acme", Trial: "t1"})
	})},
	{"try_policy_resumed", portionsOfTrial, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartTryPolicy(ctx, c, workflows.TryPolicyInput{Account: "acme", Trial: "t2", Resume: &workflows.TryPolicyResume{Cursor: "a"}})
	})},
	{"try_policy_deleted", func(f *fakes) {
		f.trial = func(workflows.TrialPortion) (workflows.TrialProgress, error) {
			return workflows.TrialProgress{Gone: true}, nil
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartTryPolicy(ctx, c, workflows.TryPolicyInput{Account: "acme", Trial: "t3"})
	})},
	{"try_policy_failed", func(f *fakes) {
		f.trial = func(workflows.TrialPortion) (workflows.TrialProgress, error) {
			return workflows.TrialProgress{}, refused(workflows.FailInternal, "no policy")
		}
	}, execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		return workflows.StartTryPolicy(ctx, c, workflows.TryPolicyInput{Account: "acme", Trial: "t4"})
	})},
}

func portionsOfTrial(f *fakes) {
	f.trial = func(in workflows.TrialPortion) (workflows.TrialProgress, error) {
		return workflows.TrialProgress{Cursor: map[string]string{"": "a", "a": "b"}[in.Cursor], Images: 2, Tags: 3}, nil
	}
}

// watchRun starts a look as its schedule does.
func watchRun(name string, in any) func(context.Context, *testing.T, client.Client) (string, string) {
	return execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		opts := client.StartWorkflowOptions{ID: workflows.WatchScheduleID(tagWatch) + "-" + uuid.NewString(), TaskQueue: workflows.QueueControl}
		return c.ExecuteWorkflow(ctx, opts, name, in)
	})
}

// blockLayers keeps layers under way until they are cancelled, unless the submission is a forced one.
func blockLayers(f *fakes) {
	f.layer = func(ctx context.Context, in workflows.AnalyzeLayerInput) (workflows.AnalyzeLayerResult, error) {
		if in.Force {
			return workflows.AnalyzeLayerResult{BytesRead: in.Size}, nil
		}
		<-ctx.Done()
		return workflows.AnalyzeLayerResult{}, ctx.Err()
	}
}

func newsInFeeds(f *fakes) {
	f.groups = []workflows.FeedGroup{{Source: "osv", Name: "Debian"}, {Source: "osv", Name: "npm"}, {Source: "osv", Name: "Go"}}
	f.pending = []int64{30, 31}
	f.group = func(_ context.Context, in workflows.SyncGroupInput) (workflows.GroupResult, error) {
		if in.Group == "npm" {
			return workflows.GroupResult{}, refused(workflows.FailFeedBadResponse, "not a zip archive")
		}
		return workflows.GroupResult{Source: in.Source, Group: in.Group, Generation: 31, Unchanged: in.Group == "Go"}, nil
	}
}

func execute(start func(context.Context, client.Client) (client.WorkflowRun, error)) func(context.Context, *testing.T, client.Client) (string, string) {
	return func(ctx context.Context, t *testing.T, c client.Client) (string, string) {
		run, err := start(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		id, runID := run.GetID(), run.GetRunID() // Get follows a run to its successor
		err = run.Get(ctx, nil)
		t.Logf("%s ended: %v", id, err)
		return id, runID
	}
}

// analyze starts an analysis; meddle is called once its first layer is under way.
func analyze(image int, meddle func(context.Context, client.Client, client.WorkflowRun) error) func(context.Context, *testing.T, client.Client) (string, string) {
	return execute(func(ctx context.Context, c client.Client) (client.WorkflowRun, error) {
		in := workflows.AnalyzeImageInput{Account: "acme", Digest: digestOf(image), Request: 1}
		run, err := workflows.StartAnalyzeImage(ctx, c, in)
		if err != nil || meddle == nil {
			return run, err
		}
		events := c.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return nil, err
			}
			if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == workflows.AnalyzeLayer.Name {
				return run, meddle(ctx, c, run)
			}
		}
		return nil, errors.New("the run ended before a layer was read")
	})
}

func TestReplayOfEveryRecordedHistory(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(historyDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer, "")
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEveryScenarioHasItsHistory(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, s := range scenarios {
		want = append(want, s.name+".json")
	}
	entries, err := os.ReadDir(historyDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded histories; run `make histories` after adding a scenario\n%s", diff)
	}
}

// TestRecordHistories runs every scenario against a real server, with activities that only pretend.
func TestRecordHistories(t *testing.T) {
	if !*record {
		t.Log("nothing to do without -record")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	server, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath: temporalProgram(t), LogLevel: "error",
		ClientOptions: &client.Options{Identity: "recorder"},
		ExtraArgs: []string{
			"--search-attribute", workflows.AttributeAccount + "=Keyword",
			"--search-attribute", workflows.AttributeImageDigest + "=Keyword",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			f := newFakes()
			if s.set != nil {
				s.set(f)
			}
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			startWorkers(t, server.Client(), f)
			id, runID := s.run(ctx, t, server.Client())
			save(ctx, t, server.Client(), s.name, id, runID)
		})
	}
}

func startWorkers(t *testing.T, c client.Client, f *fakes) {
	t.Helper()
	for _, queue := range workflows.Queues() {
		w := worker.New(c, queue, worker.Options{Identity: "recorder", DeadlockDetectionTimeout: time.Minute})
		workflows.Register(w, queue)
		f.register(w)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
}

func save(ctx context.Context, t *testing.T, c client.Client, name, id, runID string) {
	t.Helper()
	var history historypb.History
	events := c.GetWorkflowHistory(ctx, id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	compact, err := protojson.Marshal(&history)
	if err != nil {
		t.Fatal(err)
	}
	// Sticky queues are named after the machine; whose it was is nobody's business.
	if host, err := os.Hostname(); err == nil {
		compact = bytes.ReplaceAll(compact, []byte(`"`+host+":"), []byte(`"recorder:`))
	}
	// protojson varies its white space on purpose; a second pass makes the file the same for the same events.
	var tree any
	if err := json.Unmarshal(compact, &tree); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(tree, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(historyDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(historyDir, name+".json"), append(pretty, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// temporalProgram finds the dev server: PLIMSOLL_TEST_TEMPORAL, PATH, or what `make setup` built.
func temporalProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("PLIMSOLL_TEST_TEMPORAL"); path != "" {
		return path
	}
	if path, err := exec.LookPath("temporal"); err == nil {
		return path
	}
	path, err := filepath.Abs("../.cache/bin/temporal")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no temporal program: set PLIMSOLL_TEST_TEMPORAL or run `make setup`: %v", err)
	}
	return path
}
