// Package packages is the gate about what is installed: packages of every type by name and version, and whether the
// files of operating system packages are as they were installed.
package packages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "packages",
	Doc:      "Looks at the packages of the image, whatever their type, and at the files they brought.",
	Triggers: []policy.Trigger{requiredPackage, denylist, verify, metadata, denylist.Formerly("blacklist")},
}

// Values of version_match_type.
const (
	exact   = "exact"
	minimum = "minimum"
)

var requiredPackage = policy.Trigger{
	Name: "required_package",
	Doc: "Fires when no package of the name is installed or, if a version is given, none in such a version. A package that " +
		"a lock file only asks for is not installed.",
	ID: "Hash of name, version, match type and whether the package is missing or wrong.",
	Params: []policy.Param{
		{Name: "name", Type: policy.String, Required: true, Example: "libssl3", Doc: "Name of the package, compared exactly."},
		{Name: "version", Type: policy.String, Example: "3.0.11-1~deb12u2", Doc: "The version wanted; without it, any does."},
		{Name: "version_match_type", Type: policy.Enum(exact, minimum), Default: exact, Example: minimum,
			Doc: "Whether the version must be equal or at least as high, in the order of the package's type. Of an rpm, epoch and " +
				"release count if the wanted version has them; an equal one has to have the release."},
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		r := requirement{name: args.String("name"), version: args.String("version"), match: args.String("version_match_type")}
		if r.name == "" {
			return nil, errNoName
		}
		return r.check, nil
	},
}

var errNoName = errors.New("name must not be empty")

// requirement is a prepared required_package rule.
type requirement struct{ name, version, match string }

func (r *requirement) check(ctx context.Context, pass *policy.Pass) error {
	all, err := pass.Packages(ctx)
	if err != nil {
		return err
	}
	var installed []string
	for i := range all {
		p := &all[i]
		if p.Name != r.name || p.Declared() {
			continue
		}
		if r.satisfiedBy(p) {
			return nil
		}
		installed = append(installed, p.Version)
	}
	if len(installed) == 0 {
		return pass.Report(fmt.Sprintf("Required package %s is not installed", r.wanted()), r.name, r.version, r.match, "missing")
	}
	slices.Sort(installed)
	message := fmt.Sprintf("Required package %s is installed in version %s", r.wanted(), strings.Join(slices.Compact(installed), ", "))
	return pass.Report(message, r.name, r.version, r.match, "wrong")
}

func (r *requirement) satisfiedBy(p *catalog.Package) bool {
	switch {
	case r.version == "" || slices.Contains(fullVersions(p), r.version):
		return true
	case r.match == exact:
		return false
	}
	order, ok := compareVersions(p, r.version)
	return ok && order >= 0
}

func (r *requirement) wanted() string {
	switch {
	case r.version == "":
		return r.name
	case r.match == minimum:
		return r.name + " of at least " + r.version
	}
	return r.name + " " + r.version
}

var denylist = policy.Trigger{
	Name: "denylist",
	Doc:  "Fires for each package of the name, with a version only for those in that version.",
	ID:   "Hash of the name and, if given, the version.",
	Params: []policy.Param{
		{Name: "name", Type: policy.String, Required: true, Example: "telnetd", Doc: "Name of the package, compared exactly."},
		{Name: "version", Type: policy.String, Example: "0.17-41", Doc: "The denied version, compared exactly; of an rpm with or without epoch and release."},
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		name, version := args.String("name"), args.String("version")
		if name == "" {
			return nil, errNoName
		}
		key := []string{name}
		if version != "" {
			key = append(key, version)
		}
		return func(ctx context.Context, pass *policy.Pass) error {
			all, err := pass.Packages(ctx)
			if err != nil {
				return err
			}
			for i := range all {
				p := &all[i]
				if p.Name != name || version != "" && !slices.Contains(versions(p), version) {
					continue
				}
				if err := pass.Report("Denied package "+describe(p), key...); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}

// describe names a package in a message.
func describe(p *catalog.Package) string {
	text := fmt.Sprintf("%s %s (%s)", p.Name, p.Version, p.Type)
	if p.Location != "" {
		text += " at " + p.Location
	}
	return text
}
