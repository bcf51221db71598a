package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"plimsoll/activities"
	"plimsoll/engine/policy"
	"plimsoll/persistence"
	"plimsoll/persistence/blob"
	"plimsoll/persistence/seal"
	"plimsoll/workflows"
)

var errTrial = errors.New("the trial of a policy went wrong")

// tries fills the database and tries a stricter policy on fleets of growing size.
func (b *bench) tries(ctx context.Context) error {
	b.fleet = newFleet(b.seed, b.data)
	for _, size := range b.images {
		if err := b.grow(ctx, size); err != nil {
			return fmt.Errorf("make %d images: %w", size, err)
		}
		if err := b.tryPolicy(ctx); err != nil {
			return fmt.Errorf("try a policy on %d images: %w", size, err)
		}
	}
	return nil
}

// tryPolicy runs the workflow of a trial, as a worker does, and tells how fast it was and what memory it took.
func (b *bench) tryPolicy(ctx context.Context) error {
	// What the default warns of is stopped.
	draft := bytes.ReplaceAll(policy.Default(), []byte(`"action": "WARN"`), []byte(`"action": "STOP"`))
	whatIfs, id := persistence.NewWhatIfs(b.pool), uuid.NewString()
	in := workflows.TryPolicyInput{Account: persistence.AdminAccount, Trial: id}
	_, _, err := whatIfs.Create(ctx, persistence.NewWhatIf{
		Account: in.Account, ID: id, RequestedBy: "bench", Examples: 3, Draft: persistence.Policy{ID: "draft", Name: "Stricter", Document: draft},
		Baseline: persistence.Policy{ID: "default", Name: "Default", Document: policy.Default()},
	}, persistence.Start{Workflow: workflows.TryPolicyName, WorkflowID: workflows.TryPolicyID(in.Account, id), Input: in})
	if err != nil {
		return err
	}
	env, err := b.worker()
	if err != nil {
		return err
	}
	stop, err := b.startProfile()
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	resident, err := memoryOf("VmRSS")
	if err != nil {
		return err
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // forgets the peak so far (proc(5))
		return fmt.Errorf("reset the peak of memory: %w", err)
	}
	began := time.Now()
	env.ExecuteWorkflow(workflows.TryPolicyName, in)
	took := time.Since(began)
	if err := errors.Join(env.GetWorkflowError(), stop()); err != nil {
		return err
	}
	peak, err := memoryOf("VmHWM")
	if err != nil {
		return err
	}
	done, err := whatIfs.Get(ctx, in.Account, id)
	if err != nil {
		return err
	}
	if done.State != persistence.WhatIfDone || done.Done != b.fleet.images {
		return fmt.Errorf("%w: %s, %d of %d", errTrial, done.State, done.Done, b.fleet.images)
	}
	b.out.line("%d images under two policies in %.1f s, %.0f images a second; peak of memory %d MiB, %d MiB above idle", done.Done, took.Seconds(),
		float64(done.Done)/took.Seconds(), peak>>10, (peak-resident)>>10)
	for _, c := range done.Counts {
		b.out.line("  %s -> %s: %d", c.Before, c.After, c.Tags)
	}
	return nil
}

// worker has all activities, and no server between them and the workflow.
func (b *bench) worker() (*testsuite.TestWorkflowEnvironment, error) {
	sealer, err := seal.New(seal.GenerateKey())
	if err != nil {
		return nil, err
	}
	deps := activities.Deps{Pool: b.pool, Sealer: sealer, Blobs: blob.NewPostgres(b.pool), Host: "bench", Version: "bench", Watch: activities.DefaultWatch(), MaxImageMiB: -1}
	acts, err := activities.New(deps, activities.DefaultAnalysis(), activities.DefaultFeeds())
	if err != nil {
		return nil, err
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Hour)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // a busy machine is no deadlock
	workflows.Register(env, "")
	for _, queue := range workflows.Queues() {
		acts.Register(env, queue)
	}
	return env, nil
}

// memoryOf reads a line of /proc/self/status, in KiB.
func memoryOf(name string) (int, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read memory in use: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return 0, fmt.Errorf("read memory in use: %w: no %s", errTrial, name)
}
