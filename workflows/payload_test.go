package workflows_test

import (
	"reflect"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/stretchr/testify/mock"

	"plimsoll/workflows"
)

// Names the test environment's listeners use.
type (
	activityInfo    = activity.Info
	workflowInfo    = workflow.Info
	workflowContext = workflow.Context
	encodedValues   = converter.EncodedValues
)

var anything = mock.Anything

func isContinueAsNew(err error) bool {
	return workflow.IsContinueAsNewError(err)
}

// payloadLimit is far below the server's own limits (warning at 512 KiB), because a history repeats payloads
// and is read in full by every replay.
const payloadLimit = 16 << 10

// maxLayers is what image builders stop at.
const maxLayers = 127

func TestLargestPayloadsStaySmall(t *testing.T) {
	t.Parallel()
	const big = int64(1) << 40
	account := strings.Repeat("a", 64)
	digest := digestOf(1)
	var plan workflows.AnalysisPlan
	verify := workflows.VerifyLayersInput{Account: account, Digest: digest}
	for i := range maxLayers {
		plan.Layers = append(plan.Layers, workflows.PlannedLayer{Digest: digestOf(i), Size: 20 << 30, Stored: true})
		verify.Layers = append(verify.Layers, digestOf(i))
	}
	plan.AnalyzerSet = strings.Repeat("f", 64)
	run := workflows.Run{Account: account, Digest: digest, Request: big, RunID: strings.Repeat("u", 36), Force: true}
	var groups workflows.FeedGroups
	var synced workflows.SyncFeedsResult
	for range 40 { // OSV has about thirty ecosystems
		groups.Groups = append(groups.Groups, workflows.FeedGroup{Source: "osv", Name: strings.Repeat("g", 24)})
		synced.Groups = append(synced.Groups, workflows.GroupResult{
			Source: "osv", Group: strings.Repeat("g", 24), Generation: big, Records: 1 << 20, Added: 1 << 20,
			Changed: 1 << 20, Removed: 1 << 20, Error: strings.Repeat("e", 100),
		})
	}
	ref := strings.Repeat("r", 255) + "/" + strings.Repeat("p", 255) + ":" + strings.Repeat("t", 128)
	platform := workflows.ResolveImageResult{
		Digest: digest, ParentDigest: digest, ImageID: digest[7:], MediaType: "application/vnd.docker.distribution.manifest.v2+json",
		ManifestBlob: digest, ConfigBlob: digest, Layers: maxLayers, Size: big, Platform: "linux/mips64le/v8",
	}
	platforms := platform
	platform.ParentDigest = ""
	for range 31 { // what a registry client gives at most
		platforms.Others = append(platforms.Others, platform)
	}
	for _, payload := range []any{
		platforms,
		workflows.ResolveImageInput{Account: account, Ref: ref, Platform: "linux/arm64/v8"},
		workflows.ResolveImageResult{
			Digest: digest, ParentDigest: digest, ImageID: digest, MediaType: strings.Repeat("m", 100),
			ManifestBlob: digest, ConfigBlob: digest, Layers: maxLayers, Size: big,
		},
		workflows.AnalyzeImageInput{Account: account, Digest: digest, Request: big, Force: true},
		run, plan, verify,
		workflows.AnalyzeLayerInput{Account: account, Digest: digest, Index: 126, Layer: digest, Size: big, Force: true},
		workflows.FailInput{Run: run, Code: workflows.FailRegistryUnauthorized, Message: strings.Repeat("m", 500)},
		workflows.PendingResult{Generations: make([]int64, 100)},
		workflows.WatchRepositoryInput{
			WatchInput: workflows.WatchInput{Account: account, Type: workflows.WatchedRepository, ID: strings.Repeat("i", 32)},
			Resume:     &workflows.WatchRepositoryResult{Outcome: workflows.WatchUnchanged, Tags: 1 << 20, Code: workflows.FailRegistryUnauthorized},
		},
		workflows.ListTagsInput{Account: account, Repository: ref},
		workflows.ListTagsResult{Tags: 1 << 20, Blob: digest},
		groups, synced,
		workflows.JudgeImageInput{Account: account, Digest: digest, Move: big},
		workflows.ImagePortion{Account: account, Digest: digest},
		workflows.JudgePolicyInput{Account: account, Edit: big, Resume: &workflows.JudgeResume{Cursor: digest}},
		workflows.JudgeAnnotatedInput{Account: account, Change: big, Resume: &workflows.JudgeAnnotatedResume{Cursor: digest}},
		workflows.TryPolicyInput{Account: account, Trial: strings.Repeat("t", 36), Resume: &workflows.TryPolicyResume{Cursor: digest}},
		workflows.EndTrialInput{Account: account, Trial: strings.Repeat("t", 36), Failure: strings.Repeat("m", 500)},
		workflows.RescanInput{Generation: big, Resume: &workflows.RescanResume{Cursor: strings.Repeat("c", 600)}},
	} {
		encoded, err := converter.GetDefaultDataConverter().ToPayload(payload)
		if err != nil {
			t.Fatal(err)
		}
		if n := encoded.Size(); n > payloadLimit {
			t.Errorf("%s takes %d bytes, limit %d", reflect.TypeOf(payload), n, payloadLimit)
		}
	}
}
