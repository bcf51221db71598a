package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
	"plimsoll/engine/policy"
	"plimsoll/engine/policy/trial"
)

// inquiry is what `policy explain` was asked.
type inquiry struct {
	policy, tag, facts, now string
}

// explained is the answer.
type explained struct {
	Policy      string              `json:"policy_id"`
	Digest      string              `json:"image_digest"`
	Tag         string              `json:"evaluated_tag"`
	FinalAction policy.Action       `json:"final_action"`
	Reason      string              `json:"final_action_reason"`
	Explanation *policy.Explanation `json:"explanation"`
}

func newPolicyExplain(c *connection) *cobra.Command {
	var in inquiry
	cmd := &cobra.Command{
		Use: "explain [IMAGE]", Short: "Tell how a verdict comes to be, and what would change it", Args: cobra.MaximumNArgs(1),
		Long: "IMAGE is an analysed image, by tag or digest. With --facts the image is a file of plain facts, as in policy tests, and no server is asked. Nothing is stored.",
		RunE: func(cmd *cobra.Command, args []string) error {
			result, image, tag, err := c.inquire(cmd, in, args)
			if err != nil {
				return err
			}
			explanation, err := policy.Explain(result, image, tag)
			if err != nil {
				return fmt.Errorf("explain the verdict: %w", err)
			}
			out := explained{result.Details.Policy.ID, image.Digest, tag, result.FinalAction, result.FinalActionReason, explanation}
			return c.showValue(cmd, out, func(w io.Writer) error { return writeReasons(w, result.Details.Policy, out) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.policy, "policy", "", "file with a policy, or the id of a stored one (default: the account's active policy)")
	f.StringVar(&in.tag, "tag", "", "tag to evaluate under (default: the one given, else the image's newest)")
	f.StringVar(&in.facts, "facts", "", "file with facts about an image; needs --policy FILE and --tag")
	f.StringVar(&in.now, "now", "", "with --facts: the time to evaluate at, like 2026-06-10T12:00:00Z (default: now)")
	return cmd
}

func (c *connection) inquire(cmd *cobra.Command, in inquiry, args []string) (*policy.Result, policy.Image, string, error) {
	switch {
	case in.facts != "":
		return in.judgeFacts(cmd, args)
	case len(args) == 0:
		return nil, policy.Image{}, "", errors.New("name an image, or --facts FILE")
	}
	found, err := c.find(cmd.Context(), args[0])
	if err != nil {
		return nil, policy.Image{}, "", err
	}
	image := policy.Image{Digest: found.ImageDigest}
	if len(found.ImageDetail) > 0 {
		image.ID = found.ImageDetail[0].ImageId
	}
	tag := tagToEvaluate(in.tag, args[0], found)
	if tag == "" {
		return nil, image, "", errors.New("the image has no tag: say with --tag under which to evaluate it")
	}
	result, err := c.judgeStored(cmd, in.policy, found.ImageDigest, tag)
	return result, image, tag, err
}

// judgeStored has the server evaluate a stored image, under a file, a stored policy or the active one.
func (c *connection) judgeStored(cmd *cobra.Command, named, digest, tag string) (*policy.Result, error) {
	if named != "" {
		switch _, err := os.Stat(named); {
		case err == nil:
			draft, err := readDraft(cmd, named)
			if err != nil {
				return nil, err
			}
			return c.judgeDraft(cmd.Context(), draft, digest, tag)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("read the policy: %w", err)
		}
	}
	interactive := true
	params := &client.CheckImageParams{Tag: tag, Interactive: &interactive}
	if named != "" {
		params.PolicyId = &named
	}
	r, err := ask(c.api.CheckImageWithResponse(cmd.Context(), digest, params))
	if err != nil {
		return nil, err
	}
	return resultOf(r.Body)
}

// judgeFacts evaluates plain facts here.
func (in inquiry) judgeFacts(cmd *cobra.Command, args []string) (*policy.Result, policy.Image, string, error) {
	fail := func(err error) (*policy.Result, policy.Image, string, error) { return nil, policy.Image{}, "", err }
	if len(args) > 0 || in.policy == "" || in.tag == "" {
		return fail(errors.New("--facts takes the place of the image and needs --policy FILE and --tag"))
	}
	now := time.Now()
	if in.now != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, in.now); err != nil {
			return fail(fmt.Errorf("--now: %w", err))
		}
	}
	compiled, err := loadDraft(cmd, in.policy)
	if err != nil {
		return fail(err)
	}
	result, facts, err := evaluateFacts(cmd.Context(), compiled, in.facts, in.tag, now)
	if err != nil {
		return fail(err)
	}
	return result, facts.ImageFacts, in.tag, nil
}

func evaluateFacts(ctx context.Context, compiled *policy.Policy, file, tag string, now time.Time) (*policy.Result, *policy.Static, error) {
	raw, err := readAtMost(file, nil, maxPolicyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read the facts: %w", err)
	}
	facts, err := trial.ReadFacts(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("read the facts %s: %w", file, err)
	}
	result, err := compiled.Evaluate(ctx, facts, tag, now)
	return result, facts, err
}

func writeReasons(w io.Writer, doc *policy.Document, out explained) error {
	e := out.Explanation
	if err := facts(w, "Image digest", out.Digest, "Full tag", out.Tag, "Policy", doc.Name+" ("+doc.ID+")",
		"Final action", string(out.FinalAction), "Reason", out.Reason); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		list  []policy.Considered
	}{{"Denied images", e.Denylist}, {"Allowed images", e.Allowlist}, {"Mappings", e.Mappings}} {
		if err := writeConsidered(w, part.title, part.list); err != nil {
			return err
		}
	}
	if e.Untried > 0 {
		fmt.Fprintf(w, "%d more mappings behind it were not looked at\n", e.Untried)
	}
	if err := writeRules(w, e.Rules); err != nil {
		return err
	}
	if len(e.Problems) > 0 {
		fmt.Fprintln(w, "\nProblems")
	}
	for _, p := range e.Problems {
		fmt.Fprintf(w, "  %s %s: %s\n", p.Severity, p.Type, printable(p.Details))
	}
	return writeChange(w, e.Change)
}

