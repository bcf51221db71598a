// Package secretscans is the gate about credentials left in files, as the secret search of the analysis found them.
//
// Files that a later layer removes count too unless a rule leaves them out: they are in the layers that everybody who
// pulls the image receives, and a credential in them is as lost as any.
package secretscans

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "secret_scans",
	Doc:      "Looks at the credentials that the secret search found in files of the image. Their text is no part of any answer.",
	Triggers: []policy.Trigger{contentRegexChecks},
}

// Values of match_type and removed_files.
const (
	found    = "found"
	notFound = "notfound"
	include  = "include"
	exclude  = "exclude"
)

var contentRegexChecks = policy.Trigger{
	Name: "content_regex_checks",
	Doc:  "Fires for each file and each kind of secret found in it or, with notfound, once when there is none.",
	ID:   "Hash of path and kind; with notfound, of that word, the kinds and the file name pattern.",
	Params: []policy.Param{
		{Name: "content_regex_name", Type: policy.ListOrEmpty, Example: "AWS_ACCESS_KEY, PRIV_KEY",
			Doc: "Only these kinds of secrets, by their whole names; without it, all."},
		{Name: "filename_regex", Type: policy.Regexp, Example: `/etc/.*`,
			Doc: "Only files whose absolute path matches, from its start and not necessarily to its end."},
		{Name: "match_type", Type: policy.Enum(found, notFound), Default: found, Example: found,
			Doc: "Whether secrets or their absence fire."},
		{Name: "removed_files", Type: policy.Enum(include, exclude), Default: include, Example: exclude,
			Doc: "Whether files that a later layer removes or replaces count as well. Whoever pulls the image receives them."},
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		r := rule{
			names: args.List("content_regex_name"), files: args.Regexp("filename_regex"), pattern: args.Written("filename_regex"),
			wanted: args.String("match_type") == found, removed: args.String("removed_files") == include,
		}
		return r.check, nil
	},
}

// rule is a prepared content_regex_checks rule.
type rule struct {
	names   []string       // none: all
	files   *regexp.Regexp // nil: all
	pattern string         // files as written
	wanted  bool
	removed bool // count too
}

func (r *rule) covers(hit *policy.Places) bool {
	return (len(r.names) == 0 || slices.Contains(r.names, hit.Name)) &&
		(r.files == nil || r.files.MatchString(hit.Path)) &&
		(r.removed || !hit.Removed)
}

func (r *rule) check(ctx context.Context, pass *policy.Pass) error {
	findings, err := pass.Findings(ctx)
	if err != nil {
		return err
	}
	for _, hit := range findings.Search(catalog.SearchSecret) {
		switch {
		case !r.covers(&hit):
		case !r.wanted:
			return nil
		default:
			if err := pass.Report(fmt.Sprintf("%s is found in %s", hit.Name, &hit), hit.Path, hit.Name); err != nil {
				return err
			}
		}
	}
	if r.wanted {
		return nil
	}
	names := strings.Join(r.names, ", ")
	message := "No secret"
	if names != "" {
		message += " of kind " + names
	}
	message += " is found"
	if r.pattern != "" {
		message += " in files that match " + r.pattern
	}
	return pass.Report(message, notFound, names, r.pattern)
}
