package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"plimsoll/api/client"
	"plimsoll/engine/policy/impact"
)

// whatIf is what `policy what-if` was asked.
type whatIf struct {
	policy, baseline          string
	registry, repository, tag string
	images                    []string
	examples, flips           int
	wait, failOnFlip, keep    bool
	interval                  time.Duration
}

func newPolicyWhatIf(c *connection) *cobra.Command {
	var in whatIf
	cmd := &cobra.Command{
		Use: "what-if FILE|ID", Short: "Try a policy on the account's images: which would fail, which would pass, and why", Args: cobra.ExactArgs(1),
		Long: "A file, or a stored policy, is compared with the active policy, or with --baseline. Every current tag is judged under both on the server; no verdict changes. " +
			"With --fail-on-flip the exit code is 1 when an image that passes would fail.",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.policy = args[0]
			return c.tryPolicy(cmd, in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.baseline, "baseline", "", "file, or id of a stored policy, to compare with (default: the active policy)")
	in.flags(cmd)
	f.BoolVar(&in.failOnFlip, "fail-on-flip", false, "exit 1 when an image that passes would fail")
	cmd.AddCommand(newWhatIfList(c), newWhatIfShow(c), newWhatIfDelete(c))
	return cmd
}

func (in *whatIf) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&in.registry, "registry", "", "only images of registries like this; * stands for any text")
	f.StringVar(&in.repository, "repository", "", "only images of repositories like this")
	f.StringVar(&in.tag, "tag", "", "only images with tags like this")
	f.StringSliceVar(&in.images, "image", nil, "only the image with this digest; may be given several times")
	f.IntVar(&in.examples, "examples", 3, "findings to show of each rule that makes a difference")
	f.IntVar(&in.flips, "flips", 50, "changed images to show")
	f.BoolVar(&in.wait, "wait", true, "wait for the end and show what came out")
	f.BoolVar(&in.keep, "keep", true, "leave the trial on the server; it is removed after some days")
	f.DurationVar(&in.interval, "interval", time.Second, "how often to ask how far it is")
}

func (c *connection) tryPolicy(cmd *cobra.Command, in whatIf) error {
	request, err := in.request(cmd)
	if err != nil {
		return err
	}
	r, err := ask(c.api.StartWhatIfWithResponse(cmd.Context(), &client.StartWhatIfParams{}, request))
	if err != nil {
		return withFaults(err)
	}
	trial := r.JSON202
	if !in.wait {
		return c.show(cmd, r.Body, func(w io.Writer) error { return writeTrial(w, trial) })
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "trial", trial.TrialId)
	if trial, err = c.awaitTrial(cmd, trial, max(in.interval, 50*time.Millisecond)); err != nil {
		return err
	}
	if trial.State == client.WhatIfStateFailed {
		return fmt.Errorf("the trial failed: %s", value(trial.Failure))
	}
	if err := c.showTrial(cmd, trial, in.flips); err != nil {
		return err
	}
	if !in.keep {
		if _, err := ask(c.api.DeleteWhatIfWithResponse(cmd.Context(), trial.TrialId, &client.DeleteWhatIfParams{})); err != nil {
			return err
		}
	}
	if in.failOnFlip && trial.NewlyFailing > 0 {
		return errFlips
	}
	return nil
}

func (in *whatIf) request(cmd *cobra.Command) (client.WhatIfRequest, error) {
	out := client.WhatIfRequest{Examples: &in.examples, Selector: &client.WhatIfSelector{}}
	var err error
	if out.Policy, out.PolicyId, err = fileOrID(cmd, in.policy); err != nil {
		return out, err
	}
	if out.Baseline, out.BaselinePolicyId, err = fileOrID(cmd, in.baseline); err != nil {
		return out, err
	}
	for _, pattern := range []struct {
		given string
		into  **string
	}{{in.registry, &out.Selector.Registry}, {in.repository, &out.Selector.Repository}, {in.tag, &out.Selector.Tag}} {
		if pattern.given != "" {
			*pattern.into = &pattern.given
		}
	}
	if len(in.images) > 0 {
		out.Selector.ImageDigests = &in.images
	}
	return out, nil
}

