package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// Definition is a workflow with the queue whose workers run it.
type Definition struct {
	Name  string
	Queue string
	Func  any
}

// All lists every workflow.
func All() []Definition {
	return []Definition{
		{ResolveImageName, QueueControl, ResolveImage},
		{AnalyzeImageName, QueueControl, AnalyzeImage},
		{DeleteImageName, QueueControl, DeleteImage},
		{WatchTagName, QueueControl, WatchTag},
		{WatchRepositoryName, QueueControl, WatchRepository},
		{SyncWatchName, QueueControl, SyncWatch},
		{ListTagsName, QueueControl, ListTags},
		{SyncFeedsName, QueueFeeds, SyncFeeds},
		{SyncOnScheduleName, QueueFeeds, SyncFeedsOnSchedule},
		{RescanChangeSetName, QueueRescan, RescanChangeSet},
		{JudgeAnnotatedName, QueueRescan, JudgeAnnotated},
		{JudgePolicyName, QueueRescan, JudgePolicy},
		{JudgeImageName, QueueRescan, JudgeImage},
		{JudgeDueName, QueueRescan, JudgeDue},
		{TryPolicyName, QueueRescan, TryPolicy},
	}
}

// Registrar is the part of a worker, or of a replayer, that Register needs.
type Registrar interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Register registers the workflows of a queue under their names; "" means every queue.
func Register(r Registrar, queue string) {
	for _, d := range All() {
		if queue == "" || queue == d.Queue {
			r.RegisterWorkflowWithOptions(d.Func, workflow.RegisterOptions{Name: d.Name})
		}
	}
}