func writeConsidered(w io.Writer, title string, list []policy.Considered) error {
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\n"+title)
	rows := make([][]string, len(list))
	for i, entry := range list {
		rows[i] = []string{yes(entry.Matched), entry.Name, entry.ID, entry.Why}
	}
	return table(w, []string{"MATCHED", "NAME", "ID", "WHY NOT"}, rows)
}

func writeRules(w io.Writer, rules []policy.RuleOutcome) error {
	if len(rules) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nRules")
	var ran, findings [][]string
	for _, r := range rules {
		ran = append(ran, []string{r.RuleSet, r.Rule.ID, r.Rule.Gate, r.Rule.Trigger, r.Rule.Action, strconv.Itoa(len(r.Findings)), strconv.Itoa(r.Claimed), r.Rule.Description})
		for _, f := range r.Findings {
			by := ""
			if f.AllowlistMatch != nil {
				by = f.AllowlistMatch.Name + ": " + f.AllowlistMatch.MatchedRuleID
			}
			findings = append(findings, []string{string(f.Action), f.Gate, f.Trigger, f.TriggerID, by, f.Message})
		}
	}
	if err := table(w, []string{"RULE SET", "RULE", "GATE", "TRIGGER", "ASKS FOR", "FINDINGS", "ALLOWLISTED", "DESCRIPTION"}, ran); err != nil {
		return err
	}
	for _, r := range rules {
		for _, p := range r.Problems {
			fmt.Fprintf(w, "%s %s: %s\n", p.Severity, p.Type, printable(p.Details))
		}
	}
	if len(findings) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nFindings")
	return table(w, []string{"ACTION", "GATE", "TRIGGER", "TRIGGER ID", "ALLOWLISTED BY", "FINDING"}, findings)
}

func writeChange(w io.Writer, change policy.Change) error {
	if len(change.Deciding) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nThe verdict would be %s without\n", change.Action)
	for _, d := range change.Deciding {
		fmt.Fprintf(w, "  %s\n", printable(d))
	}
	if len(change.Advice) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nWhat to do")
	rows := make([][]string, len(change.Advice))
	for i, a := range change.Advice {
		rows[i] = []string{strconv.Itoa(a.Removes), a.Message}
	}
	return table(w, []string{"REMOVES", "ADVICE"}, rows)
}
