package packages

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plimsoll/engine/policy"
)

// Values of check, also in trigger ids.
const (
	changed = "changed"
	missing = "missing"
)

var verify = policy.Trigger{
	Name: "verify",
	Doc: "Fires for each file of an operating system package that is missing, or that is not as the package brought it: of " +
		"another type, mode, size, content or link target. Configuration files may change but not be missing. Owners and " +
		"times do not count. Slim images lack thousands of files of documentation.",
	ID: "Hash of package name, path and the word changed or missing; of package name and the word truncated where a package has " +
		"more such files than the analysis lists.",
	Params: []policy.Param{
		{Name: "only_packages", Type: policy.ListOrEmpty, Example: "libssl3, openssl", Doc: "Only the files of these packages."},
		{Name: "only_directories", Type: policy.ListOrEmpty, Example: "/usr/bin, /usr/sbin", Doc: "Only files that are or lie below these paths."},
		{Name: "check", Type: policy.Enum(changed, missing), Example: changed, Doc: "Only changed or only missing files; without it, both."},
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		r := verification{packages: args.List("only_packages"), check: args.String("check")}
		for _, dir := range args.List("only_directories") {
			if dir[0] != '/' {
				return nil, fmt.Errorf("only_directories: %s is not an absolute path", dir)
			}
			r.directories = append(r.directories, strings.TrimRight(dir, "/"))
		}
		return r.run, nil
	},
}

// verification is a prepared verify rule.
type verification struct {
	packages    []string // none: all
	directories []string // without a slash at the end; none: all
	check       string   // empty: both
}

func (r *verification) run(ctx context.Context, pass *policy.Pass) error {
	verified, err := pass.Verified(ctx)
	if err != nil {
		return err
	}
	for i := range verified {
		v := &verified[i]
		if len(r.packages) > 0 && !slices.Contains(r.packages, v.Package.Name) {
			continue
		}
		for j := range v.Deviations {
			if err := r.judge(pass, v.Package.Name, &v.Deviations[j]); err != nil {
				return err
			}
		}
		if v.Truncated {
			message := fmt.Sprintf("Package %s has more changed or missing files than can be listed, not all of them were looked at", v.Package.Name)
			if err := pass.Report(message, v.Package.Name, "truncated"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *verification) judge(pass *policy.Pass, name string, d *policy.Deviation) error {
	if !r.within(d.Path) {
		return nil
	}
	switch {
	case d.Missing && r.check != changed:
		return pass.Report(fmt.Sprintf("%s of package %s is missing", d.Path, name), name, d.Path, missing)
	case !d.Missing && !d.Config && len(d.Changed) > 0 && r.check != missing:
		message := fmt.Sprintf("%s of package %s is changed (%s)", d.Path, name, strings.Join(d.Changed, ", "))
		return pass.Report(message, name, d.Path, changed)
	}
	return nil
}

func (r *verification) within(path string) bool {
	return len(r.directories) == 0 || slices.ContainsFunc(r.directories, func(dir string) bool {
		rest, ok := strings.CutPrefix(path, dir)
		return ok && (rest == "" || rest[0] == '/')
	})
}
