// Package tagdrift is the gate about what changed between the image and the one its tag named before.
package tagdrift

import (
	"context"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name: "tag_drift",
	Doc: "Compares the packages of the image with those of the analysed image that the evaluated tag named last before. Without one " +
		"nothing fires.",
	Triggers: []policy.Trigger{
		trigger("packages_added", "Fires for each package that the image before did not have.", func(d *drift) []change { return d.added }),
		trigger("packages_removed", "Fires for each package that only the image before had.", func(d *drift) []change { return d.removed }),
		trigger("packages_modified", "Fires for each package that the image before had in another version. Of several versions of a package "+
			"side by side, those both images have are left out; the others belong together by their location, else by their order.",
			func(d *drift) []change { return d.modified }),
	},
}

const (
	everyType  = "all"
	typesOS    = "os"
	typesNonOS = "non-os"
)

var packageType = policy.Param{
	Name: "package_type", Type: policy.List, Default: everyType, Example: "java, npm",
	Doc: "Only packages of these types, as the content of an image lists them; os, non-os and all stand for several.",
}

func trigger(name, doc string, of func(*drift) []change) policy.Trigger {
	return policy.Trigger{
		Name: name, Doc: doc,
		ID:     "Hash of type, name and version of the package; of a modified one both versions, the former first.",
		Params: []policy.Param{packageType},
		Prepare: func(args policy.Args) (policy.Check, error) {
			wanted := map[string]bool{}
			for _, kind := range args.List(packageType.Name) {
				wanted[kind] = true
			}
			return func(ctx context.Context, pass *policy.Pass) error {
				found, err := load(ctx, pass)
				if err != nil || found == nil {
					return err
				}
				for _, c := range of(found) {
					if !selects(wanted, c.kind) {
						continue
					}
					if err := pass.Report(c.message(), c.key()...); err != nil {
						return err
					}
				}
				return nil
			}, nil
		},
	}
}

func selects(wanted map[string]bool, kind string) bool {
	class := typesNonOS
	if catalog.IsOS(kind) {
		class = typesOS
	}
	return wanted[everyType] || wanted[class] || wanted[kind]
}

// load is nil without a predecessor.
func load(ctx context.Context, pass *policy.Pass) (*drift, error) {
	before, err := pass.Predecessor(ctx, pass.Tag)
	if err != nil || before == nil {
		return nil, err
	}
	packages, err := pass.Packages(ctx)
	if err != nil {
		return nil, err
	}
	return compare(before.Packages, packages), nil
}
