// Package retrievedfiles is the gate about the content of files that the analysis keeps because the operator's list of
// files names them.
package retrievedfiles

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"

	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "retrieved_files",
	Doc:      "Looks into the files that the analysis keeps. Which these are is configured; others can only be found not to be there.",
	Triggers: []policy.Trigger{contentNotAvailable, contentRegex},
}

var filePath = policy.Param{
	Name: "path", Type: policy.String, Required: true, Example: "/etc/ssh/sshd_config", Doc: "Absolute path of the file.",
}

// pathOf returns the path a rule is about.
func pathOf(args policy.Args) (string, error) {
	p := args.String(filePath.Name)
	if !path.IsAbs(p) || path.Clean(p) != p {
		return "", fmt.Errorf("path %q is not absolute and clean", p)
	}
	return p, nil
}

var contentNotAvailable = policy.Trigger{
	Name:   "content_not_available",
	Doc:    "Fires when the file is not in the image or not kept by the analysis. An empty file is there.",
	ID:     "Hash of the path.",
	Params: []policy.Param{filePath},
	Prepare: func(args policy.Args) (policy.Check, error) {
		p, err := pathOf(args)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, pass *policy.Pass) error {
			found, err := pass.Findings(ctx)
			if err != nil {
				return err
			}
			if _, ok := found.Retrieve(p); ok {
				return nil
			}
			return pass.Report(p+" is not in the image or not kept by the analysis", p)
		}, nil
	},
}

// Values of check.
const (
	match   = "match"
	noMatch = "no_match"
)

var contentRegex = policy.Trigger{
	Name: "content_regex",
	Doc: "Fires once when a line of the file matches, or with no_match when none does. The expression is looked for anywhere " +
		"in a line; ^ and $ are the ends of the line. A file that is not there never fires: ask content_not_available.",
	ID: "Rule id, a plus sign, file:// and the path.",
	Params: []policy.Param{
		filePath,
		{Name: "regex", Type: policy.Regexp, Required: true, Example: `^PermitRootLogin\s+yes`,
			Doc: "Looked for in each line, in contrast to other expressions not only at its start."},
		{Name: "check", Type: policy.Enum(match, noMatch), Required: true, Example: match, Doc: "Whether a match or its absence fires."},
	},
	Prepare: func(args policy.Args) (policy.Check, error) {
		p, err := pathOf(args)
		if err != nil {
			return nil, err
		}
		written := args.Written("regex")
		re, err := policy.CompileSearch(written)
		if err != nil {
			return nil, fmt.Errorf("regex: %w", err)
		}
		wanted := args.String("check") == match
		return func(ctx context.Context, pass *policy.Pass) error {
			found, err := pass.Findings(ctx)
			if err != nil {
				return err
			}
			content, ok := found.Retrieve(p)
			if !ok {
				return nil
			}
			line := firstMatch(re, content)
			message := fmt.Sprintf("Line %d of %s matches %s", line, p, written)
			if line == 0 {
				message = fmt.Sprintf("No line of %s matches %s", p, written)
			}
			if (line > 0) != wanted {
				return nil
			}
			return pass.ReportID(pass.RuleID()+"+file://"+p, message, "")
		}, nil
	},
}

// firstMatch returns the number of the first line that matches, counted from 1; 0 for none. The content may be any bytes.
func firstMatch(re *regexp.Regexp, content []byte) int {
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if re.Match(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))) {
			return number
		}
	}
	return 0
}
