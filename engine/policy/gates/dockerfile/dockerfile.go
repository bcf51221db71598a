// Package dockerfile is the gate about how an image was built: the Dockerfile its user sent or, failing that,
// the one guessed from its history. In a guess, user and ports come from the image config, which is what a
// runtime obeys.
package dockerfile

import (
	"context"

	"plimsoll/engine/dockerfile"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name: "dockerfile",
	Doc: "Looks at the Dockerfile sent with the image or, without one, at the Dockerfile guessed from the image's " +
		"history.",
	Triggers: []policy.Trigger{instruction, effectiveUser, exposedPorts, noDockerfileProvided},
}

const (
	allowlist = "allowlist"
	denylist  = "denylist"
)

var actualOnly = policy.Param{
	Name: "actual_dockerfile_only", Type: policy.Boolean, Default: "false", Example: "true",
	Doc: "If true, only a Dockerfile sent by a user is looked at, never a guessed one.",
}

// load returns the parsed Dockerfile and its mode; mode DockerfileNone means there is nothing to look at.
func load(ctx context.Context, pass *policy.Pass, actualOnly bool) (*dockerfile.File, policy.DockerfileMode, error) {
	facts, err := pass.Dockerfile(ctx)
	if err != nil {
		return nil, policy.DockerfileNone, err
	}
	if facts.Mode == policy.DockerfileNone || actualOnly && facts.Mode != policy.DockerfileActual {
		return nil, policy.DockerfileNone, nil
	}
	file, err := dockerfile.Parse(facts.Text)
	return file, facts.Mode, err
}

var noDockerfileProvided = policy.Trigger{
	Name: "no_dockerfile_provided",
	Doc:  "Fires when no user sent a Dockerfile for the image.",
	ID:   "Hash without key: the same for every image.",
	Prepare: func(policy.Args) (policy.Check, error) {
		return func(ctx context.Context, pass *policy.Pass) error {
			facts, err := pass.Dockerfile(ctx)
			if err != nil || facts.Mode == policy.DockerfileActual {
				return err
			}
			return pass.Report("No Dockerfile was sent for the image")
		}, nil
	},
}
