package files

import (
	"context"
	"fmt"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

// Values of removed_files.
const (
	include = "include"
	exclude = "exclude"
)

var contentRegexMatch = policy.Trigger{
	Name: "content_regex_match",
	Doc: "Fires for each file and each expression of the operator's content search that found something in it. Without " +
		"expressions in the configuration of the analysis it never fires.",
	ID: "Hash of path and name of the expression.",
	Params: []policy.Param{
		{Name: "regex_name", Type: policy.String, Example: "INTERNAL_HOST",
			Doc: "Only this expression, by the name it has in the configuration; an equals sign and what follows it do not count."},
		{Name: "removed_files", Type: policy.Enum(include, exclude), Default: exclude, Example: include,
			Doc: "Whether files that a later layer removes or replaces count as well. Whoever pulls the image receives them."},
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		name, _, _ := strings.Cut(args.String("regex_name"), "=")
		removed := args.String("removed_files") == include
		return func(ctx context.Context, pass *policy.Pass) error {
			found, err := pass.Findings(ctx)
			if err != nil {
				return err
			}
			for _, hit := range found.Search(catalog.SearchContent) {
				if name != "" && hit.Name != name || hit.Removed && !removed {
					continue
				}
				if err := pass.Report(fmt.Sprintf("%s is found in %s", hit.Name, &hit), hit.Path, hit.Name); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}
