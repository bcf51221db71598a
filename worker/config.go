package worker

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"plimsoll/activities"
	"plimsoll/workflows"
)

// Config is the configuration section of workers.
type Config struct {
	Queues           []string            `yaml:"queues" doc:"Task queues this process serves: control, analysis, feeds, rescan, notify."`
	Slots            Slots               `yaml:"slots" doc:"How many activities of a queue this process runs at a time."`
	StopTimeout      time.Duration       `yaml:"stop_timeout" doc:"How long running activities may take to end when the process is asked to stop."`
	DispatchInterval time.Duration       `yaml:"dispatch_interval" doc:"Time between two looks for workflows that were asked for and not started."`
	Deployment       string              `yaml:"deployment" doc:"Name of the Temporal worker deployment, for rolling out versions side by side. Empty means that workers take whatever is on their queues."`
	Analysis         activities.Analysis `yaml:"analysis" doc:"Limits of image analysis."`
	Watch            activities.Watch    `yaml:"watch" doc:"Watched tags and repositories."`
	Events           activities.Events   `yaml:"events" doc:"What happened, for people and programs to follow (GET /v2/events)."`
	WhatIf           activities.WhatIf   `yaml:"what_if" doc:"Policies that are tried on the images of an account before they are activated."`
}

// Slots are activity slots by queue.
type Slots struct {
	Control  int `yaml:"control" doc:"Short steps that mostly wait for the database or a registry."`
	Analysis int `yaml:"analysis" doc:"Layers and images under analysis; 0 means one per core and at least two."`
	Feeds    int `yaml:"feeds" doc:"Feed groups being fetched or loaded."`
	Rescan   int `yaml:"rescan" doc:"Portions of rescans."`
	Notify   int `yaml:"notify" doc:"Notifications being delivered."`
}

// DefaultConfig serves every queue.
func DefaultConfig() Config {
	return Config{
		Queues: workflows.Queues(), StopTimeout: 20 * time.Second, DispatchInterval: 2 * time.Second,
		Slots:    Slots{Control: 20, Feeds: 2, Rescan: 2, Notify: 10},
		Analysis: activities.DefaultAnalysis(), Watch: activities.DefaultWatch(), Events: activities.DefaultEvents(), WhatIf: activities.DefaultWhatIf(),
	}
}

// Validate reports what is wrong with the section itself; the sections in it report for themselves.
func (c Config) Validate() error {
	var faults []error
	if len(c.Queues) == 0 {
		faults = append(faults, errors.New("queues: must name at least one"))
	}
	for _, queue := range c.Queues {
		if !slices.Contains(workflows.Queues(), queue) {
			faults = append(faults, fmt.Errorf("queues: unknown queue %q, there are %s", queue, strings.Join(workflows.Queues(), ", ")))
		}
	}
	if c.StopTimeout < 0 {
		faults = append(faults, errors.New("stop_timeout: must not be negative"))
	}
	if c.DispatchInterval <= 0 {
		faults = append(faults, errors.New("dispatch_interval: must be positive"))
	}
	return errors.Join(faults...)
}

// Validate reports every fault of the section at once.
func (s Slots) Validate() error {
	var faults []error
	for _, slot := range []struct {
		name   string
		n, min int
	}{{"control", s.Control, 1}, {"analysis", s.Analysis, 0}, {"feeds", s.Feeds, 1}, {"rescan", s.Rescan, 1}, {"notify", s.Notify, 1}} {
		if slot.n < slot.min {
			faults = append(faults, fmt.Errorf("%s: must be at least %d", slot.name, slot.min))
		}
	}
	return errors.Join(faults...)
}

// of is the number of slots of a queue.
func (s Slots) of(queue string) int {
	switch queue {
	case workflows.QueueControl:
		return s.Control
	case workflows.QueueFeeds:
		return s.Feeds
	case workflows.QueueRescan:
		return s.Rescan
	case workflows.QueueNotify:
		return s.Notify
	}
	if s.Analysis > 0 {
		return s.Analysis
	}
	// Reading a layer keeps a core busy. Memory needs no further bound: layers share one budget, whatever
	// their number. Two at least, as one may be waiting for its registry.
	return max(runtime.NumCPU(), 2)
}
