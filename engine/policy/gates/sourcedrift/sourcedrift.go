// Package sourcedrift is the gate about what of the packages of source repositories arrived in the image made from them.
package sourcedrift

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/match"
	"plimsoll/engine/policy"
	"plimsoll/engine/version"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name: "image_source_drift",
	Doc: "Compares the packages of the image with those of the source repositories it is known to be made from. Without such " +
		"repositories only no_related_sources fires.",
	Triggers:  []policy.Trigger{downgraded, removed, noSources},
	Lifecycle: policy.Lifecycle{State: policy.Deprecated},
}

const identified = "Hash of type and name of the package."

var packageTypes = policy.Param{
	Name: "package_types", Type: policy.List, Example: "java, npm", Doc: "Only packages of these types; without it, of all.",
}

var downgraded = policy.Trigger{
	Name: "package_downgraded",
	Doc:  "Fires for each package of which the image has only versions older than the newest one in the source repositories.",
	ID:   identified, Params: []policy.Param{packageTypes},
	Prepare: prepare(func(pass *policy.Pass, p product, source, image []string) error {
		if len(image) == 0 {
			return nil
		}
		want, wantErr := newest(p.kind, source)
		got, gotErr := newest(p.kind, image)
		order, err := version.Compare(match.Order(p.kind), got, want)
		if errors.Join(wantErr, gotErr, err) != nil {
			pass.Warn(fmt.Sprintf("the versions of package %s (%s) cannot be compared", p.name, p.kind))
			return nil
		}
		if order >= 0 {
			return nil
		}
		return pass.Report(fmt.Sprintf("Package %s (%s) is %s, in the source repositories it is %s", p.name, p.kind, got, want), p.kind, p.name)
	}),
}

var removed = policy.Trigger{
	Name: "package_removed",
	Doc:  "Fires for each package of the source repositories of which the image has no version.",
	ID:   identified, Params: []policy.Param{packageTypes},
	Prepare: prepare(func(pass *policy.Pass, p product, source, image []string) error {
		if len(image) > 0 {
			return nil
		}
		return pass.Report(fmt.Sprintf("Package %s (%s) of the source repositories, %s, is not in the image", p.name, p.kind, strings.Join(source, ", ")), p.kind, p.name)
	}),
}

var noSources = policy.Trigger{
	Name: "no_related_sources",
	Doc:  "Fires when no source repository is known that the image is made from.",
	ID:   "Hash without key: the same for every image.",
	Prepare: func(policy.Args) (policy.Check, error) {
		return func(ctx context.Context, pass *policy.Pass) error {
			sources, err := pass.Sources(ctx)
			if err != nil || len(sources) > 0 {
				return err
			}
			return pass.Report("No source repository is known that the image is made from")
		}, nil
	},
}

type product struct{ kind, name string }

// prepare makes a check that looks at each product of the source repositories: its versions there and in the image.
func prepare(look func(pass *policy.Pass, p product, source, image []string) error) func(policy.Args) (policy.Check, error) {
	return func(args policy.Args) (policy.Check, error) {
		kinds := args.List(packageTypes.Name)
		return func(ctx context.Context, pass *policy.Pass) error {
			sources, err := pass.Sources(ctx)
			if err != nil || len(sources) == 0 {
				return err
			}
			packages, err := pass.Packages(ctx)
			if err != nil {
				return err
			}
			wanted, present := map[product][]string{}, map[product][]string{}
			for _, s := range sources {
				collect(wanted, s.Packages)
			}
			collect(present, packages)
			order := func(a, b product) int {
				return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
			}
			for _, p := range slices.SortedFunc(maps.Keys(wanted), order) {
				if kinds != nil && !slices.Contains(kinds, p.kind) {
					continue
				}
				if err := look(pass, p, sorted(wanted[p]), sorted(present[p])); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}
}

func collect(into map[product][]string, packages []catalog.Package) {
	for i := range packages {
		p := product{packages[i].Type, packages[i].Name}
		into[p] = append(into[p], packages[i].Version)
	}
}

func sorted(versions []string) []string {
	slices.Sort(versions)
	return slices.Compact(versions)
}

// newest fails when two of the versions cannot be compared.
func newest(kind string, versions []string) (string, error) {
	best := versions[0]
	for _, v := range versions[1:] {
		order, err := version.Compare(match.Order(kind), v, best)
		if err != nil {
			return "", err
		}
		if order > 0 {
			best = v
		}
	}
	return best, nil
}
