package workflows

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

var (
	keyAccount     = temporal.NewSearchAttributeKeyKeyword(AttributeAccount)
	keyImageDigest = temporal.NewSearchAttributeKeyKeyword(AttributeImageDigest)
)

// ErrRunning says that a workflow of which only one may run is running already.
var ErrRunning = errors.New("already running")

// ErrUnknown says that no workflow has the given name; a newer version may have written the row.
var ErrUnknown = errors.New("unknown workflow")

// Client is what starting needs of a Temporal client.
type Client interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any, options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
}

// ResolveImageOptions are the start options of a registry look-up. It is of no use to anybody once the one who
// waits has gone, so it ends then.
func ResolveImageOptions(in ResolveImageInput, nonce string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: ResolveImageID(in.Account, nonce), TaskQueue: QueueControl,
		WorkflowExecutionTimeout: resolveLimit,
		StaticSummary:            in.Ref,
		Priority:                 share(in.Account, awaited),
		TypedSearchAttributes:    temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account)),
	}
}

// resolveLimit ends a look-up that no worker took. It covers all tries of one that is taken (foreground), and is
// what a person waits at most.
const resolveLimit = 24 * time.Second

// AnalyzeImageOptions are the start options of an analysis; start it with StartAnalyzeImage.
func AnalyzeImageOptions(in AnalyzeImageInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: AnalyzeImageID(in.Account, in.Digest), TaskQueue: QueueControl,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		Priority:              share(in.Account, ordinary),
		TypedSearchAttributes: imageAttributes(in.Account, in.Digest),
	}
}

// DeleteImageOptions are the start options of a deletion; start it with StartDeleteImage.
func DeleteImageOptions(in DeleteImageInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: DeleteImageID(in.Account, in.Digest), TaskQueue: QueueControl,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		Priority:              share(in.Account, ordinary),
		TypedSearchAttributes: imageAttributes(in.Account, in.Digest),
	}
}

// SyncFeedsOptions are the start options of a manual feed sync: one at a time, scheduled ones included.
func SyncFeedsOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: SyncFeedsID, TaskQueue: QueueFeeds,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
}

// RescanOptions are the start options of a rescan.
func RescanOptions(in RescanInput) client.StartWorkflowOptions {
	options := client.StartWorkflowOptions{
		ID: RescanID(in.Generation), TaskQueue: QueueRescan,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Priority:                 temporal.Priority{PriorityKey: patient},
	}
	if in.Account != "" {
		options.ID = CorrectID(in.Account, -in.Generation)
		options.TypedSearchAttributes = temporal.NewSearchAttributes(keyAccount.ValueSet(in.Account))
	}
	return options
}

// Priorities of tasks that wait in a queue; lower numbers go first (Temporal, "Task Queue Priority"). Steps inherit them from
// their workflow, and runs that continue as new from the run before.
const (
	awaited  = 2 // a person waits for the answer
	ordinary = 3
	patient  = 4 // nobody waits
	idle     = 5 // a question about what might be; what is comes first
)

// maxFairnessKey is Temporal's bound, in bytes.
const maxFairnessKey = 64

// share gives every account its share of the workers: a thousand images of one account do not keep another's waiting. It has
// an effect where the server is told to be fair (matching.enableFairness).
func share(account string, priority int) temporal.Priority {
	if len(account) > maxFairnessKey {
		sum := sha256.Sum256([]byte(account))
		account = hex.EncodeToString(sum[:])
	}
	return temporal.Priority{PriorityKey: priority, FairnessKey: account}
}

func imageAttributes(account, digest string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(keyAccount.ValueSet(account), keyImageDigest.ValueSet(digest))
}

// StartResolveImage starts a look-up; wait for it with the run's Get.
func StartResolveImage(ctx context.Context, c Client, in ResolveImageInput, nonce string) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, ResolveImageOptions(in, nonce), ResolveImageName, in)
}

// StartAnalyzeImage starts the analysis, or tells the running one of the newer submission. Starting the same
// submission twice is starting it once.
func StartAnalyzeImage(ctx context.Context, c Client, in AnalyzeImageInput) (client.WorkflowRun, error) {
	opts := AnalyzeImageOptions(in)
	return c.SignalWithStartWorkflow(ctx, opts.ID, RequestSignal, in, opts, AnalyzeImageName, in)
}

// StartDeleteImage starts the deletion of a record in state deleting, or tells the running one that there is one
// again.
func StartDeleteImage(ctx context.Context, c Client, in DeleteImageInput) (client.WorkflowRun, error) {
	opts := DeleteImageOptions(in)
	return c.SignalWithStartWorkflow(ctx, opts.ID, RequestSignal, in, opts, DeleteImageName, in)
}

// StartSyncFeeds starts a feed sync, or fails with ErrRunning.
func StartSyncFeeds(ctx context.Context, c Client, in SyncFeedsInput) (client.WorkflowRun, error) {
	run, err := c.ExecuteWorkflow(ctx, SyncFeedsOptions(), SyncFeedsName, in)
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &started) {
		return nil, fmt.Errorf("feed sync: %w", ErrRunning)
	}
	return run, err
}

// StartRescan starts the rescan of a generation.
func StartRescan(ctx context.Context, c Client, in RescanInput) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, RescanOptions(in), RescanChangeSetName, in)
}

// Start starts what an outbox row asks for: a workflow by its name with its input as JSON. ErrRunning counts
// as started.
func Start(ctx context.Context, c Client, name string, input []byte) error {
	var err error
	switch name {
	case AnalyzeImageName:
		err = startFrom(ctx, c, input, StartAnalyzeImage)
	case WithdrawAnalysisName:
		var in WithdrawInput
		if err = json.Unmarshal(input, &in); err == nil {
			err = WithdrawAnalysis(ctx, c, in)
		}
	case DeleteImageName:
		err = startFrom(ctx, c, input, StartDeleteImage)
	case SyncWatchName:
		err = startFrom(ctx, c, input, StartSyncWatch)
	case SyncFeedsName:
		err = startFrom(ctx, c, input, StartSyncFeeds)
	case RescanChangeSetName:
		err = startFrom(ctx, c, input, StartRescan)
	case JudgeAnnotatedName:
		err = startFrom(ctx, c, input, StartJudgeAnnotated)
	case JudgePolicyName:
		err = startFrom(ctx, c, input, StartJudgePolicy)
	case JudgeImageName:
		err = startFrom(ctx, c, input, StartJudgeImage)
	case TryPolicyName:
		err = startFrom(ctx, c, input, StartTryPolicy)
	default:
		return fmt.Errorf("start %q: %w", name, ErrUnknown)
	}
	if err != nil && !errors.Is(err, ErrRunning) {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

func startFrom[In any](ctx context.Context, c Client, input []byte, start func(context.Context, Client, In) (client.WorkflowRun, error)) error {
	var in In
	if err := json.Unmarshal(input, &in); err != nil {
		return fmt.Errorf("decode input: %w", err)
	}
	_, err := start(ctx, c, in)
	return err
}
