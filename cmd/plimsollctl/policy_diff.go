package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/engine/policy"
	"plimsoll/engine/policy/gates"
	"plimsoll/engine/policy/impact"
)

// localFlip is what two policies say of one file of facts.
type localFlip struct {
	File   string         `json:"file"`
	Before policy.Action  `json:"before"`
	After  policy.Action  `json:"after"`
	Causes []impact.Cause `json:"causes"`
}

func newPolicyDiff(c *connection) *cobra.Command {
	var folder, now string
	in := whatIf{}
	cmd := &cobra.Command{
		Use: "diff A B", Short: "Tell two policies apart by what they say of images", Args: cobra.ExactArgs(2),
		Long: "A is compared with B on every image of the account, as what-if does; both may be files or ids of stored policies. " +
			"With --facts they are files, and the images are files of plain facts in a folder; no server is asked.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if folder != "" {
				return c.diffLocally(cmd, args[0], args[1], folder, in.tag, now)
			}
			in.baseline, in.policy = args[0], args[1]
			return c.tryPolicy(cmd, in)
		},
	}
	in.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&in.failOnFlip, "fail-on-flip", false, "exit 1 when an image passes under A and fails under B")
	f.StringVar(&folder, "facts", "", "folder with facts about images (*.yaml, *.json); --tag names the tag they are judged under")
	f.StringVar(&now, "now", "", "with --facts: the time to evaluate at, like 2026-06-10T12:00:00Z (default: now)")
	return cmd
}

func (c *connection) diffLocally(cmd *cobra.Command, a, b, folder, tag, at string) error {
	if tag == "" {
		return errors.New("--facts needs --tag: under which tag are the images judged?")
	}
	now := time.Now()
	if at != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, at); err != nil {
			return fmt.Errorf("--now: %w", err)
		}
	}
	before, err := loadDraft(cmd, a)
	if err != nil {
		return err
	}
	after, err := loadDraft(cmd, b)
	if err != nil {
		return err
	}
	files, err := factFiles(folder)
	if err != nil {
		return err
	}
	flips := []localFlip{}
	for _, file := range files {
		was, _, err := evaluateFacts(cmd.Context(), before, file, tag, now)
		if err != nil {
			return err
		}
		is, _, err := evaluateFacts(cmd.Context(), after, file, tag, now)
		if err != nil {
			return err
		}
		if out := impact.Of(was, is, 3); out.Rank() != impact.Unchanged {
			flips = append(flips, localFlip{file, out.Before, out.After, out.Causes})
		}
	}
	return c.showValue(cmd, flips, func(w io.Writer) error {
		var rows [][]string
		for _, f := range flips {
			rows = append(rows, []string{string(f.Before) + " -> " + string(f.After), f.File, ""})
			for _, cause := range f.Causes {
				text := cause.Note
				if text == "" {
					text = fmt.Sprintf("%s.%s (rule %s): %d", cause.Gate, cause.Trigger, cause.Rule, cause.Findings)
				}
				rows = append(rows, []string{"", "", cause.Side + ": " + text})
			}
		}
		if err := table(w, []string{"VERDICT", "FACTS", "BECAUSE"}, rows); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%d of %d differ\n", len(flips), len(files))
		return err
	})
}

func factFiles(folder string) (files []string, err error) {
	if _, err := os.Stat(folder); err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return nil, fmt.Errorf("read the facts: %w", err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no facts in %s: *.yaml or *.json", folder)
	}
	slices.Sort(files)
	return files, nil
}

// loadDraft reads and compiles a file.
func loadDraft(cmd *cobra.Command, name string) (*policy.Policy, error) {
	draft, err := readDraft(cmd, name)
	if err != nil {
		return nil, err
	}
	compiled, _, err := policy.Load(draft, gates.All())
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, describeInvalid(err))
	}
	return compiled, nil
}
