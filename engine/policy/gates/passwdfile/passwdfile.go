// Package passwdfile is the gate about the users of an image: the entries of its /etc/passwd, which the analysis keeps
// where the operator's list of files to keep names it, as it does by default.
package passwdfile

import (
	"context"
	"fmt"
	"slices"

	"plimsoll/engine/catalog"
	"plimsoll/engine/policy"
)

// Gate is the value for the list of gates.
var Gate = policy.Gate{
	Name: "passwd_file",
	Doc: "Looks at the entries of /etc/passwd, provided the analysis keeps that file. Every line counts, also when a name is " +
		"there twice; lines with less than the name, the password and both ids are passed over. Names of groups and " +
		"other sources of users are not looked at.",
	Triggers: []policy.Trigger{
		contentNotAvailable,
		denyUsernames, denyUserIDs, denyGroupIDs, denyShells, denyFullEntry,
		denyUsernames.Formerly("blacklist_usernames"), denyUserIDs.Formerly("blacklist_userids"),
		denyGroupIDs.Formerly("blacklist_groupids"), denyShells.Formerly("blacklist_shells"),
		denyFullEntry.Formerly("blacklist_full_entry"),
	},
}

// passwdPath is the file all triggers are about.
const passwdPath = "/etc/passwd"

// entryID documents the ids of all triggers about entries.
const entryID = "Hash of the whole entry."

var contentNotAvailable = policy.Trigger{
	Name: "content_not_available",
	Doc:  "Fires when /etc/passwd is empty, not in the image or not kept by the analysis. The other triggers find nothing then.",
	ID:   "Hash without key: the same for every image.",
	Prepare: func(policy.Args) (policy.Check, error) {
		return func(ctx context.Context, pass *policy.Pass) error {
			found, err := pass.Findings(ctx)
			if err != nil {
				return err
			}
			if content, _ := found.Retrieve(passwdPath); len(content) > 0 {
				return nil
			}
			return pass.Report(passwdPath + " is empty, not in the image or not kept by the analysis")
		}, nil
	},
}

var denyUsernames = policy.Trigger{
	Name: "denylist_usernames",
	Doc:  "Fires for each entry whose user name is in the list.",
	ID:   entryID,
	Params: []policy.Param{{
		Name: "user_names", Type: policy.List, Required: true, Example: "daemon, ftp", Doc: "User names.",
		Aliases: []string{"usernamedenylist", "usernameblacklist"},
	}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		names := args.List("user_names")
		return entries("user name", func(e *entry) (string, bool) { return e.name, slices.Contains(names, e.name) }), nil
	},
}

var denyUserIDs = policy.Trigger{
	Name: "denylist_userids",
	Doc:  "Fires for each entry whose user id is in the list.",
	ID:   entryID,
	Params: []policy.Param{{
		Name: "user_ids", Type: policy.Numbers, Required: true, Example: "0, 1", Doc: "User ids.",
		Aliases: []string{"useriddenylist", "useridblacklist"},
	}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		ids := numbers(args.List("user_ids"))
		return entries("user id", func(e *entry) (string, bool) { return e.uid, slices.Contains(ids, e.uid) }), nil
	},
}

var denyGroupIDs = policy.Trigger{
	Name: "denylist_groupids",
	Doc:  "Fires for each entry whose primary group id is in the list.",
	ID:   entryID,
	Params: []policy.Param{{
		Name: "group_ids", Type: policy.Numbers, Required: true, Example: "0, 999", Doc: "Group ids.",
	}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		ids := numbers(args.List("group_ids"))
		return entries("group id", func(e *entry) (string, bool) { return e.gid, slices.Contains(ids, e.gid) }), nil
	},
}

var denyShells = policy.Trigger{
	Name: "denylist_shells",
	Doc:  "Fires for each entry whose login shell is in the list. An entry that names none has /bin/sh, as passwd(5) says.",
	ID:   entryID,
	Params: []policy.Param{{
		Name: "shells", Type: policy.List, Required: true, Example: "/bin/bash, /bin/zsh", Doc: "Paths of shells.",
	}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		shells := args.List("shells")
		return entries("login shell", func(e *entry) (string, bool) { return e.shell, slices.Contains(shells, e.shell) }), nil
	},
}

var denyFullEntry = policy.Trigger{
	Name: "denylist_full_entry",
	Doc:  "Fires for each line that is equal to the given one; blanks around them do not count.",
	ID:   entryID,
	Params: []policy.Param{{
		Name: "entry", Type: policy.String, Required: true, Example: "ftp:x:14:50:FTP User:/var/ftp:/sbin/nologin",
		Doc: "The line as it stands in the file.",
	}},
	Prepare: func(args policy.Args) (policy.Check, error) {
		denied, ok := parseEntry(args.String("entry"))
		if !ok {
			return nil, fmt.Errorf("entry %q has less than a name, a password and two ids, with colons between", args.String("entry"))
		}
		return entries("line", func(e *entry) (string, bool) { return "as given", e.line == denied.line }), nil
	},
}

// entries makes a check of each entry; denied tells what of an entry it is about and whether that is denied.
func entries(what string, denied func(*entry) (value string, fires bool)) policy.Check {
	return func(ctx context.Context, pass *policy.Pass) error {
		found, err := pass.Findings(ctx)
		if err != nil {
			return err
		}
		content, _ := found.Retrieve(passwdPath)
		seen := map[string]bool{} // a repeated line says nothing new
		for e := range parse(content) {
			value, fires := denied(&e)
			if !fires || seen[e.line] {
				continue
			}
			seen[e.line] = true
			message := fmt.Sprintf("%s has an entry with the denied %s %s: %s", passwdPath, what, catalog.Text(value), e.shown())
			if err := pass.Report(message, e.line); err != nil {
				return err
			}
		}
		return nil
	}
}
