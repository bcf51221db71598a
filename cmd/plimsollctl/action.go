package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newAction(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "action", Aliases: []string{"actions"}, Short: "Plan what is to be done about findings"}
	cmd.AddCommand(newActionAdd(c), newActionList(c))
	return cmd
}

// actionFlags are the parts of a plan on the command line.
type actionFlags struct {
	tag, policy, content                      string
	subject, message, endpoint, configuration string
	triggers                                  []string
	suggested                                 bool
}

func newActionAdd(c *connection) *cobra.Command {
	var f actionFlags
	cmd := &cobra.Command{
		Use: "add IMAGE", Short: "Store a plan about findings of an image", Args: cobra.ExactArgs(1),
		Long: "Evaluates the image, and stores what is to be done about the named findings, or about all those the evaluation has a suggestion for.\n" +
			"What is to be done is the evaluation's suggestion unless --content says something else.",
		Example: "  plimsollctl action add team/app:1 --trigger-id CVE-2026-1234+openssl --subject 'Update openssl' --message 'By Friday, please.'",
		RunE: func(cmd *cobra.Command, args []string) error {
			image, err := c.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			tag := tagToEvaluate(f.tag, args[0], image)
			if tag == "" {
				return errors.New("the image has no tag: say with --tag under which to evaluate it")
			}
			detail := true
			checked, err := ask(c.api.CheckImageWithResponse(cmd.Context(), image.ImageDigest, &client.CheckImageParams{Tag: tag, Detail: &detail, PolicyId: optional(f.policy)}))
			if err != nil {
				return err
			}
			resolutions, err := f.resolutions(checked.JSON200)
			if err != nil {
				return err
			}
			r, err := ask(c.api.AddActionWithResponse(cmd.Context(), &client.AddActionParams{}, client.ActionRequest{
				Type: client.ActionRequestTypeNotification, ImageTag: tag, ImageDigest: image.ImageDigest, PolicyId: optional(checked.JSON200.PolicyId),
				Resolutions: resolutions, Subject: optional(f.subject), Message: optional(f.message), Endpoint: optional(f.endpoint),
				ConfigurationId: optional(f.configuration),
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAction(w, r.JSON200) })
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.triggers, "trigger-id", nil, "finding to do something about; repeat for more")
	flags.BoolVar(&f.suggested, "suggested", false, "every finding the evaluation has a suggestion for")
	flags.StringVar(&f.content, "content", "", "what is to be done (default: what the evaluation suggests)")
	flags.StringVar(&f.subject, "subject", "", "subject of the notification")
	flags.StringVar(&f.message, "message", "", "text of the notification")
	flags.StringVar(&f.endpoint, "endpoint", "", "kind of endpoint to notify, such as smtp, slack or jira; kept for whoever delivers notifications")
	flags.StringVar(&f.configuration, "configuration-id", "", "configuration of the endpoint")
	flags.StringVar(&f.tag, "tag", "", "tag the plan is about (default: the one given, else the image's newest)")
	flags.StringVar(&f.policy, "policy", "", "policy id (default: the account's active policy)")
	cmd.MarkFlagsOneRequired("trigger-id", "suggested")
	cmd.MarkFlagsMutuallyExclusive("trigger-id", "suggested")
	return cmd
}

// resolutions groups the findings by what the evaluation suggests; those it has no suggestion for come last.
func (f *actionFlags) resolutions(answer *client.PolicyEvaluation) ([]client.ActionResolution, error) {
	var remediations []client.PolicyEvaluationRemediation
	if len(answer.Evaluations) > 0 && answer.Evaluations[0].Details != nil {
		remediations = value(answer.Evaluations[0].Details.Remediations)
	}
	left := slices.Clone(f.triggers)
	var out []client.ActionResolution
	for _, r := range remediations {
		var ids []string
		for _, id := range r.TriggerIds {
			if f.suggested {
				ids = append(ids, id)
			} else if i := slices.Index(left, id); i >= 0 {
				ids, left = append(ids, id), slices.Delete(left, i, i+1)
			}
		}
		if len(ids) > 0 {
			out = append(out, client.ActionResolution{TriggerIds: ids, Content: f.does(r.Suggestions)})
		}
	}
	if len(left) > 0 {
		out = append(out, client.ActionResolution{TriggerIds: left, Content: f.does(nil)})
	}
	if len(out) == 0 {
		return nil, errors.New("the evaluation has no suggestions; name findings with --trigger-id")
	}
	return out, nil
}

// does is what is to be done: what the flag says, else the preferred suggestion, else the message.
func (f *actionFlags) does(suggestions []client.PolicyEvaluationRemediationSuggestion) string {
	if f.content != "" {
		return f.content
	}
	for _, s := range suggestions {
		if s.Preferred {
			return s.Message
		}
	}
	if len(suggestions) > 0 {
		return suggestions[0].Message
	}
	return f.message
}

func writeAction(w io.Writer, a *client.Action) error {
	err := facts(w, "Plan", a.Uuid, "Full tag", a.ImageTag, "Image digest", a.ImageDigest, "Policy", a.PolicyId, "Subject", a.Subject,
		"Endpoint", a.Endpoint, "Stored", moment(a.CreatedAt))
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, r := range a.Resolutions {
		for _, id := range r.TriggerIds {
			rows = append(rows, []string{id, r.Content})
		}
	}
	return table(w, []string{"TRIGGER ID", "WHAT TO DO"}, rows)
}

func newActionList(c *connection) *cobra.Command {
	var tag, digest, since string
	var page, limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List plans, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListActionsWithResponse(cmd.Context(), &client.ListActionsParams{
				ImageTag: optional(tag), ImageDigest: optional(digest), CreatedAfter: optional(since), Page: &page, Limit: &limit,
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				rows := make([][]string, 0, len(*r.JSON200))
				for _, a := range *r.JSON200 {
					triggers := 0
					for _, r := range a.Resolutions {
						triggers += len(r.TriggerIds)
					}
					rows = append(rows, []string{a.Uuid, a.ImageTag, shortDigest(a.ImageDigest), strconv.Itoa(triggers), a.Subject, value(a.CreatedBy), moment(a.CreatedAt)})
				}
				return table(w, []string{"UUID", "TAG", "DIGEST", "FINDINGS", "SUBJECT", "BY", "STORED"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&tag, "tag", "", "only plans about this tag")
	cmd.Flags().StringVar(&digest, "digest", "", "only plans about this image digest")
	cmd.Flags().StringVar(&since, "since", "", "only those stored then or later, such as 2026-03-01")
	pageFlags(cmd, &page, &limit)
	return cmd
}
