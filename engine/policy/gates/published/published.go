// Package published holds the gates about what registries publish of the image's packages: npms and ruby_gems. Both are
// remnants of an older format and deprecated as a whole; they work as long as somebody has such an index synced.
package published

import (
	"context"
	"fmt"
	"slices"

	"plimsoll/engine/catalog"
	"plimsoll/engine/match"
	"plimsoll/engine/policy"
	"plimsoll/engine/version"
)

// Npms and RubyGems are the values for the list of gates.
var (
	Npms = registry{
		kind: catalog.TypeNpm, name: "npm", successor: "packages.denylist",
		newer: "newer_version_in_feed", unknown: "unknown_in_feeds", unlisted: "version_not_in_feeds", denied: "denylisted_name_version",
		formerlyDenied: "blacklisted_name_version", limit: " The index has the packages that the operator names.",
	}.gate("npms")
	RubyGems = registry{
		kind: catalog.TypeGem, name: "RubyGems", successor: "packages.denylist",
		newer: "newer_version_found_in_feed", unknown: "not_found_in_feed", unlisted: "version_not_found_in_feed", denied: "denylist",
		formerlyDenied: "blacklist",
	}.gate("ruby_gems")
)

const unavailable = "feed_data_unavailable"

// registry describes a gate: the names of its triggers have grown.
type registry struct {
	kind, name, successor                            string
	newer, unknown, unlisted, denied, formerlyDenied string
	limit                                            string // what the index does not have
}

func (r registry) gate(name string) policy.Gate {
	denied := r.deny()
	return policy.Gate{
		Name: name,
		Doc:  fmt.Sprintf("Compares the %s packages of the image with the index of their registry, which has to be synced.%s", r.name, r.limit),
		Triggers: []policy.Trigger{
			r.trigger(r.newer, "Fires for each installed version that is older than the newest one in the index, or cannot be compared with it. "+
				"Packages the index does not have are left out.", r.findOld),
			r.trigger(r.unknown, "Fires for each package that the index does not have. When it has none of the image's packages, nothing fires.", r.findUnknown),
			r.trigger(r.unlisted, "Fires for each installed version that the index does not list. Packages it does not have are left out.", r.findUnlisted),
			denied, r.unavailable(), denied.Formerly(r.formerlyDenied),
		},
		Lifecycle: policy.Lifecycle{State: policy.Deprecated},
	}
}

// trigger makes one that compares with the index. Nothing fires unless the index has one of the packages.
func (r registry) trigger(name, doc string, find func(pass *policy.Pass, index policy.PackageIndex, packages []installed) error) policy.Trigger {
	return policy.Trigger{
		Name: name, Doc: doc, ID: "Hash of the name of the package, and of its version where it matters.",
		Prepare: func(policy.Args) (policy.Check, error) {
			return func(ctx context.Context, pass *policy.Pass) error {
				index, err := pass.PackageIndex(ctx, r.kind)
				if err != nil || len(index.Packages) == 0 {
					return err
				}
				packages, err := r.installed(ctx, pass)
				if err != nil {
					return err
				}
				return find(pass, index, packages)
			}, nil
		},
	}
}

// installed is one version of a package, wherever it lies.
type installed struct{ name, version string }

func (r registry) installed(ctx context.Context, pass *policy.Pass) ([]installed, error) {
	packages, err := pass.Packages(ctx)
	if err != nil {
		return nil, err
	}
	var out []installed
	seen := map[installed]bool{}
	for i := range packages {
		p := installed{packages[i].Name, packages[i].Version}
		if packages[i].Type == r.kind && !packages[i].Declared() && !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out, nil
}

func (r registry) findOld(pass *policy.Pass, index policy.PackageIndex, packages []installed) error {
	for _, p := range packages {
		latest := index.Packages[p.name].Latest
		if latest == "" || latest == p.version {
			continue
		}
		if order, err := version.Compare(match.Order(r.kind), p.version, latest); err == nil && order >= 0 {
			continue
		}
		message := fmt.Sprintf("Package %s is %s, the newest version in the index of %s is %s", p.name, p.version, r.name, latest)
		if err := pass.Report(message, p.name, p.version); err != nil {
			return err
		}
	}
	return nil
}

func (r registry) findUnknown(pass *policy.Pass, index policy.PackageIndex, packages []installed) error {
	seen := map[string]bool{}
	for _, p := range packages {
		if _, known := index.Packages[p.name]; known || seen[p.name] {
			continue
		}
		seen[p.name] = true
		if err := pass.Report(fmt.Sprintf("Package %s is not in the index of %s", p.name, r.name), p.name); err != nil {
			return err
		}
	}
	return nil
}

func (r registry) findUnlisted(pass *policy.Pass, index policy.PackageIndex, packages []installed) error {
	for _, p := range packages {
		known, ok := index.Packages[p.name]
		if !ok || slices.Contains(known.Versions, p.version) {
			continue
		}
		message := fmt.Sprintf("Version %s of package %s is not in the index of %s", p.version, p.name, r.name)
		if err := pass.Report(message, p.name, p.version); err != nil {
			return err
		}
	}
	return nil
}

func (r registry) deny() policy.Trigger {
	return policy.Trigger{
		Name: r.denied, Doc: "Fires when the package is installed, in any or in the given version.", ID: "Hash of name and version as the rule gives them.",
		Params: []policy.Param{
			{Name: "name", Type: policy.String, Required: true, Example: "left-pad", Doc: "Name of the package, compared exactly."},
			{Name: "version", Type: policy.String, Example: "1.3.0", Doc: "Version, compared exactly; without it, every one."},
		},
		Lifecycle: policy.Lifecycle{State: policy.Deprecated, SupersededBy: r.successor},
		Prepare: func(args policy.Args) (policy.Check, error) {
			name, wanted := args.String("name"), args.String("version")
			if name == "" {
				return nil, fmt.Errorf("name must not be empty")
			}
			return func(ctx context.Context, pass *policy.Pass) error {
				packages, err := r.installed(ctx, pass)
				if err != nil {
					return err
				}
				if !slices.ContainsFunc(packages, func(p installed) bool { return p.name == name && (wanted == "" || p.version == wanted) }) {
					return nil
				}
				message := "Denied " + r.name + " package " + name
				if wanted != "" {
					message += " " + wanted
				}
				return pass.Report(message, name, wanted)
			}, nil
		},
	}
}

func (r registry) unavailable() policy.Trigger {
	return policy.Trigger{
		Name: unavailable, Doc: "Fires when the index was never synced, whether or not the image has such packages.",
		ID: "Hash without key: the same for every image.",
		Prepare: func(policy.Args) (policy.Check, error) {
			return func(ctx context.Context, pass *policy.Pass) error {
				index, err := pass.PackageIndex(ctx, r.kind)
				if err != nil || index.Known {
					return err
				}
				return pass.Report("The index of " + r.name + " was never synced")
			}, nil
		},
	}
}
