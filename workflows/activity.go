package workflows

import (
	"context"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"
)

// Activity is a typed handle: name, options and the types of both sides meet at compile time, without the
// workflow importing the implementation.
type Activity[In, Out any] struct {
	Name string
	Opts workflow.ActivityOptions
}

// Registry is the part of a worker that Bind needs.
type Registry interface {
	RegisterActivityWithOptions(a any, opts activity.RegisterOptions)
}

// Bind registers the implementation under the handle's name.
func (a Activity[In, Out]) Bind(r Registry, impl func(context.Context, In) (Out, error)) {
	r.RegisterActivityWithOptions(impl, activity.RegisterOptions{Name: a.Name})
}

// Queue is the task queue whose workers run the activity.
func (a Activity[In, Out]) Queue() string { return a.Opts.TaskQueue }

// Start schedules the activity.
func (a Activity[In, Out]) Start(ctx workflow.Context, in In) workflow.Future {
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, a.Opts), a.Name, in)
}

// Run schedules the activity and waits for its result.
func (a Activity[In, Out]) Run(ctx workflow.Context, in In) (Out, error) {
	var out Out
	err := a.Start(ctx, in).Get(ctx, &out)
	return out, err
}

// RunAs is Run with a line that the Temporal UI shows beside the activity, so that a person can tell one
// layer from the next.
func (a Activity[In, Out]) RunAs(ctx workflow.Context, summary string, in In) (Out, error) {
	a.Opts.Summary = summary
	return a.Run(ctx, in)
}
