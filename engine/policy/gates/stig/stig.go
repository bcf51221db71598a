// Package stig is the gate about evaluations of the image against a Security Technical Implementation Guide.
package stig

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "stig",
	Doc:      "Looks at the evaluations of the image against Security Technical Implementation Guides (STIG) that are stored with it.",
	Triggers: []policy.Trigger{none, outdated},
}

var none = policy.Trigger{
	Name: "no_stig_evaluations_available",
	Doc:  "Fires when no evaluation is stored for the image.",
	ID:   "Hash without key: the same for every image.",
	Prepare: func(policy.Args) (policy.Check, error) {
		return func(ctx context.Context, pass *policy.Pass) error {
			stored, err := pass.STIGEvaluations(ctx)
			if err != nil || len(stored) > 0 {
				return err
			}
			return pass.Report("No STIG evaluation is stored for the image")
		}, nil
	},
}

var outdated = policy.Trigger{
	Name: "stig_evaluations_outdated",
	Doc:  "Fires when every stored evaluation is older than the given number of days. Without any, it does not fire.",
	ID:   "Hash of the number of days.",
	Params: []policy.Param{{Name: "max_days_since_stig_evaluation", Type: policy.Integer, Required: true, Example: "30",
		Doc: "The greatest acceptable age in days of 24 hours."}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		days := args.Int("max_days_since_stig_evaluation")
		return func(ctx context.Context, pass *policy.Pass) error { return checkAge(ctx, pass, days) }, nil
	},
}

func checkAge(ctx context.Context, pass *policy.Pass, days int) error {
	stored, err := pass.STIGEvaluations(ctx)
	if err != nil || len(stored) == 0 {
		return err
	}
	var latest time.Time
	for _, at := range stored {
		if at.After(latest) {
			latest = at
		}
	}
	latest = latest.UTC().Truncate(time.Second)
	limit := latest.AddDate(0, 0, days)
	if !pass.Now.After(limit) {
		pass.Recheck(limit.Add(time.Second))
		return nil
	}
	return pass.Report(fmt.Sprintf("The last STIG evaluation is older than %d days: %s", days, latest.Format(time.RFC3339)), strconv.Itoa(days))
}