// fileOrID is the document of a file, or the id of a stored policy where there is no such file.
func fileOrID(cmd *cobra.Command, named string) (json.RawMessage, *string, error) {
	if named == "" {
		return nil, nil, nil
	}
	if named != "-" {
		switch _, err := os.Stat(named); {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &named, nil
		case err != nil:
			return nil, nil, fmt.Errorf("read the policy: %w", err)
		}
	}
	document, err := readDraft(cmd, named)
	return document, nil, err
}

// awaitTrial shows how far a trial is until it has ended.
func (c *connection) awaitTrial(cmd *cobra.Command, trial *client.WhatIf, interval time.Duration) (*client.WhatIf, error) {
	show := newTrialMeter(cmd.ErrOrStderr())
	defer show.close()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for trial.State == client.WhatIfStateWaiting || trial.State == client.WhatIfStateRunning {
		show.at(trial.Done, trial.Total)
		select {
		case <-cmd.Context().Done():
			return nil, fmt.Errorf("trial %s goes on without you: %w", trial.TrialId, cmd.Context().Err())
		case <-tick.C:
		}
		var err error
		if trial, err = c.trial(cmd.Context(), trial.TrialId); err != nil {
			return nil, err
		}
	}
	return trial, nil
}

func (c *connection) trial(ctx context.Context, id string) (*client.WhatIf, error) {
	r, err := ask(c.api.GetWhatIfWithResponse(ctx, id, &client.GetWhatIfParams{}))
	if err != nil {
		return nil, err
	}
	return r.JSON200, nil
}

// trialMeter is a bar on a terminal and a line each tenth elsewhere.
type trialMeter struct {
	out  io.Writer
	bar  *progressbar.ProgressBar
	told int
}

func newTrialMeter(out io.Writer) *trialMeter {
	m := &trialMeter{out: out}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		m.bar = progressbar.NewOptions(1, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(), progressbar.OptionSetDescription("images"),
			progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(os.Getenv("NO_COLOR") == ""))
	}
	return m
}

func (m *trialMeter) at(done, total int) {
	if m.bar != nil {
		m.bar.ChangeMax(max(total, 1))
		_ = m.bar.Set(min(done, total))
		return
	}
	if tenth := 10 * done / max(total, 1); tenth > m.told {
		m.told = tenth
		fmt.Fprintf(m.out, "%d of %d\n", done, total)
	}
}

func (m *trialMeter) close() {
	if m.bar != nil {
		_ = m.bar.Clear()
	}
}

// trialReport is what is printed for machines.
type trialReport struct {
	Trial    *client.WhatIf         `json:"trial"`
	Outcomes []client.WhatIfOutcome `json:"outcomes"` // without those that stay as they are
}

// showTrial prints what came out, and up to so many images that change.
func (c *connection) showTrial(cmd *cobra.Command, trial *client.WhatIf, most int) error {
	flips, err := c.flips(cmd.Context(), trial.TrialId, most)
	if err != nil {
		return err
	}
	return c.showValue(cmd, trialReport{trial, flips}, func(w io.Writer) error {
		if err := writeTrial(w, trial); err != nil || len(flips) == 0 {
			return err
		}
		fmt.Fprintln(w)
		return writeFlips(w, flips, trial)
	})
}

const flipsAPage = 500

func (c *connection) flips(ctx context.Context, id string, most int) ([]client.WhatIfOutcome, error) {
	out := []client.WhatIfOutcome{}
	params := &client.ListWhatIfOutcomesParams{}
	for len(out) < most {
		limit := min(flipsAPage, most-len(out))
		params.Limit = &limit
		r, err := ask(c.api.ListWhatIfOutcomesWithResponse(ctx, id, params))
		if err != nil {
			return nil, err
		}
		for _, o := range r.JSON200.Items {
			if o.Change == "unchanged" { // what stays as it is comes last
				return out, nil
			}
			out = append(out, o)
		}
		if params.Page = r.JSON200.NextPage; params.Page == nil {
			break
		}
	}
	return out, nil
}

