// Package files is the gate about the paths of the image's final file system: regular files, directories and
// links alike, by absolute path.
package files

import (
	"context"
	"errors"
	"fmt"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name:     "files",
	Doc:      "Looks at the files, directories and links of the image's final file system.",
	Triggers: []policy.Trigger{contentRegexMatch, nameMatch, attributeMatch, suidOrGuidSet},
}

// everyEntry runs visit over the file system and ends early when the evaluation does.
func everyEntry(ctx context.Context, pass *policy.Pass, visit func(catalog.Entry) error) error {
	entries, err := pass.Files(ctx)
	if err != nil {
		return err
	}
	seen := 0
	for entry := range entries {
		if seen++; seen%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := visit(entry); err != nil {
			return err
		}
	}
	return nil
}

var nameMatch = policy.Trigger{
	Name: "name_match",
	Doc:  "Fires for each path that matches a regular expression from its start.",
	ID:   "Hash of path and regex.",
	Params: []policy.Param{{
		Name: "regex", Type: policy.Regexp, Required: true, Example: `.*\.pem$`,
		Doc: "Matched from the start of the absolute path, not necessarily to its end.",
	}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		re, written := args.Regexp("regex"), args.Written("regex")
		return func(ctx context.Context, pass *policy.Pass) error {
			return everyEntry(ctx, pass, func(entry catalog.Entry) error {
				if !re.MatchString(entry.Path) {
					return nil
				}
				return pass.Report(fmt.Sprintf("%s matches the name pattern %s", entry.Path, written), entry.Path, written)
			})
		}, nil
	},
}

var suidOrGuidSet = policy.Trigger{
	Name: "suid_or_guid_set",
	Doc:  "Fires for each path with the set-user-ID or set-group-ID bit, directories included.",
	ID:   "Hash of path and mode.",
	Prepare: func(policy.Args) (policy.Check, error) {
		return func(ctx context.Context, pass *policy.Pass) error {
			return everyEntry(ctx, pass, func(entry catalog.Entry) error {
				if entry.Mode&(catalog.ModeSetuid|catalog.ModeSetgid) == 0 {
					return nil
				}
				mode := octal(entry.Mode)
				return pass.Report(fmt.Sprintf("%s has mode %s with SUID or SGID set", entry.Path, mode), entry.Path, mode)
			})
		}, nil
	},
}

func octal(mode uint32) string { return fmt.Sprintf("%#04o", mode&permissionBits) }

const permissionBits = 0o7777

// Values of the _match and _op parameters.
const (
	equals    = "equals"
	notEquals = "not_equals"
)

var attributeMatch = policy.Trigger{
	Name: "attribute_match",
	Doc: "Fires when one file has, or lacks, a checksum or a mode. Both conditions must hold if both are given; " +
		"with neither, only a missing file can fire.",
	ID: "Hash of the file name and the conditions.",
	Params: []policy.Param{
		{Name: "filename", Type: policy.String, Required: true, Example: "/etc/passwd",
			Doc: "Absolute path of the file."},
		{Name: "checksum_algorithm", Type: policy.Enum("sha256"), Default: "sha256", Example: "sha256",
			Doc: "Algorithm of the checksum."},
		{Name: "checksum", Type: policy.String, Example: "832cd0f75b227d13aac82b1f70b7f90191a4186c151f9db50851d209c45ede11",
			Doc: "Checksum in lower case hexadecimal. Directories and links have none."},
		{Name: "checksum_match", Type: policy.Enum(equals, notEquals), Default: equals, Example: equals,
			Doc: "Whether an equal or a different checksum fires."},
		{Name: "mode", Type: policy.Mode, Example: "00644",
			Doc: "The twelve permission bits in octal, set-user-ID, set-group-ID and sticky included."},
		{Name: "mode_op", Type: policy.Enum(equals, notEquals), Default: equals, Example: equals,
			Doc: "Whether an equal or a different mode fires."},
		{Name: "skip_missing", Type: policy.Boolean, Default: "true", Example: "true",
			Doc: "If false, fires also when the file does not exist."},
	},
	Prepare: prepareAttributes,
}

// attributes are the conditions of one attribute_match rule.
type attributes struct {
	filename           string
	checksum           string
	byChecksum, byMode bool
	mode               uint32
	skipMissing        bool
	checksumOp, modeOp string
}

func prepareAttributes(args policy.Args) (policy.Check, error) {
	a := attributes{
		filename: args.String("filename"), checksum: args.String("checksum"), mode: args.Mode("mode"),
		byChecksum: args.Has("checksum"), byMode: args.Has("mode"), skipMissing: args.Bool("skip_missing"),
		checksumOp: args.String("checksum_match"), modeOp: args.String("mode_op"),
	}
	if a.filename == "" || a.filename[0] != '/' {
		return nil, errors.New("filename must be an absolute path")
	}
	if !a.byChecksum && !a.byMode && a.skipMissing {
		return nil, errors.New("the rule can never fire: give checksum, mode or skip_missing=false")
	}
	return a.check, nil
}

func (a *attributes) check(ctx context.Context, pass *policy.Pass) error {
	var entry *catalog.Entry
	err := everyEntry(ctx, pass, func(e catalog.Entry) error {
		if e.Path == a.filename {
			entry = &e
			return errFound
		}
		return nil
	})
	switch {
	case err != nil && !errors.Is(err, errFound):
		return err
	case entry != nil:
		return a.compare(pass, entry)
	case a.skipMissing:
		return nil
	}
	return pass.Report(fmt.Sprintf("%s does not exist", a.filename), a.filename, "missing")
}

// errFound ends the search.
var errFound = errors.New("found")

func (a *attributes) compare(pass *policy.Pass, entry *catalog.Entry) error {
	key := []string{a.filename}
	message := a.filename + " has"
	if a.byChecksum {
		if (entry.SHA256 == a.checksum) != (a.checksumOp == equals) {
			return nil
		}
		key = append(key, "checksum", a.checksumOp, a.checksum)
		message += fmt.Sprintf(" checksum %s (%s %s)", orNone(entry.SHA256), a.checksumOp, a.checksum)
	}
	if a.byMode {
		if (entry.Mode&permissionBits == a.mode) != (a.modeOp == equals) {
			return nil
		}
		key = append(key, "mode", a.modeOp, octal(a.mode))
		message += fmt.Sprintf(" mode %s (%s %s)", octal(entry.Mode), a.modeOp, octal(a.mode))
	}
	if len(key) == 1 {
		return nil
	}
	return pass.Report(message, key...)
}

func orNone(checksum string) string {
	if checksum == "" {
		return "none"
	}
	return checksum
}
