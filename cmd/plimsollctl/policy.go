package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/spf13/cobra"

	"plimsoll/api/client"
)

func newPolicy(c *connection) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Manage the account's policies"}
	cmd.AddCommand(newPolicyAdd(c), newPolicyUpdate(c), newPolicyList(c), newPolicyGet(c), newPolicyActivate(c), newPolicyDelete(c), newPolicyDescribe(c),
		newPolicyValidate(c), newPolicyTest(c), newPolicyExplain(c), newPolicyDocs(), newPolicyWhatIf(c), newPolicyDiff(c),
		newPolicyPack(c), newPolicyHub(c))
	return cmd
}

func readDocument(name string) (json.RawMessage, error) {
	var raw []byte
	var err error
	if name == "-" {
		raw, err = io.ReadAll(os.Stdin)
	} else {
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	if !json.Valid(raw) {
		return nil, fmt.Errorf("policy %s: not a JSON document", name)
	}
	return raw, nil
}

func newPolicyAdd(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "add FILE", Short: "Add a policy document (- reads standard input)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := readDocument(args[0])
			if err != nil {
				return err
			}
			r, err := ask(c.api.AddPolicyWithResponse(cmd.Context(), &client.AddPolicyParams{}, document))
			if err != nil {
				return withFaults(err)
			}
			return c.show(cmd, r.Body, func(w io.Writer) error { return writePolicies(w, []client.PolicyRecord{*r.JSON200}) })
		},
	}
}

func newPolicyUpdate(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "update ID FILE", Short: "Replace a policy's document", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := readDocument(args[1])
			if err != nil {
				return err
			}
			record, err := c.policy(cmd, args[0])
			if err != nil {
				return err
			}
			record.Policy = document
			return c.putPolicy(cmd, record, nil)
		},
	}
}

func newPolicyActivate(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "activate ID", Short: "Make a policy the active one", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			record, err := c.policy(cmd, args[0])
			if err != nil {
				return err
			}
			active := true
			record.Active = true
			return c.putPolicy(cmd, record, &active)
		},
	}
}

func (c *connection) policy(cmd *cobra.Command, id string) (*client.PolicyRecord, error) {
	detail := true
	r, err := ask(c.api.GetPolicyWithResponse(cmd.Context(), id, &client.GetPolicyParams{Detail: &detail}))
	if err != nil {
		return nil, err
	}
	return r.JSON200, nil
}

func (c *connection) putPolicy(cmd *cobra.Command, record *client.PolicyRecord, active *bool) error {
	r, err := ask(c.api.UpdatePolicyWithResponse(cmd.Context(), record.PolicyId, &client.UpdatePolicyParams{Active: active}, *record))
	if err != nil {
		return withFaults(err)
	}
	return c.show(cmd, r.Body, func(w io.Writer) error { return writePolicies(w, []client.PolicyRecord{*r.JSON200}) })
}

func newPolicyList(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List policies, the active one first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.ListPoliciesWithResponse(cmd.Context(), &client.ListPoliciesParams{}))
			if err != nil {
				return err
			}
			records := *r.JSON200
			sort.SliceStable(records, func(i, j int) bool { return records[i].Active && !records[j].Active })
			return c.show(cmd, r.Body, func(w io.Writer) error { return writePolicies(w, records) })
		},
	}
}

func writePolicies(w io.Writer, records []client.PolicyRecord) error {
	rows := make([][]string, 0, len(records))
	for _, p := range records {
		rows = append(rows, []string{p.PolicyId, yes(p.Active), p.Name, moment(value(p.CreatedAt)), moment(value(p.LastUpdated))})
	}
	return table(w, []string{"POLICY", "ACTIVE", "NAME", "CREATED", "UPDATED"}, rows)
}

func newPolicyGet(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Print a policy's document", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			record, err := c.policy(cmd, args[0])
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), record.Policy)
		},
	}
}

func newPolicyDelete(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Aliases: []string{"del"}, Short: "Delete a policy that is not active", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := ask(c.api.DeletePolicyWithResponse(cmd.Context(), args[0], &client.DeletePolicyParams{}))
			return err
		},
	}
}

func newPolicyDescribe(c *connection) *cobra.Command {
	var gate string
	cmd := &cobra.Command{
		Use: "describe", Short: "List the gates and triggers a policy may use", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := ask(c.api.GetPolicySpecWithResponse(cmd.Context()))
			if err != nil {
				return err
			}
			return c.show(cmd, r.Body, func(w io.Writer) error {
				var rows [][]string
				for _, g := range *r.JSON200 {
					if gate != "" && g.Name != gate {
						continue
					}
					for _, t := range g.Triggers {
						rows = append(rows, []string{g.Name, t.Name, "", t.Description})
						for _, p := range t.Parameters {
							name := p.Name
							if p.Required {
								name += " (required)"
							}
							rows = append(rows, []string{"", "", name, p.Description})
						}
					}
				}
				return table(w, []string{"GATE", "TRIGGER", "PARAMETER", "MEANING"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&gate, "gate", "", "only this gate")
	return cmd
}

// withFaults appends what the server found wrong with a document, one fault a line.
func withFaults(err error) error {
	failure, ok := err.(*client.FailureError) //nolint:errorlint // just made by answered
	if !ok {
		return err
	}
	faults, _ := failure.Detail["validation_details"].([]any)
	for _, f := range faults {
		fault, _ := f.(map[string]any)
		err = fmt.Errorf("%w\n  %v: %v", err, fault["problem_type"], fault["details"])
	}
	return err
}
