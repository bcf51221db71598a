package dockerfile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/dockerfile"
	"plimsoll/engine/policy"
)

const root = "root"

var effectiveUser = policy.Trigger{
	Name: "effective_user",
	Doc: "Fires when the user the image runs as is on a denylist or not on an allowlist: the last USER of the final " +
		"stage and of the stages it is built on, in a guessed Dockerfile the user of the image config, else root. " +
		"A group behind the user does not count and user id 0 is root.",
	ID: "Hash of the user and the type.",
	Params: []policy.Param{
		{Name: "users", Type: policy.ListOrEmpty, Required: true, Example: "root, admin", Doc: "User names or ids."},
		{Name: "type", Type: policy.Enum(allowlist, denylist), Required: true, Example: denylist,
			Doc: "Whether the users are the only ones allowed or the ones denied."},
		actualOnly,
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		users, kind, actual := args.List("users"), args.String("type"), args.Bool(actualOnly.Name)
		listed := make([]string, len(users))
		for i, user := range users {
			listed[i] = userName(user)
		}
		return func(ctx context.Context, pass *policy.Pass) error {
			user, err := runsAs(ctx, pass, actual)
			if err != nil || user == "" || slices.Contains(listed, user) != (kind == denylist) {
				return err
			}
			return pass.Report(fmt.Sprintf("The image runs as user %s, by %s", user, kind), user, kind)
		}, nil
	},
}

// runsAs returns the effective user, empty when there is no Dockerfile to tell.
func runsAs(ctx context.Context, pass *policy.Pass, actualOnly bool) (string, error) {
	file, mode, err := load(ctx, pass, actualOnly)
	switch {
	case err != nil || mode == policy.DockerfileNone:
		return "", err
	case mode == policy.DockerfileGuessed:
		config, err := pass.Config(ctx)
		return userName(config.User), err
	}
	return lastUser(file.Final()), nil
}

func lastUser(instructions []dockerfile.Instruction) string {
	for _, line := range slices.Backward(instructions) {
		if line.Name == "USER" {
			return userName(line.Args)
		}
	}
	return root
}

// userName reduces user[:group], which some write in brackets, to the user; nobody named and id 0 are root.
func userName(user string) string {
	user = strings.TrimSpace(user)
	if inner, ok := strings.CutPrefix(user, "["); ok {
		user = strings.Trim(strings.TrimSuffix(inner, "]"), `" `)
	}
	if !strings.HasPrefix(user, "$") { // ${UID:-1000} is not split
		user, _, _ = strings.Cut(user, ":")
		user = strings.TrimSpace(user)
	}
	if user == "" || strings.Trim(user, "0") == "" {
		return root
	}
	return user
}
