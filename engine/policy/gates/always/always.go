// Package always is the gate that fires on every image: for catch-all rules and for trying things out.
package always

import (
	"context"

	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name: "always",
	Doc:  "Fires on every image.",
	Triggers: []policy.Trigger{{
		Name: "always",
		Doc:  "Fires exactly once, whatever the image holds.",
		ID:   "The word always.",

		Artifacts: []string{policy.ArtifactSource, policy.ArtifactSBOM},
		Prepare: func(policy.Args) (policy.Check, error) {
			return func(_ context.Context, pass *policy.Pass) error {
				return pass.ReportID("always", "The rule fires on every image", "")
			}, nil
		},
	}},
}
