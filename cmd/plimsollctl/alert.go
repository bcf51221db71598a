package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newAlert(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "alert", Aliases: []string{"alerts"}, Short: "See and close alerts about tags that violate the policy",
		Long: "Alerts are raised for tags with an active subscription: plimsollctl subscription activate alerts TAG|REPOSITORY",
	}
	cmd.AddCommand(newAlertList(c), newAlertShow(c), newAlertSwitch(c, client.AlertStateUpdateStateClosed), newAlertSwitch(c, client.AlertStateUpdateStateOpen))
	return cmd
}

func newAlertList(c *connection) *cobra.Command {
	var state, digest, tag, registry, repository, since, before string
	var page, limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List alerts, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asked := client.ListComplianceViolationAlertsParamsState(state)
			r, err := ask(c.api.ListComplianceViolationAlertsWithResponse(cmd.Context(), &client.ListComplianceViolationAlertsParams{
				State: &asked, ResourceImageDigest: optional(digest), ResourceImageTag: optional(tag), ResourceRegistry: optional(registry),
				ResourceRepository: optional(repository), CreatedAfter: optional(since), CreatedBefore: optional(before), Page: &page, Limit: &limit,
			}))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writeAlerts(w, *r.JSON200) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&state, "state", "open", "open or closed")
	f.StringVar(&digest, "digest", "", "only about this image digest")
	f.StringVar(&tag, "tag", "", "only about this tag")
	f.StringVar(&registry, "registry", "", "only about this registry")
	f.StringVar(&repository, "repository", "", "only about this repository, without its registry")
	f.StringVar(&since, "since", "", "only those raised then or later, such as 2026-03-01")
	f.StringVar(&before, "before", "", "only those raised earlier")
	pageFlags(cmd, &page, &limit)
	return cmd
}

// pageFlags are those of lists with numbered pages.
func pageFlags(cmd *cobra.Command, page, limit *int) {
	cmd.Flags().IntVar(page, "page", 1, "page to show")
	cmd.Flags().IntVar(limit, "limit", 100, "entries on a page, 100 at most")
}

func writeAlerts(w io.Writer, list []client.ComplianceViolationAlert) error {
	rows := make([][]string, 0, len(list))
	for _, a := range list {
		closed := strings.TrimSpace(value(a.ClosedBy) + " " + value(a.ClosedReason))
		rows = append(rows, []string{
			a.Uuid, string(a.State), a.Resource.ImageTag, shortDigest(a.Resource.ImageDigest), strconv.Itoa(a.ViolationsCount), moment(a.CreatedAt), closed,
		})
	}
	return table(w, []string{"UUID", "STATE", "TAG", "DIGEST", "VIOLATIONS", "RAISED", "CLOSED BY"}, rows)
}

func newAlertShow(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "show UUID", Aliases: []string{"get"}, Short: "Show an alert", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ask(c.api.GetComplianceViolationAlertWithResponse(cmd.Context(), args[0], &client.GetComplianceViolationAlertParams{}))
			if err != nil {
				return err
			}
			return c.alert(cmd, r.Body, r.JSON200)
		},
	}
}

func (c *connection) alert(cmd *cobra.Command, body []byte, a *client.ComplianceViolationAlert) error {
	return c.show(cmd, body, func(w io.Writer) error {
		return facts(w, "Alert", a.Uuid, "State", string(a.State), "Full tag", a.Resource.ImageTag, "Image digest", a.Resource.ImageDigest,
			"Policy", a.Resource.PolicyId, "Evaluation", a.Resource.EvaluationId, "Evaluated", moment(a.Resource.EvaluatedAt), "Reason", string(a.ComplianceStatusReason),
			"Violations", strconv.Itoa(a.ViolationsCount), "Raised", moment(a.CreatedAt), "Last change", moment(a.LastUpdated),
			"Closed by", value(a.ClosedBy), "Closed because", value(a.ClosedReason))
	})
}

func newAlertSwitch(c *connection, state client.AlertStateUpdateState) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "close UUID", Short: "Close an alert", Args: cobra.ExactArgs(1),
		Long: "The tag raises no other alert while it means this image and goes on violating the policy.",
	}
	if state == client.AlertStateUpdateStateClosed {
		cmd.Flags().StringVar(&reason, "reason", "", "why, for others to read")
	} else {
		cmd.Use, cmd.Aliases, cmd.Short, cmd.Long = "open UUID", []string{"reopen"}, "Take the closing of an alert back", ""
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := ask(c.api.UpdateComplianceViolationAlertWithResponse(cmd.Context(), args[0], &client.UpdateComplianceViolationAlertParams{}, client.AlertStateUpdate{
			State: state, ClosedReason: optional(reason),
		}))
		if err != nil {
			return err
		}
		return c.alert(cmd, r.Body, r.JSON200)
	}
	return cmd
}