func writeTrial(w io.Writer, t *client.WhatIf) error {
	if err := facts(w, "Trial", t.TrialId, "State", string(t.State), "Policy", t.Policy.Name+" ("+t.Policy.PolicyId+")",
		"Baseline", t.Baseline.Name+" ("+t.Baseline.PolicyId+")", "Judged", fmt.Sprintf("%d of %d", t.Done, t.Total),
		"Newly failing", strconv.Itoa(t.NewlyFailing), "Newly passing", strconv.Itoa(t.NewlyPassing), "Otherwise changed", strconv.Itoa(t.Changed),
		"Unchanged", strconv.Itoa(t.Unchanged), "Not evaluable", strconv.Itoa(t.NotEvaluable)); err != nil {
		return err
	}
	for _, move := range t.Transitions {
		if move.Before != move.After {
			fmt.Fprintf(w, "  %s -> %s: %d\n", move.Before, move.After, move.Tags)
		}
	}
	return nil
}

func writeFlips(w io.Writer, flips []client.WhatIfOutcome, t *client.WhatIf) error {
	var rows [][]string
	for _, o := range flips {
		move := value(o.Before) + " -> " + value(o.After)
		if o.Before == nil {
			move = "?"
		}
		rows = append(rows, []string{move, o.Tag, shortDigest(o.ImageDigest), value(o.Reason)})
		for _, cause := range o.Causes {
			rows = append(rows, []string{"", "", "", describeCause(cause)})
		}
	}
	if err := table(w, []string{"VERDICT", "TAG", "DIGEST", "BECAUSE"}, rows); err != nil {
		return err
	}
	if more := t.NewlyFailing + t.NewlyPassing + t.Changed + t.NotEvaluable - len(flips); more > 0 {
		fmt.Fprintf(w, "and %d more; see them with: plimsollctl policy what-if show %s --flips N\n", more, t.TrialId)
	}
	return nil
}

func describeCause(cause client.WhatIfCause) string {
	if cause.Note != nil {
		return string(cause.Side) + ": " + *cause.Note
	}
	var found []string
	for _, e := range cause.Examples {
		found = append(found, e.Message+" ["+e.TriggerId+"]")
	}
	if len(found) > 0 && len(found) < cause.Findings {
		found = append(found, "…")
	}
	word := "finds"
	if string(cause.Side) == impact.Baseline {
		word = "found"
	}
	return fmt.Sprintf("%s.%s (rule %s) %s %d: %s", value(cause.Gate), value(cause.Trigger), value(cause.RuleId), word, cause.Findings, strings.Join(found, "; "))
}

func newWhatIfList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List trials of policies, the newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListWhatIfsWithResponse(cmd.Context(), &client.ListWhatIfsParams{}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, t := range r.JSON200.Items {
					rows = append(rows, []string{t.TrialId, string(t.State), fmt.Sprintf("%d/%d", t.Done, t.Total), t.Policy.Name, t.Baseline.Name,
						strconv.Itoa(t.NewlyFailing), strconv.Itoa(t.NewlyPassing), moment(t.RequestedAt), t.RequestedBy})
				}
				return table(w, []string{"TRIAL", "STATE", "JUDGED", "POLICY", "BASELINE", "NEWLY FAILING", "NEWLY PASSING", "ASKED", "BY"}, rows)
			})
		},
	}
}

func newWhatIfShow(c *connection) *cobra.Command {
	var flips int
	cmd := &cobra.Command{
		Use: "show TRIAL", Short: "Show how far a trial is, and what came out so far", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			trial, err := c.trial(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.showTrial(cmd, trial, flips)
		},
	}
	cmd.Flags().IntVar(&flips, "flips", 50, "changed images to show")
	return cmd
}

func newWhatIfDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "delete TRIAL", Aliases: []string{"cancel"}, Short: "Delete a trial; one that is under way ends", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(c.api.DeleteWhatIfWithResponse(cmd.Context(), args[0], &client.DeleteWhatIfParams{}))
			return err
		},
	}
}
