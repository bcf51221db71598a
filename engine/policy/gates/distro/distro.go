// Package distro is the gate about the distribution an image is made from.
package distro

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/comparison"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "distro",
	Doc:      "Looks at the distribution and release in the image's os-release.",
	Triggers: []policy.Trigger{deny},
}

var deny = policy.Trigger{
	Name: "deny",
	Doc: "Fires when the image is of the distribution and its release compares as given. Releases are compared number by " +
		"number: 9.10 is above 9.9, 12 is 12.0. Those that are no dotted numbers can only be equal or not; where another " +
		"check meets one, it does not fire and the evaluation says so.",
	ID: "Hash of distro, check and version.",
	Params: []policy.Param{
		{Name: "distro", Type: policy.String, Required: true, Example: "debian", Doc: "ID of the distribution in os-release."},
		{Name: "version", Type: policy.String, Required: true, Example: "12", Doc: "Release to compare with, VERSION_ID in os-release."},
		{Name: "check", Type: comparison.Ordering, Required: true, Example: comparison.Less, Doc: "How the release of the image compares with it."},
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		r := rule{distro: strings.TrimSpace(args.String("distro")), version: strings.TrimSpace(args.String("version")), check: args.String("check")}
		switch {
		case r.distro == "" || r.version == "":
			return nil, errors.New("distro and version must not be empty")
		case comparison.Orders(r.check) && !comparison.Dotted(r.version):
			return nil, fmt.Errorf("version %q is not numbers with dots between and so cannot be compared by %s", r.version, r.check)
		}
		return r.run, nil
	},
}

// rule is a prepared deny rule.
type rule struct{ distro, version, check string }

func (r *rule) run(ctx context.Context, pass *policy.Pass) error {
	image, err := pass.Image(ctx)
	if err != nil || image.Distro == nil || !strings.EqualFold(image.Distro.ID, r.distro) {
		return err
	}
	release := image.Distro.VersionID
	order, numeric := comparison.Releases(release, r.version)
	if !numeric {
		if comparison.Orders(r.check) {
			pass.Warn(fmt.Sprintf("release %q of %s is not numbers with dots between and cannot be compared with %s", release, image.Distro.ID, r.version))
			return nil
		}
		order = strings.Compare(release, r.version)
	}
	if !comparison.Holds(r.check, order) {
		return nil
	}
	message := fmt.Sprintf("The image is of %s %s, denied is %s %s", image.Distro.ID, cmp.Or(release, "without a release"), r.check, r.version)
	return pass.Report(message, r.distro, r.check, r.version)
}
